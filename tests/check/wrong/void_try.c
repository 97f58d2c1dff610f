/* expect-gcc: 'return' with a value, in function returning void */
/* expect-clang: void function '.*' should not return a value */
/* SPDX-License-Identifier: MIT */
/* BELAY_TRY returns the failure. */
#include <belay.h>

void nap(void);

void
nap(void)
{
    BELAY_TRY(belay_sleep(BELAY_MS(1)));
}
