/* SPDX-License-Identifier: MIT */
/*
 * Recordings: who has which ring, and from rings into a file.
 *
 * A worker that is recorded has a ring (trace/ring.h), which its thread alone
 * writes.  Rings belong to the process.  They are lent to workers and come back
 * when a runtime closes, with what they hold: the next worker may go on in the
 * same ring, since each event says of which runtime and worker it is.  None is
 * freed, so that a reader needs no lock but for a moment; there are as many as
 * there were ever recorded workers at a time.
 *
 * A start hands rings to the workers of the caller's runtime, from the
 * caller's thread: it stores the pointer that the hooks look at.  A stop takes
 * the pointers away, and a worker that is just recording goes on for one event
 * more.  Therefore a ring has an owner until its worker is gone, and not until
 * the stop.  Where a recording begins in a ring that is in use is noted as the
 * number of its next event.
 *
 * In a simulation all of this is hushed: it takes no step, asks nothing, lets
 * no other thread go first.  So a run is the same with and without it.  Nobody
 * else runs meanwhile, and the lock is always free.
 */
#include <belay/error.h>
#include <belay/timeline.h>

#include "base/check.h"
#include "core/timeline.h"
#include "os/replace.h"
#include "trace/ring.h"
#include "trace/story.h"

#include <errno.h>

enum { RECORDING_EVENTS = 65536 };

static struct {
    struct bly_lock lock;   /* all below, and who has which ring */
    bool on;
    uint32_t number;        /* how many there have been */
    uint32_t runtimes;      /* in this one */
    size_t events;          /* what a ring must have room for */
    struct bly_ring *rings; /* newest first; none ever goes */
} recording;

/* ---- lending rings ------------------------------------------------------ */

/* Under the lock: a ring that nobody has; those of this recording first, so
 * that what there is is in few. */
static struct bly_ring *
recording_unused(void)
{
    struct bly_ring *r, *found = NULL;

    for (r = recording.rings; r != NULL; r = r->next)
        if (r->owner == NULL && r->size >= recording.events &&
            (found == NULL || r->recording == recording.number))
            found = r;
    return found;
}

/* Under the lock: the one that w still has, if it is large enough. */
static struct bly_ring *
recording_kept(struct bly_worker *w)
{
    struct bly_ring *r;

    for (r = recording.rings; r != NULL; r = r->next)
        if (r->owner == w && r->size >= recording.events)
            break;
    return r;
}

/* Under the lock. */
static void
recording_lend(struct bly_ring *r, struct bly_worker *w, uint32_t runtime)
{
    if (r->owner != w) {
        r->owner = w;
        r->task = 0;
    }
    bly_store_relaxed(&r->runtime, runtime);
    bly_store_relaxed(&r->worker, (uint16_t)(w->index + 1));
    if (r->recording != recording.number)
        r->first = bly_ring_count(r);
    r->recording = recording.number;
    /* pairs with timeline_begin */
    bly_store_release(&w->ring, r);
}

/* False: there is no memory for it, it is not recorded. */
static bool
recording_equip(struct bly_worker *w, uint32_t runtime)
{
    struct bly_ring *r, *made = NULL;
    size_t events;

    bly_lock(&recording.lock);
    r = recording_kept(w);
    if (r == NULL)
        r = recording_unused();
    if (r != NULL)
        recording_lend(r, w, runtime);
    events = recording.events;
    bly_unlock(&recording.lock);
    if (r != NULL)
        return true;
    made = bly_ring_new(events);
    if (made == NULL)
        return false;
    bly_lock(&recording.lock);
    made->next = recording.rings;
    recording.rings = made;
    if (recording.on)
        recording_lend(made, w, runtime);
    bly_unlock(&recording.lock);
    return true;
}

/* A number for rt; 0: there is no recording. */
static uint32_t
recording_number(void)
{
    uint32_t number;

    bly_lock(&recording.lock);
    number = recording.on ? ++recording.runtimes : 0;
    bly_unlock(&recording.lock);
    return number;
}

static int
recording_equip_all(struct bly_rt *rt)
{
    uint32_t number = recording_number(), i;

    for (i = 0; number != 0 && i < rt->count; i++)
        if (!recording_equip(&rt->workers[i], number))
            return -ENOMEM;
    return 0;
}

void
bly_timeline_opened(struct bly_rt *rt)
{
    bool hushed = bly_hush();

    (void)recording_equip_all(rt); /* without memory it runs unrecorded */
    bly_unhush(hushed);
}

void
bly_timeline_closed(struct bly_rt *rt)
{
    bool hushed = bly_hush();
    struct bly_ring *r;

    bly_lock(&recording.lock);
    for (r = recording.rings; r != NULL; r = r->next) {
        struct bly_worker *w = r->owner;

        if (w >= rt->workers && w < rt->workers + rt->count)
            r->owner = NULL;
    }
    bly_unlock(&recording.lock);
    bly_unhush(hushed);
}

/* Under the lock. */
static void
recording_take_away(void)
{
    struct bly_ring *r;

    recording.on = false;
    for (r = recording.rings; r != NULL; r = r->next) {
        struct bly_worker *w = r->owner;

        if (w != NULL)
            bly_store_relaxed(&w->ring, (struct bly_ring *)NULL);
    }
}

#if BLY_SIM
/* Runs that were left still have theirs; their workers are gone. */
void
bly_timeline_reset(void)
{
    struct bly_ring *r;

    recording.on = false;
    recording.number = 0;
    for (r = recording.rings; r != NULL; r = r->next) {
        r->owner = NULL;
        r->recording = 0;
    }
}
#endif

/* ---- starting and stopping ---------------------------------------------- */

int
belay_timeline_start(const belay_timeline_opts *opts)
{
    struct bly_task *t = bly_self();
    bool hushed;
    int r = 0;

    if (opts != NULL && opts->size != sizeof(*opts))
        bly_misuse(NULL, "timeline options of another version");
    hushed = bly_hush();
    bly_lock(&recording.lock);
    recording_take_away();
    recording.on = true;
    recording.number++;
    recording.runtimes = 0;
    recording.events = opts != NULL && opts->events != 0 ? opts->events
                                                         : RECORDING_EVENTS;
    bly_unlock(&recording.lock);
    if (t != NULL)
        r = recording_equip_all(t->worker->rt);
    bly_unhush(hushed);
    if (t != NULL && r == 0)
        bly_timeline_run(t->worker, t);
    return r;
}

void
belay_timeline_stop(void)
{
    bool hushed = bly_hush();

    bly_lock(&recording.lock);
    recording_take_away();
    bly_unlock(&recording.lock);
    bly_unhush(hushed);
}

/* ---- writing ------------------------------------------------------------ */

/* The events of one ring that are of this recording; they are allocated. */
static int
recording_reel(struct bly_ring *r, struct bly_reel *reel, uint64_t *lost)
{
    uint64_t first;
    bool ours;

    bly_lock(&recording.lock);
    first = r->first;
    ours = r->recording == recording.number;
    bly_unlock(&recording.lock);
    if (!ours)
        return 0;
    reel->events = bly_alloc_quiet(r->size * sizeof(*reel->events));
    if (reel->events == NULL)
        return -ENOMEM;
    reel->count = bly_ring_read(r, first, reel->events, lost);
    return 0;
}

/* The newest ring; all others follow. */
static struct bly_ring *
recording_rings(size_t *count)
{
    struct bly_ring *all, *r;

    bly_lock(&recording.lock);
    all = recording.number != 0 ? recording.rings : NULL;
    bly_unlock(&recording.lock);
    *count = 0;
    for (r = all; r != NULL; r = r->next)
        ++*count;
    return all;
}

static int
recording_tell(struct bly_story *st, struct bly_ring *all, size_t n)
{
    struct bly_reel *reels = bly_alloc_quiet((n + 1) * sizeof(*reels));
    struct bly_trace_event **blocks =
        bly_alloc_quiet((n + 1) * sizeof(*blocks));
    struct bly_ring *r = all;
    int err = reels != NULL && blocks != NULL ? 0 : -ENOMEM;
    size_t i, done = 0;

    for (i = 0; i < n && err == 0; i++, r = r->next) {
        reels[i] = (struct bly_reel){NULL, 0};
        err = recording_reel(r, &reels[i], &st->lost);
        blocks[done++] = reels[i].events;
    }
    if (err == 0)
        err = bly_story_tell(st, reels, n, bly_os_now());
    while (done-- > 0)
        bly_free_quiet(blocks[done]);
    bly_free_quiet(reels);
    bly_free_quiet(blocks);
    return err;
}

static int
recording_write(const char *path)
{
    char program[BLY_EVENT_TEXT];
    struct bly_story st = {.program = program, .say = belay_strerror};
    struct bly_bytes b = {0};
    size_t n;
    struct bly_ring *all = recording_rings(&n);
    int r = -ENODATA;

    bly_event_text(program, sizeof(program), program_invocation_short_name);
    if (all != NULL)
        r = recording_tell(&st, all, n);
    if (r == 0) {
        bly_perfetto_write(&b, &st);
        r = b.failed ? -ENOMEM : bly_os_replace(path, b.at, b.used);
    }
    bly_bytes_free(&b);
    bly_story_free(&st);
    return r;
}

int
belay_timeline_write_at(const char *path, const belay_site *site)
{
    bool hushed = bly_hush();
    int r = recording_write(path);

    bly_unhush(hushed);
    return r < 0 ? belay_fail_at(r, site, "cannot write the timeline '%s': %s",
                       path, belay_strerror(r))
                 : 0;
}
