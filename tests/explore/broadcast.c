/* SPDX-License-Identifier: MIT */
/* Every subscriber gets every value, in order, whatever else happens. */
#include <belay/broadcast.h>
#include <belay/test.h>

typedef BELAY_BROADCAST(int) int_cast;
typedef BELAY_SUB(int) int_sub;

enum { NOTHING = -1 };

static bool
cast_open(int_cast *b, size_t cap, bool lossy)
{
    if (belay_broadcast_open(b, cap, .lossy = lossy) == 0)
        return true;
    BELAY_CHECK(belay_test_disturbed());
    return false;
}

/* Up to n subscriptions; how many there were memory for. */
static int
subscribe(int_cast *b, int_sub *sub, int n)
{
    int i;

    for (i = 0; i < n; i++)
        if (belay_broadcast_subscribe(b, &sub[i]) < 0) {
            BELAY_CHECK(belay_test_disturbed());
            return i;
        }
    return n;
}

/* Receives until the end, which it returns; *last is the newest value. */
static int
listen_all(int_sub *sub, int *last)
{
    int r, v;

    while (v = NOTHING, (r = belay_sub_recv(sub, &v)) > 0)
        BELAY_CHECK_EQ(v, ++*last);
    BELAY_CHECK_EQ(v, NOTHING);
    return r;
}

BELAY_TASK(listener, (int_sub *, sub), (int *, last))
{
    return listen_all(sub, last);
}

BELAY_TASK(speaker, (int_cast *, b), (int, n), (int *, said))
{
    for (int v = 1; v <= n; v++) {
        BELAY_TRY(belay_broadcast_send(b, v));
        *said = v;
    }
    belay_broadcast_close(b, 0);
    return 0;
}

static void
everybody_hears(int listeners, int values)
{
    size_t cap = 1 + belay_test_choose(2);
    int i, n, err, said = 0, heard[3] = {0};
    int_sub sub[3];
    int_cast b;

    if (!cast_open(&b, cap, false))
        return;
    n = subscribe(&b, sub, listeners);
    BELAY_SCOPE_CATCH(s, &err) {
        for (i = 0; i < n; i++)
            belay_spawn(s, listener, &sub[i], &heard[i]);
        belay_spawn(s, speaker, &b, values, &said);
    }
    for (i = 0; i < n; i++) {
        BELAY_CHECK(heard[i] <= said + 1);
        if (!belay_test_disturbed())
            BELAY_CHECK_EQ(heard[i], values);
        belay_sub_free(&sub[i]);
    }
    if (!belay_test_disturbed())
        BELAY_CHECK_EQ(err, 0);
    belay_broadcast_free(&b);
}

BELAY_TEST(everybody_hears_everything, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1, .max_runs = 1000000)
{
    everybody_hears(2, 3);
}

BELAY_TEST(everybody_hears_until_cancelled, .cancel_everywhere = true,
    .fail_allocs = true, .schedules = 1000)
{
    everybody_hears(3, 4);
}

BELAY_TEST(everybody_hears_on_two_workers, .workers = 2, .atomic = true,
    .schedules = 3000)
{
    everybody_hears(2, 2);
}

/* ---- a sender that waits for the slowest -------------------------------- */

enum happening { RECV, LEAVE, CLOSE, CANCEL, TIMEOUT, HAPPENINGS };

BELAY_TASK(sender, (int_cast *, b), (belay_dur, patience), (int *, result))
{
    BELAY_DEADLINE(patience);

    *result = belay_broadcast_send(b, 2);
    return 0;
}

BELAY_TASK(event, (int_cast *, b), (int_sub *, sub), (belay_scope *, s),
    (enum happening, what), (int *, heard))
{
    int r, v = NOTHING;

    belay_ignore(belay_sleep(BELAY_MS(1)), "at the same time as time");
    switch (what) {
    case RECV:
        if (sub->base == NULL)
            break;
        r = belay_sub_try_recv(sub, &v);
        if (r == 1)
            BELAY_CHECK_EQ(v, ++*heard);
        break;
    case LEAVE:
        belay_sub_free(sub);
        break;
    case CLOSE:
        belay_broadcast_close(b, -EIO);
        break;
    case CANCEL:
        belay_cancel(s, "a test");
        break;
    default:
        break;
    }
    return 0;
}

/* Each pair of what can end the wait: it ends, and what it says is true. */
BELAY_TEST(two_happen_to_a_sender, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1, .max_runs = 1000000)
{
    enum happening x = belay_test_choose(HAPPENINGS);
    enum happening y = belay_test_choose(HAPPENINGS);
    belay_dur patience =
        x == TIMEOUT || y == TIMEOUT ? BELAY_MS(1) : BELAY_S(1);
    int err, result = 1, heard = 0;
    int_cast b;
    int_sub sub;

    if (x > y || !cast_open(&b, 1, false))
        return;
    BELAY_CHECK_EQ(subscribe(&b, &sub, 1), 1);
    BELAY_CHECK_EQ(belay_broadcast_try_send(&b, 1), 0);
    BELAY_CHECK_EQ(belay_broadcast_try_send(&b, 2), -EAGAIN);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, sender, &b, patience, &result);
        belay_spawn(s, event, &b, &sub, s, x, &heard);
        belay_spawn(s, event, &b, &sub, s, y, &heard);
    }
    belay_broadcast_close(&b, 0);
    BELAY_CHECK(result == 0 || result == -ECANCELED || result == -ETIME ||
        result == BELAY_ECLOSED);
    if (x <= LEAVE && y <= LEAVE)
        BELAY_CHECK_EQ(result, 0);
    if (sub.base != NULL) {
        (void)listen_all(&sub, &heard);
        BELAY_CHECK_EQ(heard, result == 0 ? 2 : 1);
    }
    belay_sub_free(&sub);
    belay_broadcast_free(&b);
}

/* ---- one subscription, two tasks ---------------------------------------- */

BELAY_TASK(shares, (int_sub *, sub), (int *, heard))
{
    int r, v;

    while ((r = belay_sub_recv(sub, &v)) > 0)
        heard[v]++;
    return r;
}

/* Each value goes to one of them. */
BELAY_TEST(two_tasks_may_share_a_subscription, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    int err, said = 0, heard[4] = {0};
    int_cast b;
    int_sub sub;

    if (!cast_open(&b, 2, false))
        return;
    BELAY_CHECK_EQ(subscribe(&b, &sub, 1), 1);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, shares, &sub, heard);
        belay_spawn(s, shares, &sub, heard);
        belay_spawn(s, speaker, &b, 3, &said);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK(heard[1] == 1 && heard[2] == 1 && heard[3] == 1);
    belay_sub_free(&sub);
    belay_broadcast_free(&b);
}

/* ---- lossy -------------------------------------------------------------- */

BELAY_TEST(who_lags_is_told_how_far, .strategy = BELAY_EXHAUSTIVE)
{
    int_cast b;
    int_sub sub;
    int v = NOTHING, i;

    if (!cast_open(&b, 2, true))
        return;
    BELAY_CHECK_EQ(belay_broadcast_send(&b, 100), 0);
    BELAY_CHECK_EQ(subscribe(&b, &sub, 1), 1);
    for (i = 1; i <= 5; i++)
        BELAY_CHECK_EQ(belay_broadcast_send(&b, i), 0);
    BELAY_CHECK_EQ(belay_sub_lost(&sub), 3);
    BELAY_CHECK_EQ(belay_sub_recv(&sub, &v), -EOVERFLOW);
    BELAY_CHECK_EQ(belay_sub_lost(&sub), 3);
    for (i = 4; i <= 5; i++) {
        BELAY_CHECK_EQ(belay_sub_recv(&sub, &v), 1);
        BELAY_CHECK_EQ(v, i);
    }
    BELAY_CHECK_EQ(belay_sub_try_recv(&sub, &v), -EAGAIN);
    belay_broadcast_close(&b, -EIO);
    BELAY_CHECK_EQ(belay_sub_recv(&sub, &v), -EIO);
    BELAY_CHECK_EQ(belay_broadcast_send(&b, 6), BELAY_ECLOSED);
    belay_sub_free(&sub);
    belay_broadcast_free(&b);
}

/* ---- select ------------------------------------------------------------- */

BELAY_TASK(say, (int_cast *, b), (int, v))
{
    return belay_broadcast_send(b, v);
}

/* What a select does not take stays for the next call. */
BELAY_TEST(a_select_hears_one_of_two, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    int r, v = NOTHING, which, err;
    int_cast a, b;
    int_sub sa, sb;

    if (!cast_open(&a, 1, false) || !cast_open(&b, 1, false))
        return;
    BELAY_CHECK_EQ(subscribe(&a, &sa, 1) + subscribe(&b, &sb, 1), 2);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, say, &a, 1);
        belay_spawn(s, say, &b, 2);
        which = belay_select(
            &r, BELAY_SUB_RECV(&sa, &v), BELAY_SUB_RECV(&sb, &v));
        BELAY_CHECK(which == 0 || which == 1);
        BELAY_CHECK_EQ(r, 1);
        BELAY_CHECK_EQ(v, which + 1);
        BELAY_CHECK_EQ(belay_sub_recv(which == 0 ? &sb : &sa, &v), 1);
        BELAY_CHECK_EQ(v, 2 - which);
    }
    BELAY_CHECK_EQ(err, 0);
    belay_sub_free(&sa);
    belay_sub_free(&sb);
    belay_broadcast_free(&a);
    belay_broadcast_free(&b);
}
