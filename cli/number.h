/* SPDX-License-Identifier: MIT */
/*
 * Numbers as people write and read them: counts, sizes, durations, rates.
 * Reading takes the whole text or nothing; it returns 0 or -EINVAL (not such a
 * thing) or -ERANGE (too large), and writes *out on success only.
 */
#ifndef CLI_NUMBER_H
#define CLI_NUMBER_H

#include <belay/base.h>

/* So many in each period; per host if host is set. */
struct rate {
    double n;
    belay_dur per;
    bool host;
};

/* "64" */
int number_count(const char *text, uint64_t *out);
/* "64", "10k", "1.5M", "2GiB": powers of 1024; bytes */
int number_size(const char *text, uint64_t *out);
/* "20" (seconds), "1.5s", "200ms", "5m", "2h" */
int number_duration(const char *text, belay_dur *out);
/* "10/s", "600/m", "10/s/host" */
int number_rate(const char *text, struct rate *out);

/* Each writes at most NUMBER_ROOM bytes to buf and returns buf. */
enum { NUMBER_ROOM = 24 };
const char *number_show_size(char *buf, uint64_t bytes);      /* "1.2 MiB" */
const char *number_show_duration(char *buf, belay_dur d);     /* "1.25 s" */
const char *number_show_clock(char *buf, belay_dur d);        /* "1:05:09" */

#endif
