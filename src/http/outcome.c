/* SPDX-License-Identifier: MIT */
/* See outcome.h. */
#include "http/outcome.h"

#include <errno.h>
#include <string.h>

struct outcome {
    CURLcode curl;
    belay_http_kind kind;
    int code;
};

static const struct outcome outcomes[] = {
    {CURLE_URL_MALFORMAT, BELAY_HTTP_BAD_URL, -EINVAL},
    {CURLE_COULDNT_RESOLVE_HOST, BELAY_HTTP_DNS, -EHOSTUNREACH},
    {CURLE_COULDNT_RESOLVE_PROXY, BELAY_HTTP_DNS, -EHOSTUNREACH},
    {CURLE_PROXY, BELAY_HTTP_PROXY, -ECONNABORTED},
    {CURLE_SSL_CONNECT_ERROR, BELAY_HTTP_TLS, -EPROTO},
    {CURLE_SSL_CIPHER, BELAY_HTTP_TLS, -EPROTO},
    {CURLE_SSL_CERTPROBLEM, BELAY_HTTP_TLS, -EPROTO},
    {CURLE_SSL_CACERT_BADFILE, BELAY_HTTP_TLS, -EPROTO},
    {CURLE_SSL_ENGINE_INITFAILED, BELAY_HTTP_TLS, -EPROTO},
    {CURLE_PEER_FAILED_VERIFICATION, BELAY_HTTP_CERTIFICATE, -EACCES},
    {CURLE_SSL_ISSUER_ERROR, BELAY_HTTP_CERTIFICATE, -EACCES},
    {CURLE_SSL_INVALIDCERTSTATUS, BELAY_HTTP_CERTIFICATE, -EACCES},
    {CURLE_GOT_NOTHING, BELAY_HTTP_RESET, -ECONNRESET},
    {CURLE_RECV_ERROR, BELAY_HTTP_RESET, -ECONNRESET},
    {CURLE_SEND_ERROR, BELAY_HTTP_RESET, -ECONNRESET},
    {CURLE_SEND_FAIL_REWIND, BELAY_HTTP_RESET, -ECONNRESET},
    {CURLE_PARTIAL_FILE, BELAY_HTTP_RESET, -ECONNRESET},
    {CURLE_UNSUPPORTED_PROTOCOL, BELAY_HTTP_PROTOCOL, -EPROTO},
    {CURLE_WEIRD_SERVER_REPLY, BELAY_HTTP_PROTOCOL, -EPROTO},
    {CURLE_BAD_CONTENT_ENCODING, BELAY_HTTP_PROTOCOL, -EPROTO},
    {CURLE_WRITE_ERROR, BELAY_HTTP_PROTOCOL, -EPROTO},
    {CURLE_HTTP2, BELAY_HTTP_PROTOCOL, -EPROTO},
    {CURLE_HTTP2_STREAM, BELAY_HTTP_PROTOCOL, -EPROTO},
    {CURLE_OUT_OF_MEMORY, BELAY_HTTP_INTERNAL, -ENOMEM},
    {CURLE_FAILED_INIT, BELAY_HTTP_INTERNAL, -ENOMEM},
#if LIBCURL_VERSION_NUM >= 0x080600
    {CURLE_TOO_LARGE, BELAY_HTTP_TOO_LARGE, -EFBIG},
#endif
};

static struct outcome
outcome_find(CURLcode code)
{
    size_t i;

    for (i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        if (outcomes[i].curl == code)
            return outcomes[i];
    return (struct outcome){code, BELAY_HTTP_INTERNAL, -EIO};
}

/* No connection: the system's reason, if there is one. */
static struct outcome
outcome_connect(struct bly_http_easy *e)
{
    struct outcome o = {CURLE_COULDNT_CONNECT, BELAY_HTTP_CONNECT,
        -EHOSTUNREACH};
    long err = 0;

    (void)curl_easy_getinfo(e->curl, CURLINFO_OS_ERRNO, &err);
    if (err > 0)
        o.code = (int)-err;
    if (err == ECONNREFUSED)
        o.kind = BELAY_HTTP_REFUSED;
    return o;
}

/* Failures that curl has one code for, told apart by the system's error
 * and by the text. */
static struct outcome
outcome_refine(const struct bly_http_easy *e, struct outcome o)
{
    const char *text = e->error;
    long err = 0;

    (void)curl_easy_getinfo(e->curl, CURLINFO_OS_ERRNO, &err);
    /* A header line longer than curl's own limit; real want of memory would
     * hardly strike here. */
    if (o.curl == CURLE_OUT_OF_MEMORY && e->x->phase == BELAY_HTTP_IN_BODY &&
        !e->x->have_head)
        return (struct outcome){o.curl, BELAY_HTTP_TOO_LARGE, -EFBIG};
    if (o.curl == CURLE_RECV_ERROR && strstr(text, "chunked-encoding") != NULL)
        return outcome_find(CURLE_WEIRD_SERVER_REPLY);
    if (o.curl == CURLE_SSL_CONNECT_ERROR &&
        (err == ECONNRESET || err == EPIPE ||
            strstr(text, "SSL_ERROR_SYSCALL") != NULL ||
            strstr(text, "unexpected eof") != NULL))
        return outcome_find(CURLE_RECV_ERROR);
    return o;
}

void
bly_http_outcome(struct bly_http_easy *e, CURLcode code)
{
    struct bly_http_exchange *x = e->x;
    struct outcome o = code == CURLE_COULDNT_CONNECT ? outcome_connect(e)
                                                     : outcome_find(code);
    long proxy = 0;

    o = outcome_refine(e, o);
    /* The answer of a proxy to CONNECT. */
    (void)curl_easy_getinfo(e->curl, CURLINFO_HTTP_CONNECTCODE, &proxy);
    if (proxy != 0 && proxy / 100 != 2 && o.kind == BELAY_HTTP_RESET)
        o = (struct outcome){code, BELAY_HTTP_PROXY, -ECONNABORTED};
    if (o.kind == BELAY_HTTP_DNS)
        bly_http_enter_phase(x, BELAY_HTTP_IN_DNS);
    else if (x->tls && x->phase == BELAY_HTTP_IN_CONNECT &&
        code != CURLE_COULDNT_CONNECT)
        bly_http_enter_phase(x, BELAY_HTTP_IN_TLS);
    if (o.kind == BELAY_HTTP_TOO_LARGE)
        (void)bly_http_fail(x, o.kind, o.code, "a header line that is too "
            "long");
    else
        (void)bly_http_fail(x, o.kind, o.code, "%s",
            e->error[0] != '\0' ? e->error : curl_easy_strerror(code));
}
