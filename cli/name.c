/* SPDX-License-Identifier: MIT */
/* File names from templates.  See name.h. */
#include "cli/name.h"

#include "cli/digest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum name_word {
    NAME_N, NAME_HOST, NAME_PORT, NAME_PATH, NAME_FILE, NAME_QUERY,
    NAME_STATUS, NAME_SHA256, NAME_SHA2, NAME_WORDS
};

static const char *const name_words[NAME_WORDS] = {
    "n", "host", "port", "path", "file", "query", "status", "sha256", "sha2",
};

/* The word that begins at the brace p, or NAME_WORDS; *end is behind it, or
 * NULL if the brace is not closed. */
static enum name_word
name_word_at(const char *p, const char **end)
{
    const char *close = strchr(p, '}');
    size_t len;

    *end = close != NULL ? close + 1 : NULL;
    if (close == NULL)
        return NAME_WORDS;
    len = (size_t)(close - p - 1);
    for (int i = 0; i < NAME_WORDS; i++)
        if (strlen(name_words[i]) == len &&
            memcmp(name_words[i], p + 1, len) == 0)
            return (enum name_word)i;
    return NAME_WORDS;
}

static bool
name_has_dotdot(const char *template)
{
    for (const char *p = template;; p++) {
        size_t n = strcspn(p, "/");

        if (n == 2 && p[0] == '.' && p[1] == '.')
            return true;
        p += n;
        if (*p == '\0')
            return false;
    }
}

int
name_check(const char *template, char *why, size_t size)
{
    const char *end;

    if (template[0] == '\0' || template[0] == '/' ||
        name_has_dotdot(template)) {
        snprintf(why, size, "'%s' does not name files below DIR", template);
        return -EINVAL;
    }
    for (const char *p = template; *p != '\0'; p++) {
        if (*p == '}') {
            snprintf(why, size, "'%s' has a } without {", template);
            return -EINVAL;
        }
        if (*p != '{')
            continue;
        if (name_word_at(p, &end) == NAME_WORDS) {
            snprintf(why, size,
                end == NULL
                    ? "'%s' has a { without }"
                    : "'%s': there are {n} {host} {port} {path} {file} "
                      "{query} {status} {sha256} {sha2}",
                template);
            return -EINVAL;
        }
        p = end - 1;
    }
    return 0;
}

bool
name_by_answer(const char *template)
{
    return strstr(template, "{status}") != NULL ||
        strstr(template, "{sha") != NULL;
}

/* ---- expanding ----------------------------------------------------------- */

static void
name_put(struct text *t, const char *s, size_t n, bool slashes)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        bool bad = c < 0x20 || c == 0x7f || c == '\\' ||
            (c == '/' && !slashes);

        text_char(t, bad ? '_' : s[i]);
    }
}

static void
name_put_word(struct text *t, enum name_word word,
    const struct name_facts *f)
{
    const char *path = f->path != NULL ? f->path : "";
    const char *file = strrchr(path, '/');

    file = file != NULL ? file + 1 : path;
    switch (word) {
    case NAME_N:
        text_printf(t, "%llu", (unsigned long long)f->n);
        break;
    case NAME_HOST:
        name_put(t, f->host, strlen(f->host), false);
        break;
    case NAME_PORT:
        text_printf(t, "%u", f->port);
        break;
    case NAME_PATH:
        name_put(t, path, strlen(path), true);
        if (*file == '\0')
            text_add(t, "index");
        break;
    case NAME_FILE:
        if (*file == '\0')
            file = "index";
        name_put(t, file, strlen(file), false);
        break;
    case NAME_QUERY:
        if (f->query != NULL)
            name_put(t, f->query, strlen(f->query), false);
        break;
    case NAME_STATUS:
        text_printf(t, "%d", f->status);
        break;
    case NAME_SHA256:
        text_add(t, f->sha256);
        break;
    case NAME_SHA2:
        text_bytes(t, f->sha256, 2);
        break;
    case NAME_WORDS:
        break;
    }
}

/* One part of the raw name, made harmless. */
static void
name_put_part(struct text *out, const char *s, size_t n)
{
    char hex[DIGEST_HEX];
    struct digest *d;
    size_t cut = NAME_PART - 17;

    text_char(out, s[0] == '.' ? '_' : s[0]);
    if (n <= NAME_PART) {
        text_bytes(out, s + 1, n - 1);
        return;
    }
    while ((s[cut] & 0xc0) == 0x80) /* not within a character */
        cut--;
    text_bytes(out, s + 1, cut - 1);
    d = digest_new();
    digest_add(d, s, n);
    digest_hex(d, hex);
    digest_free(d);
    text_printf(out, "~%.16s", hex);
}

int
name_expand(const char *template, const struct name_facts *facts,
    struct text *out)
{
    struct text raw = {NULL, 0, 0};
    size_t begin = out->n;
    const char *end;

    for (const char *p = template; *p != '\0';) {
        size_t n = strcspn(p, "{");

        text_bytes(&raw, p, n);
        p += n;
        if (*p == '{') {
            name_put_word(&raw, name_word_at(p, &end), facts);
            p = end;
        }
    }
    for (size_t i = 0; i < raw.n;) {
        size_t n = strcspn(raw.p + i, "/");

        if (n > 0 && out->n > begin)
            text_char(out, '/');
        if (n > 0)
            name_put_part(out, raw.p + i, n);
        i += n + (raw.p[i + n] == '/');
    }
    if (out->n == begin)
        text_char(out, '_');
    text_free(&raw);
    return out->n - begin > NAME_WHOLE ? -ENAMETOOLONG : 0;
}
