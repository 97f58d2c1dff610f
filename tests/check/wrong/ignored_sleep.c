/* expect-gcc: ignoring return value of 'belay_sleep' */
/* expect-clang: ignoring return value of function declared with 'warn_unused_result' */
/* flags: -Werror=unused-result */
/* SPDX-License-Identifier: MIT */
/* A wait that was cut says so; the answer is not to be dropped. */
#include <belay.h>

void nap(void);

void
nap(void)
{
    belay_sleep(BELAY_MS(1));
}
