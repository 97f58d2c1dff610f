/* expect-gcc: ignoring return value of 'fetch' */
/* expect-clang: ignoring return value of function declared with 'warn_unused_result' */
/* flags: -Werror=unused-result */
/* SPDX-License-Identifier: MIT */
/* A task that is called as a function has a result. */
#include <belay.h>

BELAY_TASK(fetch, (const char *, url), (int *, size))
{
    *size = url[0];
    return 0;
}

void now(int *size);

void
now(int *size)
{
    fetch("a", size);
}
