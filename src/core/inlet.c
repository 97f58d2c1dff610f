/* SPDX-License-Identifier: MIT */
/* Foreign threads: see inlet.c. */
#include "core/scope.h"

void
bly_door_close(struct bly_scope *s)
{
    (void)s;
}

void
bly_post_ended(struct bly_post *post, int r)
{
    (void)post;
    (void)r;
}
