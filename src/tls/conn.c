/* SPDX-License-Identifier: MIT */
/*
 * TLS streams: OpenSSL between two streams, none of which it may wait for.
 *
 * OpenSSL is called for what it can do now, on what has come and what is to
 * go (wire.h); what has to wait is ours, between its calls:
 *
 *     read:   act -> nothing yet? -> fill: read the stream below -> act ...
 *     write:  send what was left -> act -> send what it made
 *
 * Each act is a deep call (belay/deep.h): a handshake takes more stack than a
 * task may have left.  It cannot wait, so OpenSSL's error queue, which
 * belongs to the thread, is emptied before any other task of the worker runs.
 *
 * Two locks, and two tasks at most, a reader and a writer:
 *
 *   lock      the SSL object and what it wrote; held during an act, which is
 *             computing, and never while anything waits for the network
 *   sending   who writes to the stream below; taken before lock.  The writer
 *             has it from before its act until all is sent, so records go out
 *             in the order in which they were made
 *
 * What has come in needs none: only the reader, or the handshake before it,
 * makes OpenSSL look there.  After the handshake writing never reads:
 * renegotiation is off, and what TLS 1.3 wants written because of something
 * read waits in OpenSSL for the next write.  Reading may make output all the
 * same, an alert: the reader sends it if nobody else is sending (tidy), and who
 * has sent looks once more after he has let go.  So it goes out, and a reader
 * never waits for a writer whom the peer does not read.
 *
 * Cuts.  A read that is cut has taken nothing: what has come stays in `in' or
 * in OpenSSL.  A write cannot take back a record that is made, a part of which
 * may be on its way.  So a write first sends what an earlier one has left: cut
 * there, it has made nothing.  Cut later, it is done: it answers the number of
 * bytes, and what is left goes with the next call, whatever that is.  A cut
 * handshake is over: it has taken bytes of the stream below.
 *
 * Memory for a record is taken before it is made, so that a write that finds
 * none may be repeated.  For what OpenSSL says of its own accord there may be
 * none, which breaks the connection.
 *
 * Rejected: a task per connection that alone talks to OpenSSL, for it would
 * need a scope to live in and two switches for each call; BIO pairs, which copy
 * once more and allocate by themselves.
 */
#include "tls/conn.h"

#include <belay/deep.h>

#include "base/alloc.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

enum {
    CONN_RECORD = 16 << 10,  /* the most that one carries */
    CONN_AROUND = 512,       /* what it has around that, at most */
    CONN_MOST = 64 << 10     /* of one write */
};

static const belay_dur CONN_ALERT = BELAY_S(1);

/* ---- acts ---------------------------------------------------------------- */

static int
act_call(struct bly_tls_op *op, SSL *ssl, size_t *done)
{
    int r;

    switch (op->act) {
    case BLY_TLS_SHAKE:
        *done = 1;
        return SSL_do_handshake(ssl);
    case BLY_TLS_READ:
        return SSL_read_ex(ssl, op->in, op->n, done);
    case BLY_TLS_WRITE:
        return SSL_write_ex(ssl, op->out, op->n, done);
    case BLY_TLS_END:
        r = SSL_shutdown(ssl);
        return r >= 0 ? 1 : r; /* 0: the peer has not said its end */
    }
    return -1;
}

/* On the deep stack, under the lock. */
static int
act_run(void *arg)
{
    struct bly_tls_op *op = arg;
    struct bly_tls_conn *c = op->c;
    size_t done = 0;
    int r, e;

    ERR_clear_error();
    r = act_call(op, c->ssl, &done);
    if (r > 0) {
        op->result = (ssize_t)done;
    } else {
        /* Of a write that fails after the peer's end it says ZERO_RETURN. */
        e = SSL_get_error(c->ssl, r);
        if (e == SSL_ERROR_WANT_READ && op->act <= BLY_TLS_READ) {
            op->result = BLY_TLS_AGAIN;
        } else if (e == SSL_ERROR_ZERO_RETURN && op->act == BLY_TLS_READ) {
            op->result = 0;
        } else {
            bly_tls_explain(c, e);
            op->result = c->code;
        }
        ERR_clear_error();
    }
    return 0;
}

static size_t
act_room(const struct bly_tls_op *op)
{
    switch (op->act) {
    case BLY_TLS_WRITE:
        return op->n + (op->n / CONN_RECORD + 2) * CONN_AROUND;
    case BLY_TLS_END:
        return CONN_AROUND;
    default:
        return 0;
    }
}

int
bly_tls_act(struct bly_tls_op *op, const belay_site *site)
{
    struct bly_tls_conn *c = op->c;
    int r = belay_mutex_lock_at(&c->lock, site);

    if (r < 0)
        return r;
    if (c->code != 0)
        op->result = c->code;
    else if (!bly_tls_wire_reserve(&c->wire.out, act_room(op)))
        r = -ENOMEM;
    else
        r = belay_deep_call_at(act_run, op, site);
    op->said = c->wire.out.len > 0;
    belay_mutex_unlock_at(&c->lock, site);
    return r;
}

/* ---- to the peer --------------------------------------------------------- */

/* The caller has `sending', and has sent all that was going: what OpenSSL has
 * written since.  1, 0: nothing, or a cut. */
static int
conn_take(struct bly_tls_conn *c, const belay_site *site)
{
    int r = belay_mutex_lock_at(&c->lock, site);

    if (r < 0)
        return r;
    bly_tls_wire_free(&c->going);
    if (c->wire.out.len > 0) {
        c->going = c->wire.out;
        c->wire.out = (struct bly_tls_bytes){NULL, 0, 0, 0};
        r = 1;
    }
    belay_mutex_unlock_at(&c->lock, site);
    return r;
}

int
bly_tls_send(struct bly_tls_conn *c, const belay_site *site)
{
    struct bly_tls_bytes *b = &c->going;

    for (;;) {
        ssize_t n;

        if (b->at == b->len) {
            int r = conn_take(c, site);

            if (r <= 0)
                return r;
        }
        n = belay_stream_write_at(
            c->inner, b->data + b->at, b->len - b->at, site);
        if (n < 0)
            return (int)n;
        b->at += (size_t)n;
    }
}

/* Is there something to be sent that nobody sends? */
static bool
conn_should_send(struct bly_tls_conn *c, const belay_site *site)
{
    bool said;

    if (belay_mutex_lock_at(&c->lock, site) < 0)
        return false;
    said = c->wire.out.len > 0;
    belay_mutex_unlock_at(&c->lock, site);
    return said && belay_mutex_try_lock_at(&c->sending, site) == 0;
}

void
bly_tls_tidy(struct bly_tls_conn *c, const belay_site *site)
{
    int r = 0;

    while (r == 0 && conn_should_send(c, site)) {
        r = bly_tls_send(c, site);
        belay_mutex_unlock_at(&c->sending, site);
    }
}

int
bly_tls_broken(struct bly_tls_conn *c, const belay_site *site)
{
    belay_block block;

    belay_deadline_open(&block, CONN_ALERT, site);
    bly_tls_tidy(c, site);
    belay_block_close(&block);
    return belay_fail_at(c->code, site, "%s", c->why);
}

/* ---- from the peer ------------------------------------------------------- */

int
bly_tls_fill(struct bly_tls_conn *c, const belay_site *site)
{
    struct bly_tls_bytes *in = &c->wire.in;
    ssize_t n;

    in->at = in->len = 0;
    if (!bly_tls_wire_reserve(in, BLY_TLS_IN))
        return -ENOMEM;
    n = belay_stream_read_at(c->inner, in->data, in->room, site);
    if (n < 0)
        return (int)n;
    if (n == 0)
        c->wire.ended = true;
    bly_tls_wire_came(&c->wire, (size_t)n);
    return 0;
}

/* ---- the stream ---------------------------------------------------------- */

static ssize_t
conn_read(void *self, void *buf, size_t n, const belay_site *site)
{
    struct bly_tls_op op = {
        .c = self, .act = BLY_TLS_READ, .in = buf, .n = n};

    for (;;) {
        int r = bly_tls_act(&op, site);

        if (r < 0)
            return r;
        if (op.result < 0 && op.result != BLY_TLS_AGAIN)
            return bly_tls_broken(op.c, site);
        if (op.said)
            bly_tls_tidy(op.c, site);
        if (op.result != BLY_TLS_AGAIN)
            return op.result;
        r = bly_tls_fill(op.c, site);
        if (r < 0)
            return r;
    }
}

/* The caller has `sending': sends what is left, acts, and sends. */
static int
conn_say(struct bly_tls_op *op, const belay_site *site)
{
    int r = bly_tls_send(op->c, site);

    if (r < 0)
        return r;
    r = bly_tls_act(op, site);
    if (r < 0 || op->result < 0)
        return r;
    r = bly_tls_send(op->c, site);
    /* Cut: it is made, and will be sent.  The end is not said before it is. */
    if (r < 0 && op->act == BLY_TLS_WRITE && r == belay_cancelled())
        r = 0;
    return r;
}

static int
conn_do(struct bly_tls_op *op, const belay_site *site)
{
    struct bly_tls_conn *c = op->c;
    int r = belay_mutex_lock_at(&c->sending, site);

    if (r < 0)
        return r;
    if (op->act == BLY_TLS_END && c->said_end) {
        r = bly_tls_send(c, site);
    } else {
        r = conn_say(op, site);
        c->said_end = c->said_end ||
            (op->act == BLY_TLS_END && op->result > 0);
    }
    belay_mutex_unlock_at(&c->sending, site);
    if (r < 0)
        return r;
    if (op->result < 0)
        return bly_tls_broken(c, site);
    bly_tls_tidy(c, site);
    return 0;
}

static ssize_t
conn_write(void *self, const void *buf, size_t n, const belay_site *site)
{
    struct bly_tls_op op = {.c = self, .act = BLY_TLS_WRITE, .out = buf,
        .n = n < CONN_MOST ? n : CONN_MOST};
    int r = conn_do(&op, site);

    return r < 0 ? r : op.result;
}

/* What is small goes in one record. */
static ssize_t
conn_writev(void *self, const struct iovec *iov, int count,
    const belay_site *site)
{
    size_t used = 0;
    ssize_t r;
    char *all;

    if (iov->iov_len >= CONN_RECORD)
        return conn_write(self, iov->iov_base, iov->iov_len, site);
    all = bly_alloc(CONN_RECORD);
    if (all == NULL)
        return -ENOMEM;
    for (int i = 0; i < count && used < CONN_RECORD; i++) {
        size_t n = iov[i].iov_len, left = CONN_RECORD - used;

        n = n < left ? n : left;
        if (n > 0)
            memcpy(all + used, iov[i].iov_base, n);
        used += n;
    }
    r = conn_write(self, all, used, site);
    bly_free(all);
    return r;
}

static int
conn_finish(void *self, const belay_site *site)
{
    struct bly_tls_op op = {.c = self, .act = BLY_TLS_END};

    return conn_do(&op, site);
}

static int
conn_free_ssl(void *arg)
{
    SSL_free(arg);
    ERR_clear_error();
    return 0;
}

void
bly_tls_conn_free(struct bly_tls_conn *c, const belay_site *site)
{
    if (c->ssl != NULL && belay_deep_call_at(conn_free_ssl, c->ssl, site) < 0)
        (void)conn_free_ssl(c->ssl);
    bly_tls_wire_free(&c->wire.in);
    bly_tls_wire_free(&c->wire.out);
    bly_tls_wire_free(&c->going);
    bly_free(c->info);
    bly_tls_unref(c->tls);
    bly_free(c);
}

static void
conn_close(void *self, const belay_site *site)
{
    struct bly_tls_conn *c = self;
    belay_stream *inner = c->inner;

    bly_tls_conn_free(c, site);
    belay_stream_close_at(&inner, site);
}

static int
conn_fd(void *self)
{
    return belay_stream_fd(((struct bly_tls_conn *)self)->inner);
}

const belay_stream_ops bly_tls_ops = {
    .size = sizeof(belay_stream_ops),
    .name = "TLS",
    .read = conn_read,
    .write = conn_write,
    .writev = conn_writev,
    .finish = conn_finish,
    .close = conn_close,
    .fd = conn_fd,
};
