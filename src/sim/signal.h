/* SPDX-License-Identifier: MIT */
/* Simulated signals; see signal_sim.c. */
#ifndef BLY_SIM_SIGNAL_H
#define BLY_SIM_SIGNAL_H

/* Nobody listens, as at the beginning of a run. */
void bly_vsignal_reset(void);

#endif
