/* SPDX-License-Identifier: MIT */
/*
 * The command of a job, with places for its input:
 *
 *     {}    the input            {#}   its number, from 1
 *     {.}   without extension    {/}   its last part    {//}  its directory
 *     {/.}  its last part, without extension            {name}  its field
 *
 * Braces of any other kind are as they are.  A command without a place has {}
 * at its end.  A place is never split, and never read by a shell: as the
 * script of a shell the command has "${1}", "${2}" ... for its places, and
 * their values as arguments.
 */
#ifndef CLI_TEMPLATE_H
#define CLI_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct template;

struct template_how {
    const char *token; /* stands for the input, and nothing else for anything;
                        * NULL: the places above */
    bool fields;       /* {name} is a place */
    bool shell;        /* the words, joined by spaces, are a script */
};

struct template_facts {
    uint64_t place;
    const char *input;
    /* The value of a field of the record, or NULL: it has none. */
    const char *(*field)(const void *record, const char *name);
    const void *record;
};

/* n > 0 words; nothing of them is kept. */
struct template *template_new(const char *const *words, size_t n,
    const struct template_how *how);
void template_free(struct template *t); /* NULL: nothing */

/* The fields that it needs, from 0 on; NULL behind the last one. */
const char *template_field(const struct template *t, size_t i);
/* Is it the same program for all inputs? */
bool template_one_program(const struct template *t);

/* The arguments, with NULL behind the last one, to be freed at once; or NULL
 * if a field is missing: then *missing is its name. */
char **template_expand(const struct template *t,
    const struct template_facts *facts, const char **missing);

#endif
