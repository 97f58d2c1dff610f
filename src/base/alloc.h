/* SPDX-License-Identifier: MIT */
/*
 * All memory of belay that is not a stack comes from here, so that a
 * simulation can let each allocation fail in turn and count what is left.
 */
#ifndef BLY_BASE_ALLOC_H
#define BLY_BASE_ALLOC_H

#include "base/compiler.h"

void *bly_alloc(size_t size) BLY_MUST_CHECK;  /* not cleared; NULL on failure */
void *bly_zalloc(size_t size) BLY_MUST_CHECK; /* cleared */
void *bly_realloc(void *p, size_t size) BLY_MUST_CHECK;
void bly_free(void *p);

/* Memory that belongs to the process rather than to a run (slabs, caches):
 * never fails by the explorer's choice and is not counted as a leak. */
void *bly_alloc_quiet(size_t size) BLY_MUST_CHECK;
void bly_free_quiet(void *p);

#if BLY_SIM
/* Blocks that bly_alloc and its kin gave out and have not got back. */
size_t bly_alloc_live(void);
#endif

#endif
