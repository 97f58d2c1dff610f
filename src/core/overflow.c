/* SPDX-License-Identifier: MIT */
/*
 * The report of a stack overflow.
 *
 * A fault in the guard of a stack finds no room on that stack, so the handler
 * runs on an alternate one, of which each worker has its own.  It writes one
 * line with one write(2), using nothing that is not safe in a handler, and
 * then lets things take the course that they would have taken without it: the
 * program's own handler, or the default, for which the handler returns into
 * the same fault, so that a core file shows the frames of the task.
 *
 * A guard by MADV_GUARD_INSTALL faults as if nothing were mapped, a page
 * without access as forbidden; so the code of the fault says nothing and only
 * the address counts.
 */
#include "core/overflow.h"

#include "base/atomic.h"
#include "base/check.h"
#include "core/stack.h"
#include "os/os.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

enum {
    OVERFLOW_STACK = 64 * 1024, /* beside what the kernel needs */
    OVERFLOW_CHAIN = 8,         /* tasks named below the first */
    OVERFLOW_TEXT = 1024
};

void (*bly_overflow_describe)(void *task, struct bly_overflow_info *out);

bool (*bly_overflow_sealed)(const void *addr, struct bly_overflow_info *out);

static struct sigaction overflow_old_segv;
static struct sigaction overflow_old_bus;
static uint32_t overflow_installed;
static __thread void *overflow_alternate;

/* ---- The text ----------------------------------------------------------- */

struct overflow_text {
    size_t used;
    char text[OVERFLOW_TEXT];
};

static void
overflow_say(struct overflow_text *t, const char *what)
{
    /* The last byte is for the end of the line. */
    while (*what != '\0' && t->used < sizeof(t->text) - 1)
        t->text[t->used++] = *what++;
}

static void
overflow_say_number(struct overflow_text *t, size_t n)
{
    char digits[24];
    size_t i = sizeof(digits) - 1;

    digits[i] = '\0';
    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    overflow_say(t, digits + i);
}

/* 'name' (spawned at file:line); returns the task below. */
static void *
overflow_say_task(struct overflow_text *t, void *task, const char *after)
{
    struct bly_overflow_info info = {.name = NULL};

    if (bly_overflow_describe != NULL)
        bly_overflow_describe(task, &info);
    overflow_say(t, "'");
    overflow_say(t, info.name != NULL ? info.name : "?");
    overflow_say(t, "'");
    overflow_say(t, after);
    if (info.file != NULL) {
        overflow_say(t, " (spawned at ");
        overflow_say(t, info.file);
        overflow_say(t, ":");
        overflow_say_number(t, info.line > 0 ? (size_t)info.line : 0);
        overflow_say(t, ")");
    }
    return info.next;
}

static void
overflow_compose(struct overflow_text *t, const struct bly_stack *s)
{
    char room[64];
    struct overflow_text size = {.used = 0};
    void *task = s->owner;

    overflow_say(&size, " overflowed its stack of ");
    overflow_say_number(&size, s->size / 1024);
    overflow_say(&size, " KiB");
    memcpy(room, size.text, size.used);
    room[size.used] = '\0';

    t->used = 0;
    overflow_say(t, "belay: task ");
    if (task == NULL) {
        overflow_say(t, "'?'");
        overflow_say(t, room);
    } else {
        task = overflow_say_task(t, task, room);
    }
    for (int i = 0; task != NULL && i < OVERFLOW_CHAIN; i++) {
        overflow_say(t, i == 0 ? ", begun on the stack of " : ", ");
        task = overflow_say_task(t, task, "");
    }
    overflow_say(t, "; raise .stack");
    t->text[t->used] = '\n';
}

/* False: addr is no business of ours. */
static bool
overflow_compose_sealed(struct overflow_text *t, const void *addr,
    struct bly_stack *s)
{
    bool (*sealed)(const void *, struct bly_overflow_info *);
    struct bly_overflow_info info = {.name = NULL};

    /* pairs with frozen_register */
    sealed = bly_load_acquire(&bly_overflow_sealed);
    if (sealed == NULL || !sealed(addr, &info))
        return false;
    t->used = 0;
    overflow_say(t, "belay: write to sealed data '");
    overflow_say(t, info.name != NULL ? info.name : "?");
    overflow_say(t, "' (sealed at ");
    overflow_say(t, info.file != NULL ? info.file : "?");
    overflow_say(t, ":");
    overflow_say_number(t, info.line > 0 ? (size_t)info.line : 0);
    overflow_say(t, ")");
    if (s != NULL && s->owner != NULL) {
        overflow_say(t, ", in task ");
        (void)overflow_say_task(t, s->owner, "");
    }
    t->text[t->used] = '\n';
    return true;
}

/* ---- The handler -------------------------------------------------------- */

#if defined(__x86_64__)
static const void *
overflow_sp(const ucontext_t *uc)
{
    return (const void *)uc->uc_mcontext.gregs[REG_RSP];
}
#elif defined(__aarch64__)
static const void *
overflow_sp(const ucontext_t *uc)
{
    return (const void *)uc->uc_mcontext.sp;
}
#else
static const void *
overflow_sp(const ucontext_t *uc)
{
    (void)uc;
    return NULL;
}
#endif

/* The stack in whose guard the thread has run, or NULL. */
static struct bly_stack *
overflow_culprit(const siginfo_t *info, const ucontext_t *uc)
{
    bool in_guard = false;
    struct bly_stack *s;

    if (info->si_code <= 0) /* somebody sent it */
        return NULL;
    s = bly_stack_find(info->si_addr, &in_guard);
    if (s == NULL || !in_guard)
        s = bly_stack_find(overflow_sp(uc), &in_guard);
    return in_guard ? s : NULL;
}

/* What would have happened without us. */
static void
overflow_pass_on(int sig, siginfo_t *info, void *uc, bool reported)
{
    const struct sigaction *old =
        sig == SIGBUS ? &overflow_old_bus : &overflow_old_segv;
    struct sigaction none = {.sa_handler = SIG_DFL};
    bool handled =
        old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN;

    /* The next fault is the end, so that nothing is reported twice. */
    if (reported || !handled)
        sigaction(sig, &none, NULL);
    if (handled && old->sa_flags & SA_SIGINFO)
        old->sa_sigaction(sig, info, uc);
    else if (handled)
        old->sa_handler(sig);
    else if (info->si_code <= 0 && old->sa_handler == SIG_DFL)
        raise(sig); /* there is no fault to return into */
}

static void
overflow_handler(int sig, siginfo_t *info, void *uc)
{
    int saved = errno;
    struct bly_stack *s = overflow_culprit(info, uc);
    struct overflow_text t;
    bool known = s != NULL, guard;

    if (known)
        overflow_compose(&t, s);
    else if (info->si_code > 0)
        known = overflow_compose_sealed(
            &t, info->si_addr, bly_stack_find(overflow_sp(uc), &guard));
    if (known)
        bly_os_write(2, t.text, t.used + 1);
    overflow_pass_on(sig, info, uc, known);
    errno = saved;
}

/* ---- The calls ---------------------------------------------------------- */

int
bly_overflow_install(void)
{
    struct sigaction act = {.sa_sigaction = overflow_handler,
        .sa_flags = SA_SIGINFO | SA_ONSTACK};

    if (bly_xchg(&overflow_installed, 1u) != 0) /* pairs with itself */
        return 0;
    sigemptyset(&act.sa_mask);
    if (sigaction(SIGSEGV, &act, &overflow_old_segv) != 0 ||
        sigaction(SIGBUS, &act, &overflow_old_bus) != 0)
        return -errno;
    return 0;
}

static size_t
overflow_stack_size(void)
{
    size_t page = bly_os_page_size();
    size_t size = OVERFLOW_STACK + (size_t)getauxval(AT_MINSIGSTKSZ);

    return (size + page - 1) & ~(page - 1);
}

static int
overflow_thread_on(void)
{
    size_t size = overflow_stack_size();
    stack_t st;

    /* A stack that somebody else has set up will do. */
    if (sigaltstack(NULL, &st) == 0 && !(st.ss_flags & SS_DISABLE))
        return 0;
    void *m = mmap(NULL, size, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED)
        return -ENOMEM;
    st = (stack_t){.ss_sp = m, .ss_size = size};
    if (sigaltstack(&st, NULL) != 0) {
        int r = -errno;

        munmap(m, size);
        return r;
    }
    overflow_alternate = m;
    return 0;
}

int
bly_overflow_thread(bool on)
{
    stack_t off = {.ss_flags = SS_DISABLE};

    if (on)
        return overflow_alternate == NULL ? overflow_thread_on() : 0;
    if (overflow_alternate == NULL)
        return 0;
    if (sigaltstack(&off, NULL) != 0)
        return -errno;
    munmap(overflow_alternate, overflow_stack_size());
    overflow_alternate = NULL;
    return 0;
}

void
bly_overflow_fatal(struct bly_stack *s)
{
    struct overflow_text t;

    overflow_compose(&t, s);
    if (bly_check_caught != NULL) {
        t.text[t.used] = '\0';
        bly_check_caught(t.text);
    }
    bly_os_write(2, t.text, t.used + 1);
    abort();
}
