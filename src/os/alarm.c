/* SPDX-License-Identifier: MIT */
/* The contract of alarm.h, by timerfd. */
#include "os/alarm.h"

#include "base/time.h"

#include <errno.h>

#if BLY_SIM

int
bly_alarm_open(void)
{
    return -ENOTSUP;
}

void
bly_alarm_close(int fd)
{
    (void)fd;
}

void
bly_alarm_set(int fd, int64_t when)
{
    (void)fd;
    (void)when;
}

void
bly_alarm_wait(int fd)
{
    (void)fd;
}

#else

#include <poll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define ALARM_SECOND INT64_C(1000000000)

int
bly_alarm_open(void)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

    return fd < 0 ? -errno : fd;
}

void
bly_alarm_close(int fd)
{
    (void)close(fd);
}

void
bly_alarm_set(int fd, int64_t when)
{
    struct itimerspec its = {.it_interval = {0, 0}};
    int saved = errno;

    if (when < 1)
        when = 1; /* 0 would be never */
    if (when != BLY_NEVER) {
        its.it_value.tv_sec = (time_t)(when / ALARM_SECOND);
        its.it_value.tv_nsec = (long)(when % ALARM_SECOND);
    }
    (void)timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL);
    errno = saved;
}

void
bly_alarm_wait(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int saved = errno;

    (void)poll(&p, 1, -1);
    errno = saved;
}

#endif
