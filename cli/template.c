/* SPDX-License-Identifier: MIT */
/* The command of a job.  See template.h. */
#include "cli/template.h"

#include "cli/own.h"
#include "cli/text.h"

#include <stdlib.h>
#include <string.h>

enum template_what {
    TEMPLATE_TEXT,
    TEMPLATE_INPUT,
    TEMPLATE_PLACE,
    TEMPLATE_STEM,
    TEMPLATE_LAST,
    TEMPLATE_DIR,
    TEMPLATE_LAST_STEM,
    TEMPLATE_FIELD,
};

struct template_piece {
    enum template_what what;
    char *text; /* TEMPLATE_TEXT; TEMPLATE_FIELD: its name */
    bool ends;  /* the last one of its argument */
};

struct template {
    struct template_piece *pieces;
    size_t n, arguments;
    bool places;
};

/* ---- places -------------------------------------------------------------- */

static bool
template_letter(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
        (c >= '0' && c <= '9') || c == '_' || (unsigned char)c >= 0x80 ||
        (!first && (c == ' ' || c == '-' || c == '.'));
}

/* The length of the place that p begins with, or 0. */
static size_t
template_place(const char *p, const struct template_how *how,
    enum template_what *what)
{
    static const struct {
        const char *text;
        enum template_what what;
    } places[] = {
        {"{}", TEMPLATE_INPUT}, {"{#}", TEMPLATE_PLACE},
        {"{.}", TEMPLATE_STEM}, {"{/}", TEMPLATE_LAST},
        {"{//}", TEMPLATE_DIR}, {"{/.}", TEMPLATE_LAST_STEM},
    };
    size_t len;

    if (how->token != NULL) {
        len = strlen(how->token);
        *what = TEMPLATE_INPUT;
        return strncmp(p, how->token, len) == 0 ? len : 0;
    }
    if (*p != '{')
        return 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        len = strlen(places[i].text);
        *what = places[i].what;
        if (strncmp(p, places[i].text, len) == 0)
            return len;
    }
    *what = TEMPLATE_FIELD;
    if (!how->fields || !template_letter(p[1], true))
        return 0;
    for (len = 2; template_letter(p[len], false); len++)
        continue;
    return p[len] == '}' ? len + 1 : 0;
}

static void
template_add(struct template *t, enum template_what what, const char *text,
    size_t len)
{
    t->pieces = own_resize(t->pieces, (t->n + 1) * sizeof *t->pieces);
    t->pieces[t->n++] = (struct template_piece){
        what, text != NULL ? own_bytes(text, len) : NULL, false};
    t->places = t->places || what != TEMPLATE_TEXT;
}

static void
template_add_place(struct template *t, enum template_what what,
    const char *place, size_t len)
{
    if (what == TEMPLATE_FIELD)
        template_add(t, what, place + 1, len - 2);
    else
        template_add(t, what, NULL, 0);
}

static void
template_end(struct template *t)
{
    t->pieces[t->n - 1].ends = true;
    t->arguments++;
}

static void
template_add_text(struct template *t, const char *text)
{
    template_add(t, TEMPLATE_TEXT, text, strlen(text));
    template_end(t);
}

/* ---- making one ---------------------------------------------------------- */

static void
template_word(struct template *t, const char *word,
    const struct template_how *how)
{
    const char *plain = word, *p = word;
    enum template_what what;

    while (*p != '\0') {
        size_t len = template_place(p, how, &what);

        if (len == 0) {
            p++;
            continue;
        }
        if (p > plain)
            template_add(t, TEMPLATE_TEXT, plain, (size_t)(p - plain));
        template_add_place(t, what, p, len);
        plain = p += len;
    }
    if (p > plain || *word == '\0')
        template_add(t, TEMPLATE_TEXT, plain, (size_t)(p - plain));
    template_end(t);
}

static void
template_words(struct template *t, const char *const *words, size_t n,
    const struct template_how *how)
{
    for (size_t i = 0; i < n; i++)
        template_word(t, words[i], how);
    if (!t->places) {
        template_add(t, TEMPLATE_INPUT, NULL, 0);
        template_end(t);
    }
}

/* A place of the script, whose value is the next argument. */
static void
template_parameter(struct template *values, struct text *script,
    enum template_what what, const char *place, size_t len)
{
    template_add_place(values, what, place, len);
    template_end(values);
    text_printf(script, "\"${%zu}\"", values->arguments);
}

static void
template_script(struct template *t, const char *const *words, size_t n,
    const struct template_how *how)
{
    struct template values = {NULL, 0, 0, false};
    struct text script = {NULL, 0, 0};
    enum template_what what;

    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            text_char(&script, ' ');
        for (const char *p = words[i]; *p != '\0';) {
            size_t len = template_place(p, how, &what);

            if (len > 0)
                template_parameter(&values, &script, what, p, len);
            else
                text_char(&script, *p);
            p += len > 0 ? len : 1;
        }
    }
    if (!values.places) {
        text_char(&script, ' ');
        template_parameter(&values, &script, TEMPLATE_INPUT, NULL, 0);
    }
    template_add_text(t, "/bin/sh");
    template_add_text(t, "-c");
    template_add_text(t, script.p);
    template_add_text(t, "sh");
    t->pieces = own_resize(t->pieces, (t->n + values.n) * sizeof *t->pieces);
    memcpy(t->pieces + t->n, values.pieces, values.n * sizeof *t->pieces);
    t->n += values.n;
    t->arguments += values.arguments;
    free(values.pieces);
    text_free(&script);
}

struct template *
template_new(const char *const *words, size_t n,
    const struct template_how *how)
{
    struct template *t = own_alloc(sizeof *t);

    if (how->shell)
        template_script(t, words, n, how);
    else
        template_words(t, words, n, how);
    return t;
}

void
template_free(struct template *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n; i++)
        free(t->pieces[i].text);
    free(t->pieces);
    free(t);
}

const char *
template_field(const struct template *t, size_t i)
{
    for (size_t k = 0; k < t->n; k++)
        if (t->pieces[k].what == TEMPLATE_FIELD && i-- == 0)
            return t->pieces[k].text;
    return NULL;
}

bool
template_one_program(const struct template *t)
{
    return t->pieces[0].what == TEMPLATE_TEXT && t->pieces[0].ends;
}

/* ---- expanding it -------------------------------------------------------- */

/* Where the last part of a path begins and ends, without slashes at its end. */
static void
template_last(const char *path, size_t *begin, size_t *end)
{
    *end = strlen(path);
    while (*end > 1 && path[*end - 1] == '/')
        --*end;
    *begin = *end;
    while (*begin > 0 && path[*begin - 1] != '/')
        --*begin;
}

/* Where the extension begins, if there is one; a dot in front makes none. */
static size_t
template_stem(const char *path, size_t begin, size_t end)
{
    for (size_t i = end; i > begin + 1; i--)
        if (path[i - 1] == '.')
            return i - 1;
    return end;
}

static void
template_path(struct text *out, enum template_what what, const char *path)
{
    size_t begin, end;

    template_last(path, &begin, &end);
    if (what == TEMPLATE_LAST) {
        text_bytes(out, path + begin, end - begin);
    } else if (what == TEMPLATE_LAST_STEM) {
        text_bytes(out, path + begin, template_stem(path, begin, end) - begin);
    } else if (what == TEMPLATE_STEM) {
        text_bytes(out, path, template_stem(path, begin, end));
    } else if (begin == 0) {
        text_add(out, *path == '/' ? "/" : ".");
    } else {
        while (begin > 1 && path[begin - 1] == '/')
            begin--;
        text_bytes(out, path, begin);
    }
}

static bool
template_piece(struct text *out, const struct template_piece *p,
    const struct template_facts *facts)
{
    const char *value;

    switch (p->what) {
    case TEMPLATE_TEXT:
        text_add(out, p->text);
        break;
    case TEMPLATE_INPUT:
        text_add(out, facts->input);
        break;
    case TEMPLATE_PLACE:
        text_printf(out, "%llu", (unsigned long long)facts->place);
        break;
    case TEMPLATE_FIELD:
        value = facts->field(facts->record, p->text);
        if (value == NULL)
            return false;
        text_add(out, value);
        break;
    default:
        template_path(out, p->what, facts->input);
        break;
    }
    return true;
}

/* Pointers and texts in one block. */
static char **
template_block(const struct text *all, size_t n)
{
    char **v = own_alloc((n + 1) * sizeof *v + all->n);
    char *p = (char *)(v + n + 1);

    memcpy(p, all->p, all->n);
    for (size_t i = 0; i < n; i++) {
        v[i] = p;
        p += strlen(p) + 1;
    }
    return v;
}

char **
template_expand(const struct template *t, const struct template_facts *facts,
    const char **missing)
{
    struct text all = {NULL, 0, 0};
    char **v;

    for (size_t i = 0; i < t->n; i++) {
        if (!template_piece(&all, &t->pieces[i], facts)) {
            *missing = t->pieces[i].text;
            text_free(&all);
            return NULL;
        }
        if (t->pieces[i].ends)
            text_char(&all, '\0');
    }
    v = template_block(&all, t->arguments);
    text_free(&all);
    return v;
}
