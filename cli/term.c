/* SPDX-License-Identifier: MIT */
/* What a stream can show.  See term.h. */
#include "cli/term.h"

#include "cli/number.h"

#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { TERM_ROOM = PIPE_BUF };

static bool
term_set(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0';
}

static bool
term_forced(const char *name)
{
    return term_set(name) && strcmp(getenv(name), "0") != 0;
}

static bool
term_dumb(void)
{
    const char *term = getenv("TERM");

    return term == NULL || term[0] == '\0' || strcmp(term, "dumb") == 0;
}

bool
term_colour(int fd, enum term_when when)
{
    if (when != TERM_AUTO)
        return when == TERM_ALWAYS;
    if (term_set("NO_COLOR"))
        return false;
    if (term_forced("CLICOLOR_FORCE") || term_forced("FORCE_COLOR"))
        return true;
    return !term_dumb() && isatty(fd) == 1;
}

bool
term_is(int fd)
{
    return !term_dumb() && isatty(fd) == 1;
}

unsigned
term_width(int fd)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    uint64_t n;

    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    if (columns != NULL && number_count(columns, &n) == 0 && n > 0 &&
        n < 10000)
        return (unsigned)n;
    return 80;
}

void
term_tell(const char *s, size_t n, int patience)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    size_t room = TERM_ROOM; /* there is if a pipe can be written to */

    if (poll(&p, 1, patience) == 1 &&
        write(STDERR_FILENO, s, n < room ? n : room) < 0)
        return; /* whom could we tell? */
}

void
term_paint(struct text *t, bool on, enum term_ink ink, const char *s)
{
    if (on)
        text_printf(t, "\033[%dm%s\033[0m", ink, s);
    else
        text_add(t, s);
}

static bool
term_control(unsigned char c)
{
    return c < 0x20 || c == 0x7f;
}

void
term_fit(struct text *t, unsigned width)
{
    size_t columns = 0, i = 0;

    for (; i < t->n; i++) {
        unsigned char c = (unsigned char)t->p[i];

        if (term_control(c))
            t->p[i] = '?';
        if ((c & 0xc0) != 0x80 && columns++ == width)
            break;
    }
    if (i < t->n)
        t->p[t->n = i] = '\0';
}

/* Also U+0080 to U+009F, which are controls: C2 80 to C2 9F. */
void
term_safe(struct text *t, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];

        if (term_control(c)) {
            text_printf(t, "\\x%02x", c);
        } else if (c == 0xc2 && i + 1 < n && (unsigned char)s[i + 1] < 0xa0) {
            text_printf(t, "\\xc2\\x%02x", (unsigned char)s[i + 1]);
            i++;
        } else {
            text_char(t, s[i]);
        }
    }
}
