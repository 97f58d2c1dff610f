/* SPDX-License-Identifier: MIT */
/* Memory of the command.  See own.h. */
#include "cli/own.h"

#include "cli/status.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *
own_check(void *p)
{
    static const char text[] = "belay: out of memory\n";

    if (p == NULL) {
        if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
            _exit(STATUS_ENVIRONMENT);
        _exit(STATUS_ENVIRONMENT);
    }
    return p;
}

void *
own_alloc(size_t size)
{
    return own_check(calloc(1, size > 0 ? size : 1));
}

void *
own_resize(void *p, size_t size)
{
    return own_check(realloc(p, size > 0 ? size : 1));
}

char *
own_bytes(const void *data, size_t n)
{
    char *copy = own_check(malloc(n + 1));

    if (n > 0)
        memcpy(copy, data, n);
    copy[n] = '\0';
    return copy;
}

char *
own_text(const char *text)
{
    return own_bytes(text, strlen(text));
}
