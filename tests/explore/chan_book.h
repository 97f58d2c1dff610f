/* SPDX-License-Identifier: MIT */
/*
 * Books about values, for tests of channels: each value goes in once and comes
 * out once, to a receiver or to .undelivered; a call that failed has moved
 * none.
 */
#ifndef EXPLORE_CHAN_BOOK_H
#define EXPLORE_CHAN_BOOK_H

#include <belay/chan.h>
#include <belay/test.h>

typedef BELAY_CHAN(int) int_chan;

enum { BOOK_VALUES = 16, BOOK_CHANNELS = 3, NOTHING = -1 };

struct book {
    int_chan ch[BOOK_CHANNELS];
    int in[BOOK_VALUES], out[BOOK_VALUES], left[BOOK_VALUES];
};

static struct book *book_of_this_run;

static inline void
book_note(int *column, int v)
{
    BELAY_CHECK(v > 0 && v < BOOK_VALUES);
    column[v]++;
}

static void
book_undelivered(void *elem)
{
    book_note(book_of_this_run->left, *(int *)elem);
}

static inline int
book_open(struct book *b, size_t cap, int channels)
{
    int i;

    *b = (struct book){0};
    book_of_this_run = b;
    for (i = 0; i < channels; i++)
        if (belay_chan_open(&b->ch[i], cap, .undelivered = book_undelivered)) {
            BELAY_CHECK(belay_test_disturbed());
            while (i-- > 0)
                belay_chan_free(&b->ch[i]);
            return -ENOMEM;
        }
    return 0;
}

/* Frees the channels and balances the books. */
static inline void
book_close(struct book *b)
{
    int i;

    for (i = 0; i < BOOK_CHANNELS; i++)
        belay_chan_free(&b->ch[i]);
    for (i = 0; i < BOOK_VALUES; i++) {
        BELAY_CHECK(b->in[i] <= 1);
        BELAY_CHECK_EQ(b->in[i], b->out[i] + b->left[i]);
    }
}

/* What a send answered: 0 is success. */
static inline int
book_sent(struct book *b, int r, int v)
{
    if (r == 0)
        book_note(b->in, v);
    else
        BELAY_CHECK(r < 0);
    return r;
}

/* What a recv answered: 1 is a value; otherwise the variable is untouched. */
static inline int
book_got(struct book *b, int r, int v)
{
    if (r == 1)
        book_note(b->out, v);
    else
        BELAY_CHECK_EQ(v, NOTHING);
    return r;
}

static inline int
book_send(struct book *b, int i, int v)
{
    return book_sent(b, belay_send(&b->ch[i], v), v);
}

static inline int
book_recv(struct book *b, int i)
{
    int v = NOTHING;
    int r = belay_recv(&b->ch[i], &v);

    return book_got(b, r, v);
}

/* A result that a call may have once the run is cut, or a deadline passed. */
static inline bool
book_is_cut(int r)
{
    return r == -ECANCELED || r == -ETIME;
}

#endif
