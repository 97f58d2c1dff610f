/* SPDX-License-Identifier: MIT */
/* The journal of a run.  See journal.h. */
#include "cli/journal.h"

#include "cli/digest.h"
#include "cli/jot.h"
#include "cli/own.h"
#include "cli/seen.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL_HEAD "{\"v\":1,\"journal\":\"belay fetch\"}\n"

struct journal {
    int fd;
    struct seen *done;
    uint64_t count, damaged;
};

static int
journal_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0'
        : c >= 'a' && c <= 'f'  ? c - 'a' + 10
                                : -1;
}

static int
journal_key(const char *hex, struct digest_key *key)
{
    if (strlen(hex) != 2 * DIGEST_KEY)
        return -EINVAL;
    for (int i = 0; i < DIGEST_KEY; i++) {
        int high = journal_digit(hex[2 * i]);
        int low = journal_digit(hex[2 * i + 1]);

        if (high < 0 || low < 0)
            return -EINVAL;
        key->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

/* The key, not the URL: that may have bytes which JSON cannot hold. */
static int
journal_read_line(struct journal *j, const char *line, size_t n)
{
    json_t *o = json_loadb(line, n, 0, NULL);
    json_t *key_of = json_object_get(o, "key"); /* o may be NULL */
    json_t *ok = json_object_get(o, "ok");
    struct digest_key key;
    int r = -EINVAL;

    if (json_is_string(key_of) && json_is_boolean(ok))
        r = journal_key(json_string_value(key_of), &key);
    if (r == 0 && json_is_true(ok))
        j->count += !seen_add(j->done, key);
    json_decref(o);
    return r;
}

/* Reads what is there; *end is behind the last whole line. */
static int
journal_read(struct journal *j, off_t *end, char *why, size_t size)
{
    int fd = dup(j->fd), r = 0;
    FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    if (f == NULL) {
        if (fd >= 0)
            close(fd);
        snprintf(why, size, "%s", strerror(errno));
        return -errno;
    }
    *end = 0;
    for (uint64_t number = 1; (n = getline(&line, &room, f)) > 0; number++) {
        if (line[n - 1] != '\n')
            break; /* torn */
        if (number == 1 && strcmp(line, JOURNAL_HEAD) != 0) {
            snprintf(why, size, "it is not a journal of belay fetch");
            r = -EINVAL;
            break;
        }
        if (number > 1 && journal_read_line(j, line, (size_t)n) < 0)
            j->damaged++;
        *end += n;
    }
    if (r == 0 && ferror(f)) {
        snprintf(why, size, "%s", strerror(EIO));
        r = -EIO;
    }
    free(line);
    fclose(f);
    return r;
}

/* Is all that is there the beginning of the first line? */
static bool
journal_torn_head(int fd, off_t size)
{
    char head[sizeof JOURNAL_HEAD];

    return size < (off_t)strlen(JOURNAL_HEAD) &&
        pread(fd, head, (size_t)size, 0) == (ssize_t)size &&
        memcmp(head, JOURNAL_HEAD, (size_t)size) == 0;
}

static int
journal_begin(struct journal *j, bool resume, char *why, size_t size)
{
    struct stat st;
    off_t end = 0;
    int r;

    if (flock(j->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
        snprintf(why, size, "another run is using it");
        return -EBUSY;
    }
    if (fstat(j->fd, &st) < 0)
        goto fail_errno;
    if (!S_ISREG(st.st_mode)) {
        snprintf(why, size, "it is not a regular file");
        return -EINVAL;
    }
    if (!journal_torn_head(j->fd, st.st_size)) {
        r = journal_read(j, &end, why, size);
        if (r < 0)
            return r;
        if (!resume && end > (off_t)strlen(JOURNAL_HEAD)) {
            snprintf(why, size, "it has entries; add --resume to go on");
            return -EEXIST;
        }
    }
    if (end != st.st_size && ftruncate(j->fd, end) < 0)
        goto fail_errno;
    if (end == 0 &&
        write(j->fd, JOURNAL_HEAD, strlen(JOURNAL_HEAD)) !=
            (ssize_t)strlen(JOURNAL_HEAD))
        goto fail_errno;
    return 0;
fail_errno:
    r = -errno;
    snprintf(why, size, "%s", strerror(-r));
    return r;
}

int
journal_open(struct journal **out, const char *file, bool resume, char *why,
    size_t size)
{
    struct journal *j = own_alloc(sizeof *j);
    int r;

    j->done = seen_new(0);
    j->fd = open(file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK,
        0666);
    if (j->fd < 0) {
        r = -errno;
        snprintf(why, size, "%s", strerror(-r));
    } else {
        r = journal_begin(j, resume, why, size);
    }
    if (r < 0) {
        journal_close(j);
        return r;
    }
    *out = j;
    return 0;
}

bool
journal_has(const struct journal *j, const char *url, size_t len)
{
    return seen_has(j->done, digest_key_of(url, len));
}

uint64_t
journal_count(const struct journal *j)
{
    return j->count;
}

uint64_t
journal_damaged(const struct journal *j)
{
    return j->damaged;
}

void
journal_line(struct text *out, const struct journal_entry *e)
{
    struct digest_key key = digest_key_of(e->url, e->url_len);
    struct jot j = {out, false};
    char hex[2 * DIGEST_KEY + 1];

    for (int i = 0; i < DIGEST_KEY; i++)
        snprintf(hex + 2 * i, 3, "%02x", key.bytes[i]);
    jot_open(&j, NULL, '{');
    jot_number(&j, "v", 1);
    jot_text(&j, "key", hex);
    jot_bytes(&j, "url", e->url, e->url_len);
    jot_bool(&j, "ok", e->ok);
    jot_number(&j, "status", e->status);
    jot_number(&j, "bytes", (int64_t)e->bytes);
    jot_text(&j, "sha256", e->sha256);
    jot_text(&j, "path", e->path);
    jot_text(&j, "error", e->error);
    jot_close(&j, '}');
    text_char(out, '\n');
}

int
journal_fd(const struct journal *j)
{
    return j->fd;
}

void
journal_close(struct journal *j)
{
    if (j == NULL)
        return;
    if (j->fd >= 0)
        close(j->fd);
    seen_free(j->done);
    free(j);
}
