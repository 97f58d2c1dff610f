/* SPDX-License-Identifier: MIT */
/*
 * The program whose timeline timeline.py reads.
 *
 *     traced story        what is known to happen, on two workers
 *     traced storm FILE   more than rings hold: starts late, is read meanwhile
 */
#include <belay.h>

#include <stdlib.h>
#include <string.h>

typedef BELAY_CHAN(int) int_chan;

/* ---- story -------------------------------------------------------------- */

BELAY_TASK(left, (int_chan, wire))
{
    belay_timeline_mark("<left & \"right\">");
    return belay_send(&wire, 1);
}

BELAY_TASK(right, (int_chan, wire))
{
    int v;

    return belay_recv(&wire, &v) == 1 ? 0 : -EPROTO;
}

BELAY_TASK(sleeper)
{
    return belay_sleep(BELAY_S(1000));
}

BELAY_TASK(broken)
{
    return BELAY_FAIL(-EIO, "on purpose");
}

BELAY_TASK(holder, (belay_mutex *, m), (belay_event *, held))
{
    BELAY_TRY(belay_mutex_lock(m));
    belay_event_set(held);
    int r = belay_sleep(BELAY_MS(1));
    belay_mutex_unlock(m);
    return r;
}

BELAY_TASK(borrower)
{
    return belay_yield();
}

static int
pair(void)
{
    BELAY_AUTO_CHAN(int_chan, wire);

    BELAY_TRY(belay_chan_open(&wire, 0, .name = "wire"));
    BELAY_SCOPE(s, .name = "pair") {
        belay_spawn_with(s, (.worker = 1), left, wire);
        belay_spawn_with(s, (.worker = 2), right, wire);
    }
    return 0;
}

static int
cuts(void)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err, .name = "cancelled") {
        belay_spawn_with(s, (.worker = 1, .name = "near"), sleeper);
        belay_spawn_with(s, (.worker = 2, .name = "far"), sleeper);
        BELAY_TRY(belay_sleep(BELAY_MS(5)));
        belay_cancel(s, "enough");
    }
    BELAY_SCOPE_CATCH(s, &err, .name = "timed", .timeout = BELAY_MS(2))
        belay_spawn_with(s, (.name = "late"), sleeper);
    BELAY_SCOPE_CATCH(s, &err, .name = "failed")
        belay_spawn(s, broken);
    return 0;
}

static int
locks(void)
{
    belay_mutex m = BELAY_MUTEX_INIT;
    belay_event held = BELAY_EVENT_INIT;

    BELAY_SCOPE(s, .name = "locks") {
        belay_spawn_with(s, (.worker = 1), holder, &m, &held);
        BELAY_TRY(belay_event_wait(&held));
        BELAY_TRY(belay_mutex_lock(&m));
        belay_mutex_unlock(&m);
    }
    return 0;
}

BELAY_TASK(story)
{
    BELAY_TRY(pair());
    BELAY_TRY(cuts());
    BELAY_TRY(locks());
    BELAY_SCOPE(s, .name = "loan")
        belay_spawn(s, borrower);
    return 0;
}

/* ---- storm -------------------------------------------------------------- */

BELAY_TASK(leaf, (int_chan, c), (int, n))
{
    int v;

    for (int i = 0; i < n; i++) {
        BELAY_TRY(belay_send(&c, i));
        (void)BELAY_TRY(belay_recv(&c, &v));
        if (i % 3 == 0)
            BELAY_TRY(belay_yield());
    }
    return 0;
}

static int
branch(int_chan c, int width)
{
    BELAY_SCOPE(s) {
        for (int i = 0; i < width; i++)
            belay_spawn_with(
                s, (.worker = (unsigned)i % 2 + 1), leaf, c, 20);
    }
    return 0;
}

/* file: the one that records; or NULL. */
BELAY_TASK(grow, (int_chan, c), (const char *, file))
{
    belay_timeline_opts opts = {.size = sizeof opts, .events = 512};

    for (int i = 0; i < 10; i++) {
        if (file != NULL && i == 3)
            BELAY_TRY(belay_timeline_start(&opts));
        BELAY_TRY(branch(c, 10));
        if (file != NULL && i == 6)
            BELAY_TRY(belay_timeline_write(file));
    }
    return 0;
}

BELAY_TASK(storm, (const char *, file))
{
    BELAY_AUTO_CHAN(int_chan, c);

    BELAY_TRY(belay_chan_open(&c, 4));
    BELAY_SCOPE(s) {
        belay_spawn_with(s, (.worker = 1), grow, c, file);
        belay_spawn_with(s, (.worker = 2), grow, c, NULL);
    }
    return belay_timeline_write(file);
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "story") == 0)
        return belay_main_with((.workers = 2), story);
    if (argc == 3 && strcmp(argv[1], "storm") == 0)
        return belay_main_with((.workers = 2), storm, argv[2]);
    return 2;
}
