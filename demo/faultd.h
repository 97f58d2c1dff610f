/* SPDX-License-Identifier: MIT */
/* What the server and its answers share. */
#ifndef FAULTD_H
#define FAULTD_H

#include <belay.h>

#include <stdatomic.h>

enum {
    HEAD_MAX = 4096, /* bytes of a request's head */
    BLOCK = 16384,   /* bytes of a body that are sent at once */
    FLAKY = 64,
};

struct faultd {
    const char *address;
    unsigned port, workers;
    long delay;  /* ms before each answer */
    long faulty; /* percent of the pages */
    bool until_eof;
    char url[96]; /* "http://127.0.0.1:40213" */
    int listener;
    char block[BLOCK]; /* what bodies consist of */
    atomic_uint accepted, open, requests;
    atomic_uint flaky[FLAKY]; /* requests for each of these */
};

/* A connection and the request on it. */
struct conn {
    struct faultd *d;
    int fd;
    bool head_only;    /* a HEAD */
    const char *rest;  /* of the path, behind its name */
    long number[2];    /* in it; 0 where there is none */
    size_t head, used; /* bytes of the request's head, and of all */
    char buf[HEAD_MAX + 1];
};

/* What an answer returns if it did not fail: whether the connection may be
 * used again. */
enum { KEEP, CLOSE };

/* Answers the request for a path, whose end is the end of the string.  It is
 * taken apart into .rest and .number. */
int answer(struct conn *c, const char *path) BELAY_MUST_CHECK;

/* An answer without a body. */
int answer_bare(struct conn *c, const char *status) BELAY_MUST_CHECK;

/* Writes what paths there are. */
size_t answer_list(char *text, size_t size);

#endif
