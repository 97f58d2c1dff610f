/* expect-gcc: initialization of 'int \*' from incompatible pointer type 'long int \*' */
/* expect-clang: incompatible pointer types initializing .*'int \*'.* with an expression of type 'long \*' */
/* SPDX-License-Identifier: MIT */
/* A case of a select is checked like the call. */
#include <belay.h>

typedef BELAY_CHAN(int) int_chan;

int use(int_chan *ch);

int
use(int_chan *ch)
{
    long v;
    int r;

    return belay_select(&r, [0] = BELAY_RECV(ch, &v));
}
