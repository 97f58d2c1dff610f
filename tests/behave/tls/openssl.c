/* SPDX-License-Identifier: MIT */
/*
 * The other end is another program, openssl(1), over loopback: what belay
 * speaks is what others speak.
 */
#include <belay/process.h>

#include "kit.h"

#include <errno.h>
#include <unistd.h>

/* ---- files for the other program ----------------------------------------- */

static struct {
    char dir[64];
    char root[80], server[80], client[80]; /* keys stand with certificates */
} files;

static int
file_write(char *path, const char *name, const char *one, const char *two)
{
    FILE *f;

    (void)snprintf(path, 80, "%s/%s.pem", files.dir, name);
    f = fopen(path, "w");
    if (f == NULL)
        return -errno;
    if (fputs(one, f) == EOF || fputs(two, f) == EOF) {
        (void)fclose(f);
        return -EIO;
    }
    return fclose(f) == 0 ? 0 : -EIO;
}

static void
files_close(int *unused)
{
    (void)unused;
    (void)unlink(files.root);
    (void)unlink(files.server);
    (void)unlink(files.client);
    (void)rmdir(files.dir);
}

static int
files_open(void)
{
    const char *tmp = getenv("TMPDIR");

    (void)snprintf(files.dir, sizeof files.dir, "%s/belay-tls-XXXXXX",
        tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp");
    CHECK(mkdtemp(files.dir) != NULL);
    BELAY_TRY(file_write(files.root, "root", kit.root.pem, ""));
    BELAY_TRY(file_write(
        files.server, "server", kit.server.pem, kit.server.key_pem));
    return file_write(
        files.client, "client", kit.client.pem, kit.client.key_pem);
}

#define FILES()                                                                \
    BELAY_CLEANUP_(files_close) int files_ = files_open();                     \
    BELAY_TRY(files_)

/* ---- it serves ----------------------------------------------------------- */

/* Its first lines say where. */
static int
server_addr(belay_stream *out, belay_addr *addr)
{
    BELAY_AUTO(belay_reader, in);
    char text[64] = "";
    belay_slice line;

    BELAY_TRY(belay_reader_open(&in, out));
    while (BELAY_TRY(belay_read_line(in, &line)) > 0)
        if (line.len > 7 && line.len < sizeof text &&
            memcmp(line.data, "ACCEPT ", 7) == 0) {
            memcpy(text, line.data + 7, line.len - 7);
            break;
        }
    return belay_addr_parse(addr, text);
}

/* Each line comes back from the end to the beginning. */
static int
speak_to_server(const belay_addr *addr, belay_tls *tls, int version,
    const char *alpn)
{
    BELAY_AUTO(belay_stream, st);
    belay_tls_info info;

    BELAY_TRY(belay_connect(&st, addr));
    BELAY_TRY(belay_tls_connect(&st, tls, &st, "localhost"));
    EQUAL(belay_tls_get_info(st, &info), 0);
    EQUAL(info.version, version);
    CHECK(info.verified);
    CHECK(info.alpn != NULL && strcmp(info.alpn, alpn) == 0);
    BELAY_TRY(say(st, "stressed\n"));
    BELAY_TRY(hear(st, "desserts\n"));
    BELAY_TRY(say(st, "drawer\n"));
    BELAY_TRY(hear(st, "reward\n"));
    return belay_stream_finish(st);
}

static int
ask_server(const char *option, int version)
{
    static const char *const alpn[] = {"h2", "http/1.1", NULL};
    CLIENT(tls, .cert_pem = kit.client.pem, .key_pem = kit.client.key_pem,
        .alpn = alpn);
    FILES();

    BELAY_SCOPE(s, .timeout = BELAY_S(30)) {
        BELAY_AUTO(belay_process, p);
        BELAY_AUTO(belay_stream, out);
        belay_addr addr;

        BELAY_TRY(belay_process_start(s, &p,
            BELAY_ARGV("openssl", "s_server", "-accept", "127.0.0.1:0",
                "-naccept", "1", option, "-rev", "-cert", files.server,
                "-CAfile", files.root, "-Verify", "2", "-verify_return_error",
                "-alpn", "http/1.1"),
            .in = BELAY_CHILD_NULL, .out = BELAY_CHILD_PIPE,
            .err = BELAY_CHILD_NULL));
        BELAY_TRY(belay_process_stream(p, &out));
        BELAY_TRY(server_addr(out, &addr));
        BELAY_TRY(speak_to_server(&addr, tls, version, "http/1.1"));
        BELAY_TRY(belay_process_stop(p));
    }
    return 0;
}

static int
asks_a_server_of_1_2(void)
{
    return ask_server("-tls1_2", BELAY_TLS_1_2);
}

static int
asks_a_server_of_1_3(void)
{
    return ask_server("-tls1_3", BELAY_TLS_1_3);
}

START_TEST(it_serves)
{
    RUN(_i, asks_a_server_of_1_2);
    RUN(_i, asks_a_server_of_1_3);
}
END_TEST

/* ---- it asks ------------------------------------------------------------- */

BELAY_TASK(serve_one, (belay_listener *, l), (belay_tls *, tls),
    (int, version))
{
    BELAY_AUTO(belay_stream, st);
    belay_tls_info info;
    char c;

    BELAY_TRY(belay_accept(l, &st));
    BELAY_TRY(belay_tls_accept(&st, tls, &st));
    EQUAL(belay_tls_get_info(st, &info), 0);
    EQUAL(info.version, version);
    CHECK(info.verified && strcmp(info.subject, "CN=A Client") == 0);
    CHECK(info.host != NULL && strcmp(info.host, "localhost") == 0);
    BELAY_TRY(hear(st, "question\n"));
    BELAY_TRY(say(st, "answer\n"));
    BELAY_TRY(belay_stream_finish(st));
    EQUAL(belay_stream_read(st, &c, 1), 0);
    return 0;
}

static int
be_asked(const char *option, int version)
{
    SERVER(tls, .ca_pem = kit.root.pem, .clients = BELAY_TLS_CLIENTS_MUST);
    BELAY_AUTO(belay_listener, l);
    BELAY_AUTO(belay_output, o);
    char where[BELAY_ADDR_TEXT];
    FILES();

    BELAY_TRY(belay_listen(&l, "127.0.0.1:0"));
    (void)belay_addr_format(belay_listener_addr(l), where, sizeof where);
    BELAY_SCOPE(s, .timeout = BELAY_S(30)) {
        belay_spawn(s, serve_one, l, tls, version);
        BELAY_TRY(belay_process_run(&o,
            BELAY_ARGV("openssl", "s_client", "-connect", where, option,
                "-servername", "localhost", "-verify_hostname", "localhost",
                "-CAfile", files.root, "-verify_return_error", "-cert",
                files.client, "-quiet"),
            .input = {"question\n", 9}));
    }
    SAYS(o->out.data, "answer\n");
    return 0;
}

static int
a_client_of_1_2_asks(void)
{
    return be_asked("-tls1_2", BELAY_TLS_1_2);
}

static int
a_client_of_1_3_asks(void)
{
    return be_asked("-tls1_3", BELAY_TLS_1_3);
}

START_TEST(it_asks)
{
    RUN(_i, a_client_of_1_2_asks);
    RUN(_i, a_client_of_1_3_asks);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("openssl");

    tcase_add_loop_test(t, it_serves, 0, KIT_DRIVERS);
    tcase_add_loop_test(t, it_asks, 0, KIT_DRIVERS);
    return kit_suite("tls openssl", t);
}
