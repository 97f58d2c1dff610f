/* SPDX-License-Identifier: MIT */
/*
 * One request and its answer, between the task that wants it and the driver
 * that moves its bytes.
 *
 * The two may run on different workers.  Whatever both touch is under x->lock,
 * which is held for a few instructions; what the driver has news of it tells by
 * x->changed, what the task wants of the driver (start, cancel, go on) goes
 * through the port's inbox, so neither ever waits for the other inside a call
 * of libcurl.  Each has a reference; the last to let go frees it.
 *
 *     task                                     driver
 *     bly_http_submit      -> inbox            takes it, bly_http_enter_phase,
 *     bly_http_wait_head   <- changed          bly_http_head_line ...
 *     bly_http_read        <- changed          bly_http_body
 *     bly_http_give_up     -> inbox            forgets it
 *                                              bly_http_end, once, always
 *
 * The permits of admission belong to the exchange and go back in bly_http_end,
 * when the driver has really let go of the connection: a request that was cut
 * holds its slot for as long as it uses it, and no longer.
 */
#ifndef BLY_HTTP_EXCHANGE_H
#define BLY_HTTP_EXCHANGE_H

#include <belay/http.h>
#include <belay/sync.h>

#include "base/list.h"
#include "base/lock.h"

struct bly_http_origin;

/* Bytes on their way between the two; room for a NUL behind them. */
struct bly_http_chunk {
    struct bly_http_chunk *next;
    size_t len;
    char data[];
};

struct bly_http_queue {
    struct bly_http_chunk *first, **last;
    size_t bytes;
};

/* What a request says, apart from the address; shared by its attempts. */
struct bly_http_payload {
    uint32_t refs; /* atomic */
    size_t len;
    char data[];
};

/* What is received in front of a body. */
struct bly_http_head {
    int status;
    int version;     /* 10, 11, 20 */
    char *text;      /* "name\0value\0" ... */
    size_t used, room;
    size_t count;    /* pairs in text */
    size_t received; /* bytes of all head lines */
};

enum bly_http_ask {
    BLY_HTTP_ASK_START = 1,
    BLY_HTTP_ASK_CANCEL = 2,
    BLY_HTTP_ASK_RECV = 4, /* there is room again */
    BLY_HTTP_ASK_SEND = 8, /* there is something to send again */
};

/* Where tasks reach a driver. */
struct bly_http_port {
    struct bly_lock lock;
    struct bly_list inbox; /* exchanges with x->asked != 0 */
    bool over;             /* nobody will look into it any more */
    belay_event work;
};

struct bly_http_exchange {
    /* Set by the task before the submit, and constant afterwards. */
    belay_http *h; /* holds a reference */
    const char *method;
    char *url;       /* without credentials and fragment */
    char *host;      /* as a key of DNS: "[::1]" without brackets */
    unsigned port_number;
    bool tls;
    char **headers;  /* "Name: value"; ends with NULL */
    char *addresses; /* "192.0.2.1,[2001:db8::1]", NULL: the driver's affair */
    struct bly_http_payload *payload; /* the body, or NULL */
    bool sends;        /* the body comes through `out' */
    int64_t send_size; /* of it; -1: not known */
    bool stream;       /* what is received waits for a reader */
    belay_http_version version;
    uint64_t max_body; /* UINT64_MAX: no cap */
    unsigned max_ratio;
    size_t max_headers, buffer;

    /* Under the port's lock. */
    struct bly_link link; /* in the inbox */
    unsigned asked;
    bool taken;           /* from submit to end: something can be asked */

    uint32_t refs; /* atomic */
    struct bly_lock lock;
    belay_event changed;

    /* Under lock.  The head is the task's once have_head is true. */
    belay_http_phase phase;
    belay_time entered[BELAY_HTTP_IN_TOTAL]; /* each phase; 0: never */
    belay_time moved;    /* when bytes last did */
    bool reused;
    char remote[64];
    struct bly_http_head head;
    bool have_head;
    struct bly_http_queue in, out;
    bool in_paused, out_paused; /* the driver has stopped and waits to be
                                 * asked to go on */
    bool out_ended;             /* no more comes through `out' */
    uint64_t raw, decoded;
    bool done;
    bool given_up;       /* the task does not want it any more */
    belay_http_kind failed;
    int code;
    char why[160];

    /* Admission; see admit.c.  The task's until the submit, then the
     * driver's. */
    struct bly_http_origin *origin;
    bool has_total, has_host;

    /* The driver's own. */
    struct bly_link active;
    size_t sent;         /* bytes of payload */
    void *handle;        /* curl's, or the simulated connection */
};

/* ---- either side --------------------------------------------------------- */

void bly_http_port_init(struct bly_http_port *p);
void bly_http_unref(struct bly_http_exchange *x);

struct bly_http_payload *bly_http_payload_new(const void *data, size_t len)
    BLY_MUST_CHECK;
struct bly_http_payload *bly_http_payload_ref(struct bly_http_payload *p);
void bly_http_payload_unref(struct bly_http_payload *p);

/* ---- the task's side ----------------------------------------------------- */

/* With one reference, and nothing set but h. */
struct bly_http_exchange *bly_http_exchange_new(belay_http *h) BLY_MUST_CHECK;

/* Hands x to the driver, which has a reference from now on.  BELAY_ECLOSED if
 * there is none any more. */
int bly_http_submit(struct bly_http_port *p, struct bly_http_exchange *x)
    BLY_MUST_CHECK;
/* Says that x is not wanted any more and drops the task's reference.  Never
 * waits. */
void bly_http_give_up(struct bly_http_port *p, struct bly_http_exchange *x);

/* What the task can wait for. */
enum bly_http_until {
    BLY_HTTP_HAS_HEAD,  /* or done */
    BLY_HTTP_HAS_BYTES, /* or done */
    BLY_HTTP_HAS_ROOM,  /* to send; or refused, or done */
    BLY_HTTP_IS_DONE,
};

/* What it finds then. */
enum {
    BLY_HTTP_SAW_HEAD = 1,
    BLY_HTTP_SAW_REFUSAL = 2, /* the rest of the request is not wanted */
    BLY_HTTP_SAW_END = 4,
};

/* Sleeps until that.  Each phase may last as long as limits say (negative: for
 * ever), all of it until total_at (0: for ever).  Returns what it saw, ored;
 * or -ETIMEDOUT, *phase being the one whose limit passed; or the code of a
 * cut, *phase being where the request is. */
int bly_http_wait(struct bly_http_exchange *x, enum bly_http_until until,
    const belay_http_limits *limits, belay_time total_at,
    belay_http_phase *phase, const belay_site *site) BLY_MUST_CHECK;

/* A chunk that has been received, which is the caller's then; or NULL.  *last:
 * nothing will follow. */
struct bly_http_chunk *bly_http_take(struct bly_http_port *p,
    struct bly_http_exchange *x, bool *last) BLY_MUST_CHECK;
/* Gives a chunk to be sent; NULL: the end. */
void bly_http_give(struct bly_http_port *p, struct bly_http_exchange *x,
    struct bly_http_chunk *c);

/* ---- the driver's side --------------------------------------------------- */

/* The next exchange somebody asked something of, and what; or NULL. */
struct bly_http_exchange *bly_http_next_asked(struct bly_http_port *p,
    unsigned *asked);
/* No driver any more: all that is in the inbox ends, and what comes. */
void bly_http_port_over(struct bly_http_port *p);

void bly_http_enter_phase(struct bly_http_exchange *x, belay_http_phase phase);
/* A line of the head, without CR and LF; the empty one ends it.  Returns 0,
 * or negative: the exchange is to be ended as bly_http_fail has noted. */
int bly_http_head_line(struct bly_http_exchange *x, const char *line,
    size_t len) BLY_MUST_CHECK;

enum { BLY_HTTP_FULL = 1 };
/* Decoded bytes of the body; raw: how many have come over the wire so far.
 * Returns 0, BLY_HTTP_FULL: nothing was taken, come again when asked; or
 * negative, as above. */
int bly_http_body(struct bly_http_exchange *x, const char *data, size_t n,
    uint64_t raw) BLY_MUST_CHECK;
/* Up to n bytes to be sent: their number, 0 at the end, -EAGAIN: come again
 * when asked. */
ssize_t bly_http_to_send(struct bly_http_exchange *x, char *buf, size_t n)
    BLY_MUST_CHECK;

/* Notes why x fails, unless something was noted before.  Returns code. */
int bly_http_fail(struct bly_http_exchange *x, belay_http_kind kind, int code,
    const char *fmt, ...) BLY_PRINTF(4, 5);
/* It is over, well or as noted; gives back permits and the reference. */
void bly_http_end(struct bly_http_exchange *x);

#endif
