/* SPDX-License-Identifier: MIT */
/*
 * A story as a trace of Perfetto, for ui.perfetto.dev: protocol buffers of the
 * type perfetto.protos.Trace with a track per task.  Names are written out in
 * each packet rather than interned: a third more bytes, and no state.
 *
 * Times are those of the monotonic clock.  Without a snapshot of clocks,
 * Perfetto takes them as they are and shows them from the first one on.
 */
#include "trace/proto.h"
#include "trace/story.h"

#include <inttypes.h>
#include <string.h>

/* Fields, named as in the .proto files, by message. */
enum {
    TRACE_PACKET = 1,

    PACKET_TIMESTAMP = 8,
    PACKET_SEQUENCE_ID = 10,
    PACKET_TRACK_EVENT = 11,
    PACKET_SEQUENCE_FLAGS = 13,
    PACKET_TRACK_DESCRIPTOR = 60,

    TRACK_UUID = 1,
    TRACK_NAME = 2,
    TRACK_PARENT_UUID = 5,
    TRACK_CHILD_ORDERING = 11,
    TRACK_SIBLING_RANK = 12,

    EVENT_ANNOTATION = 4,
    EVENT_TYPE = 9,
    EVENT_TRACK = 11,
    EVENT_CATEGORY = 22,
    EVENT_NAME = 23,
    EVENT_FLOW = 47,
    EVENT_FLOW_ENDS = 48,

    ANNOTATION_INT = 4,
    ANNOTATION_TEXT = 6,
    ANNOTATION_NAME = 10
};

/* Their values. */
enum {
    EVENT_BEGIN = 1,
    EVENT_END = 2,
    EVENT_INSTANT = 3,
    ORDER_EXPLICIT = 3,
    STATE_CLEARED = 1, /* nothing before it is referred to */
    SEQUENCE = 1,
    ROOT_TRACK = 1 /* tasks have the numbers behind it */
};

static const char *const perfetto_categories[] = {
    [BLY_ACT_LIFE] = "task",
    [BLY_ACT_SCOPE] = "scope",
    [BLY_ACT_QUEUED] = "queued",
    [BLY_ACT_RUN] = "run",
    [BLY_ACT_WAIT] = "wait",
    [BLY_ACT_READY] = "ready",
    [BLY_ACT_SPAWN] = "spawn",
    [BLY_ACT_WAKE] = "wake",
    [BLY_ACT_ABORT] = "cut",
    [BLY_ACT_CUT] = "cut",
    [BLY_ACT_MARK] = "mark",
};

struct perfetto {
    struct bly_bytes *out;
    const struct bly_story *st;
    struct bly_bytes text; /* of one name */
};

/* What bly_story_say and its kin have put into p->text, as a field. */
static void
perfetto_text(struct perfetto *p, uint32_t field)
{
    bly_bytes_add(&p->text, "", 1);
    if (!p->text.failed)
        bly_proto_text(p->out, field, p->text.at);
    p->text.used = 0;
}

static uint64_t
perfetto_uuid(uint32_t task)
{
    return ROOT_TRACK + 1 + (uint64_t)task;
}

/* ---- tracks ------------------------------------------------------------- */

static void
perfetto_root(struct perfetto *p)
{
    size_t packet = bly_proto_open(p->out, TRACE_PACKET), track;

    bly_proto_uint(p->out, PACKET_SEQUENCE_ID, SEQUENCE);
    bly_proto_uint(p->out, PACKET_SEQUENCE_FLAGS, STATE_CLEARED);
    track = bly_proto_open(p->out, PACKET_TRACK_DESCRIPTOR);
    bly_proto_uint(p->out, TRACK_UUID, ROOT_TRACK);
    bly_proto_text(p->out, TRACK_NAME, p->st->program);
    bly_proto_uint(p->out, TRACK_CHILD_ORDERING, ORDER_EXPLICIT);
    bly_proto_close(p->out, track);
    bly_proto_close(p->out, packet);
}

static void
perfetto_track(struct perfetto *p, uint32_t i)
{
    const struct bly_story_task *t = &p->st->tasks[i];
    size_t packet = bly_proto_open(p->out, TRACE_PACKET), track;

    bly_proto_uint(p->out, PACKET_SEQUENCE_ID, SEQUENCE);
    track = bly_proto_open(p->out, PACKET_TRACK_DESCRIPTOR);
    bly_proto_uint(p->out, TRACK_UUID, perfetto_uuid(i));
    bly_proto_uint(p->out, TRACK_PARENT_UUID, ROOT_TRACK);
    bly_bytes_print(&p->text, "%s #%" PRIu64, t->name, t->id);
    if (p->st->runtimes > 1) /* the same again would be the same track */
        bly_bytes_print(&p->text, " of runtime %u", t->runtime);
    perfetto_text(p, TRACK_NAME);
    bly_proto_int(p->out, TRACK_SIBLING_RANK, t->place);
    bly_proto_close(p->out, track);
    bly_proto_close(p->out, packet);
}

/* ---- events ------------------------------------------------------------- */

static void
perfetto_note(struct perfetto *p, const char *name)
{
    size_t note = bly_proto_open(p->out, EVENT_ANNOTATION);

    bly_proto_text(p->out, ANNOTATION_NAME, name);
    perfetto_text(p, ANNOTATION_TEXT);
    bly_proto_close(p->out, note);
}

static void
perfetto_note_int(struct perfetto *p, const char *name, int64_t value)
{
    size_t note = bly_proto_open(p->out, EVENT_ANNOTATION);

    bly_proto_text(p->out, ANNOTATION_NAME, name);
    bly_proto_int(p->out, ANNOTATION_INT, value);
    bly_proto_close(p->out, note);
}

static void
perfetto_note_site(struct perfetto *p, const char *name,
    const belay_site *site)
{
    if (site == NULL)
        return;
    bly_bytes_print(&p->text, "%s:%d", site->file, site->line);
    perfetto_note(p, name);
}

static void
perfetto_begin_notes(struct perfetto *p, const struct bly_act *a)
{
    const struct bly_story_task *t = &p->st->tasks[a->task];

    switch (a->what) {
    case BLY_ACT_LIFE:
        perfetto_note_site(p, "spawned at", t->site);
        if (t->parent != 0) {
            const struct bly_story_task *up = &p->st->tasks[t->parent - 1];

            bly_bytes_print(&p->text, "%s #%" PRIu64, up->name, up->id);
            perfetto_note(p, "child of");
        }
        break;
    case BLY_ACT_RUN:
        perfetto_note_int(p, "worker", a->e->worker);
        break;
    case BLY_ACT_WAIT:
        if (a->e->kind != BLY_EVENT_FIRST)
            perfetto_note_site(p, "at", a->e->site);
        break;
    case BLY_ACT_SCOPE:
    case BLY_ACT_CUT:
        perfetto_note_site(p, "at", a->e->site);
        break;
    default:
        break;
    }
}

static void
perfetto_end_notes(struct perfetto *p, const struct bly_act *a)
{
    const struct bly_story_task *t = &p->st->tasks[a->task];

    if (a->what != BLY_ACT_LIFE || !t->ended)
        return;
    perfetto_note_int(p, "result", t->code);
    if (t->code < 0) {
        bly_bytes_print(&p->text, "%s", p->st->say(t->code));
        perfetto_note(p, "failure");
    }
}

static void
perfetto_act(struct perfetto *p, const struct bly_act *a)
{
    static const uint8_t types[] = {
        [BLY_ACT_BEGIN] = EVENT_BEGIN,
        [BLY_ACT_END] = EVENT_END,
        [BLY_ACT_POINT] = EVENT_INSTANT,
    };
    size_t packet = bly_proto_open(p->out, TRACE_PACKET), event;

    bly_proto_uint(p->out, PACKET_TIMESTAMP, (uint64_t)a->when);
    bly_proto_uint(p->out, PACKET_SEQUENCE_ID, SEQUENCE);
    event = bly_proto_open(p->out, PACKET_TRACK_EVENT);
    bly_proto_uint(p->out, EVENT_TYPE, types[a->type]);
    bly_proto_uint(p->out, EVENT_TRACK, perfetto_uuid(a->task));
    if (a->type == BLY_ACT_END) {
        perfetto_end_notes(p, a);
    } else {
        bly_proto_text(p->out, EVENT_CATEGORY, perfetto_categories[a->what]);
        bly_story_say(&p->text, p->st, a);
        perfetto_text(p, EVENT_NAME);
        perfetto_begin_notes(p, a);
        if (a->flow != 0 && p->st->arrows[a->flow - 1].to != 0)
            bly_proto_fixed64(p->out,
                a->type == BLY_ACT_POINT ? EVENT_FLOW : EVENT_FLOW_ENDS,
                a->flow);
    }
    bly_proto_close(p->out, event);
    bly_proto_close(p->out, packet);
}

static void
perfetto_lost(struct perfetto *p)
{
    size_t packet = bly_proto_open(p->out, TRACE_PACKET), event;

    bly_proto_uint(p->out, PACKET_TIMESTAMP, (uint64_t)p->st->from);
    bly_proto_uint(p->out, PACKET_SEQUENCE_ID, SEQUENCE);
    event = bly_proto_open(p->out, PACKET_TRACK_EVENT);
    bly_proto_uint(p->out, EVENT_TYPE, EVENT_INSTANT);
    bly_proto_uint(p->out, EVENT_TRACK, ROOT_TRACK);
    bly_bytes_print(&p->text, "%" PRIu64 " earlier events are lost",
        p->st->lost);
    perfetto_text(p, EVENT_NAME);
    bly_proto_close(p->out, event);
    bly_proto_close(p->out, packet);
}

void
bly_perfetto_write(struct bly_bytes *b, const struct bly_story *st)
{
    struct perfetto p = {.out = b, .st = st};
    uint32_t i;

    perfetto_root(&p);
    for (i = 0; i < st->ntasks; i++)
        perfetto_track(&p, st->order[i]);
    if (st->lost != 0)
        perfetto_lost(&p);
    for (i = 0; i < st->nacts; i++)
        perfetto_act(&p, &st->acts[i]);
    b->failed = b->failed || p.text.failed;
    bly_bytes_free(&p.text);
}
