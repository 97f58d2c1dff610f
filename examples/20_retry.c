/* SPDX-License-Identifier: MIT */
/*
 * Trying again: a shop that is busy at first, one that is closed, and one that
 * cannot be asked again before the deadline.  The story says what happened.
 */
#include <belay.h>

#include <stdio.h>

BELAY_TASK(order, (int, busy_for), (const char *, what))
{
    if (belay_attempt() <= (unsigned)busy_for)
        return BELAY_FAIL(-EBUSY, "no %s, attempt %u", what, belay_attempt());
    return 0;
}

BELAY_TASK(order_tomorrow)
{
    belay_retry_after(BELAY_S(86400));
    return BELAY_FAIL(-EAGAIN, "come back tomorrow");
}

static bool
is_busy(void *arg, int err)
{
    (void)arg;
    return err == -EBUSY || err == -EAGAIN;
}

BELAY_TASK(app)
{
    const belay_retry policy = {.size = sizeof policy, .attempts = 4,
        .base = BELAY_MS(1), .retryable = is_busy};
    int r;

    r = belay_retrying(&policy, order, 2, "bread");
    printf("bread: %d\n", r);

    r = belay_retrying(&policy, order, 9, "cake");
    printf("cake: %s\n  %s\n", belay_strerror(r), belay_why());

    r = BELAY_WITHIN(BELAY_S(60), belay_retrying(&policy, order_tomorrow));
    printf("tomorrow: %s\n  %s\n", belay_strerror(r), belay_why());
    return 0;
}

int
main(void)
{
    return belay_main(app);
}
