/* SPDX-License-Identifier: MIT */
/*
 * The network on the real system, by both drivers: the text of addresses,
 * what only a real kernel has (options, files of sockets, resets, limits), and
 * many connections at a time.
 */
#include <belay/diag.h>
#include <belay/io.h>
#include <belay/net.h>
#include <belay/run.h>
#include <belay/sync.h>

#include "child.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>

#define CHECK(e)                                                               \
    do {                                                                       \
        if (!(e))                                                              \
            return BELAY_FAIL(-EPROTO, "%s:%d: %s", __FILE__, __LINE__, #e);   \
    } while (0)

static const char *const drivers[] = {"epoll", "uring"};
enum { DRIVERS = 2 };

/* Runs a task by one of the drivers; one that is refused here is left out. */
#define RUN(driver, task)                                                      \
    do {                                                                       \
        ck_assert_int_eq(setenv("BELAY_DRIVER", drivers[driver], 1), 0);       \
        if (belay_run(can_start) == 0)                                         \
            ck_assert_int_eq(belay_run_with((.workers = 2), told, #task,       \
                                 task),                                        \
                0);                                                            \
    } while (0)

BELAY_TASK(can_start)
{
    BELAY_AUTO(belay_stream, a);
    BELAY_AUTO(belay_stream, b);

    return belay_stream_pair(&a, &b);
}

typedef int test_fn(void);

BELAY_TASK(told, (const char *, name), (test_fn *, run))
{
    int r = run();

    if (r < 0)
        fprintf(stderr, "%s: %s\n", name, belay_why());
    return r;
}

/* ---- the text of addresses ---------------------------------------------- */

static const struct {
    const char *text, *again; /* NULL: the same */
    int family, port;
} good[] = {
    {"127.0.0.1:80", NULL, AF_INET, 80},
    {"0.0.0.0:0", NULL, AF_INET, 0},
    {"255.255.255.255:65535", NULL, AF_INET, 65535},
    {"[::1]:443", NULL, AF_INET6, 443},
    {"[2001:DB8:0:0::1]:1", "[2001:db8::1]:1", AF_INET6, 1},
    {"[::ffff:10.0.0.1]:7", NULL, AF_INET6, 7},
    {"[fe80::1%lo]:9", NULL, AF_INET6, 9},
    {":8080", "[::]:8080", AF_INET6, 8080},
    {"*:8080", "[::]:8080", AF_INET6, 8080},
    {"unix:/tmp/x y", NULL, AF_UNIX, -1},
    {"unix:@name", "@name", AF_UNIX, -1},
    {"unix:relative", NULL, AF_UNIX, -1},
    {"@abstract:80", NULL, AF_UNIX, -1},
};

START_TEST(addresses_are_read_and_written)
{
    char text[BELAY_ADDR_TEXT];
    belay_addr a, b;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const char *again = good[i].again;

        again = again != NULL ? again : good[i].text;
        ck_assert_int_eq(belay_addr_parse(&a, good[i].text), 0);
        ck_assert_int_eq(a.sa.ss_family, good[i].family);
        ck_assert_int_eq(belay_addr_port(&a), good[i].port);
        ck_assert_str_eq(belay_addr_format(&a, text, sizeof text), again);
        ck_assert_int_eq(belay_addr_parse(&b, text), 0);
        ck_assert(belay_addr_equal(&a, &b));
        ck_assert(i == 0 || belay_addr_parse(&b, good[0].text) != 0 ||
            !belay_addr_equal(&a, &b));
    }
}
END_TEST

START_TEST(what_is_no_address)
{
    static const char *const bad[] = {"", "127.0.0.1", "localhost:80",
        "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:8 0",
        "127.0.0.1:99999999999999999999", "::1:80", "[::1]", "[::1:80",
        "[127.0.0.1]:80", "[]:80", "[x]:80", "unix:", "@", "256.0.0.1:80",
        "1.2.3:80", "[fe80::1%no-such-thing]:1", "[::1]80:80"};
    char text[200], buf[4];
    belay_addr a = {.len = 0};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(belay_addr_parse(&a, bad[i]) == -EINVAL, "'%s'", bad[i]);
    (void)memset(text, 'x', sizeof text);
    (void)memcpy(text, "unix:/", 6);
    text[199] = '\0';
    ck_assert_int_eq(belay_addr_parse(&a, text), -ENAMETOOLONG);
    text[5 + 107] = '\0'; /* 107 bytes and the end fit */
    ck_assert_int_eq(belay_addr_parse(&a, text), 0);
    ck_assert_str_eq(belay_addr_format(&a, buf, sizeof buf), "uni");
    a.len = 0;
    ck_assert_str_eq(belay_addr_format(&a, text, sizeof text), "none");
    ck_assert_int_eq(belay_addr_port(&a), -1);
}
END_TEST

/* ---- names -------------------------------------------------------------- */

/* Each machine knows this one; nothing is asked outside. */
static int
localhost_is_known(void)
{
    belay_addr a[4];
    int n = BELAY_TRY(belay_resolve("localhost:7", a, 4));

    CHECK(n >= 1 && n <= 4);
    for (int i = 0; i < n; i++) {
        const struct sockaddr_in *in = (const void *)&a[i].sa;
        const struct sockaddr_in6 *in6 = (const void *)&a[i].sa;

        CHECK(belay_addr_port(&a[i]) == 7);
        if (a[i].sa.ss_family == AF_INET)
            CHECK(ntohl(in->sin_addr.s_addr) >> 24 == 127);
        else
            CHECK(IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr));
    }
    return 0;
}

START_TEST(names)
{
    RUN(_i, localhost_is_known);
}
END_TEST

/* ---- options ------------------------------------------------------------ */

static int
option(belay_stream *st, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;

    if (getsockopt(belay_stream_fd(st), level, name, &value, &size) < 0)
        return -errno;
    return value;
}

static int
options_reach_both_ends(void)
{
    BELAY_AUTO(belay_listener, l);
    BELAY_AUTO(belay_stream, a);
    BELAY_AUTO(belay_stream, b);

    BELAY_TRY(belay_listen(&l, "127.0.0.1:0", .keepalive = BELAY_S(1.5)));
    BELAY_TRY(belay_connect(&a, belay_listener_addr(l), .delay = true,
        .send_buffer = 20000));
    BELAY_TRY(belay_accept(l, &b));
    CHECK(option(a, IPPROTO_TCP, TCP_NODELAY) == 0);
    CHECK(option(a, SOL_SOCKET, SO_KEEPALIVE) == 0);
    CHECK(option(a, SOL_SOCKET, SO_SNDBUF) == 40000); /* Linux doubles it */
    CHECK(option(b, IPPROTO_TCP, TCP_NODELAY) != 0);
    CHECK(option(b, SOL_SOCKET, SO_KEEPALIVE) == 1);
    CHECK(option(b, IPPROTO_TCP, TCP_KEEPIDLE) == 2);
    CHECK(fcntl(belay_stream_fd(a), F_GETFD) == FD_CLOEXEC);
    CHECK(fcntl(belay_stream_fd(b), F_GETFD) == FD_CLOEXEC);
    CHECK(fcntl(belay_listener_fd(l), F_GETFD) == FD_CLOEXEC);
    return 0;
}

START_TEST(options)
{
    RUN(_i, options_reach_both_ends);
}
END_TEST

/* ---- files of Unix sockets ---------------------------------------------- */

static char dir[] = "/tmp/belay-net-XXXXXX";
static char path[64], addr[80];

static bool
path_is_there(void)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static int
a_path_comes_and_goes(void)
{
    BELAY_AUTO(belay_listener, l);
    BELAY_AUTO(belay_listener, other);

    BELAY_TRY(belay_listen(&l, addr));
    CHECK(path_is_there());
    CHECK(belay_listen(&other, addr) == -EADDRINUSE); /* and it is not taken */
    CHECK(path_is_there());
    belay_listener_close(&l);
    CHECK(!path_is_there());
    return 0;
}

static int
a_path_that_was_left_is_taken_over(void)
{
    BELAY_AUTO(belay_listener, l);
    BELAY_AUTO(belay_stream, st);
    struct sockaddr_un *un;
    belay_addr a;
    BELAY_AUTO_FD(fd);

    BELAY_TRY(belay_addr_parse(&a, addr));
    un = (struct sockaddr_un *)&a.sa;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)un, a.len) == 0);
    CHECK(listen(fd, 1) == 0);
    CHECK(belay_listen(&l, addr) == -EADDRINUSE);
    belay_fd_closep(&fd); /* the file stays */
    CHECK(path_is_there());
    BELAY_TRY(belay_listen(&l, addr));
    BELAY_TRY(belay_connect(&st, &a));
    return 0;
}

/* The name was given to somebody else meanwhile: it is theirs. */
static int
a_path_of_others_is_left_alone(void)
{
    BELAY_AUTO(belay_listener, l);
    BELAY_AUTO_FD(fd);

    BELAY_TRY(belay_listen(&l, addr));
    CHECK(unlink(path) == 0);
    fd = open(path, O_CREAT | O_EXCL | O_CLOEXEC | O_WRONLY, 0600);
    CHECK(fd >= 0);
    belay_listener_close(&l);
    CHECK(path_is_there());
    CHECK(belay_listen(&l, addr) == -EADDRINUSE);
    CHECK(path_is_there());
    return 0;
}

START_TEST(paths)
{
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/sock", dir);
    (void)snprintf(addr, sizeof addr, "unix:%s", path);
    RUN(_i, a_path_comes_and_goes);
    RUN(_i, a_path_that_was_left_is_taken_over);
    RUN(_i, a_path_of_others_is_left_alone);
    (void)unlink(path);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* ---- failures of connections -------------------------------------------- */

static int
a_reset_is_told(void)
{
    struct linger hard = {1, 0};
    BELAY_AUTO(belay_listener, l);
    BELAY_AUTO(belay_stream, a);
    BELAY_AUTO(belay_stream, b);
    char c;

    BELAY_TRY(belay_listen(&l, "127.0.0.1:0"));
    BELAY_TRY(belay_connect(&a, belay_listener_addr(l)));
    BELAY_TRY(belay_accept(l, &b));
    CHECK(setsockopt(belay_stream_fd(a), SOL_SOCKET, SO_LINGER, &hard,
              sizeof hard) == 0);
    belay_stream_close(&a);
    CHECK(belay_stream_read(b, &c, 1) == -ECONNRESET);
    CHECK(belay_stream_write(b, "x", 1) == -EPIPE);
    return 0;
}

START_TEST(resets)
{
    RUN(_i, a_reset_is_told);
}
END_TEST

/* ---- no descriptors left ------------------------------------------------ */

enum { FEW = 64 };

static char said[4096];

static void
keep_log(void *arg, const char *text)
{
    (void)arg;
    (void)strncat(said, text, sizeof said - strlen(said) - 1);
}

BELAY_TASK(accept_one, (belay_listener *, l), (belay_stream **, st))
{
    return belay_accept(l, st);
}

/* The connection waits until there is a descriptor for it again. */
static int
accept_waits_for_a_descriptor(void)
{
    BELAY_AUTO(belay_listener, l);
    BELAY_AUTO(belay_stream, a);
    BELAY_AUTO(belay_stream, b);
    int fds[FEW], n = 0;

    said[0] = '\0';
    belay_set_log(keep_log, NULL);
    BELAY_TRY(belay_listen(&l, "127.0.0.1:0"));
    BELAY_TRY(belay_connect(&a, belay_listener_addr(l)));
    BELAY_SCOPE(s) {
        while (n < FEW && (fds[n] = dup(STDIN_FILENO)) >= 0)
            n++;
        CHECK(n > 0 && n < FEW);
        belay_spawn(s, accept_one, l, &b);
        while (said[0] == '\0') /* it has tried for a while */
            BELAY_TRY(belay_sleep(BELAY_MS(10)));
        CHECK(b == NULL);
        while (n > 0)
            (void)close(fds[--n]);
    }
    CHECK(b != NULL);
    CHECK(strstr(said, "accept on 127.0.0.1:") != NULL);
    CHECK(strstr(said, "Too many open files") != NULL);
    belay_set_log(NULL, NULL);
    return 0;
}

static int
a_stop_ends_that_wait(void)
{
    BELAY_AUTO(belay_listener, l);
    BELAY_AUTO(belay_stream, a);
    BELAY_AUTO(belay_stream, b);
    int fds[FEW], n = 0, err;

    BELAY_TRY(belay_listen(&l, "127.0.0.1:0"));
    BELAY_TRY(belay_connect(&a, belay_listener_addr(l)));
    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_S(1000)) {
        while (n < FEW && (fds[n] = dup(STDIN_FILENO)) >= 0)
            n++;
        belay_spawn(s, accept_one, l, &b);
        BELAY_TRY(belay_sleep(BELAY_MS(5)));
        belay_stop(s, "test");
    }
    while (n > 0)
        (void)close(fds[--n]);
    CHECK(err == -ESHUTDOWN);
    return 0;
}

START_TEST(no_descriptors)
{
    struct rlimit few = {FEW, FEW};

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    RUN(_i, accept_waits_for_a_descriptor);
    RUN(_i, a_stop_ends_that_wait);
}
END_TEST

/* ---- many --------------------------------------------------------------- */

enum { MANY = 5200, MANY_FDS = 2 * MANY + 100 };

BELAY_TASK(answer, (belay_stream *, owned))
{
    BELAY_AUTO(belay_stream, st);
    char c;

    st = owned;
    BELAY_TRY(belay_stream_read(st, &c, 1));
    c++;
    return (int)BELAY_TRY(belay_stream_write(st, &c, 1));
}

BELAY_TASK(accept_all, (belay_listener *, l), (int, n))
{
    BELAY_SCOPE(s) {
        for (int i = 0; i < n; i++) {
            belay_stream *st;

            BELAY_TRY(belay_accept(l, &st));
            belay_spawn(s, answer, st);
        }
    }
    return 0;
}

/* All are connected before the first one is used. */
BELAY_TASK(ask, (belay_listener *, l), (belay_latch *, all), (int, i))
{
    BELAY_AUTO(belay_stream, st);
    char sent = (char)(i * 7), got = 0;

    BELAY_TRY(belay_connect(&st, belay_listener_addr(l)));
    belay_latch_count_down(all, 1);
    BELAY_TRY(belay_latch_wait(all));
    BELAY_TRY(belay_stream_write_all(st, &sent, 1, NULL));
    BELAY_TRY(belay_stream_read(st, &got, 1));
    CHECK(got == (char)(sent + 1));
    return 0;
}

static int
many_connections(void)
{
    belay_latch all = BELAY_LATCH_INIT(MANY);
    BELAY_AUTO(belay_listener, l);
    char name[BELAY_ADDR_TEXT];

    (void)snprintf(name, sizeof name, "@belay-many-%d", (int)getpid());
    BELAY_TRY(belay_listen(&l, name));
    BELAY_SCOPE(s) {
        belay_spawn(s, accept_all, l, MANY);
        for (int i = 0; i < MANY; i++)
            belay_spawn(s, ask, l, &all, i);
    }
    belay_latch_fini(&all);
    return 0;
}

START_TEST(ten_thousand_descriptors)
{
    struct rlimit files;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_cur < MANY_FDS && files.rlim_max >= MANY_FDS)
        files.rlim_cur = files.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_cur >= MANY_FDS)
        RUN(_i, many_connections);
    else
        printf("# left out: only %lu descriptors are allowed here\n",
            (unsigned long)files.rlim_cur);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("net");

    tcase_set_timeout(t, 50);
    tcase_add_test(t, addresses_are_read_and_written);
    tcase_add_test(t, what_is_no_address);
    tcase_add_loop_test(t, names, 0, DRIVERS);
    tcase_add_loop_test(t, options, 0, DRIVERS);
    tcase_add_loop_test(t, paths, 0, DRIVERS);
    tcase_add_loop_test(t, resets, 0, DRIVERS);
    tcase_add_loop_test(t, no_descriptors, 0, DRIVERS);
    tcase_add_loop_test(t, ten_thousand_descriptors, 0, DRIVERS);
    return child_suite("net", t);
}
