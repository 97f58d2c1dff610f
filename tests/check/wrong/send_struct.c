/* expect-gcc: incompatible types when initializing type 'int' */
/* expect-clang: initializing .*int'.* with an expression of incompatible type 'struct item' */
/* SPDX-License-Identifier: MIT */
/* A struct into a channel of numbers. */
#include <belay.h>

struct item {
    int n;
};

typedef BELAY_CHAN(int) int_chan;

int use(int_chan *ch);

int
use(int_chan *ch)
{
    struct item it = {1};

    return belay_send(ch, it);
}
