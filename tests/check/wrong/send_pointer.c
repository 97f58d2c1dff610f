/* expect-gcc: 'char \*' makes integer from pointer without a cast */
/* expect-clang: incompatible pointer to integer conversion initializing .*int' */
/* SPDX-License-Identifier: MIT */
/* A pointer into a channel of numbers. */
#include <belay.h>

typedef BELAY_CHAN(int) int_chan;

int use(int_chan *ch);

int
use(int_chan *ch)
{
    char *text = NULL;

    return belay_send(ch, text);
}
