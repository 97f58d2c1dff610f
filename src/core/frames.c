/* SPDX-License-Identifier: MIT */
/*
 * C lets a program leave a frame, or hand out its address, without anybody
 * noticing.  Four such mistakes can be seen from here.
 *
 * A pointer to a dying frame.  A task that is spawned into s lives until s
 * ends.  If the spawning function was called by the one that opened s, its
 * frame goes first, and everything between the two.  So no argument may point
 * there: at or above the end of spawn's own frame, and below the end of the
 * frame of belay_scope_open, which its caller's objects do not reach down to.
 * From another stack, all of the spawner's frames go first, because the
 * spawner is a task below s.  Objects in the frame that opened s are not
 * looked at, whatever block they stand in: AddressSanitizer does that better.
 * In debug builds it is an abort; a release warns, once for each place.
 *
 * longjmp over the end of a block.  The innermost block of a task lies in a
 * frame that is still there, so above our own one; else it has been left.
 *
 * exit() inside a task: nobody will ever close its scopes.  And pthread_exit()
 * in there, which ends a worker.
 */
#include "core/frames.h"

#include "base/check.h"
#include "core/census.h"
#include "core/report.h"
#include "os/peek.h"

#include <pthread.h>
#include <stdio.h>

/* ---- pointers to frames that go ----------------------------------------- */

enum { FRAMES_WARNED = 64 };

/* Places that have been warned about; atomic, filled from the start. */
static const belay_site *frames_warned[FRAMES_WARNED];

/* The first time for site; or there is no room to remember more. */
static bool
frames_is_new(const belay_site *site)
{
    int i;

    for (i = 0; i < FRAMES_WARNED; i++) {
        const belay_site *none = NULL;

        if (bly_load_relaxed(&frames_warned[i]) == site)
            return false;
        /* pairs with itself on another worker */
        if (bly_cas(&frames_warned[i], &none, site))
            return true;
        if (none == site)
            return false;
    }
    return false;
}

static BLY_COLD void
frames_complain(struct bly_scope *s, const belay_site *site)
{
    struct bly_rt *rt = bly_worker_here->rt;
    char line[256];

    (void)snprintf(line, sizeof(line),
        "scope '%s' of %s:%d outlives the frame that an argument points "
        "into: spawn",
        bly_scope_name(s), s->node.site->file, s->node.site->line);
    if (BLY_DEBUG)
        bly_misuse(site, "%s", line);
    if (frames_is_new(site))
        bly_log(rt, "belay: %s at %s:%d\n", line, site->file, site->line);
}

void
bly_frames_check_(struct bly_scope *s, const void *args, size_t n,
    const belay_site *site, const char *end)
{
    struct bly_task *t = bly_worker_here->current;
    struct bly_stack *stack = t->stack;
    const char *top = stack->low + stack->size;
    size_t i;

    if ((const char *)s >= end && (const char *)s < top)
        top = s->frame_end;
    for (i = 0; i + sizeof(void *) <= n; i += sizeof(void *)) {
        const char *p = *(const char *const *)(const void *)(
            (const char *)args + i);

        if (BLY_UNLIKELY(p >= end && p < top))
            frames_complain(s, site);
    }
}

/* ---- frames that were jumped over --------------------------------------- */

void
bly_frames_left_fatal_(struct bly_task *t, const belay_site *site)
{
    struct bly_node node;
    belay_site opened;
    char file[128];

    /* The block may have been written over, by us as well. */
    if (bly_peek(t->node, &node, sizeof(node)) && node.task == t &&
        bly_peek(node.site, &opened, sizeof(opened)) &&
        bly_peek_text(opened.file, file, sizeof(file)))
        bly_misuse(site,
            "the scope or block of %s:%d is still open, but its function is "
            "gone: a longjmp went over its end; seen",
            file, opened.line);
    bly_misuse(site, "a scope or block is still open, but its function is "
                     "gone: a longjmp went over its end; seen");
}

/* ---- threads and processes that end ------------------------------------- */

static void
frames_ended(const char *call)
{
    struct bly_task *t = bly_self();
    struct bly_node *n;

    if (t == NULL)
        return;
    for (n = t->node; n != NULL; n = n->up)
        if (n->kind == BLY_NODE_SCOPE)
            break;
    if (n == NULL)
        return;
    bly_misuse(n->site, "%s inside scope '%s'", call,
        bly_scope_name(BLY_CONTAINER(n, struct bly_scope, node)));
}

static pthread_key_t frames_key;
static pthread_once_t frames_once = PTHREAD_ONCE_INIT;
static bool frames_have_key;

static void
frames_thread_ended(void *value)
{
    (void)value;
    frames_ended("pthread_exit()");
}

static void
frames_make_key(void)
{
    frames_have_key = pthread_key_create(&frames_key, frames_thread_ended) == 0;
}

void
bly_frames_thread(bool on)
{
    (void)pthread_once(&frames_once, frames_make_key);
    if (frames_have_key)
        (void)pthread_setspecific(frames_key, on ? &frames_key : NULL);
}

__attribute__((destructor)) static void
frames_at_exit(void)
{
    if (!BLY_SIM)
        frames_ended("exit()");
}
