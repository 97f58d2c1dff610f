/* SPDX-License-Identifier: MIT */
/* Headers, received and sent. */
#include "http/head.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* ---- received ------------------------------------------------------------ */

static int
head_room(struct bly_http_head *head, size_t more)
{
    size_t room = head->room != 0 ? head->room : 512;
    char *text;

    while (room - head->used < more)
        room *= 2;
    if (room == head->room)
        return 0;
    text = bly_realloc(head->text, room);
    if (text == NULL)
        return -ENOMEM;
    head->text = text;
    head->room = room;
    return 0;
}

/* "HTTP/1.1 200 OK" or "HTTP/2 200". */
static int
head_status(struct bly_http_head *head, const char *line, size_t len)
{
    size_t i = sizeof "HTTP/1" - 1;

    head->used = head->count = 0;
    if (len <= i)
        return -EPROTO;
    head->version = (line[i - 1] - '0') * 10;
    if (line[i] == '.' && len > i + 1) {
        head->version += line[i + 1] - '0';
        i += 2;
    }
    if (len < i + 4 || line[i] != ' ')
        return -EPROTO;
    head->status = 0;
    for (i++; i < len && line[i] >= '0' && line[i] <= '9'; i++)
        if ((head->status = head->status * 10 + line[i] - '0') > 999)
            return -EPROTO;
    return head->status >= 100 ? 0 : -EPROTO;
}

/* A line that begins with a blank goes on with the value before. */
static int
head_fold(struct bly_http_head *head, const char *line, size_t len)
{
    if (head->count == 0 || head_room(head, len + 1) < 0)
        return head->count == 0 ? -EPROTO : -ENOMEM;
    head->text[head->used - 1] = ' ';
    memcpy(head->text + head->used, line, len);
    head->text[head->used + len] = '\0';
    head->used += len + 1;
    return 0;
}

static int
head_pair(struct bly_http_head *head, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    size_t name = colon != NULL ? (size_t)(colon - line) : 0;
    size_t from = name + 1;

    if (name == 0)
        return -EPROTO;
    if (head_room(head, len + 2) < 0)
        return -ENOMEM;
    while (from < len && (line[from] == ' ' || line[from] == '\t'))
        from++;
    while (len > from && (line[len - 1] == ' ' || line[len - 1] == '\t'))
        len--;
    memcpy(head->text + head->used, line, name);
    head->text[head->used + name] = '\0';
    head->used += name + 1;
    memcpy(head->text + head->used, line + from, len - from);
    head->text[head->used + len - from] = '\0';
    head->used += len - from + 1;
    head->count++;
    return 0;
}

int
bly_http_head_add(struct bly_http_head *head, const char *line, size_t len)
{
    if (memchr(line, '\0', len) != NULL)
        return -EPROTO;
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0)
        return head_status(head, line, len);
    if (head->status == 0)
        return -EPROTO;
    if (len == 0)
        return head->status >= 200;
    if (line[0] == ' ' || line[0] == '\t')
        return head_fold(head, line, len);
    return head_pair(head, line, len);
}

bool
bly_http_head_next(const struct bly_http_head *head, const char **name,
    const char **value)
{
    const char *at = head->text;

    if (*name != NULL)
        at = *value + strlen(*value) + 1;
    if (head->count == 0 || at >= head->text + head->used)
        return false;
    *name = at;
    *value = at + strlen(at) + 1;
    return true;
}

const char *
bly_http_head_find(const struct bly_http_head *head, const char *name)
{
    const char *n = NULL, *v = NULL;

    while (bly_http_head_next(head, &n, &v))
        if (strcasecmp(n, name) == 0)
            return v;
    return NULL;
}

/* ---- sent ---------------------------------------------------------------- */

char *
bly_http_dup(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = bly_alloc(n);

    if (copy != NULL)
        memcpy(copy, text, n);
    return copy;
}

void
bly_http_list_free(char **list)
{
    size_t i;

    for (i = 0; list != NULL && list[i] != NULL; i++)
        bly_free(list[i]);
    bly_free(list);
}

static size_t
list_count(char *const *list)
{
    size_t n = 0;

    while (list != NULL && list[n] != NULL)
        n++;
    return n;
}

char **
bly_http_list_copy(char *const *list)
{
    size_t i, n = list_count(list);
    char **copy = bly_zalloc((n + 1) * sizeof *copy);

    for (i = 0; copy != NULL && i < n; i++)
        if ((copy[i] = bly_http_dup(list[i])) == NULL) {
            bly_http_list_free(copy);
            return NULL;
        }
    return copy;
}

/* The length of the name in "Name: value"; 0: it is none. */
static size_t
list_name(const char *line)
{
    size_t n = strcspn(line, ": \t\r\n");

    return line[n] == ':' && strpbrk(line, "\r\n") == NULL ? n : 0;
}

static void
list_drop(char **list, const char *name, size_t len)
{
    size_t from, to = 0;

    for (from = 0; list != NULL && list[from] != NULL; from++) {
        char *line = list[from];

        list[from] = NULL;
        if (list_name(line) == len && strncasecmp(line, name, len) == 0)
            bly_free(line);
        else
            list[to++] = line;
    }
}

void
bly_http_list_remove(char **list, const char *name)
{
    list_drop(list, name, strlen(name));
}

int
bly_http_list_set(char ***list, const char *line)
{
    size_t n, len = list_name(line);
    char **longer;

    if (len == 0)
        return -EINVAL;
    list_drop(*list, line, len);
    if (line[len + 1 + strspn(line + len + 1, " \t")] == '\0')
        return 0;
    n = list_count(*list);
    longer = bly_realloc(*list, (n + 2) * sizeof *longer);
    if (longer == NULL)
        return -ENOMEM;
    *list = longer;
    longer[n + 1] = NULL;
    longer[n] = bly_http_dup(line);
    return longer[n] != NULL ? 0 : -ENOMEM;
}
