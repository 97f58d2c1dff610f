/* SPDX-License-Identifier: MIT */
/*
 * Many producers, one consumer, over a channel of bounded length.  Producers
 * that are ahead wait.  The channel closes when the last of them has ended,
 * and then the consumer's loop ends.
 */
#include <belay.h>

#include <stdio.h>

enum { PRODUCERS = 3, EACH = 1000 };

struct message {
    int from, number;
};

typedef BELAY_CHAN(struct message) message_chan;

BELAY_TASK(produce, (message_chan, out), (int, id))
{
    for (int i = 0; i < EACH; i++)
        BELAY_TRY(belay_send(&out, (struct message){id, i}));
    return 0;
}

BELAY_TASK(app)
{
    BELAY_AUTO_CHAN(message_chan, ch);
    int next[PRODUCERS] = {0}, mixed = 0, i;
    struct message m;

    BELAY_TRY(belay_chan_open(&ch, 100, .name = "messages"));
    BELAY_SCOPE(s) {
        for (i = 0; i < PRODUCERS; i++)
            belay_spawn_producer(s, &ch, produce, ch, i);
        while (BELAY_TRY(belay_recv(&ch, &m)) > 0)
            mixed += m.number != next[m.from]++;
    }
    for (i = 0; i < PRODUCERS; i++)
        printf("%d messages from %d\n", next[i], i);
    printf("%d out of order\n", mixed);
    return 0;
}

int
main(void)
{
    return belay_main(app);
}
