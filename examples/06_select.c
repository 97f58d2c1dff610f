/* SPDX-License-Identifier: MIT */
/*
 * Select: two sources are read until both are closed; a source that is closed
 * is taken out by clearing its handle.  Then a wait with a time limit on a
 * third one, to which nobody sends.
 */
#include <belay.h>

#include <stdio.h>
#include <string.h>

typedef BELAY_CHAN(int) int_chan;
typedef BELAY_CHAN(const char *) word_chan;

BELAY_TASK(count, (int_chan, out))
{
    for (int i = 1; i <= 10; i++)
        BELAY_TRY(belay_send(&out, i));
    return 0;
}

BELAY_TASK(speak, (word_chan, out))
{
    BELAY_TRY(belay_send(&out, "structured"));
    BELAY_TRY(belay_send(&out, "concurrency"));
    return 0;
}

static int
merge(int_chan numbers, word_chan words)
{
    enum { NUMBER, WORD };
    int n, r, sum = 0;
    size_t letters = 0;
    const char *word;

    while (numbers.base != NULL || words.base != NULL) {
        switch (BELAY_TRY(belay_select(&r, [NUMBER] = BELAY_RECV(&numbers, &n),
            [WORD] = BELAY_RECV(&words, &word)))) {
        case NUMBER:
            if (BELAY_TRY(r) == 0)
                numbers.base = NULL; /* closed: never again */
            else
                sum += n;
            break;
        case WORD:
            if (BELAY_TRY(r) == 0)
                words.base = NULL;
            else
                letters += strlen(word);
            break;
        }
    }
    printf("sum %d, %zu letters\n", sum, letters);
    return 0;
}

BELAY_TASK(app)
{
    BELAY_AUTO_CHAN(int_chan, numbers);
    BELAY_AUTO_CHAN(word_chan, words);
    BELAY_AUTO_CHAN(int_chan, silent);
    enum { NUMBER, LATE };
    int n, r;

    BELAY_TRY(belay_chan_open(&numbers, 0));
    BELAY_TRY(belay_chan_open(&words, 1));
    BELAY_TRY(belay_chan_open(&silent, 1));
    BELAY_SCOPE(s) {
        belay_spawn_producer(s, &numbers, count, numbers);
        belay_spawn_producer(s, &words, speak, words);
        BELAY_TRY(merge(numbers, words));
    }
    if (BELAY_TRY(belay_select(&r, [NUMBER] = BELAY_RECV(&silent, &n),
            [LATE] = BELAY_AFTER(BELAY_MS(5)))) == LATE)
        printf("nothing came in time\n");
    return 0;
}

int
main(void)
{
    return belay_main(app);
}
