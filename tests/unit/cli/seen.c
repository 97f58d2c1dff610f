/* SPDX-License-Identifier: MIT */
/* cli/seen.h: what it must remember, and that it forgets. */
#include "cli/seen.h"
#include "suite.h"

#include <string.h>

static struct digest_key
key(unsigned n)
{
    return digest_key_of(&n, sizeof n);
}

START_TEST(without_limit)
{
    struct seen *s = seen_new(0);

    for (unsigned i = 0; i < 100000; i++)
        ck_assert(!seen_add(s, key(i)));
    for (unsigned i = 0; i < 100000; i++)
        ck_assert(seen_has(s, key(i)));
    ck_assert(!seen_has(s, key(100000)));
    ck_assert(seen_add(s, key(5)));
    seen_free(s);
}
END_TEST

START_TEST(at_least_the_last_n)
{
    enum { LIMIT = 100 };
    struct seen *s = seen_new(LIMIT);

    for (unsigned i = 0; i < 700; i++) {
        unsigned kept = 0;

        ck_assert(!seen_add(s, key(i)));
        for (unsigned k = 0; k <= i; k++) {
            bool has = seen_has(s, key(k));

            kept += has;
            ck_assert(has || k + LIMIT <= i);
        }
        ck_assert_uint_le(kept, 2 * LIMIT);
    }
    seen_free(s);
}
END_TEST

START_TEST(what_comes_again_stays)
{
    struct seen *s = seen_new(10);

    ck_assert(!seen_add(s, key(0)));
    for (unsigned i = 1; i < 1000; i++) {
        ck_assert(!seen_add(s, key(i)));
        if (i % 5 == 0)
            ck_assert(seen_add(s, key(0)));
    }
    seen_free(s);
}
END_TEST

START_TEST(nothing)
{
    struct seen *s = seen_new(10);

    ck_assert(!seen_has(s, key(1)));
    seen_free(s);
    seen_free(NULL);
}
END_TEST

/* FIPS 180-2, appendix B. */
START_TEST(digest)
{
    struct digest *d = digest_new();
    char hex[DIGEST_HEX];
    struct digest_key k;

    digest_add(d, "ab", 2);
    digest_add(d, "c", 1);
    digest_hex(d, hex);
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223"
                          "b00361a396177a9cb410ff61f20015ad");
    digest_again(d);
    digest_add(d, "x", 1);
    digest_again(d); /* forgets */
    digest_hex(d, hex);
    ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb924"
                          "27ae41e4649b934ca495991b7852b855");
    digest_free(d);
    k = digest_key_of("abc", 3);
    ck_assert_mem_eq(k.bytes, "\xba\x78\x16\xbf\x8f\x01\xcf\xea", 8);
}
END_TEST

SUITE("seen", without_limit, at_least_the_last_n, what_comes_again_stays,
    nothing, digest)
