/* SPDX-License-Identifier: MIT */
/* Headers: those that come, packed in one block, and lists of those that are
 * sent. */
#ifndef BLY_HTTP_HEAD_H
#define BLY_HTTP_HEAD_H

#include "http/exchange.h"

/* A line in front of a body, without CR and LF.  Returns 1 if it was the last
 * one, 0, -EPROTO, or -ENOMEM.  Interim answers (1xx) are dropped. */
int bly_http_head_add(struct bly_http_head *head, const char *line, size_t len)
    BLY_MUST_CHECK;
/* The pair after prev (NULL: the first); false: no more. */
bool bly_http_head_next(const struct bly_http_head *head, const char **name,
    const char **value);
const char *bly_http_head_find(const struct bly_http_head *head,
    const char *name);

/* Lists of "Name: value" that end with NULL, and copies of texts. */
char *bly_http_dup(const char *text) BLY_MUST_CHECK;
void bly_http_list_free(char **list);
char **bly_http_list_copy(char *const *list) BLY_MUST_CHECK;
/* Replaces those of the same name; "Name:" only removes.  -EINVAL for what is
 * no header, -ENOMEM. */
int bly_http_list_set(char ***list, const char *line) BLY_MUST_CHECK;
void bly_http_list_remove(char **list, const char *name);

#endif
