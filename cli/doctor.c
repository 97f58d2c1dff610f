/* SPDX-License-Identifier: MIT */
/* belay doctor: what belay finds on this machine, and what that means. */
#include "cli/doctor.h"

#include <belay/error.h>

#include "cli/jot.h"
#include "cli/number.h"
#include "cli/probe.h"
#include "cli/status.h"
#include "cli/term.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct doctor_config {
    bool json;
    int colour;
};

#define AT(field) offsetof(struct doctor_config, field)

static const struct args_option doctor_options[] = {
    {"json", '\0', ARGS_FLAG, NULL, AT(json), "one JSON object instead", 0, 0},
    {"color", '\0', ARGS_CHOICE, "auto|always|never", AT(colour),
        "colour on stdout", 0, 0},
    {"help", 'h', ARGS_HELP, NULL, 0, "this text", 0, 0},
    {NULL, '\0', ARGS_FLAG, NULL, 0, NULL, 0, 0},
};
static const struct args_group doctor_groups[] = {
    {"Options", doctor_options}, {NULL, NULL}};
static const struct args_example doctor_examples[] = {
    {"what works here, what falls back, and why", "belay doctor"},
    {"the same for a program", "belay doctor --json"},
    {NULL, NULL},
};
const struct args_spec doctor_spec = {"belay doctor", NULL,
    "say what belay finds on this machine", doctor_examples, doctor_groups,
    "belay-doctor(1)", false};

/* How good a finding is. */
enum doctor_grade { DOCTOR_GOOD, DOCTOR_FALLBACK, DOCTOR_LOW };

struct doctor {
    bool json, colour;
    struct jot jot;
    struct text out;
    unsigned notes;
};

/* One finding: a key, what is there, and what it means if it is not good. */
static void
doctor_say(struct doctor *d, enum doctor_grade grade, const char *key,
    const char *value, const char *meaning)
{
    static const char *const grades[] = {"ok", "fallback", "low"};
    static const enum term_ink inks[] = {TERM_GREEN, TERM_YELLOW, TERM_RED};

    d->notes += grade != DOCTOR_GOOD;
    if (d->json) {
        jot_open(&d->jot, key, '{');
        jot_text(&d->jot, "grade", grades[grade]);
        jot_text(&d->jot, "value", value);
        jot_text(&d->jot, "meaning", grade == DOCTOR_GOOD ? NULL : meaning);
        jot_close(&d->jot, '}');
        return;
    }
    text_add(&d->out, "  ");
    term_paint(&d->out, d->colour, inks[grade], grades[grade]);
    text_printf(&d->out, "%*s  %-12s %s\n", (int)(8 - strlen(grades[grade])),
        "", key, value);
    if (grade != DOCTOR_GOOD)
        text_printf(&d->out, "            %-12s %s\n", "", meaning);
}

static void
doctor_head(struct doctor *d, const char *title)
{
    if (!d->json)
        text_printf(&d->out, "%s%s\n", d->out.n > 0 ? "\n" : "", title);
}

static void
doctor_versions(struct doctor *d)
{
    doctor_head(d, "Versions");
    doctor_say(d,
        strcmp(belay_version(), BELAY_VERSION) == 0 ? DOCTOR_GOOD : DOCTOR_LOW,
        "belay", belay_version(), "the command was built for " BELAY_VERSION);
    doctor_say(d, DOCTOR_GOOD, "libcurl", curl_version(), NULL);
    doctor_say(d, DOCTOR_GOOD, "openssl", OpenSSL_version(OPENSSL_VERSION),
        NULL);
    doctor_say(d, DOCTOR_GOOD, "jansson", jansson_version_str(), NULL);
}

static const char *
doctor_uring_why(const struct probe *p)
{
    const char *wish = getenv("BELAY_DRIVER");

    if (wish != NULL && strcmp(wish, "epoll") == 0)
        return "BELAY_DRIVER in the environment asks for it";
    switch (p->uring_errno) {
    case 0:
        return "the kernel has io_uring, but the library was built without "
               "it or refused it";
    case EPERM:
        return "kernel.io_uring_disabled or a seccomp filter forbids "
               "io_uring; I/O goes through epoll";
    case ENOSYS:
        return "this kernel has no io_uring; I/O goes through epoll";
    case ENOMEM:
        return "RLIMIT_MEMLOCK is too low for io_uring; I/O goes through "
               "epoll";
    default:
        return "io_uring cannot be opened; I/O goes through epoll";
    }
}

static void
doctor_kernel(struct doctor *d, const struct probe *p)
{
    doctor_head(d, "Kernel");
    doctor_say(d, DOCTOR_GOOD, "kernel", p->kernel, NULL);
    if (p->runtime < 0)
        doctor_say(d, DOCTOR_LOW, "driver", "none", belay_strerror(p->runtime));
    else
        doctor_say(d, p->uring_used ? DOCTOR_GOOD : DOCTOR_FALLBACK, "driver",
            p->uring_used ? "io_uring" : "epoll", doctor_uring_why(p));
    if (p->uring_used)
        doctor_say(d, p->uring_defer ? DOCTOR_GOOD : DOCTOR_FALLBACK,
            "completions", p->uring_defer ? "deferred" : "interrupting",
            "DEFER_TASKRUN needs Linux 6.1; completions interrupt tasks");
    doctor_say(d, p->guards ? DOCTOR_GOOD : DOCTOR_FALLBACK, "stack guards",
        p->guards ? "all" : "some",
        "MADV_GUARD_INSTALL needs Linux 6.13; about 15,000 stacks get a "
        "guard page, the rest a canary");
    doctor_say(d, p->pidfd ? DOCTOR_GOOD : DOCTOR_LOW, "pidfd",
        p->pidfd ? "yes" : "no", "child processes need Linux 5.3");
    doctor_say(d, p->openat2 ? DOCTOR_GOOD : DOCTOR_LOW, "openat2",
        p->openat2 ? "yes" : "no",
        "belay fetch -o cannot keep names below DIR; needs Linux 5.6");
    doctor_say(d, p->tmpfile ? DOCTOR_GOOD : DOCTOR_FALLBACK, "O_TMPFILE",
        p->tmpfile ? "yes" : "no",
        "this directory has no files without names; after a SIGKILL belay "
        "fetch leaves hidden files, and its next run removes them");
}

static void
doctor_number(struct doctor *d, const char *key, uint64_t n, uint64_t enough,
    const char *meaning)
{
    char buf[NUMBER_ROOM];

    if (n == 0)
        snprintf(buf, sizeof buf, "not known");
    else if (n == UINT64_MAX)
        snprintf(buf, sizeof buf, "no limit");
    else
        snprintf(buf, sizeof buf, "%llu", (unsigned long long)n);
    doctor_say(d, n != 0 && n < enough ? DOCTOR_LOW : DOCTOR_GOOD, key, buf,
        meaning);
}

static void
doctor_limits(struct doctor *d, const struct probe *p)
{
    char size[NUMBER_ROOM];

    doctor_head(d, "Limits");
    doctor_number(d, "cpus", p->cpus, 1, NULL);
    doctor_number(d, "files", p->files, 1024,
        "each connection takes a descriptor; raise with ulimit -n");
    doctor_number(d, "files (hard)", p->files_hard, 1024,
        "only root can raise it");
    doctor_number(d, "processes", p->processes, 256,
        "of this user, threads included; raise with ulimit -u");
    doctor_number(d, "pids", p->pids, 256,
        "of the control group; threads and processes fail with EAGAIN");
    doctor_number(d, "maps", p->maps, 65530,
        "vm.max_map_count bounds the stacks that have guards");
    doctor_say(d, p->memory < (UINT64_C(64) << 20) ? DOCTOR_LOW : DOCTOR_GOOD,
        "memory",
        p->memory == UINT64_MAX ? "no limit"
                                : number_show_size(size, p->memory),
        "of the control group; stacks may not fit");
}

static void
doctor_report(struct doctor *d, const struct probe *p)
{
    d->jot = (struct jot){&d->out, false};
    if (d->json) {
        jot_open(&d->jot, NULL, '{');
        jot_number(&d->jot, "v", 1);
    }
    doctor_versions(d);
    doctor_kernel(d, p);
    doctor_limits(d, p);
    if (d->json) {
        jot_number(&d->jot, "notes", d->notes);
        jot_close(&d->jot, '}');
        text_char(&d->out, '\n');
    } else {
        text_printf(&d->out, "\n%s\n",
            d->notes == 0 ? "Everything is as it should be."
                          : "It works; what is not ok is explained above.");
    }
}

int
doctor_run(int argc, char **argv)
{
    struct doctor_config config = {0};
    struct args_list rest = {NULL, 0};
    struct doctor d = {0};
    struct probe p;
    char why[256];
    int r = args_parse(&doctor_spec, argc, argv, &config, &rest, why,
        sizeof why);
    bool written;

    args_free(&doctor_spec, &config, &rest);
    if (r == ARGS_WANTS_HELP) {
        args_help(&doctor_spec, stdout);
        return STATUS_OK;
    }
    if (r < 0) {
        fprintf(stderr, "belay doctor: %s (see belay doctor --help)\n",
            why);
        return STATUS_USAGE;
    }
    d.json = config.json;
    d.colour =
        term_colour(STDOUT_FILENO, (enum term_when)config.colour);
    probe_all(&p);
    doctor_report(&d, &p);
    written = fwrite(d.out.p, 1, d.out.n, stdout) == d.out.n;
    text_free(&d.out);
    return written && fflush(stdout) == 0 ? STATUS_OK : STATUS_ENVIRONMENT;
}
