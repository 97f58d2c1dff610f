/* expect-gcc: initialization of 'const int \*' from incompatible pointer type 'long int \*' */
/* expect-clang: with an expression of type 'long \*' */
/* SPDX-License-Identifier: MIT */
/* The value of a send case. */
#include <belay.h>

typedef BELAY_CHAN(int) int_chan;

int use(int_chan *ch);

int
use(int_chan *ch)
{
    long v = 1;
    int r;

    return belay_select(&r, [0] = BELAY_SEND(ch, &v));
}
