/* SPDX-License-Identifier: MIT */
/* Certificates and keys, of files and of texts. */
#include "tls/config.h"

#include "base/compiler.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* One source of PEM. */
struct load_pem {
    const char *what; /* "certificate" */
    const char *file; /* NULL: text */
    const char *text;
    const belay_site *site;
};

static const char *
pem_name(const struct load_pem *p)
{
    return p->file != NULL ? p->file : "the text that was given";
}

static int
pem_fail(const struct load_pem *p, int code, const char *why)
{
    return belay_fail_at(
        code, p->site, "%s in %s: %s", p->what, pem_name(p), why);
}

static int
pem_open(const struct load_pem *p, BIO **out)
{
    FILE *f;

    if (p->file == NULL) {
        *out = BIO_new_mem_buf(p->text, -1);
        return *out != NULL ? 0 : -ENOMEM;
    }
    f = fopen(p->file, "re");
    if (f == NULL)
        return pem_fail(p, -errno, belay_strerror(-errno));
    *out = BIO_new_fp(f, BIO_CLOSE);
    if (*out != NULL)
        return 0;
    (void)fclose(f);
    return -ENOMEM;
}

/* Why reading PEM gave nothing: 1 if that was the end. */
static int
pem_ended(const struct load_pem *p)
{
    unsigned long e = ERR_peek_last_error();

    if (e == 0 ||
        (ERR_GET_LIB(e) == ERR_LIB_PEM &&
            ERR_GET_REASON(e) == PEM_R_NO_START_LINE)) {
        ERR_clear_error();
        return 1;
    }
    return pem_fail(p, -EBADMSG, ERR_reason_error_string(e));
}

/* Never asks a person. */
static int
pem_password(char *buf, int size, int writing, void *arg)
{
    const char *password = arg;
    size_t n = password != NULL ? strlen(password) : 0;

    (void)writing;
    if (password == NULL || n > (size_t)size)
        return -1;
    memcpy(buf, password, n);
    return (int)n;
}

/* ---- whom to trust ------------------------------------------------------- */

static int
load_ca(belay_tls *tls, const struct load_pem *p)
{
    X509_STORE *store = SSL_CTX_get_cert_store(tls->ctx);
    int n, r;
    X509 *x;
    BIO *bio;

    r = pem_open(p, &bio);
    if (r < 0)
        return r;
    for (n = 0; (x = PEM_read_bio_X509(bio, NULL, pem_password, NULL)) != NULL;
         n++) {
        /* A server tells its clients whose certificates it takes. */
        if (X509_STORE_add_cert(store, x) != 1 ||
            SSL_CTX_add_client_CA(tls->ctx, x) != 1)
            r = -ENOMEM;
        X509_free(x);
    }
    BIO_free(bio);
    if (r == 0)
        r = pem_ended(p);
    if (r > 0 && n == 0)
        r = pem_fail(p, -EBADMSG, "there is none");
    return r < 0 ? r : 0;
}

static int
load_trust(belay_tls *tls, const belay_tls_opts *o, const belay_site *site)
{
    struct load_pem p = {"trusted certificate", o->ca_file, o->ca_pem, site};
    struct stat st;
    int r = 0;

    if (o->ca_file != NULL || o->ca_pem != NULL)
        r = load_ca(tls, &p);
    if (r < 0)
        return r;
    if (o->ca_dir != NULL) {
        p.file = o->ca_dir;
        if (stat(o->ca_dir, &st) < 0)
            return pem_fail(&p, -errno, belay_strerror(-errno));
        if (!S_ISDIR(st.st_mode))
            return pem_fail(&p, -ENOTDIR, belay_strerror(-ENOTDIR));
        return SSL_CTX_load_verify_dir(tls->ctx, o->ca_dir) == 1 ? 0 : -ENOMEM;
    }
    if (o->ca_file == NULL && o->ca_pem == NULL &&
        SSL_CTX_set_default_verify_paths(tls->ctx) != 1)
        return -ENOMEM;
    return 0;
}

/* ---- who we are ---------------------------------------------------------- */

/* The own one first, then those between it and the root. */
static int
load_chain(belay_tls *tls, const struct load_pem *p)
{
    int n, ok, r;
    X509 *x;
    BIO *bio;

    r = pem_open(p, &bio);
    if (r < 0)
        return r;
    for (n = 0; r == 0 &&
         (x = PEM_read_bio_X509(bio, NULL, pem_password, NULL)) != NULL;
         n++) {
        if (n == 0)
            ok = SSL_CTX_use_certificate(tls->ctx, x);
        else
            ok = (int)SSL_CTX_add1_chain_cert(tls->ctx, x);
        X509_free(x);
        if (ok != 1)
            r = pem_fail(p, -EKEYREJECTED,
                ERR_reason_error_string(ERR_peek_last_error()));
    }
    BIO_free(bio);
    if (r == 0)
        r = pem_ended(p);
    if (r > 0 && n == 0)
        r = pem_fail(p, -EBADMSG, "there is none");
    return r < 0 ? r : 0;
}

static int
load_key(belay_tls *tls, const struct load_pem *p, const char *password)
{
    EVP_PKEY *key;
    BIO *bio;
    int r = pem_open(p, &bio);

    if (r < 0)
        return r;
    key = PEM_read_bio_PrivateKey(
        bio, NULL, pem_password, (void *)(uintptr_t)password);
    BIO_free(bio);
    if (key == NULL) {
        r = pem_ended(p);
        if (r < 0)
            return r;
        return pem_fail(p, -EBADMSG, "there is none");
    }
    if (SSL_CTX_use_PrivateKey(tls->ctx, key) != 1 ||
        SSL_CTX_check_private_key(tls->ctx) != 1)
        r = pem_fail(p, -EKEYREJECTED,
            "it does not belong to the certificate");
    EVP_PKEY_free(key);
    return r;
}

static int
load_identity(belay_tls *tls, const belay_tls_opts *o, const belay_site *site)
{
    struct load_pem cert = {"certificate", o->cert_file, o->cert_pem, site};
    struct load_pem key = {"key", o->key_file, o->key_pem, site};
    int r;

    if (cert.file == NULL && cert.text == NULL) {
        if (key.file == NULL && key.text == NULL)
            return 0;
        return belay_fail_at(-EINVAL, site, "a key without a certificate");
    }
    if (key.file == NULL && key.text == NULL) {
        key.file = cert.file;
        key.text = cert.text;
    }
    r = load_chain(tls, &cert);
    if (r == 0)
        r = load_key(tls, &key, o->key_password);
    tls->has_cert = r == 0;
    return r;
}

int
bly_tls_load(belay_tls *tls, const belay_tls_opts *opts,
    const belay_site *site)
{
    int r = load_trust(tls, opts, site);

    return r == 0 ? load_identity(tls, opts, site) : r;
}
