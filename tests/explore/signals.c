/* SPDX-License-Identifier: MIT */
/* Signals as values: whoever listens gets each, once, and for no longer than
 * the scope lasts. */
#include <belay/select.h>
#include <belay/signals.h>
#include <belay/sync.h>
#include <belay/test.h>

#include <signal.h>

enum { THERE = 2 };

BELAY_TASK(raises, (int, number))
{
    (void)belay_test_raise(number);
    return 0;
}

BELAY_TEST(a_signal_is_received, .strategy = BELAY_EXHAUSTIVE, .workers = 2)
{
    belay_signals sig;
    int number = 0, err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(belay_signals_open(s, &sig, SIGHUP, SIGUSR1), 0);
        belay_spawn_with(s, (.worker = THERE), raises, SIGUSR1);
        BELAY_CHECK_EQ(belay_recv(&sig, &number), 1);
        BELAY_CHECK_EQ(number, SIGUSR1);
        BELAY_CHECK_EQ(belay_test_raise(SIGTERM), 0);
        BELAY_CHECK_EQ(belay_try_recv(&sig, &number), -EAGAIN);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(belay_test_raise(SIGUSR1), 0);
}

BELAY_TASK(listens, (int, number), (belay_sem *, heard))
{
    belay_signals sig;
    int got = 0;

    BELAY_SCOPE(s) {
        BELAY_TRY(belay_signals_open(s, &sig, number));
        BELAY_TRY(belay_recv(&sig, &got));
    }
    BELAY_CHECK_EQ(got, number);
    belay_sem_release(heard, 1);
    return 0;
}

/* Each that listens at that moment: so both, if it comes often enough. */
BELAY_TEST(all_who_listen_hear_it, .schedules = 3000, .workers = 2,
    .atomic = true)
{
    belay_sem heard = BELAY_SEM_INIT(0);
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, listens, SIGHUP, &heard);
        belay_spawn(s, listens, SIGHUP, &heard);
        while (belay_sem_try_acquire(&heard, 2) != 0) {
            (void)belay_test_raise(SIGHUP);
            BELAY_CHECK_EQ(belay_sleep(1), 0);
        }
    }
    BELAY_CHECK_EQ(err, 0);
}

/* A signal while its listener ends: it has come or it has not. */
BELAY_TEST(an_end_meets_a_signal, .schedules = 5000, .workers = 2,
    .atomic = true)
{
    belay_signals sig;
    int err, closed;

    BELAY_SCOPE_CATCH(outer, &err) {
        BELAY_SCOPE_CATCH(s, &closed) {
            BELAY_CHECK_EQ(belay_signals_open(s, &sig, SIGINT), 0);
            belay_spawn_with(outer, (.worker = THERE), raises, SIGINT);
        }
        BELAY_CHECK_EQ(closed, 0);
    }
    BELAY_CHECK_EQ(err, 0);
}

BELAY_TEST(a_signal_is_selected, .strategy = BELAY_EXHAUSTIVE)
{
    enum { HUP, TICK };
    belay_signals sig;
    int number = 0, r, which, err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(belay_signals_open(s, &sig, SIGHUP), 0);
        which = belay_select(&r, [HUP] = BELAY_RECV(&sig, &number),
            [TICK] = BELAY_AFTER(BELAY_MS(1)));
        BELAY_CHECK_EQ(which, TICK);
        BELAY_CHECK_EQ(belay_test_raise(SIGHUP), 1);
        which = belay_select(&r, [HUP] = BELAY_RECV(&sig, &number),
            [TICK] = BELAY_AFTER(BELAY_MS(1)));
        BELAY_CHECK_EQ(which, HUP);
        BELAY_CHECK(r == 1 && number == SIGHUP);
    }
    BELAY_CHECK_EQ(err, 0);
}

/* Whatever fails, nobody listens afterwards, and nothing is left. */
BELAY_TEST(failures_leave_nobody, .strategy = BELAY_EXHAUSTIVE,
    .cancel_everywhere = true, .fail_allocs = true)
{
    belay_signals sig = {NULL, NULL};
    int number, err;

    BELAY_SCOPE_CATCH(s, &err) {
        int r = belay_signals_open(s, &sig, SIGHUP);

        BELAY_CHECK(r == 0 || (r == -ENOMEM && sig.base == NULL));
        BELAY_CHECK_EQ(belay_test_raise(SIGHUP), r == 0);
        if (r == 0) {
            r = belay_recv(&sig, &number);
            BELAY_CHECK(r == 1 || belay_test_disturbed());
        }
    }
    BELAY_CHECK(err == 0 || belay_test_disturbed());
    BELAY_CHECK_EQ(belay_test_raise(SIGHUP), 0);
}

BELAY_TEST(some_cannot_be_caught, .strategy = BELAY_FIFO)
{
    belay_signals sig;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(belay_signals_open(s, &sig, SIGKILL), -EINVAL);
        BELAY_CHECK_EQ(belay_signals_open(s, &sig, SIGHUP, 0), -EINVAL);
        BELAY_CHECK_EQ(belay_signals_open(s, &sig, 65), -EINVAL);
        BELAY_CHECK_EQ(belay_test_raise(SIGHUP), 0);
    }
    BELAY_CHECK_EQ(err, 0);
}
