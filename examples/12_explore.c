/* SPDX-License-Identifier: MIT */
/*
 * A race that testing hardly ever meets, found and replayed.  The transfer
 * looks at the balance, waits, and then acts on what it saw.  On a quiet day
 * nothing is wrong with it.  Linked with libbelay-test, the same code runs
 * under a scheduler that tries other courses, tells the one that fails, and
 * gives a token that repeats it.
 */
#include <belay.h>
#include <belay/test.h>

#include <stdio.h>
#include <string.h>

struct bank {
    belay_mutex lock;
    bool careful;
    int balance;
};

/* Must not take more than there is. */
BELAY_TASK(withdraw, (struct bank *, b), (int, amount))
{
    int seen;

    BELAY_TRY(belay_mutex_lock(&b->lock));
    seen = b->balance;
    if (!b->careful) { /* the mistake: others get in between */
        belay_mutex_unlock(&b->lock);
        BELAY_TRY(belay_mutex_lock(&b->lock));
    }
    if (seen >= amount)
        b->balance -= amount;
    belay_mutex_unlock(&b->lock);
    return 0;
}

static int
two_withdrawals(void *careful)
{
    struct bank b = {.careful = *(bool *)careful, .balance = 100};

    BELAY_SCOPE(s) {
        belay_spawn(s, withdraw, &b, 80);
        belay_spawn(s, withdraw, &b, 80);
    }
    BELAY_CHECK(b.balance >= 0);
    return 0;
}

static void
tell(const char *what, const belay_test_result *r)
{
    printf("%s: %s", what, r->failed ? "failed" : "passed");
    if (r->failed)
        printf(" after %lu runs, %u deviations, %s\n%s\n", r->runs,
            r->deviations, r->token, r->message);
    else
        printf(", %s\n", r->complete ? "every run tried" : "some runs tried");
}

int
main(void)
{
    belay_test_opts opts = {.size = sizeof opts, .name = "withdrawals"};
    belay_test_result found, again, fixed;
    bool careful = false;

    opts.strategy = BELAY_FIFO;
    belay_test_run(two_withdrawals, &careful, &opts, &found);
    tell("on a quiet day", &found);

    opts.strategy = BELAY_EXHAUSTIVE;
    belay_test_run(two_withdrawals, &careful, &opts, &found);
    tell("explored", &found);

    opts.replay = found.token;
    belay_test_run(two_withdrawals, &careful, &opts, &again);
    tell("replayed", &again);
    if (strcmp(found.message, again.message) == 0)
        printf("it is the same failure\n");

    opts.replay = NULL;
    careful = true;
    belay_test_run(two_withdrawals, &careful, &opts, &fixed);
    tell("careful", &fixed);
    return 0;
}
