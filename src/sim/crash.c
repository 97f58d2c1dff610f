/* SPDX-License-Identifier: MIT */
/*
 * Deaths in a run: a fatal signal, or a run that takes processor time for ever
 * without asking anything.  The process cannot be saved, but the token can be
 * told.
 */
#include "sim/sim.h"

#include "os/os.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

enum { CRASH_SECONDS = 20, CRASH_STACK = 64 * 1024 };

#if BLY_ASAN
/* It has handlers of its own, which tell more. */
static const int crash_signals[] = {SIGABRT, SIGPROF};
#else
static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT,
    SIGPROF};
#endif
enum { CRASH_SIGNALS = sizeof(crash_signals) / sizeof(*crash_signals) };

static struct {
    const struct bly_sim_subject *subject;
    struct sigaction old[CRASH_SIGNALS];
    stack_t old_stack;
    unsigned long runs; /* as of the last look */
    uint64_t steps;
    char stack[CRASH_STACK];
} crash;

static void
crash_tell(const char *what, int number)
{
    const struct bly_sim_subject *s = crash.subject;
    char token[256], text[600];
    int n;

    if (!bly_sim_token_write(&bly_sim_now.trace, s->config, token,
            sizeof(token)))
        snprintf(token, sizeof(token), "(too long for a token)");
    n = snprintf(text, sizeof(text),
        "Bail out! %s: %s %d in run %lu\n# token: %s\n",
        s->opts.name != NULL ? s->opts.name : "test", what, number,
        s->runs + 1, token);
    if (n > 0)
        bly_os_write(1, text, (size_t)n);
}

static void
crash_handler(int number)
{
    size_t i;

    if (number == SIGPROF) {
        if (!bly_sim_now.on || crash.runs != crash.subject->runs ||
            crash.steps != bly_sim_now.steps) {
            crash.runs = crash.subject->runs;
            crash.steps = bly_sim_now.steps;
            return;
        }
        crash_tell("a loop that asks nothing, seconds:", CRASH_SECONDS);
        number = SIGABRT;
    } else {
        crash_tell("signal", number);
    }
    for (i = 0; i < CRASH_SIGNALS; i++)
        if (crash_signals[i] == number)
            sigaction(number, &crash.old[i], NULL);
    raise(number);
}

#if BLY_ASAN

/* Runs that fail are abandoned with all that they hold; the explorer looks for
 * leaks itself, run by run.  Asked by LeakSanitizer. */
int bly_sim_no_leak_check(void) __asm__("__lsan_is_turned_off");

__attribute__((weak)) int
bly_sim_no_leak_check(void)
{
    return 1;
}

#endif

#if BLY_ASAN

void __sanitizer_set_death_callback(void (*callback)(void));

static void
crash_by_asan(void)
{
    if (bly_sim_now.on)
        crash_tell("AddressSanitizer, error", 1);
}

static void
crash_follow_asan(void)
{
    __sanitizer_set_death_callback(crash_by_asan);
}

#else

static void
crash_follow_asan(void)
{
}

#endif

void
bly_sim_crash_watch(const struct bly_sim_subject *s)
{
    struct itimerval often = {{CRASH_SECONDS, 0}, {CRASH_SECONDS, 0}};
    stack_t stack = {.ss_sp = crash.stack, .ss_size = CRASH_STACK};
    struct sigaction sa;
    size_t i;

    crash.subject = s;
    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = crash_handler;
    sa.sa_flags = SA_ONSTACK | SA_RESTART;
    sigaltstack(&stack, &crash.old_stack);
    for (i = 0; i < CRASH_SIGNALS; i++)
        sigaction(crash_signals[i], &sa, &crash.old[i]);
    setitimer(ITIMER_PROF, &often, NULL);
    crash_follow_asan();
}

void
bly_sim_crash_unwatch(void)
{
    struct itimerval never = {{0, 0}, {0, 0}};
    size_t i;

    setitimer(ITIMER_PROF, &never, NULL);
    for (i = 0; i < CRASH_SIGNALS; i++)
        sigaction(crash_signals[i], &crash.old[i], NULL);
    sigaltstack(&crash.old_stack, NULL);
}
