/* SPDX-License-Identifier: MIT */
/* Addresses, listening, accepting, connecting. */
#include "suite.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LISTEN(l, addr)                                                        \
    BELAY_AUTO(belay_listener, l);                                             \
    BELAY_TRY(belay_listen(&l, (addr)))

BELAY_TASK(echo, (belay_listener *, l))
{
    BELAY_AUTO(belay_stream, st);
    char buf[100];
    ssize_t n;

    BELAY_TRY(belay_accept(l, &st));
    while ((n = BELAY_TRY(belay_stream_read(st, buf, sizeof buf))) > 0)
        BELAY_TRY(belay_stream_write_all(st, buf, (size_t)n, NULL));
    return belay_stream_finish(st);
}

/* What is sent to who echoes comes back, and then the end. */
static int
exchange(belay_stream *st, const char *text)
{
    BELAY_AUTO(belay_reader, in);
    belay_slice got;
    char more;

    BELAY_TRY(belay_reader_open(&in, st));
    BELAY_TRY(belay_stream_write_all(st, text, strlen(text), NULL));
    BELAY_TRY(belay_stream_finish(st));
    EQUAL(BELAY_TRY(belay_read_block(in, strlen(text), &got)), 1);
    HOLDS(memcmp(got.data, text, got.len) == 0);
    EQUAL(BELAY_TRY(belay_reader_read(in, &more, 1)), 0);
    return 0;
}

static int
echo_over(const char *addr)
{
    LISTEN(l, addr);
    BELAY_SCOPE(s) {
        BELAY_AUTO(belay_stream, st);
        belay_addr here, there;

        belay_spawn(s, echo, l);
        BELAY_TRY(belay_connect(&st, belay_listener_addr(l)));
        BELAY_TRY(belay_stream_peer(st, &there));
        HOLDS(belay_addr_equal(&there, belay_listener_addr(l)));
        BELAY_TRY(belay_stream_local(st, &here));
        EQUAL(here.sa.ss_family, there.sa.ss_family);
        BELAY_TRY(exchange(st, "hello"));
    }
    return 0;
}

static int
connections_over_ipv4(void)
{
    return echo_over("127.0.0.1:0");
}

/* A machine may have none. */
static int
connections_over_ipv6(void)
{
    int r = echo_over("[::1]:0");

    return r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT ? 0 : r;
}

/* A name that no other process has. */
static const char *
own_name(char *buf, size_t size, const char *what)
{
    (void)snprintf(buf, size, "@belay-%s-%d", what, (int)getpid());
    return buf;
}

static int
connections_over_a_name(void)
{
    char name[BELAY_ADDR_TEXT];

    return echo_over(own_name(name, sizeof name, "echo"));
}

/* Where the system has both families, both come in. */
static int
one_listener_for_both_families(void)
{
    belay_addr v4;
    char text[BELAY_ADDR_TEXT];

    LISTEN(l, ":0");
    HOLDS(belay_addr_port(belay_listener_addr(l)) > 0);
    (void)snprintf(text, sizeof text, "127.0.0.1:%d",
        belay_addr_port(belay_listener_addr(l)));
    BELAY_TRY(belay_addr_parse(&v4, text));
    BELAY_SCOPE(s) {
        BELAY_AUTO(belay_stream, st);

        belay_spawn(s, echo, l);
        BELAY_TRY(belay_connect(&st, &v4));
        BELAY_TRY(exchange(st, "four"));
    }
    return 0;
}

static int
nobody_listens(void)
{
    BELAY_AUTO(belay_stream, st);
    belay_addr a;

    {
        LISTEN(l, "127.0.0.1:0");
        a = *belay_listener_addr(l);
    }
    EQUAL(belay_connect(&st, &a), -ECONNREFUSED);
    HOLDS(st == NULL);
    HOLDS(strstr(belay_why(), "connecting to 127.0.0.1:") != NULL);
    return 0;
}

static int
an_address_is_taken_once(void)
{
    BELAY_AUTO(belay_listener, other);
    char text[BELAY_ADDR_TEXT];

    LISTEN(l, "127.0.0.1:0");
    (void)belay_addr_format(belay_listener_addr(l), text, sizeof text);
    EQUAL(belay_listen(&other, text), -EADDRINUSE);
    HOLDS(other == NULL);
    HOLDS(strstr(belay_why(), text) != NULL);
    belay_listener_close(&l);
    HOLDS(l == NULL);
    BELAY_TRY(belay_listen(&other, text)); /* and is free again */
    return 0;
}

static int
a_port_may_be_shared(void)
{
    BELAY_AUTO(belay_listener, a);
    BELAY_AUTO(belay_listener, b);
    char text[BELAY_ADDR_TEXT];

    BELAY_TRY(belay_listen(&a, "127.0.0.1:0", .reuse_port = true));
    (void)belay_addr_format(belay_listener_addr(a), text, sizeof text);
    BELAY_TRY(belay_listen(&b, text, .reuse_port = true));
    return 0;
}

BELAY_TASK(accept_one, (belay_listener *, l), (int *, result))
{
    BELAY_AUTO(belay_stream, st);

    *result = belay_accept(l, &st);
    return 0;
}

static int
a_stop_ends_an_accept(void)
{
    int waiting = 1, late = 1, err;

    LISTEN(l, "127.0.0.1:0");
    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_S(1e6)) {
        belay_spawn(s, accept_one, l, &waiting);
        BELAY_TRY(belay_yield());
        belay_stop(s, "test");
        belay_spawn(s, accept_one, l, &late);
    }
    if (err == -ECANCELED) /* virtual time can run through the grace */
        return 0;
    EQUAL(err, 0);
    EQUAL(waiting, -ESHUTDOWN);
    EQUAL(late, -ESHUTDOWN);
    return 0;
}

/* Either it was accepted, or it is still in the queue. */
static int
a_cut_accept_loses_no_connection(void)
{
    BELAY_AUTO(belay_stream, st);
    BELAY_AUTO(belay_stream, client);
    int got = 1, err;

    LISTEN(l, "127.0.0.1:0");
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, accept_one, l, &got);
        BELAY_TRY(belay_connect(&client, belay_listener_addr(l)));
        belay_cancel(s, "test");
    }
    HOLDS(got == 0 || got == -ECANCELED);
    if (got != 0)
        BELAY_TRY(belay_accept(l, &st));
    return 0;
}

BELAY_TASK(connect_and_wait, (const belay_addr *, to))
{
    BELAY_AUTO(belay_stream, st);
    char c;

    BELAY_TRY(belay_connect(&st, to));
    return (int)BELAY_TRY(belay_stream_read(st, &c, 1));
}

/* The queue of a Unix listener is full: the client waits for a place. */
static int
a_full_queue_makes_the_client_wait(void)
{
    enum { CLIENTS = 4 };
    BELAY_AUTO(belay_listener, l);
    char name[BELAY_ADDR_TEXT];

    BELAY_TRY(belay_listen(&l, own_name(name, sizeof name, "queue"),
        .backlog = 1));
    BELAY_SCOPE(s) {
        for (int i = 0; i < CLIENTS; i++)
            belay_spawn(s, connect_and_wait, belay_listener_addr(l));
        BELAY_TRY(belay_sleep(BELAY_MS(1)));
        for (int i = 0; i < CLIENTS; i++) {
            BELAY_AUTO(belay_stream, st);

            BELAY_TRY(belay_accept(l, &st));
        }
    }
    return 0;
}

static int
two_tasks_accept(void)
{
    int a = 1, b = 1;

    LISTEN(l, "127.0.0.1:0");
    BELAY_SCOPE(s) {
        BELAY_AUTO(belay_stream, one);
        BELAY_AUTO(belay_stream, two);

        belay_spawn(s, accept_one, l, &a);
        belay_spawn(s, accept_one, l, &b);
        BELAY_TRY(belay_connect(&one, belay_listener_addr(l)));
        BELAY_TRY(belay_connect(&two, belay_listener_addr(l)));
    }
    EQUAL(a, 0);
    EQUAL(b, 0);
    return 0;
}

static int
our_end_can_be_chosen(void)
{
    belay_addr here;

    LISTEN(l, "127.0.0.1:0");
    BELAY_AUTO(belay_stream, st);
    BELAY_TRY(belay_connect(&st, belay_listener_addr(l),
        .from = "127.0.0.1:0"));
    BELAY_TRY(belay_stream_local(st, &here));
    HOLDS(belay_addr_port(&here) > 0);
    belay_stream_close(&st);
    EQUAL(belay_connect(&st, belay_listener_addr(l), .from = "nowhere"),
        -EINVAL);
    return 0;
}

/* ---- names -------------------------------------------------------------- */

/* "localhost:PORT" of where l listens. */
static const char *
localhost_of(belay_listener *l, char *buf, size_t size)
{
    (void)snprintf(buf, size, "localhost:%d",
        belay_addr_port(belay_listener_addr(l)));
    return buf;
}

static int
a_name_is_dialled(void)
{
    char name[BELAY_ADDR_TEXT];

    LISTEN(l, "127.0.0.1:0");
    BELAY_SCOPE(s) {
        BELAY_AUTO(belay_stream, st);
        belay_addr there;

        belay_spawn(s, echo, l);
        BELAY_TRY(belay_dial(&st, localhost_of(l, name, sizeof name)));
        BELAY_TRY(belay_stream_peer(st, &there));
        HOLDS(belay_addr_equal(&there, belay_listener_addr(l)));
        BELAY_TRY(exchange(st, "hello"));
    }
    return 0;
}

static int
nobody_is_there_by_any_address(void)
{
    BELAY_AUTO(belay_stream, st);
    char name[BELAY_ADDR_TEXT];

    {
        LISTEN(l, "127.0.0.1:0");
        (void)localhost_of(l, name, sizeof name);
    }
    EQUAL(belay_dial(&st, name), -ECONNREFUSED);
    HOLDS(st == NULL);
    HOLDS(strstr(belay_why(), name) != NULL);
    HOLDS(strstr(belay_why(), "Connection refused") != NULL);
    return 0;
}

/* Takes the queue of l, which has the backlog 1. */
static int
fill_queue(belay_listener *l, belay_stream **a, belay_stream **b)
{
    BELAY_TRY(belay_connect(a, belay_listener_addr(l)));
    return belay_connect(b, belay_listener_addr(l));
}

/* The address that is tried first does not answer. */
static int
past_silence(const char *silent, const char *other, const belay_addr *found,
    bool first_is_v6)
{
    BELAY_AUTO(belay_listener, hole);
    BELAY_AUTO(belay_listener, l);
    BELAY_AUTO(belay_stream, a);
    BELAY_AUTO(belay_stream, b);
    BELAY_AUTO(belay_stream, st);
    char text[BELAY_ADDR_TEXT], name[BELAY_ADDR_TEXT];
    belay_addr there;

    if ((found->sa.ss_family == AF_INET6) != first_is_v6)
        return 0;
    (void)snprintf(text, sizeof text, "%s:0", silent);
    BELAY_TRY(belay_listen(&hole, text, .backlog = 1, .only_v6 = true));
    (void)snprintf(text, sizeof text, "%s:%d", other,
        belay_addr_port(belay_listener_addr(hole)));
    BELAY_TRY(belay_listen(&l, text, .only_v6 = true));
    BELAY_TRY(fill_queue(hole, &a, &b));
    BELAY_TRY(BELAY_WITHIN(BELAY_S(30),
        belay_dial(&st, localhost_of(l, name, sizeof name))));
    BELAY_TRY(belay_stream_peer(st, &there));
    HOLDS(belay_addr_equal(&there, belay_listener_addr(l)));
    return 0;
}

/* Where localhost has both families. */
static int
who_is_silent_is_not_waited_for(void)
{
    belay_addr found[2];
    int n = BELAY_TRY(belay_resolve("localhost:1", found, 2));

    if (n < 2 || found[0].sa.ss_family == found[1].sa.ss_family)
        return 0;
    BELAY_TRY(past_silence("[::1]", "127.0.0.1", &found[0], true));
    return past_silence("127.0.0.1", "[::1]", &found[0], false);
}

const struct driver_case driver_net[] = {
    {"connections_over_ipv4", connections_over_ipv4},
    {"connections_over_ipv6", connections_over_ipv6},
    {"connections_over_a_name", connections_over_a_name},
    {"one_listener_for_both_families", one_listener_for_both_families},
    {"nobody_listens", nobody_listens},
    {"an_address_is_taken_once", an_address_is_taken_once},
    {"a_port_may_be_shared", a_port_may_be_shared},
    {"a_stop_ends_an_accept", a_stop_ends_an_accept},
    {"a_cut_accept_loses_no_connection", a_cut_accept_loses_no_connection},
    {"a_full_queue_makes_the_client_wait", a_full_queue_makes_the_client_wait},
    {"two_tasks_accept", two_tasks_accept},
    {"our_end_can_be_chosen", our_end_can_be_chosen},
    {"a_name_is_dialled", a_name_is_dialled},
    {"nobody_is_there_by_any_address", nobody_is_there_by_any_address},
    {"who_is_silent_is_not_waited_for", who_is_silent_is_not_waited_for},
    {NULL, NULL},
};
