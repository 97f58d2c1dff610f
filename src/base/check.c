/* SPDX-License-Identifier: MIT */
/* The last words of a process; see check.h. */
#include "base/check.h"

#include <belay/base.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHECK_LINE = 640, CHECK_TAIL = 256 };

void (*bly_check_describe)(char *buf, size_t size);
void (*bly_check_caught)(const char *line);

static void
check_write(const char *line, size_t n)
{
    while (n > 0) {
        ssize_t done = write(STDERR_FILENO, line, n);

        if (done <= 0)
            return;
        line += done;
        n -= (size_t)done;
    }
}

/* Appends to line, which stays terminated; what does not fit is cut off. */
static BLY_PRINTF(2, 3) void
check_append(char *line, const char *fmt, ...)
{
    size_t used = 0;
    va_list ap;

    while (line[used] != '\0')
        used++;
    va_start(ap, fmt);
    (void)vsnprintf(line + used, CHECK_LINE - used, fmt, ap);
    va_end(ap);
}

static BLY_NORETURN void
check_die(char *line)
{
    char task[CHECK_TAIL] = "";
    size_t n = 0;

    if (bly_check_describe != NULL)
        bly_check_describe(task, sizeof(task));
    if (task[0] != '\0')
        check_append(line, ",%s", task);
    if (bly_check_caught != NULL)
        bly_check_caught(line);
    while (line[n] != '\0')
        n++;
    line[n] = '\n';
    check_write(line, n + 1);
    abort();
}

void
bly_misuse(const struct belay_site *site, const char *fmt, ...)
{
    char line[CHECK_LINE + 1] = "belay: ";
    char text[CHECK_LINE - CHECK_TAIL];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    check_append(line, "%s", text);
    if (site != NULL)
        check_append(line, " at %s:%d", site->file, site->line);
    check_die(line);
}

void
bly_assert_failed(const char *what, const char *file, int line_number)
{
    char line[CHECK_LINE + 1] = "";

    check_append(line, "belay: internal error: '%s' is false at %s:%d", what,
        file, line_number);
    check_die(line);
}
