/* SPDX-License-Identifier: MIT */
/* Between host.c and the plug-ins that it loads. */
#ifndef BEHAVE_COPIES_COPIES_H
#define BEHAVE_COPIES_COPIES_H

typedef int copy_fn(void *other, int depth);
copy_fn copy_run; /* other: the copy_run of the other one, or NULL */

#endif
