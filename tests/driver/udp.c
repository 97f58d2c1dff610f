/* SPDX-License-Identifier: MIT */
/* Datagrams by the public calls; grams.c has those below them. */
#include "suite.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OPEN(u, addr)                                                          \
    BELAY_AUTO(belay_udp, u);                                                  \
    BELAY_TRY(belay_udp_open(&u, (addr)))

#define CASE(name) {#name, name}

/* A name that no other process has. */
static const char *
udp_name(char *buf, size_t size, const char *what)
{
    (void)snprintf(buf, size, "@belay-udp-%s-%d", what, (int)getpid());
    return buf;
}

/* The next datagram is this one; *from is who sent it. */
static int
udp_expect(belay_udp *u, const char *text, belay_addr *from)
{
    char buf[16];
    ssize_t n = BELAY_TRY(belay_udp_recv(u, buf, sizeof buf, from));

    EQUAL(n, strlen(text));
    HOLDS(memcmp(buf, text, (size_t)n) == 0);
    return 0;
}

/* A question comes from whoever asked, and the answer from whom was asked. */
static int
ask(const char *server, const char *client)
{
    belay_addr from;

    OPEN(s, server);
    OPEN(c, client);
    BELAY_TRY(belay_udp_send(c, "question", 8, belay_udp_addr(s)));
    BELAY_TRY(udp_expect(s, "question", &from));
    BELAY_TRY(belay_udp_send(s, "answer", 6, &from));
    BELAY_TRY(udp_expect(c, "answer", &from));
    HOLDS(belay_addr_equal(&from, belay_udp_addr(s)));
    return 0;
}

static int
asking_by_ipv4(void)
{
    return ask("127.0.0.1:0", "127.0.0.1:0");
}

/* A machine may have none. */
static int
asking_by_ipv6(void)
{
    int r = ask("[::1]:0", "[::1]:0");

    return r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT ? 0 : r;
}

/* Whichever family the server has; IPv4 addresses look like that. */
static int
asking_from_any_address(void)
{
    int r;

    BELAY_TRY(ask("127.0.0.1:0", ":0"));
    r = ask("[::1]:0", ":0");
    return r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT ? 0 : r;
}

static int
asking_by_name(void)
{
    char server[BELAY_ADDR_TEXT], client[BELAY_ADDR_TEXT];

    return ask(udp_name(server, sizeof server, "server"),
        udp_name(client, sizeof client, "client"));
}

static int
datagrams_may_be_empty(void)
{
    belay_addr from;

    OPEN(a, "127.0.0.1:0");
    OPEN(b, "127.0.0.1:0");
    BELAY_TRY(belay_udp_send(a, "", 0, belay_udp_addr(b)));
    BELAY_TRY(belay_udp_send(a, "x", 1, belay_udp_addr(b)));
    BELAY_TRY(udp_expect(b, "", &from));
    HOLDS(belay_addr_equal(&from, belay_udp_addr(a)));
    return udp_expect(b, "x", NULL);
}

/* What was cut off is told, and who sent it. */
static int
a_buffer_may_be_too_small(void)
{
    belay_addr from = {.len = 0};
    char buf[4] = "";

    OPEN(a, "127.0.0.1:0");
    OPEN(b, "127.0.0.1:0");
    BELAY_TRY(belay_udp_send(a, "12345", 5, belay_udp_addr(b)));
    BELAY_TRY(belay_udp_send(a, "6789", 4, belay_udp_addr(b)));
    EQUAL(belay_udp_recv(b, buf, sizeof buf, &from), -EMSGSIZE);
    HOLDS(memcmp(buf, "1234", 4) == 0);
    HOLDS(belay_addr_equal(&from, belay_udp_addr(a)));
    return udp_expect(b, "6789", NULL);
}

static int
a_datagram_may_be_too_long(void)
{
    static const char much[70000];
    char text[BELAY_ADDR_TEXT];

    OPEN(a, "127.0.0.1:0");
    EQUAL(belay_udp_send(a, much, sizeof much, belay_udp_addr(a)), -EMSGSIZE);
    (void)belay_addr_format(belay_udp_addr(a), text, sizeof text);
    HOLDS(strstr(belay_why(), text) != NULL);
    return 0;
}

static int
only_the_peer_is_heard(void)
{
    OPEN(a, "127.0.0.1:0");
    OPEN(b, "127.0.0.1:0");
    OPEN(other, "127.0.0.1:0");
    EQUAL(belay_udp_send(a, "x", 1, NULL), -EDESTADDRREQ);
    HOLDS(strstr(belay_why(), "the peer") != NULL);
    BELAY_TRY(belay_udp_connect(a, belay_udp_addr(b)));
    BELAY_TRY(belay_udp_send(other, "no", 2, belay_udp_addr(a)));
    BELAY_TRY(belay_udp_send(b, "yes", 3, belay_udp_addr(a)));
    BELAY_TRY(udp_expect(a, "yes", NULL));
    BELAY_TRY(belay_udp_send(a, "thanks", 6, NULL));
    return udp_expect(b, "thanks", NULL);
}

static int
both_families_have_peers(void)
{
    OPEN(a, ":0");
    OPEN(b, "127.0.0.1:0");
    belay_addr from;

    BELAY_TRY(belay_udp_connect(a, belay_udp_addr(b)));
    BELAY_TRY(belay_udp_send(a, "x", 1, NULL));
    BELAY_TRY(udp_expect(b, "x", &from));
    BELAY_TRY(belay_udp_send(b, "y", 1, &from));
    return udp_expect(a, "y", NULL);
}

static int
a_peer_that_is_gone_is_told(void)
{
    char c;

    OPEN(a, "127.0.0.1:0");
    OPEN(b, "127.0.0.1:0");
    BELAY_TRY(belay_udp_connect(a, belay_udp_addr(b)));
    belay_udp_close(&b);
    HOLDS(b == NULL);
    BELAY_TRY(belay_udp_send(a, "x", 1, NULL));
    EQUAL(belay_udp_recv(a, &c, 1, NULL), -ECONNREFUSED);
    HOLDS(strstr(belay_why(), "receiving at 127.0.0.1:") != NULL);
    return 0;
}

static int
nobody_has_that_name(void)
{
    char name[BELAY_ADDR_TEXT];
    belay_addr gone;

    OPEN(a, udp_name(name, sizeof name, "here"));
    BELAY_TRY(belay_addr_parse(&gone, udp_name(name, sizeof name, "gone")));
    EQUAL(belay_udp_send(a, "x", 1, &gone), -ECONNREFUSED);
    HOLDS(strstr(belay_why(), name) != NULL);
    EQUAL(belay_udp_connect(a, &gone), -ECONNREFUSED);
    return 0;
}

static int
a_port_for_datagrams_is_taken_once(void)
{
    BELAY_AUTO(belay_udp, other);
    char text[BELAY_ADDR_TEXT];

    OPEN(a, "127.0.0.1:0");
    (void)belay_addr_format(belay_udp_addr(a), text, sizeof text);
    EQUAL(belay_udp_open(&other, text), -EADDRINUSE);
    HOLDS(other == NULL);
    HOLDS(strstr(belay_why(), text) != NULL);
    EQUAL(belay_udp_open(&other, "nowhere"), -EINVAL);
    belay_udp_close(&a);
    BELAY_TRY(belay_udp_open(&other, text));
    return 0;
}

BELAY_TASK(receive, (belay_udp *, u), (ssize_t *, got))
{
    char c;

    *got = belay_udp_recv(u, &c, 1, NULL);
    return 0;
}

/* Either it was received, or it is still there. */
static int
a_cut_loses_no_datagram(void)
{
    ssize_t got = -1;
    int err;

    OPEN(a, "127.0.0.1:0");
    OPEN(b, "127.0.0.1:0");
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, receive, b, &got);
        BELAY_TRY(belay_yield());
        BELAY_TRY(belay_udp_send(a, "x", 1, belay_udp_addr(b)));
        belay_cancel(s, "test");
    }
    HOLDS(got == 1 || got == -ECANCELED);
    return got == 1 ? 0 : udp_expect(b, "x", NULL);
}

/* Each datagram goes to one of those who wait. */
static int
two_tasks_receive(void)
{
    ssize_t one = -1, two = -1;

    OPEN(a, "127.0.0.1:0");
    OPEN(b, "127.0.0.1:0");
    BELAY_SCOPE(s) {
        belay_spawn(s, receive, b, &one);
        belay_spawn(s, receive, b, &two);
        BELAY_TRY(belay_yield());
        BELAY_TRY(belay_udp_send(a, "", 0, belay_udp_addr(b)));
        BELAY_TRY(belay_udp_send(a, "x", 1, belay_udp_addr(b)));
    }
    HOLDS((one == 0 && two == 1) || (one == 1 && two == 0));
    return 0;
}

enum { MANY = 40, MUCH = 8000 };

BELAY_TASK(send_many, (belay_udp *, u), (const belay_addr *, to))
{
    char buf[MUCH] = "";

    for (int i = 0; i < MANY; i++) {
        buf[0] = (char)i;
        BELAY_TRY(belay_udp_send(u, buf, sizeof buf, to));
    }
    return 0;
}

/* Who sends faster than the receiver reads has to wait, but not by UDP. */
static int
no_datagram_is_lost_between_names(void)
{
    char name[BELAY_ADDR_TEXT], buf[MUCH];

    OPEN(a, udp_name(name, sizeof name, "from"));
    OPEN(b, udp_name(name, sizeof name, "to"));
    BELAY_SCOPE(s) {
        belay_spawn(s, send_many, a, belay_udp_addr(b));
        BELAY_TRY(belay_sleep(BELAY_MS(1)));
        for (int i = 0; i < MANY; i++) {
            EQUAL(BELAY_TRY(belay_udp_recv(b, buf, sizeof buf, NULL)), MUCH);
            EQUAL(buf[0], i);
        }
    }
    return 0;
}

const struct driver_case driver_udp[] = {
    CASE(asking_by_ipv4),
    CASE(asking_by_ipv6),
    CASE(asking_from_any_address),
    CASE(asking_by_name),
    CASE(datagrams_may_be_empty),
    CASE(a_buffer_may_be_too_small),
    CASE(a_datagram_may_be_too_long),
    CASE(only_the_peer_is_heard),
    CASE(both_families_have_peers),
    CASE(a_peer_that_is_gone_is_told),
    CASE(nobody_has_that_name),
    CASE(a_port_for_datagrams_is_taken_once),
    CASE(a_cut_loses_no_datagram),
    CASE(two_tasks_receive),
    CASE(no_datagram_is_lost_between_names),
    {NULL, NULL},
};
