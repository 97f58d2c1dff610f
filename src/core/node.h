/* SPDX-License-Identifier: MIT */
/*
 * A node of the tree that cancellation follows: a scope, a deadline, a
 * shield, or the base of a task.  Nodes lie in the frames that they guard and
 * point upwards only, so that a path is read without locks: no frame is left
 * before everything below it has ended.
 */
#ifndef BLY_CORE_NODE_H
#define BLY_CORE_NODE_H

#include <belay/base.h>

#include "base/list.h"
#include "core/timer.h"

struct bly_task;
struct bly_scope;

enum bly_node_kind {
    BLY_NODE_TASK, /* base of a task: cut by its failure */
    BLY_NODE_SCOPE,
    BLY_NODE_DEADLINE,
    BLY_NODE_SHIELD,
    BLY_NODE_NOWAIT,
    BLY_NODE_LOCAL, /* a task-local value; never cut */
};

/* Why a node was cut.  Written before the cut is published. */
struct bly_cause {
    const belay_site *site;
    char text[88];
};

struct bly_node {
    struct bly_node *up;
    struct bly_task *task; /* who opened it; for a base, the task itself */
    const belay_site *site;
    int64_t when;    /* atomic: deadline or limit; BLY_NEVER */
    int32_t cut;     /* atomic: 0 or the code */
    uint8_t kind;
    uint8_t stopped; /* atomic: a gentle stop was asked for */
    struct bly_cause *cause; /* atomic */
};

/* belay_block: everything but scopes that a frame can hold. */
struct bly_block {
    struct bly_node node;
    struct bly_timer timer;
    const void *key;   /* BLY_NODE_LOCAL */
    const void *value;
};

#endif
