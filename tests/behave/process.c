/* SPDX-License-Identifier: MIT */
/*
 * Child processes, as far as only a real machine has them: what they inherit,
 * what the kernel tells, what becomes of them when we die.  What a shell can
 * show is in tests/driver/procs.c.
 */
#include <belay/io.h>
#include <belay/process.h>
#include <belay/run.h>

#include "child.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define SH(script) BELAY_ARGV("/bin/sh", "-c", (script))

typedef int test_fn(void);

BELAY_TASK(told, (test_fn *, run))
{
    int r = run();

    if (r < 0)
        fprintf(stderr, "%s\n", belay_why());
    return r;
}

#define RUN(fn) ck_assert_int_eq(belay_run(told, fn), 0)

#define CHECK(e)                                                               \
    do {                                                                       \
        if (!(e))                                                              \
            return BELAY_FAIL(-EPROTO, "%s:%d: %s", __FILE__, __LINE__, #e);   \
    } while (0)

static bool
is(belay_slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static int
says(const char *script, const char *text)
{
    BELAY_AUTO(belay_output, o);
    BELAY_TRY(belay_process_run(&o, SH(script)));
    if (!is(o->out, text))
        return BELAY_FAIL(-EPROTO, "'%s' says '%s', not '%s'", script,
            o->out.data, text);
    return 0;
}

/* ---- what it gets ------------------------------------------------------- */

static int
gets_an_environment(void)
{
    static const char *const env[] = {"COLOUR=blue", NULL};

    BELAY_AUTO(belay_output, o);
    BELAY_AUTO(belay_output, ours);
    BELAY_TRY(belay_process_run(&o, BELAY_ARGV("/usr/bin/env"), .env = env));
    CHECK(is(o->out, "COLOUR=blue\n"));
    ck_assert_int_eq(setenv("BELAY_A_TEST", "here", 1), 0);
    BELAY_TRY(belay_process_run(&ours, SH("echo $BELAY_A_TEST")));
    CHECK(is(ours->out, "here\n"));
    return 0;
}

START_TEST(environment)
{
    RUN(gets_an_environment);
}
END_TEST

static int
begins_in_a_directory(void)
{
    BELAY_AUTO(belay_output, o);
    BELAY_AUTO(belay_output, none);
    int r;

    BELAY_TRY(belay_process_run(&o, BELAY_ARGV("pwd"), .dir = "/usr"));
    CHECK(is(o->out, "/usr\n"));
    r = belay_process_run(&none, BELAY_ARGV("pwd"), .dir = "/no/such/dir");
    CHECK(r == -ENOENT && none == NULL);
    CHECK(strstr(belay_why(),
              "cannot run 'pwd' in '/no/such/dir': No such file") != NULL);
    return 0;
}

START_TEST(directory)
{
    RUN(begins_in_a_directory);
}
END_TEST

static int
gets_descriptors(void)
{
    BELAY_AUTO(belay_output, o);
    BELAY_AUTO(belay_output, bad);
    belay_child_fd fds[] = {{9, -1}, {8, STDERR_FILENO}};
    int ends[2], r;

    BELAY_TRY(belay_pipe(ends));
    fds[0].ours = ends[0];
    r = belay_write_all(ends[1], "given\n", 6, NULL);
    belay_fd_close(ends[1]);
    if (r == 0)
        r = belay_process_run(&o, SH("cat <&9"), .fds = fds, .nfds = 2);
    belay_fd_close(ends[0]);
    BELAY_TRY(r);
    CHECK(is(o->out, "given\n"));
    fds[0].ours = 1000;
    r = belay_process_run(&bad, BELAY_ARGV("true"), .fds = fds, .nfds = 1);
    CHECK(r == -EBADF);
    CHECK(strstr(belay_why(), "cannot run 'true': its descriptor 9") != NULL);
    return 0;
}

/* Each is where the other one shall be. */
static int
swaps_descriptors(void)
{
    BELAY_AUTO(belay_output, o);
    int a[2], b[2], r;

    BELAY_TRY(belay_pipe(a));
    BELAY_TRY(belay_pipe(b));
    {
        const belay_child_fd fds[] = {{a[1], b[1]}, {b[1], a[1]}};
        char script[80], buf[4];

        (void)snprintf(script, sizeof script, "echo a >&%d; echo b >&%d", a[1],
            b[1]);
        r = belay_process_run(&o, SH(script), .fds = fds, .nfds = 2);
        CHECK(r == 0);
        BELAY_TRY(belay_read_all(a[0], buf, 2, NULL));
        BELAY_TRY(belay_read_all(b[0], buf + 2, 2, NULL));
        CHECK(memcmp(buf, "b\na\n", 4) == 0);
    }
    for (int i = 0; i < 2; i++) {
        belay_fd_close(a[i]);
        belay_fd_close(b[i]);
    }
    return 0;
}

START_TEST(descriptors)
{
    RUN(gets_descriptors);
}
END_TEST

/* Nothing of ours, though it does not close on exec. */
static int
gets_no_others(void)
{
    int r, fd = open("/dev/null", O_RDONLY);

    CHECK(fd >= 0);
    r = says("ls /proc/self/fd | tr '\\n' ' '", "0 1 2 3 ");
    (void)close(fd);
    return r;
}

START_TEST(no_others)
{
    RUN(gets_no_others);
}
END_TEST

START_TEST(swapped)
{
    RUN(swaps_descriptors);
}
END_TEST

/* Neither blocked nor ignored, but what we ignore, and PIPE as usual.  Signals
   1 to 28: who started us may ignore those that the C library keeps. */
static int
gets_signals(void)
{
    sigset_t set;

    for (int i = 1; i < SIGRTMAX; i++)
        (void)signal(i, SIG_DFL);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR2);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGUSR1, exit);
    BELAY_TRY(says("grep -E 'Sig(Blk|Ign)' /proc/self/status"
                   " | sed 's/:.*\\(.......\\)$/:\\1/'",
        "SigBlk:0000000\nSigIgn:0000001\n"));
    return 0;
}

START_TEST(signals)
{
    RUN(gets_signals);
}
END_TEST

static int
has_a_group(void)
{
    return says("[ $(cut -d' ' -f5 /proc/$$/stat) = $$ ] && echo own", "own\n");
}

START_TEST(group)
{
    RUN(has_a_group);
}
END_TEST

/* ---- what is told ------------------------------------------------------- */

static int
is_not_executable(void)
{
    char path[] = "/tmp/belay-process-XXXXXX";
    BELAY_AUTO(belay_output, o);
    int fd = mkstemp(path), r;

    CHECK(fd >= 0);
    (void)close(fd);
    r = belay_process_run(&o, BELAY_ARGV(path));
    CHECK(r == -EACCES);
    CHECK(strstr(belay_why(), "cannot run '/tmp/belay-process-") != NULL);
    CHECK(chmod(path, 0700) == 0);
    r = belay_process_run(&o, BELAY_ARGV(path));
    CHECK(r == -ENOEXEC);
    (void)unlink(path);
    return 0;
}

START_TEST(not_executable)
{
    RUN(is_not_executable);
}
END_TEST

static int
counts_resources(void)
{
    BELAY_AUTO(belay_output, o);
    BELAY_TRY(belay_process_run(
        &o, SH("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")));
    CHECK(o->exit.user + o->exit.system > 0);
    CHECK(o->exit.max_rss > 4096);
    return 0;
}

START_TEST(resources)
{
    RUN(counts_resources);
}
END_TEST

static int
is_lost(void)
{
    BELAY_SCOPE(s) {
        BELAY_AUTO(belay_process, p);
        belay_exit e;
        siginfo_t si;

        BELAY_TRY(belay_process_start(
            s, &p, BELAY_ARGV("cat"), .in = BELAY_CHILD_PIPE));
        belay_fd_close(belay_process_take(p, 0));
        /* No belay call: so nobody else comes to it on this worker. */
        CHECK(waitid(P_PID, (id_t)belay_process_pid(p), &si, WEXITED) == 0);
        CHECK(belay_process_wait(p, &e) == -ECHILD);
        CHECK(e.code == -1 && e.signal == 0);
        CHECK(strstr(belay_why(), "how 'cat' ended is not known") != NULL);
    }
    return 0;
}

START_TEST(lost)
{
    RUN(is_lost);
}
END_TEST

static int
nobody_is_told(void)
{
    BELAY_AUTO(belay_output, o);
    int r;

    (void)signal(SIGCHLD, SIG_IGN);
    r = belay_process_run(&o, BELAY_ARGV("true"));
    CHECK(r == -ECHILD);
    CHECK(strstr(belay_why(), "cannot run 'true': SIGCHLD is ignored") != NULL);
    return 0;
}

START_TEST(not_told)
{
    RUN(nobody_is_told);
}
END_TEST

/* ---- without pidfds ----------------------------------------------------- */

/* As an old kernel, or a container that knows no better. */
static int
refuse_pidfds(void)
{
    static struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    static const struct sock_fprog program = {4, code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        return -errno;
    return 0;
}

static int
goes_without_pidfds(void)
{
    BELAY_AUTO_FD(out);
    char c;

    BELAY_TRY(says("echo fine", "fine\n"));
    BELAY_SCOPE(s) {
        BELAY_AUTO(belay_process, p);
        BELAY_AUTO(belay_process, q);
        char buf[2];

        BELAY_TRY(belay_process_start(s, &p,
            SH("sleep 1000 & setsid sleep 1000 & echo x; sleep 1000"),
            .out = BELAY_CHILD_PIPE));
        BELAY_TRY(belay_process_start(s, &q,
            BELAY_ARGV("sleep", "1000")));
        out = belay_process_take(p, 1);
        BELAY_TRY(belay_read_all(out, buf, 2, NULL));
        BELAY_TRY(belay_process_stop(p));
        CHECK(belay_process_wait(p, NULL) == BELAY_ECRASHED);
        BELAY_TRY(belay_process_signal(q, SIGTERM));
        CHECK(belay_process_wait(q, NULL) == BELAY_ECRASHED);
        CHECK(belay_process_signal(q, SIGTERM) == -ESRCH);
    }
    CHECK(BELAY_TRY(belay_read(out, &c, 1)) == 0);
    return 0;
}

START_TEST(no_pidfds)
{
    if (refuse_pidfds() < 0)
        return; /* it cannot be tried here */
    RUN(goes_without_pidfds);
}
END_TEST

/* ---- when we die -------------------------------------------------------- */

static int tells;

BELAY_TASK(has_a_child)
{
    BELAY_SCOPE(s) {
        BELAY_AUTO(belay_process, p);

        BELAY_TRY(belay_process_start(
            s, &p, BELAY_ARGV("sleep", "1000"), .out = tells));
        child_say('s');
        BELAY_TRY(belay_process_wait(p, NULL));
    }
    return 0;
}

static int
parent_main(void)
{
    return belay_run(has_a_child);
}

/* It has an end of a pipe: we see when the last one who has it is gone. */
START_TEST(dies_with_us)
{
    char c;
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    tells = ends[1];
    child_start(parent_main);
    (void)close(ends[1]);
    ck_assert_int_eq(child_hear(), 's');
    child_signal(SIGKILL);
    ck_assert_int_eq(read(ends[0], &c, 1), 0);
    child_dies_of(SIGKILL);
    (void)close(ends[0]);
}
END_TEST

/* ---- many --------------------------------------------------------------- */

enum { MANY = 24 };

BELAY_TASK(runs_one, (int, code))
{
    char text[16];
    int r;

    BELAY_AUTO(belay_output, o);
    (void)snprintf(text, sizeof text, "exit %d", code);
    r = belay_process_run(&o, SH(text));
    CHECK(code == 0 ? r == 0 : r == BELAY_EEXIT);
    CHECK(o->exit.code == code);
    return 0;
}

static int
has_many(void)
{
    BELAY_SCOPE(s)
        for (int i = 0; i < MANY; i++)
            belay_spawn(s, runs_one, i);
    return 0;
}

static int
count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    while (readdir(d) != NULL)
        n++;
    (void)closedir(d);
    return n;
}

/* Nothing is left behind: no descriptor, and no child. */
START_TEST(many)
{
    int before = count_fds();

    ck_assert_int_eq(belay_run_with((.workers = 2), told, has_many), 0);
    ck_assert_int_eq(count_fds(), before);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}
END_TEST

/* ---- misuse ------------------------------------------------------------- */

static int
bad_fd_main(void)
{
    belay_output *o;
    const belay_child_fd fds[] = {{2, 1}};

    return belay_process_run(&o, BELAY_ARGV("true"), .fds = fds, .nfds = 1);
}

BELAY_TASK(misuses, (test_fn *, run))
{
    return run();
}

static int
misuse_main(void)
{
    return belay_run(misuses, bad_fd_main);
}

START_TEST(standard_descriptor)
{
    child_misuses(misuse_main,
        "descriptor 1 cannot be descriptor 2 of a process at ");
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("process");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, environment);
    tcase_add_test(t, directory);
    tcase_add_test(t, descriptors);
    tcase_add_test(t, no_others);
    tcase_add_test(t, swapped);
    tcase_add_test(t, signals);
    tcase_add_test(t, group);
    tcase_add_test(t, not_executable);
    tcase_add_test(t, resources);
    tcase_add_test(t, lost);
    tcase_add_test(t, not_told);
    tcase_add_test(t, no_pidfds);
    tcase_add_test(t, dies_with_us);
    tcase_add_test(t, many);
    tcase_add_test(t, standard_descriptor);
    return child_suite("process", t);
}
