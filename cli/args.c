/* SPDX-License-Identifier: MIT */
/* Reads arguments by a table of options.  See args.h. */
#include "cli/args.h"

#include "cli/number.h"
#include "cli/own.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { ARGS_NAMES = 128, ARGS_WORD = 31 };

/* What is being read, for all steps. */
struct args_reader {
    const struct args_spec *spec;
    char **argv;
    int argc, at; /* the argument that comes next */
    void *into;
    struct args_list *rest;
    char *why;
    size_t size;
};

BELAY_PRINTF_(2, 3) static int
args_fail(struct args_reader *r, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(r->why, r->size, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

/* ---- names --------------------------------------------------------------- */

/* Edits from a to b, where a swap of neighbours is one; both are short. */
static size_t
args_distance(const char *a, const char *b)
{
    size_t rows[3][ARGS_WORD + 1], la = strlen(a), lb = strlen(b);

    if (la > ARGS_WORD || lb > ARGS_WORD)
        return ARGS_WORD;
    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *now = rows[i % 3], *up = rows[(i - 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = up[j - 1] + (a[i - 1] != b[j - 1]);

            if (up[j] + 1 < best)
                best = up[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
                a[i - 2] == b[j - 1] && rows[(i - 2) % 3][j - 2] + 1 < best)
                best = rows[(i - 2) % 3][j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[la % 3][lb];
}

const char *
args_nearest(const char *word, const char *const *names, size_t n)
{
    size_t best = strlen(word) / 3 + 1;
    const char *found = NULL;

    for (size_t i = 0; i < n; i++) {
        size_t d = args_distance(word, names[i]);

        if (d < best) {
            best = d;
            found = names[i];
        }
    }
    return found;
}

static const struct args_option *
args_find(const struct args_spec *spec, const char *name, size_t len,
    char letter)
{
    for (const struct args_group *g = spec->groups; g->title != NULL; g++)
        for (const struct args_option *o = g->options; o->name != NULL; o++)
            if (letter != '\0' ? o->letter == letter
                               : strlen(o->name) == len &&
                        memcmp(o->name, name, len) == 0)
                return o;
    return NULL;
}

static int
args_unknown(struct args_reader *r, const char *name, size_t len)
{
    const char *names[ARGS_NAMES], *near;
    char word[ARGS_WORD + 1];
    size_t n = 0;

    snprintf(word, sizeof word, "%.*s", (int)len, name);
    for (const struct args_group *g = r->spec->groups; g->title != NULL; g++)
        for (const struct args_option *o = g->options;
            o->name != NULL && n < ARGS_NAMES; o++)
            names[n++] = o->name;
    near = args_nearest(word, names, n);
    if (near != NULL)
        return args_fail(r, "unknown option '--%s'; did you mean '--%s'?", word,
            near);
    return args_fail(r, "unknown option '--%s'", word);
}

/* ---- values -------------------------------------------------------------- */

/* At least one more entry than there are arguments is never needed. */
static void
args_append(struct args_list *l, const char *text)
{
    l->v = own_resize(l->v, (l->n + 1) * sizeof *l->v);
    l->v[l->n++] = text;
}

static int
args_choice(const struct args_option *o, const char *text, int *out)
{
    const char *p = o->value;
    size_t len = strlen(text);

    for (int i = 0;; i++) {
        size_t n = strcspn(p, "|");

        if (n == len && memcmp(p, text, n) == 0) {
            *out = i;
            return 0;
        }
        if (p[n] == '\0')
            return -EINVAL;
        p += n + 1;
    }
}

static int
args_share(const char *text, struct args_share *out)
{
    size_t len = strlen(text);
    char digits[24];
    uint64_t n;
    bool percent = len > 0 && text[len - 1] == '%';

    len -= percent;
    if (len == 0 || len >= sizeof digits)
        return -EINVAL;
    memcpy(digits, text, len);
    digits[len] = '\0';
    if (number_count(digits, &n) < 0 || (percent && n > 100))
        return -EINVAL;
    *out = (struct args_share){(double)n, percent};
    return 0;
}

static int
args_count(const struct args_option *o, const char *text, uint64_t *out)
{
    uint64_t n;
    int r = number_count(text, &n);

    if (r == 0 && o->max != 0 && (n < o->min || n > o->max))
        r = -ERANGE;
    if (r == 0)
        *out = n;
    return r;
}

static int
args_value(const struct args_option *o, const char *text, void *into)
{
    void *at = (char *)into + o->offset;

    switch (o->kind) {
    case ARGS_TEXT:
    case ARGS_FILE:
    case ARGS_DIR:
        *(const char **)at = text;
        return 0;
    case ARGS_LIST:
    case ARGS_TEXTS:
        args_append(at, text);
        return 0;
    case ARGS_COUNT:
        return args_count(o, text, at);
    case ARGS_SIZE:
        return number_size(text, at);
    case ARGS_DURATION:
        return number_duration(text, at);
    case ARGS_RATE:
        return number_rate(text, at);
    case ARGS_SHARE:
        return args_share(text, at);
    case ARGS_CHOICE:
        return args_choice(o, text, at);
    case ARGS_FLAG:
    case ARGS_HELP:
        break;
    }
    return -EINVAL;
}

/* What a value has to look like, for the message about a wrong one. */
static const char *
args_form(const struct args_option *o)
{
    switch (o->kind) {
    case ARGS_COUNT:
        return "a number like 8";
    case ARGS_SIZE:
        return "a size like 64k or 10M";
    case ARGS_DURATION:
        return "a duration like 500ms, 20s or 5m";
    case ARGS_RATE:
        return "a rate like 10/s or 10/s/host";
    case ARGS_SHARE:
        return "a number like 5 or a share like 10%";
    default:
        return o->value;
    }
}

static int
args_store(struct args_reader *r, const struct args_option *o,
    const char *text)
{
    int result = args_value(o, text, r->into);

    if (result == -ERANGE && o->kind == ARGS_COUNT && o->max != 0)
        return args_fail(r, "--%s is %llu to %llu, not '%s'", o->name,
            (unsigned long long)o->min, (unsigned long long)o->max, text);
    if (result == -ERANGE)
        return args_fail(r, "--%s: '%s' is too large", o->name, text);
    if (result < 0)
        return args_fail(r, "--%s needs %s, not '%s'", o->name, args_form(o),
            text);
    return 0;
}

/* ---- arguments ----------------------------------------------------------- */

static bool
args_bare(const struct args_option *o)
{
    return o->kind == ARGS_FLAG || o->kind == ARGS_HELP;
}

static int
args_set(struct args_reader *r, const struct args_option *o)
{
    if (o->kind == ARGS_HELP)
        return ARGS_WANTS_HELP;
    *(bool *)((char *)r->into + o->offset) = true;
    return 0;
}

static int
args_next(struct args_reader *r, const struct args_option *o)
{
    if (r->at >= r->argc)
        return args_fail(r, "--%s needs %s", o->name, args_form(o));
    return args_store(r, o, r->argv[r->at++]);
}

static int
args_long(struct args_reader *r, const char *arg)
{
    size_t len = strcspn(arg, "=");
    const struct args_option *o = args_find(r->spec, arg, len, '\0');

    if (o == NULL)
        return args_unknown(r, arg, len);
    if (args_bare(o) && arg[len] == '=')
        return args_fail(r, "--%s takes no value", o->name);
    if (args_bare(o))
        return args_set(r, o);
    return arg[len] == '=' ? args_store(r, o, arg + len + 1)
                           : args_next(r, o);
}

/* -vj4: flags, the last of which may be an option with its value. */
static int
args_short(struct args_reader *r, const char *arg)
{
    for (; *arg != '\0'; arg++) {
        const struct args_option *o = args_find(r->spec, NULL, 0, *arg);
        int result;

        if (o == NULL)
            return args_fail(r, "unknown option '-%c'", *arg);
        if (!args_bare(o))
            return arg[1] != '\0' ? args_store(r, o, arg + 1)
                                  : args_next(r, o);
        result = args_set(r, o);
        if (result != 0)
            return result;
    }
    return 0;
}

int
args_parse(const struct args_spec *spec, int argc, char **argv, void *into,
    struct args_list *rest, char *why, size_t size)
{
    struct args_reader r = {spec, argv, argc, 1, into, rest, why, size};
    bool options = true;
    int result = 0;

    while (result == 0 && r.at < argc) {
        const char *arg = argv[r.at++];

        if (!options || arg[0] != '-' || arg[1] == '\0') {
            options = options && !spec->ends;
            args_append(rest, arg);
        } else if (strcmp(arg, "--") == 0) {
            options = false;
        } else if (arg[1] == '-') {
            result = args_long(&r, arg + 2);
        } else {
            result = args_short(&r, arg + 1);
        }
    }
    if (result == 0 && spec->operands == NULL && rest->n > 0)
        return args_fail(&r, "unexpected argument '%s'", rest->v[0]);
    return result;
}

void
args_free(const struct args_spec *spec, void *into, struct args_list *rest)
{
    for (const struct args_group *g = spec->groups; g->title != NULL; g++)
        for (const struct args_option *o = g->options; o->name != NULL; o++)
            if (o->kind == ARGS_LIST || o->kind == ARGS_TEXTS)
                free(((struct args_list *)(void *)((char *)into +
                    o->offset))->v);
    free(rest->v);
    *rest = (struct args_list){NULL, 0};
}

/* ---- help ---------------------------------------------------------------- */

static void
args_help_option(const struct args_option *o, FILE *f)
{
    char left[64];
    const char *p = o->help;
    int n = snprintf(left, sizeof left, "  %c%c%c --%s%s%s",
        o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
        o->letter ? ',' : ' ', o->name, o->value ? " " : "",
        o->value ? o->value : "");

    fprintf(f, n > 27 ? "%s\n%27s" : "%-27s", left, "");
    while (*p != '\0') {
        int len = (int)strcspn(p, "\n");

        fprintf(f, "%*s %.*s\n", p == o->help ? 0 : 27, "", len, p);
        p += len + (p[len] == '\n');
    }
}

void
args_help(const struct args_spec *spec, FILE *f)
{
    fprintf(f, "%s: %s\n\n", spec->command, spec->purpose);
    for (const struct args_example *e = spec->examples; e->line != NULL; e++)
        fprintf(f, "  # %s\n  %s\n\n", e->what, e->line);
    fprintf(f, "Usage: %s [OPTION...]%s%s\n", spec->command,
        spec->operands != NULL ? " " : "",
        spec->operands != NULL ? spec->operands : "");
    for (const struct args_group *g = spec->groups; g->title != NULL; g++) {
        fprintf(f, "\n%s:\n", g->title);
        for (const struct args_option *o = g->options; o->name != NULL; o++)
            args_help_option(o, f);
    }
    if (spec->more != NULL)
        fprintf(f, "\nMore: man %s\n", spec->more);
}
