/* SPDX-License-Identifier: MIT */
/* cli/fetch_result.h: a result as an object, as a line, as a message. */
#include "cli/fetch_result.h"
#include "suite.h"

#include <jansson.h>
#include <string.h>

static struct text text;

static struct fetch_result *
result(const char *url)
{
    struct fetch_result *r = result_new(3, url, strlen(url));

    text_clear(&text);
    r->status = 200;
    r->attempts = 1;
    r->total = BELAY_MS(12) + 345000;
    r->bytes = 5;
    return r;
}

static json_t *
object(const struct fetch_result *r)
{
    json_t *o;

    text_clear(&text);
    result_json(r, &text);
    ck_assert_int_eq(text.p[text.n - 1], '\n');
    ck_assert_ptr_eq(strchr(text.p, '\n'), text.p + text.n - 1);
    o = json_loads(text.p, JSON_ALLOW_NUL, NULL);
    ck_assert_ptr_nonnull(o);
    return o;
}

START_TEST(an_object_is_one_line_of_json)
{
    struct fetch_result *r = result("http://h/\"\n\xff");
    json_t *o = object(r);

    ck_assert_int_eq(json_integer_value(json_object_get(o, "v")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(o, "n")), 3);
    ck_assert_str_eq(json_string_value(json_object_get(o, "url")),
        "http://h/\"\n\xef\xbf\xbd");
    ck_assert_str_eq(json_string_value(json_object_get(o, "result")), "ok");
    ck_assert(json_is_null(json_object_get(o, "error")));
    json_decref(o);
    result_free(r);
    text_free(&text);
}
END_TEST

START_TEST(a_failure_names_kind_and_phase)
{
    struct fetch_result *r = result("http://h/");
    json_t *o, *e;

    r->status = 0;
    result_fail(r, FETCH_FAILED, "timeout", "body", "limit %d s", 1);
    o = object(r);
    e = json_object_get(o, "error");
    ck_assert_str_eq(json_string_value(json_object_get(e, "kind")), "timeout");
    ck_assert_str_eq(json_string_value(json_object_get(e, "phase")), "body");
    ck_assert_str_eq(json_string_value(json_object_get(e, "message")),
        "limit 1 s");
    ck_assert(json_is_null(json_object_get(o, "status")));
    json_decref(o);
    text_clear(&text);
    result_line(r, false, &text);
    ck_assert_str_eq(text.p, "timeout 5 12.3 http://h/\n");
    text_clear(&text);
    result_message(r, false, &text);
    ck_assert_str_eq(text.p,
        "belay fetch: http://h/: timeout (body): limit 1 s\n");
    result_free(r);
    text_free(&text);
}
END_TEST

START_TEST(a_line_has_the_status_if_there_is_one)
{
    struct fetch_result *r = result("http://h/\x1b[31m");

    result_line(r, false, &text);
    ck_assert_str_eq(text.p, "200 5 12.3 http://h/\\x1b[31m\n");
    r->status = 404;
    result_fail(r, FETCH_FAILED, "status", "answer", "404 Not Found");
    text_clear(&text);
    result_line(r, false, &text);
    ck_assert_str_eq(text.p, "404 5 12.3 http://h/\\x1b[31m\n");
    /* The head was there, but what failed is the body. */
    r->status = 200;
    result_fail(r, FETCH_FAILED, "reset", "body", "lost");
    text_clear(&text);
    result_line(r, false, &text);
    ck_assert_str_eq(text.p, "reset 5 12.3 http://h/\\x1b[31m\n");
    result_free(r);
    text_free(&text);
}
END_TEST

START_TEST(a_new_attempt_forgets_the_last)
{
    struct fetch_result *r = result("http://h/");

    result_fail(r, FETCH_FAILED, "reset", "body", "lost");
    r->final_url = strdup("http://other/");
    r->timed = true;
    text_add(&r->body, "half");
    result_again(r);
    ck_assert_int_eq(r->end, FETCH_OK);
    ck_assert_ptr_null(r->kind);
    ck_assert_ptr_null(r->message);
    ck_assert_ptr_null(r->final_url);
    ck_assert_uint_eq(r->bytes, 0);
    ck_assert_uint_eq(r->body.n, 0);
    ck_assert(!r->timed);
    result_free(r);
    text_free(&text);
}
END_TEST

START_TEST(a_body_is_text_or_base64)
{
    struct fetch_result *r = result("http://h/");
    json_t *o;

    r->has_body = true;
    text_bytes(&r->body, "a\0b", 3);
    o = object(r);
    ck_assert_uint_eq(
        json_string_length(json_object_get(o, "body")), 3);
    json_decref(o);
    text_clear(&r->body);
    text_bytes(&r->body, "\xff\xfe", 2);
    o = object(r);
    ck_assert_ptr_null(json_object_get(o, "body"));
    ck_assert_str_eq(json_string_value(json_object_get(o, "body_base64")),
        "//4=");
    json_decref(o);
    result_free(r);
    text_free(&text);
}
END_TEST

SUITE("result", an_object_is_one_line_of_json, a_failure_names_kind_and_phase,
    a_line_has_the_status_if_there_is_one, a_new_attempt_forgets_the_last,
    a_body_is_text_or_base64)
