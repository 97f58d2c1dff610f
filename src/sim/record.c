/* SPDX-License-Identifier: MIT */
/*
 * A run as the list of its deviations from the default, and that list as a
 * text that repeats the run anywhere.
 *
 * by1- and then, in base 32 (a-z 2-7, most significant bit first, no padding):
 *
 *     config hash, 3 bytes     of the test's name and options
 *     stream hash, 2 bytes     of every choice of the run
 *     for each deviation:
 *         gap      varint      choices since the previous one
 *         what     1 byte      kind | min(n, 15) << 4
 *         n        varint      only if 15 or more
 *         choice   varint      only if n is not 2
 *     check sum, 2 bytes       of all before
 *
 * Replay is strict: a deviation must meet a choice of its kind and size, and
 * at the end the streams must be the same, so that a token of another program
 * is told and never silently does something else.
 */
#include "sim/sim.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

static const char record_prefix[] = "by1-";
static const char record_digits[] = "abcdefghijklmnopqrstuvwxyz234567";

/* ---- traces ------------------------------------------------------------- */

void
bly_sim_trace_clear(struct bly_sim_trace *t)
{
    t->count = 0;
    t->choices = 0;
    t->hash = UINT64_C(0xcbf29ce484222325);
}

static bool
trace_room(struct bly_sim_trace *t, uint32_t room)
{
    bool on = bly_sim_now.on;
    struct bly_sim_deviation *list;

    if (room <= t->room)
        return true;
    room = room < 2 * t->room ? 2 * t->room : room + 64;
    bly_sim_now.on = false; /* no choices of our own */
    list = bly_alloc_quiet(room * sizeof(*list));
    if (list != NULL) {
        if (t->count > 0)
            memcpy(list, t->list, t->count * sizeof(*list));
        bly_free_quiet(t->list);
        t->list = list;
        t->room = room;
    }
    bly_sim_now.on = on;
    return list != NULL;
}

void
bly_sim_trace_add(struct bly_sim_trace *t, const struct bly_sim_deviation *d)
{
    if (BLY_UNLIKELY(t->count == t->room) && !trace_room(t, t->count + 1))
        return; /* the token will not repeat the run, and says so */
    t->list[t->count++] = *d;
}

void
bly_sim_trace_copy(struct bly_sim_trace *to, const struct bly_sim_trace *from)
{
    bly_sim_trace_clear(to);
    if (!trace_room(to, from->count))
        return;
    if (from->count > 0)
        memcpy(to->list, from->list, from->count * sizeof(*to->list));
    to->count = from->count;
    to->choices = from->choices;
    to->hash = from->hash;
}

void
bly_sim_trace_free(struct bly_sim_trace *t)
{
    bly_free_quiet(t->list);
    t->list = NULL;
    t->count = t->room = 0;
}

/* ---- tokens ------------------------------------------------------------- */

enum { RECORD_BYTES = 512 };

struct record_bytes {
    uint8_t at[RECORD_BYTES];
    size_t count, next;
    bool bad;
};

static void
bytes_put(struct record_bytes *b, uint64_t v, int count)
{
    for (; count > 0; count--, v >>= 8) {
        if (b->count == RECORD_BYTES)
            b->bad = true;
        else
            b->at[b->count++] = (uint8_t)v;
    }
}

static void
bytes_put_varint(struct record_bytes *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        bytes_put(b, v | 0x80, 1);
    bytes_put(b, v, 1);
}

static uint64_t
bytes_get(struct record_bytes *b, int count)
{
    uint64_t v = 0;
    int i;

    for (i = 0; i < count; i++) {
        if (b->next == b->count)
            b->bad = true;
        else
            v |= (uint64_t)b->at[b->next++] << (8 * i);
    }
    return v;
}

static uint64_t
bytes_get_varint(struct record_bytes *b)
{
    uint64_t v = 0, byte;
    int shift = 0;

    do {
        byte = bytes_get(b, 1);
        if (shift > 56)
            b->bad = true;
        else
            v |= (byte & 0x7f) << shift;
        shift += 7;
    } while ((byte & 0x80) != 0 && !b->bad);
    return v;
}

static uint32_t
bytes_sum(const uint8_t *p, size_t n)
{
    uint32_t h = 2166136261u;

    for (; n > 0; n--)
        h = (h ^ *p++) * 16777619u;
    return (h ^ (h >> 16)) & 0xffff;
}

static bool
bytes_write(const struct record_bytes *b, char *out, size_t size)
{
    uint32_t bits = 0, have = 0;
    size_t len = sizeof(record_prefix) - 1, i;

    if (b->bad || len + (b->count * 8 + 4) / 5 + 1 > size)
        return false;
    memcpy(out, record_prefix, len);
    for (i = 0; i < b->count; i++) {
        bits = (bits << 8 | b->at[i]) & 0xffff;
        for (have += 8; have >= 5; have -= 5)
            out[len++] = record_digits[(bits >> (have - 5)) & 31];
    }
    if (have > 0)
        out[len++] = record_digits[(bits << (5 - have)) & 31];
    out[len] = '\0';
    return true;
}

static bool
bytes_read(struct record_bytes *b, const char *text)
{
    uint32_t bits = 0, have = 0;

    if (strncmp(text, record_prefix, sizeof(record_prefix) - 1) != 0)
        return false;
    for (text += sizeof(record_prefix) - 1; *text != '\0'; text++) {
        const char *digit = strchr(record_digits, *text);

        if (digit == NULL)
            return false;
        bits = (bits << 5 | (uint32_t)(digit - record_digits)) & 0xffff;
        have += 5;
        if (have >= 8) {
            have -= 8;
            bytes_put(b, bits >> have, 1);
        }
    }
    return !b->bad && b->count >= 7;
}

bool
bly_sim_token_write(const struct bly_sim_trace *t, uint32_t config, char *out,
    size_t size)
{
    struct record_bytes b = {.count = 0};
    uint64_t at = 0;
    uint32_t i;

    bytes_put(&b, config, 3);
    bytes_put(&b, t->hash, 2);
    for (i = 0; i < t->count && !b.bad; i++) {
        const struct bly_sim_deviation *d = &t->list[i];

        bytes_put_varint(&b, d->at - at);
        at = d->at + 1;
        bytes_put(&b, d->kind | (d->n < 15 ? d->n : 15) << 4, 1);
        if (d->n >= 15)
            bytes_put_varint(&b, d->n);
        if (d->n != 2)
            bytes_put_varint(&b, d->choice);
    }
    bytes_put(&b, bytes_sum(b.at, b.count), 2);
    if (size > 0)
        out[0] = '\0';
    return bytes_write(&b, out, size);
}

const char *
bly_sim_token_read(const char *token, uint32_t *config,
    struct bly_sim_trace *t)
{
    struct record_bytes b = {.count = 0};
    uint64_t at = 0;

    bly_sim_trace_clear(t);
    if (!bytes_read(&b, token))
        return "this is no token: by1- and letters and 2 to 7";
    b.count -= 2;
    if (b.at[b.count] + 256u * b.at[b.count + 1] != bytes_sum(b.at, b.count))
        return "the token is damaged: its check sum does not fit";
    *config = (uint32_t)bytes_get(&b, 3);
    t->hash = bytes_get(&b, 2);
    while (b.next < b.count && !b.bad) {
        struct bly_sim_deviation d;
        uint32_t what;

        d.at = at + bytes_get_varint(&b);
        at = d.at + 1;
        what = (uint32_t)bytes_get(&b, 1);
        d.kind = what & 15;
        d.n = what >> 4;
        if (d.n == 15)
            d.n = (uint32_t)bytes_get_varint(&b);
        d.choice = d.n == 2 ? 1 : (uint32_t)bytes_get_varint(&b);
        if (d.kind >= BLY_CHOOSE_KINDS || d.choice >= d.n)
            b.bad = true;
        bly_sim_trace_add(t, &d);
    }
    return b.bad ? "the token is damaged" : NULL;
}

/* ---- replay ------------------------------------------------------------- */

static struct {
    const struct bly_sim_trace *from;
    uint32_t next;
    bool strict;
} replay;

static const char *const record_kinds[BLY_CHOOSE_KINDS] = {
    [BLY_CHOOSE_TASK] = "TASK",
    [BLY_CHOOSE_PREEMPT] = "PREEMPT",
    [BLY_CHOOSE_THREAD] = "THREAD",
    [BLY_CHOOSE_VICTIM] = "VICTIM",
    [BLY_CHOOSE_ARM] = "ARM",
    [BLY_CHOOSE_TIMER] = "TIMER",
    [BLY_CHOOSE_ALLOC] = "ALLOC",
    [BLY_CHOOSE_CANCEL] = "CANCEL",
    [BLY_CHOOSE_INLINE] = "INLINE",
    [BLY_CHOOSE_RANDOM] = "RANDOM",
    [BLY_CHOOSE_IO] = "IO",
    [BLY_CHOOSE_SHORT] = "SHORT",
    [BLY_CHOOSE_FAULT] = "FAULT",
    [BLY_CHOOSE_PACKET] = "PACKET",
};

void
bly_sim_replay_from(const struct bly_sim_trace *t, bool strict)
{
    replay.from = t;
    replay.next = 0;
    replay.strict = strict;
}

static uint32_t
replay_pick(const struct bly_sim_ask *ask)
{
    uint64_t at = bly_sim_now.trace.choices;
    const struct bly_sim_deviation *d;

    if (replay.next == replay.from->count)
        return 0;
    d = &replay.from->list[replay.next];
    if (d->at != at)
        return 0;
    replay.next++;
    if (d->kind == ask->kind && d->n == ask->n)
        return d->choice;
    if (replay.strict)
        bly_sim_fail(BELAY_FINDS_DIVERGED, 0,
            "diverged at choice #%llu: expected %s of %u, got %s of %u",
            (unsigned long long)at, record_kinds[d->kind], d->n,
            record_kinds[ask->kind], ask->n);
    return d->kind == ask->kind && d->choice < ask->n ? d->choice : 0;
}

const struct bly_sim_source bly_sim_replay = {replay_pick, NULL};

const char *
bly_sim_replay_differs(const struct bly_sim_trace *of,
    const struct bly_sim_trace *now)
{
    if (replay.next < of->count)
        return "the run ended before the token did";
    /* A token holds no more of the hash. */
    if (((of->hash ^ now->hash) & 0xffff) != 0)
        return "the choices were not those of the token";
    return NULL;
}
