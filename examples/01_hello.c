/* SPDX-License-Identifier: MIT */
/* A scope: it starts tasks, and nobody gets past its brace before they end. */
#include <belay.h>

#include <stdio.h>

struct greeting {
    char text[40];
};

BELAY_TASK(greet, (const char *, name), (struct greeting *, out))
{
    BELAY_TRY(belay_sleep(BELAY_MS(1)));
    snprintf(out->text, sizeof out->text, "hello, %s", name);
    return 0;
}

BELAY_TASK(app)
{
    struct greeting first, second;

    BELAY_SCOPE(s) {
        belay_spawn(s, greet, "world", &first);
        belay_spawn(s, greet, "belay", &second);
    }
    /* Both have ended: what they wrote may be read, without a lock. */
    printf("%s\n%s\n", first.text, second.text);
    return 0;
}

int
main(void)
{
    return belay_main(app);
}
