/* SPDX-License-Identifier: MIT */
/* cli/journal.h: what is done stays done, whatever was torn. */
#include "cli/journal.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/belay-journal-XXXXXX";
static char file[100], why[200];
static struct journal *j;

static void
begin(void)
{
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/journal", dir);
}

static void
end(void)
{
    (void)unlink(file);
    ck_assert_int_eq(rmdir(dir), 0); /* nothing else is left */
}

static void
opens(bool resume)
{
    ck_assert_msg(
        journal_open(&j, file, resume, why, sizeof why) == 0, "%s", why);
}

static void
done(const char *url, bool ok)
{
    struct journal_entry e = {.url = url, .url_len = strlen(url), .ok = ok};
    struct text line = {NULL, 0, 0};

    journal_line(&line, &e);
    ck_assert_int_eq(write(journal_fd(j), line.p, line.n), (int)line.n);
    text_free(&line);
}

static bool
has(const char *url)
{
    return journal_has(j, url, strlen(url));
}

static void
closes(void)
{
    journal_close(j);
    j = NULL;
}

START_TEST(remembers)
{
    begin();
    opens(false);
    done("http://a/\"\\\n\xff", true);
    done("http://b/", false);
    done("http://a/\"\\\n\xff", true);
    closes();
    opens(true);
    ck_assert(has("http://a/\"\\\n\xff"));
    ck_assert(!has("http://a/\"\\\n\xfe")); /* both have no UTF-8 */
    ck_assert(!has("http://b/"));           /* it failed */
    ck_assert_uint_eq(journal_count(j), 1);
    ck_assert_uint_eq(journal_damaged(j), 0);
    closes();
    end();
}
END_TEST

START_TEST(torn_at_every_byte)
{
    struct stat st;

    begin();
    opens(false);
    done("http://a/", true);
    done("http://b/", true);
    closes();
    ck_assert_int_eq(stat(file, &st), 0);
    for (off_t size = st.st_size - 1; size >= 0; size--) {
        ck_assert_int_eq(truncate(file, size), 0);
        opens(true);
        ck_assert(!has("http://b/"));
        done("http://c/", true);
        closes();
        opens(true);
        ck_assert(has("http://c/"));
        ck_assert_uint_eq(journal_damaged(j), 0);
        closes();
    }
    end();
}
END_TEST

START_TEST(damaged_lines_count_for_nothing)
{
    begin();
    opens(false);
    done("http://a/", true);
    ck_assert_int_eq(write(journal_fd(j), "what\n{}\n\n", 9), 9);
    done("http://b/", true);
    closes();
    opens(true);
    ck_assert(has("http://a/") && has("http://b/"));
    ck_assert_uint_eq(journal_damaged(j), 3);
    closes();
    end();
}
END_TEST

START_TEST(not_overwritten)
{
    static const char text[] = "dear diary\n";
    char back[sizeof text] = "";
    int fd;

    begin();
    opens(false);
    closes();
    opens(false); /* has no entries yet */
    done("http://a/", true);
    closes();
    ck_assert_int_eq(
        journal_open(&j, file, false, why, sizeof why), -EEXIST);
    fd = open(file, O_RDWR | O_TRUNC);
    ck_assert_int_eq(write(fd, text, sizeof text - 1), sizeof text - 1);
    ck_assert_int_eq(journal_open(&j, file, true, why, sizeof why), -EINVAL);
    ck_assert_str_eq(why, "it is not a journal of belay fetch");
    ck_assert_int_eq(pread(fd, back, sizeof back, 0), sizeof text - 1);
    ck_assert_str_eq(back, text); /* as it was */
    close(fd);
    end();
}
END_TEST

START_TEST(one_at_a_time)
{
    struct journal *other = NULL;

    begin();
    opens(false);
    ck_assert_int_eq(
        journal_open(&other, file, true, why, sizeof why), -EBUSY);
    ck_assert_ptr_null(other);
    closes();
    opens(true);
    closes();
    end();
    ck_assert_int_eq(
        journal_open(&j, "/nowhere/x", true, why, sizeof why), -ENOENT);
    ck_assert_int_eq(
        journal_open(&j, "/dev/null", true, why, sizeof why), -EINVAL);
}
END_TEST

SUITE("journal", remembers, torn_at_every_byte,
    damaged_lines_count_for_nothing, not_overwritten, one_at_a_time)
