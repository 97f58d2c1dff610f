/* SPDX-License-Identifier: MIT */
/*
 * What a timeline records: one table, and the record that all kinds share.
 *
 * A record stands alone as far as that is cheap.  Rings lose the oldest, so
 * the name of a task comes with each of its records that has room for it, and
 * nothing points to what a run may free: texts are copied, verbs and sites
 * live as long as the program.
 */
#ifndef BLY_TRACE_EVENT_H
#define BLY_TRACE_EVENT_H

#include <belay/base.h>

#include "base/compiler.h"

/*
 * X(kind, what it says)          other, node, code and text are
 */
#define BLY_EVENTS(X)                                                          \
    X(SPAWN, "spawn")   /* the spawner, the parent; name; task: the child */   \
    X(FIRST, "first")   /* whose stack it borrows or 0, the parent; name */    \
    X(PARK, "park")     /* verb, site; text: the object */                     \
    X(YIELD, "yield")   /* it could go on, and lets others run; name */        \
    X(WAKE, "wake")     /* the waker or 0; name */                             \
    X(ABORT, "abort")   /* the same by a cut of node, or a stop; name */       \
    X(RUN, "run")       /* runs again; name */                                 \
    X(FINISH, "finish") /* its result in code; name */                         \
    X(CUT, "cut")       /* who cut or 0, node, code; task: who opened node; */ \
                        /* verb: what node is, text: its name */               \
    X(OPEN, "open")     /* a scope: node, site, name */                        \
    X(CLOSE, "close")   /* node, the scope's result */                         \
    X(MARK, "mark")     /* the program's own text */

#define BLY_EVENT_ENUM(kind, word) BLY_EVENT_##kind,
enum bly_event_kind { BLY_EVENTS(BLY_EVENT_ENUM) BLY_EVENT_KINDS };
#undef BLY_EVENT_ENUM

enum { BLY_EVENT_TEXT = 61, BLY_EVENT_WORDS = 16 };

/* Which fields mean something depends on the kind; the others are 0. */
struct bly_trace_event {
    int64_t when;
    uint64_t order; /* in a simulation, where time stands still; else 0 */
    uint64_t task;  /* whom it is about; ids begin at 1 */
    uint64_t other;
    uint64_t node;
    const char *verb;
    const belay_site *site;
    uint32_t runtime; /* ids of tasks mean something within one */
    int32_t code;
    uint16_t worker;  /* that recorded it, from 1 */
    uint8_t kind;
    char text[BLY_EVENT_TEXT];
};

_Static_assert(sizeof(void *) != 8 ||
        sizeof(struct bly_trace_event) == 8 * BLY_EVENT_WORDS,
    "two cache lines");

/* Copies as much of text as there is room for; what is no printable UTF-8
 * becomes '?', so that every writer may trust in it. */
void bly_event_text(char *out, size_t size, const char *text);

#endif
