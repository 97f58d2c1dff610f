/* SPDX-License-Identifier: MIT */
/*
 * Lookups of names, simulated: those that belay_test_host() has told, numbers,
 * and localhost.  They take virtual time, on the thread that asks.
 */
#include "sim/names.h"

#include <belay/test.h>

#include "base/check.h"
#include "base/choice.h"
#include "os/os.h"
#include "os/sys.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { NAMES_MAX = 512, NAMES_TEXT = 64 };

struct sim_name {
    char name[NAMES_TEXT];
    char addrs[4 * NAMES_TEXT];
    bool silent;
    belay_dur takes;
    unsigned asked;
};

static struct sim_name sim_names[NAMES_MAX];
static unsigned sim_nnames;

void
bly_sim_names_reset(void)
{
    sim_nnames = 0;
}

/* The entry of a name, made if there is none. */
static struct sim_name *
sim_name(const char *name)
{
    struct sim_name *n;

    for (n = sim_names; n < sim_names + sim_nnames; n++)
        if (strcasecmp(n->name, name) == 0)
            return n;
    if (sim_nnames == NAMES_MAX || strlen(name) >= sizeof n->name)
        bly_misuse(NULL, "the simulation knows no more than %d names of %d "
            "bytes: '%s'", NAMES_MAX, NAMES_TEXT - 1, name);
    n = &sim_names[sim_nnames++];
    memset(n, 0, sizeof(*n));
    memcpy(n->name, name, strlen(name) + 1);
    return n;
}

unsigned
bly_sim_names_asked(const char *name)
{
    return sim_name(name)->asked;
}

void
belay_test_host(const char *name, const char *addrs, belay_dur takes)
{
    struct sim_name *n = sim_name(name);
    size_t len = addrs == NULL ? 0 : strlen(addrs);

    if (len >= sizeof n->addrs)
        bly_misuse(NULL, "the addresses of '%s' are longer than %zu bytes",
            name, sizeof n->addrs - 1);
    n->silent = addrs == NULL;
    n->takes = takes;
    memset(n->addrs, 0, sizeof(n->addrs));
    if (len > 0)
        memcpy(n->addrs, addrs, len);
}

/* ---- looking up --------------------------------------------------------- */

static bool
sim_number(const char *host, struct sockaddr_storage *out)
{
    struct sockaddr_in *in = (void *)out;
    struct sockaddr_in6 *in6 = (void *)out;

    memset(out, 0, sizeof(*out));
    out->ss_family = AF_INET;
    if (inet_pton(AF_INET, host, &in->sin_addr) == 1)
        return true;
    out->ss_family = AF_INET6;
    return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1;
}

/* Those of a list of numbers between blanks. */
static int
sim_numbers(const char *list, int family, struct sockaddr_storage *out, int n)
{
    struct sockaddr_storage sa;
    char one[INET6_ADDRSTRLEN];
    int count = 0;

    while (*list != '\0' && count < n) {
        size_t len = strcspn(list, " ");

        if (len > 0 && len < sizeof one) {
            memcpy(one, list, len);
            one[len] = '\0';
            if (!sim_number(one, &sa))
                bly_misuse(NULL, "'%s' is no address", one);
            if (family == AF_UNSPEC || family == sa.ss_family)
                out[count++] = sa;
        }
        list += len;
        list += strspn(list, " ");
    }
    return count;
}

int
bly_sys_resolve(const char *host, int family, struct sockaddr_storage *out,
    int n)
{
    struct sim_name *name;
    struct sockaddr_storage sa;
    uint32_t word = 0;
    int64_t until;
    int count;

    bly_point(&sim_nnames);
    if (bly_choose(BLY_CHOOSE_FAULT, 2) != 0)
        return -EAGAIN;
    if (sim_number(host, &sa))
        return sim_numbers(host, family, out, n);
    name = sim_name(host);
    name->asked++;
    if (name->takes > 0) {
        until = bly_os_now() + name->takes;
        while (bly_os_now() < until)
            bly_os_futex_wait(&word, 0, until);
    }
    if (name->silent)
        return -EAGAIN;
    count = sim_numbers(name->addrs, family, out, n);
    if (count == 0 && strcasecmp(host, "localhost") == 0)
        count = sim_numbers("127.0.0.1 ::1", family, out, n);
    return count > 0 ? count : -ENOENT;
}
