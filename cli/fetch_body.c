/* SPDX-License-Identifier: MIT */
/* Where the bytes of one body go.  See fetch_body.h. */
#include "cli/fetch_body.h"

#include <belay/blocking.h>
#include <belay/io.h>

#include "cli/address.h"
#include "cli/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- failures ------------------------------------------------------------ */

/* Failures of the machine, which the next URL would meet too. */
static bool
body_ends_run(int code)
{
    return code == -ENOSPC || code == -EDQUOT || code == -EROFS ||
        code == -EIO || code == -EMFILE || code == -ENFILE;
}

static int
body_fail(struct body *b, int code, const char *what)
{
    if (code == -ECANCELED || code == -ETIME) {
        fetch_cut(b->f, b->r, code, "store");
        return code;
    }
    result_fail(b->r, FETCH_FAILED, "file", "store", "%s: %s", what,
        code == -EEXIST ? "there is another file of that name"
                        : belay_strerror(code));
    if (body_ends_run(code))
        fetch_stop(b->f, FETCH_BROKEN, "%s: %s", what, belay_strerror(code));
    return code;
}

/* ---- names --------------------------------------------------------------- */

static int
body_name(struct body *b, struct text *name)
{
    struct address u;
    int r;

    address_take(&u, b->r->url);
    r = name_expand(b->f->config->name,
        &(struct name_facts){
            .n = b->r->n,
            .host = u.host != NULL ? u.host : "",
            .port = u.port != NULL ? (unsigned)strtoul(u.port, NULL, 10) : 0,
            .path = u.path != NULL && u.path[0] == '/' ? u.path + 1 : "",
            .query = u.query,
            .status = b->r->status,
            .sha256 = b->r->sha256,
        },
        name);
    address_free(&u);
    return r;
}

/* ---- a body -------------------------------------------------------------- */

void
body_open(struct body *b, struct fetch *f, struct fetch_result *r)
{
    *b = (struct body){.f = f, .r = r};
    if (f->config->json || f->journal != NULL || f->store != NULL)
        b->digest = digest_new();
}

int
body_begin(struct body *b, bool keeps)
{
    int code = 0;

    b->keeps = keeps;
    if (b->digest != NULL)
        digest_again(b->digest);
    if (b->file.open)
        code = store_again(&b->file);
    else if (keeps && b->f->store != NULL)
        code = store_begin(b->f->store, &b->file);
    b->r->bytes = 0;
    text_clear(&b->r->body);
    return code < 0 ? body_fail(b, code, b->f->config->dir) : 0;
}

int
body_add(struct body *b, const void *data, size_t n)
{
    int code = 0;

    if (b->digest != NULL)
        digest_add(b->digest, data, n);
    b->r->bytes += n;
    if (!b->keeps)
        return 0;
    switch (b->f->config->body) {
    case BODY_FILE:
        code = belay_write_all(b->file.fd, data, n, NULL);
        return code < 0 ? body_fail(b, code, b->f->config->dir) : 0;
    case BODY_INLINE:
        text_bytes(&b->r->body, data, n);
        return 0;
    case BODY_STDOUT:
        b->gone = true;
        code = belay_write_all(STDOUT_FILENO, data, n, NULL);
        if (code == -EPIPE)
            fetch_stop(b->f, FETCH_NO_READER, "stdout is closed");
        return code < 0 ? body_fail(b, code, "stdout") : 0;
    default:
        return 0;
    }
}

BELAY_TASK(body_finish, (struct body *, b), (const char *, name))
{
    return store_finish(b->f->store, &b->file, name);
}

static int
body_keep_file(struct body *b)
{
    struct text name = {NULL, 0, 0};
    size_t dir;
    int code;

    text_printf(&name, "%s/", b->f->config->dir);
    dir = name.n;
    code = body_name(b, &name);
    if (code == 0 && b->f->config->sync) /* the disk takes its time */
        code = belay_blocking(body_finish, b, name.p + dir);
    else if (code == 0)
        code = store_finish(b->f->store, &b->file, name.p + dir);
    if (code == 0) {
        b->r->path = name.p;
        return 0;
    }
    if (code == -EEXIST)
        result_fail(b->r, FETCH_FAILED, "file", "store",
            "%s: another file is there; --overwrite replaces it", name.p);
    else
        (void)body_fail(b, code, name.p);
    text_free(&name);
    return code;
}

int
body_end(struct body *b)
{
    if (b->digest != NULL)
        digest_hex(b->digest, b->r->sha256);
    if (!b->keeps)
        return 0;
    b->r->has_body = b->f->config->body == BODY_INLINE;
    return b->file.open ? body_keep_file(b) : 0;
}

void
body_close(struct body *b)
{
    if (b->f->store != NULL)
        store_drop(b->f->store, &b->file);
    digest_free(b->digest);
}
