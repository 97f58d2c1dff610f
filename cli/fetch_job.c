/* SPDX-License-Identifier: MIT */
/*
 * One URL.  Its attempts are ours, not those of the HTTP session, since a body
 * that breaks off is worth another one too: what has been written is then
 * taken back.  Each attempt waits for its turn (--rate), then for a slot of
 * the session (--jobs, --per-host); the clock of --timeout stands while it
 * does.
 */
#include <belay/policy.h>

#include "cli/fetch_body.h"
#include "cli/fetch_pace.h"
#include "cli/own.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

enum { JOB_READ = 16 << 10 };

/* A longer Retry-After is not waited for. */
#define JOB_PATIENCE BELAY_S(30)

struct job {
    struct fetch *f;
    struct fetch_result *r;
    struct body body;
    belay_dur spent;    /* of --timeout */
    belay_time ended;   /* the last attempt; 0: none yet */
    unsigned attempts, redirects;
    belay_dur queue;
    bool again;         /* the failure is worth another attempt */
};

/* ---- words --------------------------------------------------------------- */

/* Those of the library, as one word each. */
static const char *
job_kind(belay_http_kind kind)
{
    static const char *const words[] = {
        [BELAY_HTTP_OK] = "ok",
        [BELAY_HTTP_BAD_URL] = "bad-url",
        [BELAY_HTTP_SCHEME] = "scheme",
        [BELAY_HTTP_DNS] = "dns",
        [BELAY_HTTP_CONNECT] = "connect",
        [BELAY_HTTP_REFUSED] = "refused",
        [BELAY_HTTP_RESET] = "reset",
        [BELAY_HTTP_TLS] = "tls",
        [BELAY_HTTP_CERTIFICATE] = "certificate",
        [BELAY_HTTP_TIMEOUT] = "timeout",
        [BELAY_HTTP_PROTOCOL] = "protocol",
        [BELAY_HTTP_TOO_LARGE] = "too-large",
        [BELAY_HTTP_REDIRECT] = "redirect",
        [BELAY_HTTP_PROXY] = "proxy",
        [BELAY_HTTP_CANCELLED] = "cancelled",
        [BELAY_HTTP_CLOSED] = "cancelled",
        [BELAY_HTTP_INTERNAL] = "internal",
    };

    return (size_t)kind < sizeof words / sizeof *words ? words[kind]
                                                       : "internal";
}

static const char *
job_phase(belay_http_phase phase)
{
    return phase == BELAY_HTTP_IN_FIRST_BYTE ? "first-byte"
                                             : belay_http_phase_name(phase);
}

/* "GET http://a/: kind (phase): why" without what stands elsewhere. */
static const char *
job_why(const belay_http_error *e)
{
    const char *kind = strstr(e->text, ": ");
    const char *why = kind != NULL ? strstr(kind + 2, ": ") : NULL;

    return why != NULL ? why + 2 : kind != NULL ? kind + 2 : e->text;
}

/* The URL in it, if a redirect led there; it may be cut short. */
static void
job_where(const belay_http_error *e, struct text *out)
{
    const char *url = strchr(e->text, ' ');
    const char *end = url != NULL ? strstr(url, ": ") : NULL;

    if (e->attempts < 2 || end == NULL)
        return;
    text_add(out, ", redirected to ");
    text_bytes(out, url + 1, (size_t)(end - url - 1));
}

static const char *
job_reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"},
        {404, "Not Found"}, {405, "Method Not Allowed"},
        {407, "Proxy Authentication Required"}, {408, "Request Timeout"},
        {410, "Gone"}, {413, "Content Too Large"}, {414, "URI Too Long"},
        {418, "I'm a teapot"}, {421, "Misdirected Request"},
        {425, "Too Early"}, {429, "Too Many Requests"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"}, {501, "Not Implemented"},
        {502, "Bad Gateway"}, {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };

    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return status < 500 ? "the request was not accepted"
                        : "the server could not do it";
}

/* ---- failures ------------------------------------------------------------ */

static int
job_failed(struct job *j, int code, const belay_http_error *e)
{
    struct text why = {NULL, 0, 0};

    if (e->kind == BELAY_HTTP_CANCELLED || e->kind == BELAY_HTTP_CLOSED) {
        fetch_cut(j->f, j->r, code, job_phase(e->phase));
        return code;
    }
    text_add(&why, job_why(e));
    job_where(e, &why);
    result_fail(j->r, FETCH_FAILED, job_kind(e->kind),
        e->attempts == 0 && (e->kind == BELAY_HTTP_BAD_URL ||
            e->kind == BELAY_HTTP_SCHEME)
            ? "input" : job_phase(e->phase),
        "%s", why.p);
    text_free(&why);
    j->again = e->kind == BELAY_HTTP_REFUSED ||
        e->kind == BELAY_HTTP_CONNECT || e->kind == BELAY_HTTP_RESET;
    if (code == -EMFILE || code == -ENFILE || code == -ENOMEM)
        fetch_stop(j->f, FETCH_BROKEN, "%s", belay_strerror(code));
    return code;
}

/* ---- one attempt --------------------------------------------------------- */

static belay_dur
job_retry_after(const belay_response *rsp)
{
    const char *after = belay_response_header(rsp, "Retry-After");
    const char *date = belay_response_header(rsp, "Date");
    uint64_t seconds;
    time_t at, now;

    if (after == NULL)
        return -1;
    if (number_count(after, &seconds) == 0)
        return seconds < 1000000 ? BELAY_S((double)seconds) : BELAY_S(1e6);
    /* A date counts from the server's own now: clocks differ. */
    at = curl_getdate(after, NULL);
    now = date != NULL ? curl_getdate(date, NULL) : -1;
    if (at < 0 || now < 0)
        return -1;
    return at > now ? BELAY_S((double)(at - now)) : 0;
}

/* An answer of 400 or more. */
static int
job_refused(struct job *j, const belay_response *rsp)
{
    int status = j->r->status;
    belay_dur after = job_retry_after(rsp);

    result_fail(j->r, FETCH_FAILED, "status", "answer", "%d %s", status,
        job_reason(status));
    j->again = (status == 429 || status == 502 || status == 503 ||
                   status == 504) && after <= JOB_PATIENCE;
    if (j->again && after > 0)
        belay_retry_after(after);
    return -EBADMSG;
}

static void
job_note(struct job *j, const belay_response *rsp)
{
    struct fetch_result *r = j->r;
    belay_response_info info;

    belay_response_get_info(rsp, &info);
    j->attempts += info.attempts;
    j->redirects += info.redirects;
    j->queue += info.queue;
    r->version = info.version;
    r->reused = info.reused;
    memcpy(r->remote, info.remote, sizeof r->remote);
    r->timed = true;
    r->dns = info.dns;
    r->connect = info.connect;
    r->tls = info.tls;
    r->first_byte = info.first_byte;
    r->raw = info.raw;
}

/* Reads the body of an answer to its end. */
static int
job_body(struct job *j, belay_response *rsp)
{
    bool inlined = j->f->config->body == BODY_INLINE;
    char buf[JOB_READ];
    ssize_t n;
    int code = body_begin(&j->body, j->r->status < 400 || inlined);

    if (code < 0)
        return code;
    while ((n = belay_response_read(rsp, buf, sizeof buf)) > 0) {
        code = body_add(&j->body, buf, (size_t)n);
        if (code < 0)
            return code;
    }
    if (n < 0) {
        belay_http_error e;

        belay_response_error(rsp, &e);
        if (e.code != 0)
            return job_failed(j, (int)n, &e);
        fetch_cut(j->f, j->r, (int)n, "body");
        return (int)n;
    }
    return body_end(&j->body);
}

static int
job_answer(struct job *j, belay_response *rsp)
{
    int code;

    j->r->status = belay_response_status(rsp);
    j->r->final_url = own_text(belay_response_url(rsp));
    if (j->f->pace != NULL)
        pace_answer(j->f->pace, j->r->url, j->r->status,
            job_retry_after(rsp));
    code = job_body(j, rsp);
    job_note(j, rsp);
    if (code == 0 && j->r->status >= 400)
        code = job_refused(j, rsp);
    return code;
}

static int
job_send(struct job *j)
{
    const struct fetch_config *c = j->f->config;
    BELAY_AUTO(belay_response, rsp);
    belay_http_error e;
    int code = belay_http_start(j->f->http, &rsp, .url = j->r->url,
        .limits.total = c->timeout > 0 ? c->timeout - j->spent : -1,
        .error = &e);

    if (code == 0)
        return job_answer(j, rsp);
    j->attempts += e.attempts;
    j->queue += e.queue;
    return job_failed(j, code, &e);
}

BELAY_TASK(job_attempt, (struct job *, j))
{
    belay_dur timeout = j->f->config->timeout, queued = j->queue;
    belay_time from;
    int code = 0;

    if (j->ended != 0)
        j->spent += belay_now() - j->ended;
    if (timeout > 0 && j->spent >= timeout) {
        j->again = false;
        return -ETIMEDOUT; /* what the last one brought is the result */
    }
    if (j->f->pace != NULL)
        code = pace_wait(j->f->pace, j->r->url);
    if (code < 0) {
        fetch_cut(j->f, j->r, code, "queue");
        return code;
    }
    from = belay_now();
    j->again = false;
    result_again(j->r);
    code = job_send(j);
    j->ended = belay_now();
    j->spent += j->ended - from - (j->queue - queued);
    return code;
}

/* ---- all of them --------------------------------------------------------- */

static bool
job_retryable(void *arg, int err)
{
    struct job *j = arg;
    belay_dur timeout = j->f->config->timeout;

    (void)err;
    return j->again && !j->body.gone &&
        (timeout <= 0 || j->spent < timeout);
}

static void
job_run(struct job *j)
{
    const belay_retry policy = {
        .size = sizeof policy,
        .attempts = (unsigned)j->f->config->retries + 1,
        .retryable = job_retryable,
        .retryable_arg = j,
    };
    int code = belay_retrying(&policy, job_attempt, j);

    if (code < 0 && j->r->end == FETCH_OK)
        fetch_cut(j->f, j->r, code, "queue");
    j->r->attempts = j->attempts;
    j->r->redirects = j->redirects;
    j->r->queue = j->queue;
    j->r->total = j->spent;
}

BELAY_TASK_DEFINE(fetch_job, (struct fetch *, f), (struct fetch_result *, r))
{
    struct job j = {.f = f, .r = r};

    body_open(&j.body, f, r);
    job_run(&j);
    body_close(&j.body);
    fetch_deliver(f, r);
    return 0;
}
