/* SPDX-License-Identifier: MIT */
/* Asking the workers what they know of their tasks.  See diag.c. */
#ifndef BLY_CORE_DIAG_H
#define BLY_CORE_DIAG_H

#include "core/waitfor.h"

/* One per worker. */
struct bly_probe {
    struct bly_msg msg;
    uint32_t sent; /* atomic: msg is on its way */
    struct bly_worker *worker;
    uint64_t thread; /* atomic: its number while it runs, or 0 */

    /* The scan: the asker's while asked == done, else the worker's. */
    uint32_t scan_asked, scan_done; /* atomic */
    uint32_t scan_min_ms;
    bool scan_cuts;
    bool more;            /* the worker has not seen all of its tasks */
    struct bly_link mark; /* in worker->tasks, before the next one; else NULL */
    struct bly_notes notes;
    int64_t spent_ns;

    /* The dump, likewise; one asker at a time. */
    uint32_t dump_asked, dump_done; /* atomic, the second a futex */
    struct bly_census census;
};

struct bly_diag {
    struct bly_rt *rt;
    struct bly_diag *next; /* of all runtimes, under the registry's lock */
    uint32_t dumping;      /* futex: somebody dumps this runtime */
    uint32_t dump_number;
    struct bly_probe probes[];
};

/* Before the first worker runs, and after the last one. */
int bly_diag_open(struct bly_rt *rt) BLY_MUST_CHECK;
void bly_diag_close(struct bly_rt *rt);
/* The worker's thread begins, ends. */
void bly_diag_thread(struct bly_worker *w, bool on);

/* The link in w->tasks that is no task. */
struct bly_link *bly_diag_mark(struct bly_worker *w);

/* Asks w to go on noting its tasks; the answer is there when
 * bly_diag_scanned says so. */
void bly_diag_scan(struct bly_probe *p, uint32_t min_ms, bool cuts);
bool bly_diag_scanned(struct bly_probe *p);

/* The tree of rt. */
void bly_diag_dump(struct bly_text *x, struct bly_rt *rt);

/* What w runs, as seen from outside: a guess that was right at some moment
 * between call and return, or false. */
struct bly_peeked {
    uint64_t id;
    char name[BLY_STATE_NAME];
    const belay_site *spawned;
};
bool bly_diag_peek(struct bly_worker *w, struct bly_peeked *out);

#endif
