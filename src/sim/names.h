/* SPDX-License-Identifier: MIT */
/* Names that simulated lookups know.  See names.c. */
#ifndef BLY_SIM_NAMES_H
#define BLY_SIM_NAMES_H

/* Before each run. */
void bly_sim_names_reset(void);
/* How often a lookup of this name has begun in this run. */
unsigned bly_sim_names_asked(const char *name);

#endif
