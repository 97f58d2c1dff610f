/* SPDX-License-Identifier: MIT */
/*
 * Puts out results: to stdout, then into the journal, so that the journal
 * never knows of one that nobody was told.  A batch is what has come in
 * meanwhile; it is written at once.
 *
 * With --ordered a result waits in a ring until those before it have come.
 * There is room for `window' of them, since a job takes a place before it
 * begins and gives it back here.
 */
#include <belay/blocking.h>
#include <belay/io.h>

#include "cli/fetch_state.h"
#include "cli/own.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { PRINT_BATCH = 64 };

struct print {
    struct fetch *f;
    struct fetch_result **ring; /* with --ordered; NULL: not come yet */
    uint64_t next;              /* the seq that is put out next */
    struct text out, err, log;
    bool dead;                  /* stdout or the journal is */
};

/* ---- handing over -------------------------------------------------------- */

void
fetch_deliver(struct fetch *f, struct fetch_result *r)
{
    BELAY_SHIELD(FETCH_LAST_WORDS);

    if (belay_send(&f->results, r) < 0)
        result_free(r);
}

/* ---- writing ------------------------------------------------------------- */

static void
print_broken(struct print *p, int code, const char *what)
{
    p->dead = true;
    if (code == -EPIPE)
        fetch_stop(p->f, FETCH_NO_READER, "stdout is closed");
    else if (code != -ECANCELED)
        fetch_stop(p->f, FETCH_BROKEN, "%s: %s", what, belay_strerror(code));
}

BELAY_TASK(print_sync, (int, fd))
{
    return fdatasync(fd) < 0 ? -errno : 0;
}

static void
print_log(struct print *p)
{
    int fd = journal_fd(p->f->journal), r;
    ssize_t n = write(fd, p->log.p, p->log.n);

    if (n < 0)
        print_broken(p, -errno, p->f->config->journal);
    else if ((size_t)n < p->log.n)
        print_broken(p, -ENOSPC, p->f->config->journal);
    if (p->dead || !p->f->config->sync)
        return;
    r = belay_blocking(print_sync, fd);
    if (r < 0)
        print_broken(p, r, p->f->config->journal);
}

static void
print_flush(struct print *p)
{
    int r = 0;

    if (p->out.n > 0 && !p->dead) {
        people_undraw(&p->f->people);
        r = belay_write_all(STDOUT_FILENO, p->out.p, p->out.n, NULL);
    }
    if (r < 0)
        print_broken(p, r, "stdout");
    if (p->log.n > 0 && !p->dead)
        print_log(p);
    if (p->err.n > 0)
        people_say(&p->f->people, &p->err);
    text_clear(&p->out);
    text_clear(&p->log);
    text_clear(&p->err);
}

/* ---- one result ---------------------------------------------------------- */

static void
print_entry(struct print *p, const struct fetch_result *r)
{
    if (r->end == FETCH_OK || r->end == FETCH_FAILED)
        journal_line(&p->log,
            &(struct journal_entry){
                .url = r->url,
                .url_len = r->len,
                .sha256 = r->sha256[0] != '\0' ? r->sha256 : NULL,
                .path = r->path,
                .error = r->kind,
                .status = r->status,
                .bytes = r->bytes,
                .ok = r->end == FETCH_OK,
            });
}

static void
print_result(struct print *p, struct fetch_result *r)
{
    const struct fetch_config *c = p->f->config;

    if (c->json)
        result_json(r, &p->out);
    else if (c->body != BODY_STDOUT)
        result_line(r, p->f->colour_out, &p->out);
    if (!c->quiet && (r->end == FETCH_FAILED || r->end == FETCH_SKIPPED))
        result_message(r, p->f->colour_err, &p->err);
    if (p->f->journal != NULL)
        print_entry(p, r);
    result_free(r);
}

/* More failures than were allowed? */
static void
print_judge(struct print *p)
{
    const struct fetch_config *c = p->f->config;
    const struct fetch_tally *t = &p->f->tally;
    uint64_t ended = t->ok + t->failed;

    if (c->fail_fast && t->failed > 0)
        fetch_stop(p->f, FETCH_TOO_MANY, "stopped after the first failure");
    if (c->max_failures.n < 0)
        return;
    if (c->max_failures.percent
            ? ended >= 20 &&
                (double)t->failed * 100 > c->max_failures.n * (double)ended
            : (double)t->failed > c->max_failures.n)
        fetch_stop(p->f, FETCH_TOO_MANY, "stopped after %llu failures",
            (unsigned long long)t->failed);
}

static void
print_take(struct print *p, struct fetch_result *r)
{
    tally_add(&p->f->tally, r);
    if (r->end == FETCH_FAILED)
        print_judge(p);
    if (p->ring == NULL) {
        print_result(p, r);
        return;
    }
    p->ring[r->seq % p->f->window] = r;
    while ((r = p->ring[p->next % p->f->window]) != NULL) {
        p->ring[p->next++ % p->f->window] = NULL;
        belay_sem_release(&p->f->places, 1);
        print_result(p, r);
    }
}

BELAY_TASK_DEFINE(fetch_print, (struct fetch *, f))
{
    struct print p = {.f = f};
    struct fetch_result *r;

    if (f->config->ordered)
        p.ring = own_alloc(f->window * sizeof *p.ring);
    while (belay_recv(&f->results, &r) > 0) {
        print_take(&p, r);
        for (int i = 1; i < PRINT_BATCH; i++) {
            if (belay_try_recv(&f->results, &r) <= 0)
                break;
            print_take(&p, r);
        }
        print_flush(&p);
    }
    belay_close(&f->results, 0); /* if we were cut */
    for (int i = 0; p.ring != NULL && i < (int)f->window; i++)
        result_free(p.ring[i]);
    free(p.ring);
    text_free(&p.out);
    text_free(&p.err);
    text_free(&p.log);
    return 0;
}
