/* SPDX-License-Identifier: MIT */
/* Writing a whole file.  See replace.c. */
#ifndef BLY_OS_REPLACE_H
#define BLY_OS_REPLACE_H

#include "base/compiler.h"

/* Gives the file at path this content, all of it or, after a failure, none.
 * 0 or -errno; errno stays as it is. */
int bly_os_replace(const char *path, const void *data, size_t n)
    BLY_MUST_CHECK;

#endif
