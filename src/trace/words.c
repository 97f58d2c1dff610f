/* SPDX-License-Identifier: MIT */
/* What the acts of a story are called. */
#include "trace/story.h"

static void
words_task(struct bly_bytes *b, const struct bly_story *st,
    const char *verb, uint32_t about)
{
    const struct bly_story_task *t = &st->tasks[about - 1];

    bly_bytes_print(b, "%s %s #%llu", verb, t->name, (unsigned long long)t->id);
}

void
bly_story_say(struct bly_bytes *b, const struct bly_story *st,
    const struct bly_act *a)
{
    const struct bly_trace_event *e = a->e;

    switch (a->what) {
    case BLY_ACT_LIFE:
        bly_bytes_print(b, "%s", st->tasks[a->task].name);
        break;
    case BLY_ACT_SCOPE:
        bly_bytes_print(b, "scope %s", e->text);
        break;
    case BLY_ACT_QUEUED:
        bly_bytes_print(b, "not started");
        break;
    case BLY_ACT_RUN:
        bly_bytes_print(b, "run");
        break;
    case BLY_ACT_WAIT:
        if (e->kind == BLY_EVENT_FIRST)
            bly_bytes_print(b, "join: lends its stack to %s", e->text);
        else
            bly_bytes_print(b, "%s%s%s", e->verb, *e->text != '\0' ? " " : "",
                e->text);
        break;
    case BLY_ACT_READY:
        bly_bytes_print(b, "ready");
        break;
    case BLY_ACT_SPAWN:
        words_task(b, st, "spawn", a->about);
        break;
    case BLY_ACT_WAKE:
        words_task(b, st, "wake", a->about);
        break;
    case BLY_ACT_ABORT:
        words_task(b, st, "cut", a->about);
        break;
    case BLY_ACT_CUT:
        bly_bytes_print(b, "cut %s %s: %s", e->verb, e->text, st->say(e->code));
        break;
    default:
        bly_bytes_print(b, "%s", e->text);
    }
}
