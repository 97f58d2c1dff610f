/* SPDX-License-Identifier: MIT */
/* Cuts: marking a node and telling everything below it.  See cancel.c. */
#ifndef BLY_CORE_CANCEL_H
#define BLY_CORE_CANCEL_H

#include "core/node.h"
#include "core/task.h"

/*
 * The tasks of one scope that have slept on, or opened scopes on, one worker.
 * Only that worker's thread touches the list, and so a cut never races with a
 * park: it comes as a message when none of the worker's tasks is between the
 * check and the sleep.
 */
struct bly_shard {
    struct bly_msg msg;      /* "look at your tasks of this scope" */
    uint32_t sent;           /* atomic: the message is on its way */
    struct bly_worker *worker;
    struct bly_scope *scope;
    struct bly_list tasks;
    struct bly_shard *next; /* of the scope's far shards */
    struct bly_shard *todo; /* list of one walk */
};

/* Cuts n with code unless it is cut already, and makes everything below look.
 * A scope: any thread that keeps it open.  Others: their own worker. */
void bly_cut(struct bly_node *n, int code);
/* The same for a task of this worker, from the abort of a wait: the walk that
 * aborts goes on with it afterwards, however long a chain of these is. */
void bly_cut_onward(struct bly_task *t, int code);
/* Makes everything below n look again (after a stop). */
void bly_deliver(struct bly_node *n);

/* Links t where cuts find it, before it first sleeps or opens a scope.  True:
 * a cut may have missed it, so look (a sleeper: bly_cancel_recheck). */
bool bly_task_link(struct bly_task *t);
void bly_task_unlink(struct bly_task *t);
void bly_cancel_recheck(struct bly_task *t);

/* Another thread cut something: look at the tasks of this shard. */
void bly_shard_message(struct bly_msg *m, struct bly_worker *w);

BLY_INLINE void
bly_shard_init(struct bly_shard *sh, struct bly_scope *s, struct bly_worker *w)
{
    sh->msg.next = NULL;
    sh->msg.run = bly_shard_message;
    sh->sent = 0;
    sh->worker = w;
    sh->scope = s;
    bly_list_init(&sh->tasks);
    sh->next = NULL;
    sh->todo = NULL;
}

/* The cut for a position in the tree: walks up from n.  *decider (if wanted)
 * is the node that decided; untouched if there is none. */
int bly_cut_code(struct bly_node *n, struct bly_node **decider);
/* The same as if `except' were not cut. */
int bly_cut_code_but(struct bly_node *n, struct bly_node *except);
bool bly_node_stopped(struct bly_node *n);

/* Starts the clock of a shield; if it hides a cut, or in any case. */
void bly_shield_start(struct bly_worker *w, struct bly_node *n);
void bly_shield_start_now(struct bly_worker *w, struct bly_block *b);

#endif
