/* expect-gcc: initialization of 'int \*' from 'int' makes pointer from integer */
/* expect-clang: incompatible integer to pointer conversion initializing .*'int \*' */
/* SPDX-License-Identifier: MIT */
/* A value instead of a place for it. */
#include <belay.h>

typedef BELAY_CHAN(int) int_chan;

int use(int_chan *ch);

int
use(int_chan *ch)
{
    int v = 0;

    return belay_recv(ch, v);
}
