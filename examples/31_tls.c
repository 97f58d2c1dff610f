/* SPDX-License-Identifier: MIT */
/*
 * TLS: a server that says each line back, one client that trusts it, and one
 * that has no reason to.  Key and certificate are made by openssl(1).
 */
#include <belay.h>
#include <belay/tls.h>

#include <stdio.h>
#include <string.h>

BELAY_TASK(echo, (belay_stream *, plain), (belay_tls *, tls))
{
    BELAY_AUTO(belay_stream, st);
    BELAY_AUTO(belay_reader, in);
    belay_slice line;

    BELAY_DEADLINE(BELAY_S(30));
    st = plain;
    if (belay_tls_accept(&st, tls, &st) < 0)
        return 0; /* that client's business: others are served */
    BELAY_TRY(belay_reader_open(&in, st));
    while (BELAY_TRY(belay_read_line(in, &line)) > 0) {
        BELAY_TRY(belay_stream_write_all(st, line.data, line.len, NULL));
        BELAY_TRY(belay_stream_write_all(st, "\n", 1, NULL));
    }
    return belay_stream_finish(st);
}

/* Each connection is a task of its own. */
BELAY_TASK(serve, (belay_listener *, l), (belay_tls *, tls))
{
    BELAY_SCOPE(s) {
        for (;;) {
            BELAY_AUTO(belay_stream, st);

            BELAY_TRY(belay_accept(l, &st));
            belay_spawn(s, echo, st, tls);
            st = NULL; /* it is the task's */
        }
    }
    return 0;
}

static int
ask(const belay_addr *addr, belay_tls *tls, const char *text)
{
    BELAY_AUTO(belay_stream, st);
    BELAY_AUTO(belay_reader, in);
    belay_slice line;

    BELAY_TRY(belay_connect(&st, addr));
    BELAY_TRY(belay_tls_connect(&st, tls, &st, "localhost"));
    BELAY_TRY(belay_stream_write_all(st, text, strlen(text), NULL));
    BELAY_TRY(belay_stream_finish(st));
    BELAY_TRY(belay_reader_open(&in, st));
    while (BELAY_TRY(belay_read_line(in, &line)) > 0)
        printf("client: %.*s\n", (int)line.len, line.data);
    return 0;
}

static int
run_clients(const belay_addr *addr, const char *pem)
{
    BELAY_AUTO(belay_tls, friend);
    BELAY_AUTO(belay_tls, stranger);

    BELAY_TRY(belay_tls_open(&friend, .ca_pem = pem));
    BELAY_TRY(ask(addr, friend, "hello\nand good night\n"));
    BELAY_TRY(belay_tls_open(&stranger)); /* trusts whom the system trusts */
    if (ask(addr, stranger, "hello?\n") < 0)
        printf("stranger: %s\n", belay_why());
    return 0;
}

BELAY_TASK(app)
{
    BELAY_AUTO(belay_output, made);
    BELAY_AUTO(belay_tls, tls);
    BELAY_AUTO(belay_listener, l);

    BELAY_TRY(belay_process_run(&made,
        BELAY_ARGV("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost", "-days", "1",
            "-keyout", "-", "-out", "-")));
    BELAY_TRY(belay_tls_open(&tls, .cert_pem = made->out.data,
        .key_pem = made->out.data));
    BELAY_TRY(belay_listen(&l, "127.0.0.1:0"));
    BELAY_SCOPE(s) {
        belay_spawn_daemon(s, serve, l, tls);
        BELAY_TRY(run_clients(belay_listener_addr(l), made->out.data));
    }
    return 0;
}

int
main(void)
{
    return belay_main(app);
}
