/* expect-gcc: ignoring return value of 'belay_recv_at' */
/* expect-clang: ignoring return value of function declared with 'warn_unused_result' */
/* flags: -Werror=unused-result */
/* SPDX-License-Identifier: MIT */
/* A receive that failed has taken nothing. */
#include <belay.h>

typedef BELAY_CHAN(int) int_chan;

int use(int_chan *ch);

int
use(int_chan *ch)
{
    int v;

    belay_recv(ch, &v);
    return v;
}
