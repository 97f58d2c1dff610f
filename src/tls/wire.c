/* SPDX-License-Identifier: MIT */
/* The bytes between OpenSSL and the stream below; see wire.h. */
#include "tls/wire.h"

#include "base/alloc.h"

#include <string.h>

bool
bly_tls_wire_reserve(struct bly_tls_bytes *b, size_t more)
{
    unsigned char *data;

    if (b->room - b->len >= more)
        return true;
    data = bly_realloc(b->data, b->len + more);
    if (data == NULL)
        return false;
    b->data = data;
    b->room = b->len + more;
    return true;
}

void
bly_tls_wire_came(struct bly_tls_wire *w, size_t n)
{
    size_t keep = sizeof w->first - w->nfirst;

    keep = keep < n ? keep : n;
    memcpy(w->first + w->nfirst, w->in.data, keep);
    w->nfirst += keep;
    w->in.at = 0;
    w->in.len = n;
}

void
bly_tls_wire_free(struct bly_tls_bytes *b)
{
    bly_free(b->data);
    *b = (struct bly_tls_bytes){NULL, 0, 0, 0};
}

/* ---- as OpenSSL sees it -------------------------------------------------- */

static int
wire_read(BIO *bio, char *buf, size_t n, size_t *done)
{
    struct bly_tls_wire *w = BIO_get_data(bio);
    size_t have = w->in.len - w->in.at;

    BIO_clear_retry_flags(bio);
    *done = 0;
    if (have == 0) {
        if (!w->ended)
            BIO_set_retry_read(bio);
        return w->ended ? 0 : -1;
    }
    n = n < have ? n : have;
    memcpy(buf, w->in.data + w->in.at, n);
    w->in.at += n;
    *done = n;
    return 1;
}

static int
wire_write(BIO *bio, const char *buf, size_t n, size_t *done)
{
    struct bly_tls_wire *w = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    *done = 0;
    if (!bly_tls_wire_reserve(&w->out, n)) {
        w->no_memory = true;
        return -1;
    }
    memcpy(w->out.data + w->out.len, buf, n);
    w->out.len += n;
    *done = n;
    return 1;
}

static long
wire_ctrl(BIO *bio, int what, long n, void *p)
{
    struct bly_tls_wire *w = BIO_get_data(bio);

    (void)n;
    (void)p;
    switch (what) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return w->ended && w->in.at == w->in.len;
    default:
        return 0;
    }
}

BIO_METHOD *
bly_tls_wire_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "belay stream");

    if (m != NULL &&
        (BIO_meth_set_read_ex(m, wire_read) != 1 ||
            BIO_meth_set_write_ex(m, wire_write) != 1 ||
            BIO_meth_set_ctrl(m, wire_ctrl) != 1)) {
        BIO_meth_free(m);
        m = NULL;
    }
    return m;
}

BIO *
bly_tls_wire_bio(BIO_METHOD *method, struct bly_tls_wire *w)
{
    BIO *bio = BIO_new(method);

    if (bio != NULL) {
        BIO_set_data(bio, w);
        BIO_set_init(bio, 1);
    }
    return bio;
}
