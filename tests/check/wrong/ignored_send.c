/* expect-gcc: ignoring return value of 'belay_send_at' */
/* expect-clang: ignoring return value of function declared with 'warn_unused_result'|expression result unused */
/* flags: -Werror=unused-result */
/* SPDX-License-Identifier: MIT */
/* A send that failed has sent nothing; the answer is not to be dropped. */
#include <belay.h>

typedef BELAY_CHAN(int) int_chan;

int use(int_chan *ch);

int
use(int_chan *ch)
{
    belay_send(ch, 1);
    return 0;
}
