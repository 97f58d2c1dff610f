/* SPDX-License-Identifier: MIT */
/*
 * A circular doubly linked list whose links live in its elements.  An element
 * that is in no list has link.next == NULL, so that anybody can ask.
 */
#ifndef BLY_BASE_LIST_H
#define BLY_BASE_LIST_H

#include "base/compiler.h"

#include <stdbool.h>

struct bly_link {
    struct bly_link *next, *prev;
};

struct bly_list {
    struct bly_link head;
};

BLY_INLINE void
bly_list_init(struct bly_list *l)
{
    l->head.next = l->head.prev = &l->head;
}

BLY_INLINE bool
bly_list_empty(const struct bly_list *l)
{
    return l->head.next == &l->head;
}

BLY_INLINE bool
bly_linked(const struct bly_link *e)
{
    return e->next != NULL;
}

BLY_INLINE void
bly_list_insert_before(struct bly_link *at, struct bly_link *e)
{
    e->next = at;
    e->prev = at->prev;
    at->prev->next = e;
    at->prev = e;
}

BLY_INLINE void
bly_list_push(struct bly_list *l, struct bly_link *e)
{
    bly_list_insert_before(&l->head, e);
}

BLY_INLINE void
bly_list_push_front(struct bly_list *l, struct bly_link *e)
{
    bly_list_insert_before(l->head.next, e);
}

BLY_INLINE void
bly_list_remove(struct bly_link *e)
{
    e->prev->next = e->next;
    e->next->prev = e->prev;
    e->next = e->prev = NULL;
}

BLY_INLINE struct bly_link *
bly_list_first(struct bly_list *l)
{
    return l->head.next == &l->head ? NULL : l->head.next;
}

BLY_INLINE struct bly_link *
bly_list_next(struct bly_list *l, struct bly_link *e)
{
    return e->next == &l->head ? NULL : e->next;
}

BLY_INLINE struct bly_link *
bly_list_pop(struct bly_list *l)
{
    struct bly_link *e = bly_list_first(l);

    if (e != NULL)
        bly_list_remove(e);
    return e;
}

#endif
