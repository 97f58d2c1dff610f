/* SPDX-License-Identifier: MIT */
/* Tokens: what is written is read again, and what is damaged is refused. */
#include "sim/sim.h"

#include <stdio.h>
#include <string.h>

static int number, failures;

static void
ok(bool good, const char *what)
{
    printf("%s %d - %s\n", good ? "ok" : "not ok", ++number, what);
    failures += !good;
}

static bool
same(const struct bly_sim_trace *a, const struct bly_sim_trace *b)
{
    uint32_t i;

    if (a->count != b->count || ((a->hash ^ b->hash) & 0xffff) != 0)
        return false;
    for (i = 0; i < a->count; i++) {
        const struct bly_sim_deviation *d = &a->list[i], *e = &b->list[i];

        if (d->at != e->at || d->kind != e->kind || d->n != e->n ||
            d->choice != e->choice)
            return false;
    }
    return true;
}

static void
add(struct bly_sim_trace *t, uint64_t at, enum bly_choice kind, uint32_t n,
    uint32_t choice)
{
    bly_sim_trace_add(t, &(struct bly_sim_deviation){at, kind, n, choice});
}

/* Every number that the form treats in its own way. */
static void
fill(struct bly_sim_trace *t)
{
    bly_sim_trace_clear(t);
    t->hash = 0xabcd1234;
    add(t, 0, BLY_CHOOSE_PREEMPT, 2, 1);
    add(t, 1, BLY_CHOOSE_TASK, 3, 2);
    add(t, 128, BLY_CHOOSE_ARM, 14, 13);
    add(t, 256, BLY_CHOOSE_THREAD, 15, 1);
    add(t, 257, BLY_CHOOSE_RANDOM, UINT32_MAX, UINT32_MAX - 1);
    add(t, UINT64_C(1) << 40, BLY_CHOOSE_CANCEL, 2, 1);
}

static void
round_trips(struct bly_sim_trace *t, const char *what)
{
    struct bly_sim_trace back = {NULL, 0, 0, 0, 0};
    uint32_t config = 0;
    char token[256];

    ok(bly_sim_token_write(t, 0x123456, token, sizeof(token)) &&
            strncmp(token, "by1-", 4) == 0 &&
            bly_sim_token_read(token, &config, &back) == NULL &&
            config == 0x123456 && same(t, &back),
        what);
    bly_sim_trace_free(&back);
}

/* Each letter in turn by each other one. */
static void
damage(struct bly_sim_trace *t)
{
    struct bly_sim_trace back = {NULL, 0, 0, 0, 0};
    unsigned accepted = 0, tried = 0;
    char token[256];
    uint32_t config;
    size_t i;

    (void)bly_sim_token_write(t, 7, token, sizeof(token));
    for (i = 4; token[i] != '\0'; i++) {
        char good = token[i], c;

        for (c = 'a'; c <= 'z'; c++) {
            token[i] = c;
            if (c == good)
                continue;
            tried++;
            if (bly_sim_token_read(token, &config, &back) == NULL &&
                !same(t, &back))
                accepted++;
        }
        token[i] = good;
    }
    ok(tried > 500 && accepted == 0, "no changed letter goes unseen");
    token[strlen(token) - 2] = '\0';
    ok(bly_sim_token_read(token, &config, &back) != NULL,
        "a token cut short is refused");
    ok(bly_sim_token_read("by1-", &config, &back) != NULL &&
            bly_sim_token_read("", &config, &back) != NULL &&
            bly_sim_token_read("by2-aaaaaaaaaaaaaaaa", &config, &back) !=
                NULL &&
            bly_sim_token_read("by1-aaaa aaaaaaaaaaa", &config, &back) !=
                NULL,
        "what is no token is refused");
    bly_sim_trace_free(&back);
}

static void
sizes(struct bly_sim_trace *t)
{
    char token[256];
    uint32_t i;

    bly_sim_trace_clear(t);
    for (i = 0; i < 8; i++)
        add(t, 100 * i, BLY_CHOOSE_TASK, 6, 3);
    ok(bly_sim_token_write(t, 0xffffff, token, sizeof(token)) &&
            strlen(token) <= 80,
        "eight deviations fit into 80 characters");
    for (; i < 2000; i++)
        add(t, 100 * i, BLY_CHOOSE_TASK, 6, 3);
    ok(!bly_sim_token_write(t, 0xffffff, token, sizeof(token)),
        "two thousand do not fit, and that is said");
}

int
main(void)
{
    struct bly_sim_trace t = {NULL, 0, 0, 0, 0};

    bly_sim_trace_clear(&t);
    round_trips(&t, "the default run");
    fill(&t);
    round_trips(&t, "small and large numbers");
    damage(&t);
    sizes(&t);
    bly_sim_trace_free(&t);
    printf("1..%d\n", number);
    return failures != 0;
}
