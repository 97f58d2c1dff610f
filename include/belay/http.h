/* SPDX-License-Identifier: MIT */
/*
 * HTTP for tasks: a session with connections, limits and deadlines.
 *
 *     BELAY_AUTO(belay_http, http);
 *     BELAY_SCOPE(s) {
 *         BELAY_AUTO(belay_response, rsp);
 *
 *         BELAY_TRY(belay_http_open(s, &http, .per_host = 4));
 *         BELAY_TRY(belay_http_get(http, "https://example.org/", &rsp));
 *         print(belay_response_status(rsp), belay_response_body(rsp));
 *     }
 *
 * A status of 400 or more is a response like any other.  What fails a call is
 * that no complete response came; `.error' then tells why and in which phase.
 *
 * This is the library belay-http; tests link belay-http-test in its place and
 * say in belay/http_test.h what is served.
 */
#ifndef BELAY_HTTP_H
#define BELAY_HTTP_H

#include <belay/base.h>
#include <belay/error.h>
#include <belay/slice.h>
#include <belay/task.h>

#include <sys/types.h>

struct json_t; /* of jansson */

BELAY_BEGIN_DECLS

typedef struct belay_http belay_http;
typedef struct belay_response belay_response;

/* ---- what can go wrong --------------------------------------------------- */

typedef enum belay_http_kind {
    BELAY_HTTP_OK,
    BELAY_HTTP_BAD_URL,     /* -EINVAL */
    BELAY_HTTP_SCHEME,      /* -EPROTONOSUPPORT; neither http nor https */
    BELAY_HTTP_DNS,         /* -EHOSTUNREACH: no address; -EAGAIN: not now */
    BELAY_HTTP_CONNECT,     /* -EHOSTUNREACH, -ENETUNREACH, ... */
    BELAY_HTTP_REFUSED,     /* -ECONNREFUSED */
    BELAY_HTTP_RESET,       /* -ECONNRESET; the peer closed too early */
    BELAY_HTTP_TLS,         /* -EPROTO in the handshake */
    BELAY_HTTP_CERTIFICATE, /* -EACCES: the peer is not who it should be */
    BELAY_HTTP_TIMEOUT,     /* -ETIMEDOUT: the limit of the phase passed */
    BELAY_HTTP_PROTOCOL,    /* -EPROTO: not HTTP, or broken content */
    BELAY_HTTP_TOO_LARGE,   /* -EFBIG: headers or body over their cap */
    BELAY_HTTP_REDIRECT,    /* -ELOOP: too many; -EACCES: not allowed */
    BELAY_HTTP_PROXY,       /* -ECONNABORTED: the proxy said no */
    BELAY_HTTP_CANCELLED,   /* -ECANCELED or -ETIME: the caller was cut */
    BELAY_HTTP_CLOSED,      /* BELAY_ECLOSED: the session's scope has ended */
    BELAY_HTTP_INTERNAL,    /* -ENOMEM, -EMFILE, what .body_fn said, ... */
} belay_http_kind;

typedef enum belay_http_phase {
    BELAY_HTTP_IN_QUEUE, /* waits for one of the permitted connections */
    BELAY_HTTP_IN_DNS,
    BELAY_HTTP_IN_CONNECT,
    BELAY_HTTP_IN_TLS,
    BELAY_HTTP_IN_SEND,       /* the request is on its way */
    BELAY_HTTP_IN_FIRST_BYTE, /* it is sent, nothing has come */
    BELAY_HTTP_IN_BODY,
    BELAY_HTTP_IN_RETRY, /* pauses before the next attempt */
    BELAY_HTTP_IN_TOTAL, /* for timeouts: the limit of all of it */
} belay_http_phase;

/* Filled in when a request fails. */
typedef struct belay_http_error {
    int code;               /* what the call returned */
    belay_http_kind kind;
    belay_http_phase phase; /* where it was then */
    unsigned attempts;      /* how often a request was sent, redirects too */
    belay_dur queue;        /* waited for slots, all in all */
    char text[232];         /* for people; never holds credentials */
} belay_http_error;

/* "dns", "certificate", ...; "first byte", ... */
BELAY_API const char *belay_http_kind_name(belay_http_kind kind);
BELAY_API const char *belay_http_phase_name(belay_http_phase phase);

/* ---- sessions ------------------------------------------------------------ */

typedef enum belay_http_version {
    BELAY_HTTP_AUTO, /* HTTP/2 over TLS where both sides have it */
    BELAY_HTTP_1,    /* HTTP/1.1 only */
    BELAY_HTTP_2,    /* HTTP/2 also without TLS, and for streams */
} belay_http_version;

/* Durations: 0 = the default, negative = no limit. */
typedef struct belay_http_limits {
    belay_dur queue;      /* for a free slot; default: no limit */
    belay_dur dns;        /* 10 s */
    belay_dur connect;    /* 10 s */
    belay_dur tls;        /* 10 s */
    belay_dur first_byte; /* from its end to the first line that comes; 60 s */
    belay_dur idle;       /* nothing moves while sending or receiving; 30 s */
    belay_dur total;      /* from the first slot to the last byte, redirects
                           * and retries included; 300 s; streams: no limit */
} belay_http_limits;

typedef struct belay_http_opts {
    size_t size;             /* sizeof(belay_http_opts) */
    const char *name;        /* for people; not copied */
    unsigned total;          /* requests under way at once; 0 = 64 */
    unsigned per_host;       /* the same for scheme, host and port; 0 = 8 */
    belay_http_limits limits;
    int retries;             /* after the first attempt; 0 = 2, -1 = none */
    belay_dur retry_pause;   /* the longest first pause; doubles; 0 = 100 ms */
    belay_dur retry_after;   /* the longest Retry-After obeyed; 0 = 30 s */
    int redirects;           /* followed; 0 = 10, -1 = none */
    bool allow_downgrade;    /* follow redirects from https to http */
    bool insecure;           /* do not verify certificates */
    uint64_t max_body;       /* bytes, raw and decoded; 0 = 64 MiB; streams: 0
                              * = no cap */
    unsigned max_ratio;      /* decoded to raw, beyond 1 MiB; 0 = 200 */
    size_t max_headers;      /* bytes of all headers; 0 = 256 KiB */
    size_t buffer;           /* of a stream, before its sender must wait; 0 =
                              * 256 KiB */
    belay_http_version version;
    const char *user_agent;  /* NULL = "belay/VERSION"; "" = none */
    const char *ca_file;     /* PEM; NULL = the system's */
    const char *cert_file;   /* client certificate, PEM */
    const char *key_file;
    const char *proxy;       /* URL; NULL = none: no environment is read */
    const char *no_proxy;    /* hosts, with commas; "*" = all */
    const char *const *headers; /* "Name: value" for all requests; NULL ends */
    void *reserved[8];
} belay_http_opts;

/*
 * Opens a session, whose connections a daemon of s drives.  Texts are copied,
 * but for .name.  opts may be NULL.  Once s has ended, calls answer
 * BELAY_ECLOSED.  Returns 0, -EINVAL, -ENOMEM, -EMFILE, or -ECANCELED if s is
 * over.  Cancellation point: no.
 */
BELAY_API BELAY_MUST_CHECK int belay_http_open_at(belay_scope *s,
    belay_http **h, const belay_http_opts *opts, const belay_site *site);

/* Closes its connections and frees it.  Aborts if a call of another task is
 * under way.  Responses stay good; streams that have not ended fail.  NULL:
 * nothing.  Cancellation point: no. */
BELAY_API void belay_http_close_at(belay_http *h, const belay_site *site);
BELAY_API void belay_http_closep(belay_http **h);

typedef struct belay_http_info {
    unsigned active;      /* requests that have a slot */
    unsigned waiting;     /* tasks that wait for one */
    uint64_t requests;    /* sent, redirects and retries included */
    uint64_t retries;
    uint64_t connections; /* opened */
    uint64_t turns;       /* of the driver */
} belay_http_info;

/* As of now.  Any thread. */
BELAY_API void belay_http_stats(belay_http *h, belay_http_info *out);

/* ---- requests ------------------------------------------------------------ */

/*
 * Gives the next bytes of a request's body: their number, 0 at the end, or a
 * negative code, which fails the request.  Called in the requesting task; it
 * may wait.
 */
typedef ssize_t belay_http_body_fn(void *arg, void *buf, size_t n);

typedef struct belay_http_req {
    size_t size;        /* sizeof(belay_http_req) */
    const char *method; /* NULL = GET, or POST if there is a body */
    const char *url;    /* user:password@ in it are sent, but never shown */
    const char *const *headers; /* "Name: value"; NULL ends; "Name:" removes */
    const void *body;   /* copied; sent again on a retry or a 307, 308 */
    size_t body_len;
    belay_http_body_fn *body_fn; /* instead; then nothing is sent twice */
    void *body_arg;
    int64_t body_size;           /* of what it gives; 0 = not known */
    const struct json_t *json;   /* instead; sets Content-Type */
    belay_http_limits limits;    /* 0 = as the session's */
    int retries;                 /* 0 = as the session's, -1 = none */
    int redirects;               /* 0 = as the session's, -1 = none */
    uint64_t max_body;           /* 0 = as the session's */
    bool idempotent;             /* may be sent twice, whatever the method */
    bool http2;                  /* streams: HTTP/2, which ignores pauses */
    belay_http_error *error;     /* filled in if the call fails */
    void *reserved[8];
} belay_http_req;

/*
 * Sends a request and returns when the last byte of the response is there.
 * Follows redirects: credentials do not go to another origin, and https does
 * not become http.  Repeats what may be repeated (GET, HEAD, OPTIONS, TRACE,
 * PUT, DELETE, .idempotent) after a lost connection and after 429, 502, 503
 * and 504, as Retry-After says.  Returns 0, the code of a belay_http_kind, or
 * the code of a cut; *rsp is NULL then.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_http_request_at(belay_http *h,
    const belay_http_req *req, belay_response **rsp, const belay_site *site);

/* The same, but returns as soon as status and headers are there; the body is
 * read by belay_response_read, and the peer waits while nobody reads. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_http_start_at(belay_http *h,
    const belay_http_req *req, belay_response **rsp, const belay_site *site);

/* ---- responses ----------------------------------------------------------- */

/* Frees it and gives up a body that still comes.  Cancellation point: no. */
BELAY_API void belay_response_close(belay_response *rsp);
BELAY_API void belay_response_closep(belay_response **rsp);

BELAY_API int belay_response_status(const belay_response *rsp);
/* The value of the first header of that name, whatever its case; or NULL. */
BELAY_API const char *belay_response_header(const belay_response *rsp,
    const char *name);
/* Header i in the order of arrival: true, or false if there are no more. */
BELAY_API bool belay_response_header_at(const belay_response *rsp, size_t i,
    const char **name, const char **value);
/* Where it came from after redirects, without credentials. */
BELAY_API const char *belay_response_url(const belay_response *rsp);

/* The decoded body of belay_http_request; good until the close.  A NUL that
 * does not count follows it.  Of a stream: empty. */
BELAY_API belay_slice belay_response_body(const belay_response *rsp);

/*
 * Up to n bytes of a stream: their number, 0 at the end, or why there are no
 * more: a code as of belay_http_request, or of a cut.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK ssize_t belay_response_read_at(
    belay_response *rsp, void *buf, size_t n, const belay_site *site);
/* Why the last belay_response_read failed. */
BELAY_API void belay_response_error(const belay_response *rsp,
    belay_http_error *out);

typedef struct belay_response_info {
    unsigned attempts;    /* requests sent for it, redirects included */
    unsigned redirects;
    int version;          /* 10, 11, 20 */
    bool reused;          /* the connection had been there */
    uint64_t raw;         /* bytes of the body as they came */
    uint64_t decoded;     /* after decompression */
    belay_dur queue;      /* waited for slots, all in all */
    /* Of the request that was answered; 0 where there was nothing to do. */
    belay_dur dns, connect, tls, first_byte;
    belay_dur total;      /* from the first slot to the last byte so far */
    char remote[64];      /* "192.0.2.1:443", "[2001:db8::1]:443" */
} belay_response_info;

BELAY_API void belay_response_get_info(const belay_response *rsp,
    belay_response_info *out);

/* Parses the whole body; *out is the caller's, for json_decref.  Returns 0, or
 * -EBADMSG with the place and the reason in belay_why(), or -ENOMEM. */
BELAY_API BELAY_MUST_CHECK int belay_response_json(belay_response *rsp,
    struct json_t **out);

BELAY_END_DECLS

#if !defined(__cplusplus)

/* belay_http_open(s, &http, .per_host = 4, .limits.connect = BELAY_S(3)) */
#define belay_http_open(s, h, ...)                                             \
    belay_http_open_at((s), (h),                                               \
        &(const belay_http_opts){                                              \
            .size = sizeof(belay_http_opts) __VA_OPT__(, ) __VA_ARGS__},       \
        BELAY_SITE_("http_open"))
#define belay_http_close(h) belay_http_close_at((h), BELAY_SITE_(#h))

#define BELAY_HTTP_REQ_(...)                                                   \
    (&(const belay_http_req){.size = sizeof(belay_http_req), __VA_ARGS__})
/* belay_http_get(http, url, &rsp, .limits.total = BELAY_S(5)) */
#define belay_http_get(h, address, rsp, ...)                                   \
    belay_http_request_at((h),                                                 \
        BELAY_HTTP_REQ_(.url = (address) __VA_OPT__(, ) __VA_ARGS__), (rsp),   \
        BELAY_SITE_("http_get"))
/* belay_http_request(http, &rsp, .method = "PUT", .url = url, .body = ...) */
#define belay_http_request(h, rsp, ...)                                        \
    belay_http_request_at((h), BELAY_HTTP_REQ_(__VA_ARGS__), (rsp),            \
        BELAY_SITE_("http_request"))
#define belay_http_start(h, rsp, ...)                                          \
    belay_http_start_at((h), BELAY_HTTP_REQ_(__VA_ARGS__), (rsp),              \
        BELAY_SITE_("http_start"))
#define belay_response_read(rsp, buf, n)                                       \
    belay_response_read_at((rsp), (buf), (n), BELAY_SITE_("response_read"))

#endif
#endif
