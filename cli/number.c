/* SPDX-License-Identifier: MIT */
/* Numbers as people write and read them.  See number.h. */
#include "cli/number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    double factor;
};

static const struct unit number_sizes[] = {
    {"", 1}, {"B", 1},
    {"k", 0x1p10}, {"K", 0x1p10}, {"KiB", 0x1p10},
    {"M", 0x1p20}, {"MiB", 0x1p20},
    {"G", 0x1p30}, {"GiB", 0x1p30},
    {NULL, 0},
};

static const struct unit number_times[] = {
    {"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"m", 60e9},
    {"min", 60e9}, {"h", 3600e9}, {"d", 86400e9},
    {NULL, 0},
};

int
number_count(const char *text, uint64_t *out)
{
    uint64_t n = 0;

    if (*text == '\0')
        return -EINVAL;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9')
            return -EINVAL;
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
            return -ERANGE;
    }
    *out = n;
    return 0;
}

/* Digits with at most one point; no sign, exponent, hex or space.  *rest is
 * what follows. */
static int
number_decimal(const char *text, double *out, const char **rest)
{
    double n = 0, place = 1;
    bool digits = false;
    const char *p = text;

    for (; isdigit((unsigned char)*p); p++, digits = true)
        n = n * 10 + (*p - '0');
    if (*p == '.')
        for (p++; isdigit((unsigned char)*p); p++, digits = true)
            n += (*p - '0') * (place /= 10);
    if (!digits)
        return -EINVAL;
    *out = n;
    *rest = p;
    return 0;
}

static int
number_units(const char *text, const struct unit *units, double max,
    double *out)
{
    const char *rest;
    double n;

    if (number_decimal(text, &n, &rest) < 0)
        return -EINVAL;
    for (; units->name != NULL; units++) {
        if (strcmp(units->name, rest) != 0)
            continue;
        if (n * units->factor > max)
            return -ERANGE;
        *out = n * units->factor;
        return 0;
    }
    return -EINVAL;
}

int
number_size(const char *text, uint64_t *out)
{
    double n;
    int r = number_units(text, number_sizes, 0x1p60, &n);

    if (r == 0)
        *out = (uint64_t)n;
    return r;
}

int
number_duration(const char *text, belay_dur *out)
{
    double n;
    int r = number_units(text, number_times, 0x1p62, &n);

    if (r == 0)
        *out = (belay_dur)llround(n);
    return r;
}

int
number_rate(const char *text, struct rate *out)
{
    struct rate r = {0, 0, false};
    const char *rest;

    if (number_decimal(text, &r.n, &rest) < 0 || r.n <= 0 || r.n > 1e9)
        return -EINVAL;
    if (strncmp(rest, "/s", 2) == 0)
        r.per = BELAY_S(1);
    else if (strncmp(rest, "/m", 2) == 0)
        r.per = BELAY_S(60);
    else if (strncmp(rest, "/h", 2) == 0)
        r.per = BELAY_S(3600);
    else
        return -EINVAL;
    rest += 2;
    r.host = strcmp(rest, "/host") == 0;
    if (*rest != '\0' && !r.host)
        return -EINVAL;
    *out = r;
    return 0;
}

const char *
number_show_size(char *buf, uint64_t bytes)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double n = (double)bytes;
    int unit = 0;

    /* What would be shown as 1024 is shown as 1.0 of the next. */
    while (n >= 1023.95 && unit < 4) {
        n /= 1024;
        unit++;
    }
    snprintf(buf, NUMBER_ROOM, unit == 0 ? "%.0f %s" : "%.1f %s", n,
        names[unit]);
    return buf;
}

const char *
number_show_duration(char *buf, belay_dur d)
{
    double s = (double)(d < 0 ? 0 : d) / 1e9;

    if (s < 0.9995)
        snprintf(buf, NUMBER_ROOM, s < 0.00995 ? "%.2f ms" : "%.0f ms",
            s * 1e3);
    else if (s < 59.995)
        snprintf(buf, NUMBER_ROOM, "%.2f s", s);
    else
        return number_show_clock(buf, d);
    return buf;
}

const char *
number_show_clock(char *buf, belay_dur d)
{
    int64_t s = ((d < 0 ? 0 : d) + BELAY_S(0.5)) / BELAY_S(1);

    if (s >= 3600)
        snprintf(buf, NUMBER_ROOM, "%lld:%02d:%02d", (long long)(s / 3600),
            (int)(s / 60 % 60), (int)(s % 60));
    else
        snprintf(buf, NUMBER_ROOM, "%d:%02d", (int)(s / 60), (int)(s % 60));
    return buf;
}
