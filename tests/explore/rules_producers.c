/* SPDX-License-Identifier: MIT */
/* Rule 19, as far as scopes are concerned: producers and how they end. */
#include <belay/chan.h>

#include "rules.h"

typedef BELAY_CHAN(int) int_chan;

BELAY_TASK(produces, (int_chan *, ch), (int, n), (int, code))
{
    while (n-- > 0)
        BELAY_TRY(belay_send(ch, n));
    return code;
}

struct drained {
    int values, end;
};

BELAY_TASK(drains, (int_chan *, ch), (struct drained *, d))
{
    int r, v;

    while ((r = belay_recv(ch, &v)) == 1)
        d->values++;
    d->end = r;
    return 0;
}

static struct drained
two_producers(int first, int second, int *err)
{
    struct drained d = {0, RULES_UNSET};
    int other;
    int_chan ch;

    BELAY_CHECK_EQ(belay_chan_open(&ch, 1), 0);
    BELAY_SCOPE_CATCH(o, &other) {
        belay_spawn(o, drains, &ch, &d);
        BELAY_SCOPE_CATCH(s, err, .policy = BELAY_COLLECT) {
            belay_spawn_producer(s, &ch, produces, &ch, 1, first);
            belay_spawn_producer(s, &ch, produces, &ch, 2, second);
        }
    }
    belay_chan_free(&ch);
    return d;
}

BELAY_TEST(rule_19_the_last_producer_closes, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct drained d;
    int err = 0;

    d = two_producers(0, 0, &err);
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(d.values, 3);
    BELAY_CHECK_EQ(d.end, 0);
}

BELAY_TEST(rule_19_with_the_error_of_one_that_failed,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    struct drained d;
    int err = 0;

    d = two_producers(-EIO, 0, &err);
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_CHECK_EQ(d.values, 3); /* drained first */
    BELAY_CHECK_EQ(d.end, -EIO);
}

/* A stream that a cut has ended is not complete, and its reader, who is not
 * cut, is told so. */
BELAY_TEST(rule_19_with_the_cut_that_ended_one, .strategy = BELAY_EXHAUSTIVE)
{
    struct drained d = {0, RULES_UNSET};
    int err, inner;
    int_chan ch;

    BELAY_CHECK_EQ(belay_chan_open(&ch, 1), 0);
    BELAY_SCOPE_CATCH(o, &err) {
        BELAY_SCOPE_CATCH(s, &inner) {
            belay_spawn_producer(s, &ch, produces, &ch, 2, 0);
            BELAY_CHECK_EQ(belay_sleep(1), 0);
            belay_cancel(s, "test");
        }
        BELAY_CHECK_EQ(inner, -ECANCELED);
        belay_spawn(o, drains, &ch, &d);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(d.values, 1);
    BELAY_CHECK_EQ(d.end, -ECANCELED);
    belay_chan_free(&ch);
}

/* The values that went in come out, and the end says whether these are all,
 * wherever a cancel comes and whatever cannot be allocated. */
BELAY_TEST(rule_19_disturbed_at_every_point, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1, .cancel_everywhere = true, .fail_allocs = true)
{
    int_chan ch;
    int err, end = RULES_UNSET, values = 0, r, v;

    if (belay_chan_open(&ch, 1) < 0)
        return;
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_producer(s, &ch, produces, &ch, 2, 0);
        while ((r = belay_recv(&ch, &v)) == 1)
            values++;
        end = r;
        while (belay_try_recv(&ch, &v) == 1)
            values++;
    }
    BELAY_CHECK(end != 0 || values == 2);
    BELAY_CHECK(end == 0 || belay_test_disturbed());
    BELAY_CHECK(end == 0 || err < 0);
    while (belay_try_recv(&ch, &v) == 1)
        values++;
    BELAY_CHECK(values <= 2);
    belay_chan_free(&ch);
}

BELAY_TEST(rule_19_over_two_workers, .workers = 2, .atomic = true,
    .schedules = 2000)
{
    struct drained d = {0, RULES_UNSET};
    int_chan ch;
    int err;

    BELAY_CHECK_EQ(belay_chan_open(&ch, 1), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(
            s, (.producer_of = ch.base, .worker = 1), produces, &ch, 1, 0);
        belay_spawn_with(
            s, (.producer_of = ch.base, .worker = 2), produces, &ch, 2, 0);
        belay_spawn_with(s, (.worker = 2), drains, &ch, &d);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(d.values, 3);
    BELAY_CHECK_EQ(d.end, 0);
    belay_chan_free(&ch);
}
