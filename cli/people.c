/* SPDX-License-Identifier: MIT */
/* What a run tells people.  See people.h. */
#include "cli/people.h"

#include <belay/io.h>

#include "cli/term.h"

#include <unistd.h>

#define PEOPLE_ERASE "\r\033[K"

/* Under the lock.  If it cannot be written, whom could we tell? */
static void
people_write(struct people *p, const struct text *what, bool drawn)
{
    struct text all = {NULL, 0, 0};

    if (p->drawn || drawn)
        text_add(&all, PEOPLE_ERASE);
    text_bytes(&all, what->p, what->n);
    p->drawn = drawn;
    belay_ignore(belay_write_all(STDERR_FILENO, all.p, all.n, NULL),
        "it is about stderr");
    text_free(&all);
}

static void
people_put(struct people *p, const struct text *what, bool drawn)
{
    BELAY_SHIELD(BELAY_S(1));

    if (belay_mutex_lock(&p->lock) < 0)
        return;
    people_write(p, what, drawn);
    belay_mutex_unlock(&p->lock);
}

void
people_say(struct people *p, const struct text *lines)
{
    people_put(p, lines, false);
}

void
people_draw(struct people *p, const struct text *line)
{
    people_put(p, line, true);
}

void
people_undraw(struct people *p)
{
    const struct text nothing = {NULL, 0, 0};

    if (p->drawn && term_is(STDOUT_FILENO))
        people_put(p, &nothing, false);
}
