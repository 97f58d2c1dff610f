/* SPDX-License-Identifier: MIT */
/*
 * Errors and the way they took.
 *
 * A status is only a number, so the rest is kept with the task: the message,
 * the place of the failure, and the places that passed it on.  It is allocated
 * when the task first fails, and if there is no memory then only detail is
 * lost: the number still goes its way.
 *
 * Nobody tells us when a failure has been dealt with.  A place that passes on
 * another number starts a new trace; so does a place further down the stack
 * than the last one, since a failure only travels outwards, or one that we
 * have just seen.
 *
 * A cut that is delivered to a task is not traced.  It comes to each of
 * perhaps 100,000 tasks at once, and all that there is to say about it is
 * said by the node that was cut.
 */
#include "core/error.h"

#include <belay/error.h>

#include "base/alloc.h"
#include "core/errand.h"
#include "core/rt.h"
#include "core/wait.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TRACE_MESSAGE = 200, TRACE_HOPS = 16, TRACE_ORIGIN = 4096 };

struct bly_trace {
    int code;       /* 0: nothing is recorded */
    bool passed_on; /* hops[0] saw the failure and did not make it */
    uint8_t count;
    uint32_t left_out;   /* hops that found no room */
    uintptr_t frame;     /* of the last hop; 0: any place is further out */
    char *origin;        /* what a child told, instead of a message */
    char *text;          /* what belay_why last returned */
    const belay_site *hops[TRACE_HOPS];
    char message[TRACE_MESSAGE];
};

/* ---- numbers to words --------------------------------------------------- */

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)

static const char *
error_describe(int number)
{
    return strerrordesc_np(number);
}

static const char *
error_name(int number)
{
    return strerrorname_np(number);
}

#else

static const char *
error_describe(int number)
{
    static __thread char buf[64];
    char *text;

    /* GNU's returns the text, the others' fill the buffer. */
    buf[0] = '\0';
    text = (char *)(uintptr_t)strerror_r(number, buf, sizeof(buf));
    return buf[0] != '\0' ? buf : text;
}

static const char *
error_name(int number)
{
    (void)number;
    return NULL;
}

#endif

static const char *
error_own(int code)
{
    switch (code) {
    case BELAY_ECLOSED:
        return "channel closed";
    case BELAY_ECRASHED:
        return "worker process crashed";
    case BELAY_EOPEN:
        return "circuit breaker open";
    case BELAY_EEXIT:
        return "process failed";
    case -ETIME:
        return "deadline passed";
    default:
        return NULL;
    }
}

const char *
belay_strerror(int code)
{
    static __thread char unknown[32];
    const char *text;

    if (code >= 0)
        return "success";
    text = error_own(code);
    if (text == NULL && code != INT32_MIN)
        text = error_describe(-code);
    if (text != NULL)
        return text;
    (void)snprintf(unknown, sizeof(unknown), "unknown error %d", code);
    return unknown;
}

/* As it is written in a program: "EINVAL", "BELAY_ECLOSED", "-70001". */
static const char *
error_spell(int code, char *buf, size_t size)
{
    const char *name = NULL;

    if (code == BELAY_ECLOSED)
        return "BELAY_ECLOSED";
    if (code == BELAY_ECRASHED)
        return "BELAY_ECRASHED";
    if (code == BELAY_EOPEN)
        return "BELAY_EOPEN";
    if (code == BELAY_EEXIT)
        return "BELAY_EEXIT";
    if (code != INT32_MIN)
        name = error_name(-code);
    if (name != NULL)
        return name;
    (void)snprintf(buf, size, "%d", code);
    return buf;
}

/* ---- recording ---------------------------------------------------------- */

static struct bly_trace *
trace_of(struct bly_task *t)
{
    return t != NULL && t->extra != NULL ? t->extra->trace : NULL;
}

/* What is recorded for who calls: a task or its deputy. */
static struct bly_trace *
trace_here(void)
{
    struct bly_errand *e = bly_errand_self();

    return e != NULL ? e->trace : trace_of(bly_self());
}

/* Where a trace of t is kept, or NULL. */
static struct bly_trace **
trace_place(struct bly_task *t)
{
    struct bly_extra *e = bly_task_extra(t);

    return e != NULL ? &e->trace : NULL;
}

static struct bly_trace **
trace_place_here(void)
{
    struct bly_errand *e = bly_errand_self();
    struct bly_task *t = bly_self();

    if (e != NULL)
        return &e->trace;
    return t != NULL ? trace_place(t) : NULL;
}

static void
trace_forget_text(struct bly_trace *tr)
{
    bly_free(tr->text);
    tr->text = NULL;
}

static void
trace_free(struct bly_trace *tr)
{
    bly_free(tr->origin);
    bly_free(tr->text);
    bly_free(tr);
}

/* An empty trace for the failure code at this place, or NULL. */
static struct bly_trace *
trace_start(struct bly_trace **place, int code)
{
    struct bly_trace *tr;

    if (place == NULL)
        return NULL;
    tr = *place;
    if (tr == NULL) {
        tr = bly_alloc(sizeof(*tr));
        if (tr == NULL)
            return NULL;
        tr->origin = NULL;
        tr->text = NULL;
        *place = tr;
    }
    bly_free(tr->origin);
    tr->origin = NULL;
    trace_forget_text(tr);
    tr->code = code;
    tr->passed_on = false;
    tr->count = 0;
    tr->left_out = 0;
    tr->frame = 0;
    tr->message[0] = '\0';
    return tr;
}

static void
trace_add(struct bly_trace *tr, const belay_site *site, uintptr_t frame)
{
    trace_forget_text(tr);
    tr->frame = frame;
    if (site == NULL)
        return;
    if (tr->count < TRACE_HOPS)
        tr->hops[tr->count++] = site;
    else
        tr->left_out++;
}

/* Could a failure that went through the hops of tr now be here? */
static bool
trace_continues(struct bly_trace *tr, const belay_site *site, uintptr_t frame)
{
    if (frame != tr->frame)
        return frame > tr->frame;
    for (unsigned i = 0; i < tr->count; i++)
        if (tr->hops[i] == site)
            return false;
    return true;
}

BLY_NOINLINE int
belay_fail_at(int code, const belay_site *site, const char *fmt, ...)
{
    struct bly_trace *tr = trace_start(trace_place_here(), code);
    va_list ap;

    if (tr == NULL)
        return code;
    va_start(ap, fmt);
    (void)vsnprintf(tr->message, sizeof(tr->message), fmt, ap);
    va_end(ap);
    trace_add(tr, site, (uintptr_t)__builtin_frame_address(0));
    return code;
}

BLY_NOINLINE int
belay_trace(int code, const belay_site *site)
{
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    struct bly_errand *e = bly_errand_self();
    struct bly_task *t = bly_self();
    struct bly_trace *tr;

    if (code >= 0 || (t == NULL && e == NULL) ||
        code == (t != NULL ? t->cut : bly_errand_cut(e)))
        return code;
    tr = trace_here();
    if (tr == NULL || tr->code != code || !trace_continues(tr, site, frame)) {
        tr = trace_start(trace_place_here(), code);
        if (tr == NULL)
            return code;
        tr->passed_on = true;
    }
    trace_add(tr, site, frame);
    return code;
}

void
belay_ignore(int status, const char *why)
{
    struct bly_trace *tr = trace_here();

    (void)why;
    if (tr != NULL && tr->code == status) {
        trace_forget_text(tr);
        tr->code = 0;
    }
}

void
bly_trace_free(struct bly_task *t)
{
    struct bly_trace *tr = trace_of(t);

    if (tr == NULL)
        return;
    t->extra->trace = NULL;
    trace_free(tr);
}

void
bly_trace_take(struct bly_task *t, struct bly_trace *tr)
{
    struct bly_trace **place;

    if (tr == NULL)
        return;
    place = trace_place(t);
    if (place == NULL) {
        trace_free(tr);
        return;
    }
    bly_trace_free(t);
    tr->frame = 0;
    *place = tr;
}

void
bly_trace_adopt(struct bly_task *parent, int code, const char *child_why)
{
    struct bly_trace *tr = trace_start(trace_place(parent), code);
    static const char more[] = "\n  ...";
    size_t n;

    if (tr == NULL || child_why == NULL)
        return;
    n = strlen(child_why);
    if (n > TRACE_ORIGIN)
        n = TRACE_ORIGIN;
    tr->origin = bly_alloc(n + sizeof(more));
    if (tr->origin == NULL) {
        (void)snprintf(tr->message, sizeof(tr->message), "%s", child_why);
        return;
    }
    (void)snprintf(tr->origin, n + sizeof(more), "%.*s%s", (int)n, child_why,
        child_why[n] == '\0' ? "" : more);
}

/* ---- telling ------------------------------------------------------------ */

/* Text that is measured first (at == NULL) and then written. */
struct why_text {
    char *at;
    size_t size, used;
};

static BLY_PRINTF(2, 3) void
why_put(struct why_text *x, const char *fmt, ...)
{
    size_t left = x->used < x->size ? x->size - x->used : 0;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(left > 0 ? x->at + x->used : NULL, left, fmt, ap);
    va_end(ap);
    if (n > 0)
        x->used += (size_t)n;
}

static void
why_put_trace(struct why_text *x, const struct bly_trace *tr)
{
    const belay_site *s = tr->hops[0];
    char number[16];
    unsigned i = 0;

    if (tr->origin != NULL) {
        why_put(x, "%s", tr->origin);
    } else {
        why_put(x, "%s (%s)",
            tr->message[0] != '\0' ? tr->message : belay_strerror(tr->code),
            error_spell(tr->code, number, sizeof(number)));
        if (tr->count > 0) {
            if (tr->passed_on)
                why_put(x, " from %s", s->what);
            why_put(x, " at %s (%s:%d)", s->func, s->file, s->line);
            i = 1;
        }
    }
    for (; i < tr->count; i++) {
        s = tr->hops[i];
        why_put(x, "\n  via %s at %s:%d", s->what, s->file, s->line);
    }
    if (tr->left_out > 0)
        why_put(x, "\n  and %u places more", (unsigned)tr->left_out);
}

/* What there is to tell. */
struct why {
    const struct bly_trace *trace; /* or NULL */
    struct bly_task *from;         /* told as well, unless NULL */
    int code;
    bool cut; /* it is the caller's cut */
};

static void
why_put_all(struct why_text *x, const struct why *y)
{
    const struct bly_task *t = y->from;
    const char *cause = NULL;
    char number[16];

    if (y->trace != NULL && y->trace->code == y->code) {
        why_put_trace(x, y->trace);
    } else {
        why_put(x, "%s (%s)", belay_strerror(y->code),
            error_spell(y->code, number, sizeof(number)));
        if (y->cut)
            cause = belay_cancel_cause();
        if (cause != NULL)
            why_put(x, ": %s", cause);
    }
    if (t == NULL)
        return;
    why_put(x, "\n  in task '%s'", t->name != NULL ? t->name : "?");
    if (t->base.site != NULL)
        why_put(x, " spawned at %s:%d", t->base.site->file, t->base.site->line);
}

static char *
why_render(const struct why *y)
{
    struct why_text x = {NULL, 0, 0};

    why_put_all(&x, y);
    x.size = x.used + 1;
    x.used = 0;
    x.at = bly_alloc(x.size);
    if (x.at != NULL)
        why_put_all(&x, y);
    return x.at;
}

char *
bly_why_copy(struct bly_task *t, int code)
{
    struct why y = {.trace = trace_of(t), .from = t, .code = code,
        .cut = t == bly_self() && code == t->cut};

    return why_render(&y);
}

const char *
belay_why(void)
{
    struct bly_errand *e = bly_errand_self();
    struct bly_task *t = bly_self();
    struct bly_trace *tr = trace_here();
    struct why y = {.code = t != NULL ? bly_cut_now(t)
            : e != NULL               ? bly_errand_cut(e)
                                      : 0};
    char *text;

    y.cut = y.code != 0;
    if (y.code == 0 && tr != NULL)
        y.code = tr->code;
    if (y.code == 0)
        return "no failure";
    if (tr == NULL)
        tr = trace_start(trace_place_here(), 0);
    y.trace = tr;
    text = tr == NULL ? NULL : why_render(&y);
    if (text == NULL)
        return belay_strerror(y.code);
    /* What we returned before stays good while it is still true. */
    if (tr->text != NULL && strcmp(tr->text, text) == 0) {
        bly_free(text);
        return tr->text;
    }
    trace_forget_text(tr);
    tr->text = text;
    return text;
}
