/* SPDX-License-Identifier: MIT */
/*
 * Memory of the command.  A command that has none left has nothing better to
 * do than to say so: these end the process with status 5 instead of failing.
 * Bodies are never held by them; what they hold is bounded and small.
 */
#ifndef CLI_OWN_H
#define CLI_OWN_H

#include <stddef.h>

void *own_alloc(size_t size); /* cleared */
void *own_resize(void *p, size_t size);
char *own_text(const char *text);
char *own_bytes(const void *data, size_t n); /* a copy, with a NUL after it */

#endif
