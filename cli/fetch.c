/* SPDX-License-Identifier: MIT */
/*
 * belay fetch, from its arguments to its exit status.
 *
 * What can fail for all URLs is opened before the first of them is looked at.
 * The run then is two scopes: that of the jobs, which a deadline, a signal or
 * too many failures cut, and around it that of the session and the printer,
 * which see the end of each job whatever happens.
 */
#include "cli/fetch.h"

#include <belay/diag.h>
#include <belay/io.h>
#include <belay/run.h>

#include "cli/fetch_pace.h"
#include "cli/fetch_state.h"
#include "cli/own.h"
#include "cli/status.h"
#include "cli/term.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FETCH_WINDOW = 1024, FETCH_RESULTS = 64, FETCH_SPARE_FILES = 64,
    FETCH_PATIENCE = 1000 };

void
fetch_stop(struct fetch *f, enum fetch_stop stop, const char *fmt, ...)
{
    va_list ap;

    if (f->stop != FETCH_GOES_ON)
        return;
    f->stop = stop;
    va_start(ap, fmt);
    vsnprintf(f->why, sizeof f->why, fmt, ap);
    va_end(ap);
    belay_event_set(&f->stopped);
    if (f->jobs != NULL)
        belay_cancel(f->jobs, "%s", f->why);
}

void
fetch_cut(struct fetch *f, struct fetch_result *r, int code,
    const char *phase)
{
    if (code == -ETIME)
        result_fail(r, FETCH_CUT, "deadline", phase,
            "the deadline of the run passed");
    else
        result_fail(r, FETCH_CUT, "cancelled", phase, "%s",
            f->stop != FETCH_GOES_ON ? f->why : "the run was stopped");
}

/* ---- the run ------------------------------------------------------------- */

/*
 * More than --jobs, so that those which wait for a slot of a busy host do not
 * keep those of others from beginning.
 */
static unsigned
fetch_limit_jobs(const struct fetch *f)
{
    unsigned jobs = (unsigned)f->config->jobs;

    if (f->config->fail_fast || jobs >= FETCH_WINDOW)
        return jobs;
    return jobs * 4 < FETCH_WINDOW ? jobs * 4 : FETCH_WINDOW;
}

BELAY_TASK(fetch_watch, (struct fetch *, f))
{
    int r;

    if (belay_select(&r, BELAY_STOP) >= 0)
        fetch_stop(f, FETCH_SIGNAL, "interrupted");
    return 0;
}

/* A run that has ended does not wait for ever for somebody to read what came
 * of it. */
BELAY_TASK(fetch_hurry, (struct fetch *, f), (belay_scope *, all))
{
    BELAY_TRY(belay_event_wait(&f->stopped));
    BELAY_TRY(belay_sleep(FETCH_LAST_WORDS));
    belay_cancel(all, "nobody reads the results");
    return 0;
}

static void
fetch_jobs(struct fetch *f)
{
    int err, code = 0;

    BELAY_SCOPE_CATCH(jobs, &err, .name = "URLs", .policy = BELAY_COLLECT,
        .limit = fetch_limit_jobs(f), .timeout = f->config->deadline) {
        f->jobs = jobs;
        code = fetch_feed(f);
    }
    f->jobs = NULL;
    if (err == -ETIME)
        fetch_stop(f, FETCH_DEADLINE, "the deadline of %g s passed",
            (double)f->config->deadline / 1e9);
    else if (err == -ECANCELED)
        fetch_stop(f, FETCH_SIGNAL, "interrupted");
    else if (err < 0 || code < 0)
        fetch_stop(f, FETCH_BROKEN, "%s",
            belay_strerror(err < 0 ? err : code));
}

/* 0 is no limit, which for the session is a negative number. */
static belay_dur
fetch_limit(belay_dur d)
{
    return d > 0 ? d : -1;
}

static int
fetch_open_session(struct fetch *f, belay_scope *s)
{
    const struct fetch_config *c = f->config;
    const char **headers = own_alloc((c->headers.n + 1) * sizeof *headers);
    int r;

    if (c->headers.n > 0)
        memcpy(headers, c->headers.v, c->headers.n * sizeof *headers);
    r = belay_http_open(s, &f->http,
        .total = (unsigned)c->jobs,
        .per_host = (unsigned)c->per_host,
        .limits = {.queue = -1,
            .dns = fetch_limit(c->dns),
            .connect = fetch_limit(c->connect),
            .tls = fetch_limit(c->tls),
            .first_byte = fetch_limit(c->first_byte),
            .idle = fetch_limit(c->idle),
            .total = -1},
        .retries = -1,
        .redirects = c->redirects > 0 ? (int)c->redirects : -1,
        .insecure = c->insecure,
        .max_body = c->max_body,
        .user_agent = c->agent,
        .ca_file = c->ca_file,
        .proxy = c->proxy,
        .headers = headers);
    free(headers);
    return r;
}

BELAY_TASK(fetch_main, (struct fetch *, f))
{
    int err;

    BELAY_SCOPE_CATCH(all, &err, .name = "fetch") {
        int r = fetch_open_session(f, all);

        if (r < 0) {
            fetch_stop(f, FETCH_BROKEN, "no HTTP session: %s",
                belay_strerror(r));
            return 0;
        }
        belay_spawn_daemon(all, fetch_watch, f);
        belay_spawn_daemon(all, fetch_hurry, f, all);
        belay_spawn_daemon(all, progress_show, &f->progress);
        belay_spawn(all, fetch_print, f);
        fetch_jobs(f);
        belay_close(&f->results, 0);
    }
    if (err == -ECANCELED)
        fetch_stop(f, FETCH_SIGNAL, "interrupted");
    else if (err < 0)
        fetch_stop(f, FETCH_BROKEN, "%s", belay_strerror(err));
    return f->stop == FETCH_SIGNAL ? -ECANCELED : 0;
}

/* ---- before and after ---------------------------------------------------- */

static int
fetch_cannot(const char *what, const char *name, const char *why)
{
    fprintf(stderr, "belay fetch: cannot %s %s: %s\n", what, name, why);
    return STATUS_ENVIRONMENT;
}

static int
fetch_open_inputs(struct fetch *f)
{
    const struct args_list *in = &f->config->inputs;
    bool known = true;

    f->inputs = own_alloc(in->n * sizeof *f->inputs);
    for (size_t i = 0; i < in->n; i++)
        f->inputs[i].fd = -1;
    for (size_t i = 0; i < in->n; i++) {
        struct fetch_input *input = &f->inputs[i];
        struct stat st;
        bool standard = strcmp(in->v[i], "-") == 0;

        input->name = standard ? "stdin" : in->v[i];
        input->fd = standard ? STDIN_FILENO
                             : open(in->v[i], O_RDONLY | O_CLOEXEC);
        if (input->fd < 0)
            return fetch_cannot("read", in->v[i], strerror(errno));
        if (fstat(input->fd, &st) == 0 && S_ISREG(st.st_mode))
            f->input_size += (uint64_t)st.st_size;
        else
            known = false;
    }
    if (!known)
        f->input_size = 0;
    return STATUS_OK;
}

static int
fetch_open_outputs(struct fetch *f)
{
    const struct fetch_config *c = f->config;
    char why[200];
    int r;

    if (c->dir != NULL) {
        r = store_open(&f->store, c->dir,
            &(struct store_opts){.overwrite = c->overwrite, .sync = c->sync});
        if (r < 0)
            return fetch_cannot("write to", c->dir, strerror(-r));
    }
    if (c->journal != NULL &&
        journal_open(&f->journal, c->journal, c->resume, why, sizeof why) < 0)
        return fetch_cannot("use the journal", c->journal, why);
    if (f->journal != NULL && journal_damaged(f->journal) > 0)
        fprintf(stderr, "belay fetch: %s: %llu lines are no entries\n",
            c->journal, (unsigned long long)journal_damaged(f->journal));
    return STATUS_OK;
}

/* A job has a connection and a file. */
static void
fetch_fit_files(struct fetch_config *c)
{
    struct rlimit r;
    uint64_t fit;

    if (getrlimit(RLIMIT_NOFILE, &r) < 0)
        return;
    r.rlim_cur = r.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &r);
    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur == RLIM_INFINITY)
        return;
    fit = r.rlim_cur > 2 * FETCH_SPARE_FILES
        ? (r.rlim_cur - FETCH_SPARE_FILES) / 2 : 1;
    if (c->jobs <= fit)
        return;
    fprintf(stderr, "belay fetch: %llu URLs at once instead of %llu, since "
        "there are only %llu descriptors (ulimit -n)\n",
        (unsigned long long)fit, (unsigned long long)c->jobs,
        (unsigned long long)r.rlim_cur);
    c->jobs = fit;
}

/* Bodies that results hold are counted as the large things that they are. */
static unsigned
fetch_window(const struct fetch *f)
{
    unsigned running = fetch_limit_jobs(f);

    if (f->config->body == BODY_INLINE)
        return running;
    return running > FETCH_PLACES ? running : FETCH_PLACES;
}

/* Requests that have a slot are under way; what waits for one is not. */
static void
fetch_look(void *arg, struct progress_figures *out)
{
    const struct fetch *f = arg;
    belay_http_info info;

    belay_http_stats(f->http, &info);
    *out = (struct progress_figures){
        .fed = f->tally.fed,
        .fed_all = f->input_over,
        .read = f->input_read,
        .size = f->input_size,
        .ok = f->tally.ok,
        .failed = f->tally.failed,
        .done = tally_done(&f->tally),
        .bytes = f->tally.bytes,
        .active = info.active,
        .times = &f->tally.times,
    };
}

static enum progress_kind
fetch_progress(const struct fetch_config *c)
{
    if (c->quiet || (c->body == BODY_STDOUT && c->show == SHOW_AUTO))
        return SHOW_NONE;
    return progress_kind((enum progress_kind)c->show);
}

static int
fetch_open(struct fetch *f, struct fetch_config *c)
{
    int status;

    f->config = c;
    fetch_fit_files(c);
    f->began = belay_now();
    f->stopped = (belay_event)BELAY_EVENT_INIT;
    f->window = fetch_window(f);
    f->places = (belay_sem)BELAY_SEM_INIT(f->window);
    f->colour_out = term_colour(STDOUT_FILENO, (enum term_when)c->colour);
    f->colour_err = term_colour(STDERR_FILENO, (enum term_when)c->colour);
    f->progress = (struct progress){.command = "belay fetch",
        .active = "in flight", .kind = fetch_progress(c),
        .people = &f->people, .wishes = &f->wishes, .look = fetch_look,
        .arg = f};
    f->seen = c->again ? NULL : seen_new(FETCH_SEEN);
    status = fetch_open_inputs(f);
    if (status == STATUS_OK)
        status = fetch_open_outputs(f);
    if (c->rate.per != 0)
        f->pace = pace_new(&c->rate);
    if (status == STATUS_OK &&
        (belay_chan_open(&f->results, FETCH_RESULTS) < 0 ||
            belay_chan_open(&f->wishes, 0, .external = 1) < 0))
        status = fetch_cannot("make", "a channel", "no memory");
    return status;
}

static void
fetch_close(struct fetch *f)
{
    for (size_t i = 0; f->inputs != NULL && i < f->config->inputs.n; i++)
        if (f->inputs[i].fd > STDERR_FILENO)
            close(f->inputs[i].fd);
    free(f->inputs);
    belay_http_close(f->http);
    belay_chan_free(&f->results);
    belay_chan_free(&f->wishes);
    store_close(f->store);
    journal_close(f->journal);
    seen_free(f->seen);
    pace_free(f->pace);
}

/* After the run, outside of tasks. */
static void
fetch_summary(struct fetch *f, belay_dur took)
{
    struct text line = {NULL, 0, 0};
    bool one = f->config->urls.n == 1 && f->config->inputs.n == 0;

    if (f->people.drawn)
        text_add(&line, "\r\033[K");

    if (f->stop != FETCH_GOES_ON && f->stop != FETCH_NO_READER) {
        text_add(&line, "belay fetch: ");
        term_paint(&line, f->colour_err, TERM_YELLOW, f->why);
        text_char(&line, '\n');
    }
    if (!f->config->quiet && !one) {
        text_add(&line, "belay fetch: ");
        tally_summary(&f->tally, took, &line);
    }
    if (line.n > 0)
        term_tell(line.p, line.n, FETCH_PATIENCE);
    text_free(&line);
}

static int
fetch_status(const struct fetch *f, int from_main)
{
    switch (f->stop) {
    case FETCH_GOES_ON:
        return from_main > STATUS_SIGNAL ? from_main
            : from_main != 0             ? STATUS_ENVIRONMENT
            : f->tally.failed > 0        ? STATUS_SOME_FAILED
                                         : STATUS_OK;
    case FETCH_SIGNAL:
        return from_main > STATUS_SIGNAL ? from_main : STATUS_ENVIRONMENT;
    case FETCH_TOO_MANY:
        return STATUS_STOPPED;
    case FETCH_DEADLINE:
        return STATUS_DEADLINE;
    case FETCH_NO_READER:
        return STATUS_SIGNAL + SIGPIPE;
    case FETCH_BROKEN:
        break;
    }
    return STATUS_ENVIRONMENT;
}

/* ---- signals ------------------------------------------------------------- */

static volatile sig_atomic_t fetch_hung_up;
static wish_chan fetch_wishes; /* of the run that goes on */

/* A line of progress, please. */
static void
fetch_on_usr1(int number)
{
    int saved = errno;

    belay_ignore(belay_try_send_external(&fetch_wishes, number),
        "one that waits already is enough");
    errno = saved;
}

/* As SIGTERM, which belay_main watches. */
static void
fetch_on_hangup(int number)
{
    (void)number;
    fetch_hung_up = 1;
    (void)kill(getpid(), SIGTERM);
}

static void
fetch_handle(int number, void (*handler)(int))
{
    struct sigaction act = {.sa_handler = handler,
        .sa_flags = SA_ONSTACK | SA_RESTART};
    struct sigaction before;

    /* nohup: what is ignored stays so */
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        (void)sigaction(number, &act, NULL);
}

/* Ends as the signal ends those that do not handle it, so that a shell sees
 * why. */
static int
fetch_raise(int status)
{
    int number = status - STATUS_SIGNAL;

    if (status <= STATUS_SIGNAL)
        return status;
    if (fetch_hung_up)
        number = SIGHUP;
    (void)signal(number, SIG_DFL);
    (void)raise(number);
    return STATUS_SIGNAL + number;
}

/* What belay itself reports; it comes from threads that must not wait. */
static void
fetch_log(void *arg, const char *text)
{
    (void)arg;
    term_tell(text, strlen(text), 0);
}

static int
fetch_go(struct fetch_config *c)
{
    struct fetch f = {.stop = FETCH_GOES_ON};
    int status = fetch_open(&f, c);

    if (status == STATUS_OK) {
        fetch_handle(SIGPIPE, SIG_IGN);
        fetch_handle(SIGHUP, fetch_on_hangup);
        fetch_wishes = f.wishes;
        fetch_handle(SIGUSR1, fetch_on_usr1);
        belay_set_log(fetch_log, NULL);
        status = belay_main_with((.workers = 1, .grace = BELAY_S(10)),
            fetch_main, &f);
        fetch_handle(SIGUSR1, SIG_IGN);
        status = fetch_status(&f, status);
        fetch_summary(&f, belay_now() - f.began);
    }
    fetch_close(&f);
    return status;
}

int
fetch_run(int argc, char **argv)
{
    struct fetch_config c;
    char why[256];
    int status, r = fetch_config_read(&c, argc, argv, why, sizeof why);

    if (r == ARGS_WANTS_HELP) {
        args_help(&fetch_spec, stdout);
        status = STATUS_OK;
    } else if (r < 0) {
        fprintf(stderr, "belay fetch: %s (see belay fetch --help)\n", why);
        status = STATUS_USAGE;
    } else {
        status = fetch_go(&c);
    }
    fetch_config_free(&c);
    return fetch_raise(status);
}
