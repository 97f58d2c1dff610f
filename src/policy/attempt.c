/* SPDX-License-Identifier: MIT */
/*
 * Calling a user's task as a function.
 *
 * An attempt is an ordinary call, so that it costs no task and what it opens
 * closes before it returns.  The one thing that it could leave behind is the
 * failure of the task that it runs in (it left a scope early while a child
 * failed).  That would cut all attempts to come, so it is taken over, unless
 * the task had failed before we came.
 */
#include "policy/attempt.h"

#include <belay/policy.h>

#include "base/alloc.h"
#include "base/atomic.h"
#include "base/rng.h"
#include "os/os.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ATTEMPT_ROOM = 256 };

static const belay_key attempt_key = {"attempt", NULL};

void
bly_attempt_open(belay_block *b, const struct bly_attempt *a,
    const belay_site *site)
{
    belay_with_open(b, &attempt_key, a, site);
}

const struct bly_attempt *
bly_attempt_here(void)
{
    return belay_local_get(&attempt_key);
}

unsigned
belay_attempt(void)
{
    const struct bly_attempt *a = bly_attempt_here();

    return a != NULL ? a->number : 0;
}

void
belay_retry_after(belay_dur d)
{
    const struct bly_attempt *a = bly_attempt_here();
    int64_t seen;

    if (a == NULL || a->after == NULL)
        return;
    seen = bly_load_relaxed(a->after);
    /* pairs with itself, in another task of the attempt */
    while (seen < d && !bly_cas(a->after, &seen, d))
        ;
}

static int
attempt_call(belay_task_type *type, void *args, belay_dur timeout,
    const belay_site *site)
{
    bool had = belay_failure() < 0;
    belay_block limit;
    int r, failure;

    if (timeout > 0)
        belay_deadline_open(&limit, timeout, site);
    r = type->run(args);
    if (timeout > 0)
        belay_block_close(&limit);
    if (had)
        return r;
    failure = belay_take_failure();
    return failure < 0 ? failure : r;
}

int
bly_attempt_run(belay_task_type *type, const void *args, belay_dur timeout,
    const belay_site *site)
{
    _Alignas(max_align_t) char room[ATTEMPT_ROOM];
    size_t size = type->args_size;
    void *copy = size <= sizeof room ? room : bly_alloc(size);
    int r;

    if (copy == NULL)
        return -ENOMEM;
    memcpy(copy, args, size);
    r = attempt_call(type, copy, timeout, site);
    if (copy != room)
        bly_free(copy);
    return r;
}

#if BLY_SIM

belay_dur
bly_attempt_jitter(belay_dur max)
{
    return max - max / 2 * bly_choose(BLY_CHOOSE_RANDOM, 3);
}

#else

belay_dur
bly_attempt_jitter(belay_dur max)
{
    static __thread uint64_t state;
    uint64_t r;

    if (state == 0)
        state = bly_os_entropy() | 1;
    r = (uint64_t)bly_rng_next(&state) << 32;
    r |= bly_rng_next(&state);
    return max > 0 ? (belay_dur)(r % ((uint64_t)max + 1)) : 0;
}

#endif

void
bly_attempt_why(char *buf, size_t size)
{
    (void)snprintf(buf, size, "%s", belay_why());
    buf[strcspn(buf, "\n")] = '\0';
}
