/* SPDX-License-Identifier: MIT */
/*
 * Tasks inside a libuv program.
 *
 * The loop polls the descriptor of a belay_loop and lets tasks run when it is
 * readable.  Tasks run on the loop's thread, so they call libuv directly; what
 * answers by a callback they wait for with belay_await_callback().
 */
#include <belay/loop.h>

#include <stdio.h>
#include <uv.h>

/* ---- the loop drives belay ---------------------------------------------- */

static void
on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    if (belay_loop_turn(poll->data) == -ESHUTDOWN)
        uv_poll_stop(poll); /* the last task has ended */
}

/* ---- belay waits for the loop ------------------------------------------- */

struct work {
    uv_loop_t *loop;
    uv_work_t req;
    belay_await *await;
    unsigned n, result;
};

/* On a thread of libuv's pool. */
static void
work_run(uv_work_t *req)
{
    struct work *w = req->data;
    unsigned a = 0, b = 1, i;

    for (i = 0; i < w->n; i++) {
        unsigned next = a + b;

        a = b;
        b = next;
    }
    w->result = a;
}

/* On the loop's thread again. */
static void
work_done(uv_work_t *req, int status)
{
    struct work *w = req->data;

    belay_await_done(w->await, status); /* libuv's codes are -errno, too */
}

static int
work_start(void *arg, belay_await *await)
{
    struct work *w = arg;

    w->await = await;
    w->req.data = w;
    return uv_queue_work(w->loop, &w->req, work_run, work_done);
}

/* 0 would mean that work_done will not come; libuv calls it all the same. */
static int
work_cancel(void *arg)
{
    struct work *w = arg;

    (void)uv_cancel((uv_req_t *)&w->req);
    return 1;
}

/* ---- the tasks ---------------------------------------------------------- */

BELAY_TASK(fibonacci, (uv_loop_t *, loop), (unsigned, n), (unsigned *, out))
{
    struct work w = {.loop = loop, .n = n};

    BELAY_TRY(belay_await_callback(work_start, work_cancel, &w));
    *out = w.result;
    return 0;
}

BELAY_TASK(session, (uv_loop_t *, loop))
{
    unsigned results[3] = {0};
    size_t i;

    BELAY_SCOPE(s, .timeout = BELAY_S(20)) {
        for (i = 0; i < 3; i++)
            belay_spawn(s, fibonacci, loop, 10 * (unsigned)(i + 1),
                &results[i]);
    }
    for (i = 0; i < 3; i++)
        printf("fibonacci(%zu) = %u\n", 10 * (i + 1), results[i]);
    BELAY_TRY(belay_sleep(BELAY_MS(5))); /* a timer of belay's */
    return (int)(results[0] % 100);
}

static void
session_ended(void *arg, const belay_outcome *out)
{
    printf("the session ended with %d\n", out->err);
    belay_loop_stop(arg);
}

int
main(void)
{
    uv_loop_t *loop = uv_default_loop();
    belay_loop *tasks;
    uv_poll_t poll;
    int r;

    r = belay_loop_open(&tasks);
    if (r < 0) {
        fprintf(stderr, "no loop: %s\n", belay_strerror(r));
        return 1;
    }
    poll.data = tasks;
    if (uv_poll_init(loop, &poll, belay_loop_fd(tasks)) < 0 ||
        uv_poll_start(&poll, UV_READABLE, on_readable) < 0)
        return 1;
    r = belay_loop_start_then(tasks, session_ended, tasks, session, loop);
    if (r < 0)
        return 1;
    uv_run(loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&poll, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    r = belay_loop_close(tasks);
    printf("closed with %d\n", r);
    return uv_loop_close(loop) == 0 && r == 0 ? 0 : 1;
}
