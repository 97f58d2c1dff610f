/* expect-gcc: initialization of 'int \*' from incompatible pointer type 'long int \*' */
/* expect-clang: incompatible pointer types initializing .*'int \*'.* with an expression of type 'long \*' */
/* SPDX-License-Identifier: MIT */
/* A place of another type for what is received. */
#include <belay.h>

typedef BELAY_CHAN(int) int_chan;

int use(int_chan *ch);

int
use(int_chan *ch)
{
    long v;

    return belay_recv(ch, &v);
}
