/* SPDX-License-Identifier: MIT */
/* How fast a run goes, of late, and how long it will go on. */
#ifndef CLI_PULSE_H
#define CLI_PULSE_H

#include <belay/base.h>

enum { PULSE_LOOKS = 32 };

/* All zero bytes: nobody has looked yet. */
struct pulse {
    belay_time at[PULSE_LOOKS];
    uint64_t done[PULSE_LOOKS];
    unsigned looks;
};

/* So much is done now. */
void pulse_look(struct pulse *p, belay_time now, uint64_t done);
/* In a second, between the last PULSE_LOOKS looks. */
double pulse_rate(const struct pulse *p);
/* Until `all' are done, at that rate; negative: nobody knows.  all < 0: nor
 * how many there are. */
belay_dur pulse_eta(const struct pulse *p, double all);
/* How many there will be if `read' of `size' bytes gave n; negative: nobody
 * knows. */
double pulse_all(uint64_t n, uint64_t read, uint64_t size);

#endif
