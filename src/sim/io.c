/* SPDX-License-Identifier: MIT */
/*
 * The backend of libbelay-test: operations on the simulated kernel, and the
 * choices that a real one makes with them.
 *
 *   submit   what can be done at once is done at once, as by the epoll driver.
 *            Or it is put off: it flies, as with io_uring, and is LATE.
 *   change   whatever happens in the kernel may let operations complete that
 *            wait.  Those of this worker do so at once; or one of them is put
 *            off and is LATE.  The others' workers are sent a message, which
 *            also shows that there is no deadlock.
 *   poll     between two tasks, what is LATE may be done; after a while it is.
 *   park     a worker with nothing else to run does some of it, or all.  Or
 *            it sleeps until its next timer, or until something arrives that
 *            is on its way (vnet_path.c).
 *   cancel   is DONE, as by the epoll driver; or it is PENDING, as with
 *            io_uring: then the operation is ENDING, and completes like a LATE
 *            one, with ECANCELED or, if it can, with its result.
 *
 * Reads and writes of stream sockets may move fewer bytes than they could, and
 * datagrams may have any fate where the test wants that.
 *
 * So a completion and a cut or another completion come in either order.  The
 * first course of each of these is the default, and every other one counts as
 * a preemption.  No time passes while anything can complete; what arrives at
 * the moment of a deadline comes before it or after it.
 *
 * If the test wants calls to fail, each operation may, when it is submitted.
 *
 * A real descriptor is a file: the call is made at once.  What would block
 * cannot be simulated and is told as a misuse.
 *
 * An instance is its worker's, but for the message, and but for the looks that
 * others take at its list to see whether to send it.  Lists of a run that was
 * left lead to stacks that are gone; they are forgotten, not walked.
 */
#include "base/alloc.h"
#include "base/check.h"
#include "base/choice.h"
#include "core/idle.h"
#include "io/op.h"
#include "sim/machine.h"
#include "sim/vnet.h"
#include "sim/vproc.h"

#include <errno.h>
#include <string.h>

enum sim_io_state {
    SIM_IO_WAITS = 1, /* until it can be done */
    SIM_IO_LATE,      /* could be done, and will be later */
    SIM_IO_ENDING,    /* cancelled */
    SIM_IO_LOST       /* cancelled, and its descriptor is closed */
};

struct sim_io {
    struct bly_io io;
    struct bly_worker *worker;
    struct bly_list ops; /* oldest first */
    struct bly_msg msg;  /* makes the worker look */
    bool told;           /* it is on its way */
    uint32_t patience;   /* polls since something is late */
    int64_t until;       /* asleep, but not for longer; 0: (still) awake */
};

static struct sim_io *sim_ios[BLY_VTHREADS];

static struct sim_io *
sim_io_here(void)
{
    struct bly_worker *w = bly_worker_here;

    for (int i = 0; w != NULL && i < BLY_VTHREADS; i++)
        if (sim_ios[i] != NULL && sim_ios[i]->worker == w)
            return sim_ios[i];
    return NULL;
}

/* ---- completing --------------------------------------------------------- */

static int
sim_io_do(struct bly_op *op)
{
    int most = bly_vnet_may_be_short(op) ? bly_vnet_look(op) : 0;
    uint32_t choice = 0;

    if (most > 1)
        choice = bly_choose(BLY_CHOOSE_SHORT, most > 2 ? 3 : 2);
    if (choice != 0)
        return bly_vnet_do(op, choice == 1 ? 1 : (size_t)most - 1,
            BLY_VNET_COMES);
    if (bly_vnet_is_lossy(op))
        choice = bly_choose(BLY_CHOOSE_PACKET, BLY_VNET_FATES);
    return bly_vnet_do(op, SIZE_MAX, (enum bly_vnet_fate)choice);
}

static void
sim_io_remove(struct sim_io *s, struct bly_op *op)
{
    bly_vnet_forget(op);
    bly_list_remove(&op->link);
    s->io.flying--;
}

/* Op may be gone afterwards. */
static void
sim_io_complete(struct sim_io *s, struct bly_op *op)
{
    bool ends = op->state == SIM_IO_LOST;

    if (op->state == SIM_IO_ENDING)
        ends = bly_vnet_look(op) == -EAGAIN ||
            bly_choose(BLY_CHOOSE_IO, 2) == 0;
    op->result = ends ? -ECANCELED : sim_io_do(op);
    sim_io_remove(s, op);
    op->done(op);
}

/* One of those that wait; false: none can. */
static bool
sim_io_settle(struct sim_io *s)
{
    struct bly_link *l;

    for (l = bly_list_first(&s->ops); l != NULL;
         l = bly_list_next(&s->ops, l)) {
        struct bly_op *op = BLY_CONTAINER(l, struct bly_op, link);

        if (op->state != SIM_IO_WAITS || bly_vnet_look(op) == -EAGAIN)
            continue;
        if (bly_choose(BLY_CHOOSE_IO, 2) == 0) {
            sim_io_complete(s, op);
            return true;
        }
        op->state = SIM_IO_LATE;
    }
    return false;
}

/* Whether an operation in one of these states could complete. */
static bool
sim_io_any(struct sim_io *s, enum sim_io_state from, enum sim_io_state to)
{
    struct bly_link *l;

    for (l = bly_list_first(&s->ops); l != NULL;
         l = bly_list_next(&s->ops, l)) {
        struct bly_op *op = BLY_CONTAINER(l, struct bly_op, link);

        if (op->state >= from && op->state <= to &&
            (op->state >= SIM_IO_ENDING || bly_vnet_look(op) != -EAGAIN))
            return true;
    }
    return false;
}

void
bly_vnet_changed(void)
{
    struct sim_io *own = sim_io_here();
    int64_t next = own != NULL ? BLY_NEVER : bly_vnet_next();

    bly_vproc_poke();
    while (own != NULL && sim_io_settle(own))
        continue;
    for (int i = 0; i < BLY_VTHREADS; i++) {
        struct sim_io *s = sim_ios[i];

        if (s == NULL || s == own || s->told ||
            (!sim_io_any(s, SIM_IO_WAITS, SIM_IO_LATE) &&
                (next == BLY_NEVER || (s->until != 0 && next >= s->until))))
            continue;
        s->told = true;
        bly_send_msg(s->worker, &s->msg);
    }
}

static void
sim_io_look(struct bly_msg *m, struct bly_worker *w)
{
    BLY_CONTAINER(m, struct sim_io, msg)->told = false;
    if (w == bly_worker_here) /* and not at the end of everything */
        bly_vnet_changed();
}

static void
sim_io_take_late(struct sim_io *s)
{
    struct bly_link *l, *next;
    bool any = false;

    s->patience = 0;
    for (l = bly_list_first(&s->ops); l != NULL; l = next) {
        struct bly_op *op = BLY_CONTAINER(l, struct bly_op, link);

        next = bly_list_next(&s->ops, l);
        if (op->state == SIM_IO_WAITS)
            continue;
        if (op->state == SIM_IO_LATE && bly_vnet_look(op) == -EAGAIN) {
            op->state = SIM_IO_WAITS; /* another one was faster */
            continue;
        }
        if (any && bly_choose(BLY_CHOOSE_IO, 2) != 0)
            break;
        sim_io_complete(s, op);
        any = true;
    }
    if (any)
        bly_vnet_changed();
}

static void
sim_io_land(void)
{
    bly_vnet_land();
    bly_vnet_changed();
}

/* Right before park, that is left to it. */
static void
sim_io_poll(struct bly_io *io, struct bly_worker *w)
{
    struct sim_io *s = BLY_CONTAINER(io, struct sim_io, io);

    if (bly_vnet.npaths > 0)
        sim_io_land();
    if ((w->ready_head == NULL && bly_runq_count(&w->runq) == 0) ||
        !sim_io_any(s, SIM_IO_LATE, SIM_IO_LOST))
        return;
    if (++s->patience >= BLY_POLL_EVERY || bly_choose(BLY_CHOOSE_IO, 2) != 0)
        sim_io_take_late(s);
}

static void
sim_io_park(struct bly_io *io, struct bly_worker *w, int64_t deadline)
{
    struct sim_io *s = BLY_CONTAINER(io, struct sim_io, io);
    int64_t next;

    if (bly_vnet.npaths > 0)
        sim_io_land();
    if (w->ready_head != NULL)
        return;
    if (sim_io_any(s, SIM_IO_LATE, SIM_IO_LOST)) {
        sim_io_take_late(s);
        return;
    }
    next = bly_vnet_next();
    s->until = deadline < next ? deadline : next;
    bly_os_futex_wait(&w->sleep, 1, s->until);
    s->until = 0;
    /* What is due at the same time may come before the timers, or after. */
    if (next <= bly_machine.now &&
        (next < deadline || bly_choose(BLY_CHOOSE_IO, 2) == 0))
        sim_io_land();
}

static bool
sim_io_busy(struct bly_io *io)
{
    return bly_vproc_any() || bly_vnet_next() != BLY_NEVER ||
        sim_io_any(BLY_CONTAINER(io, struct sim_io, io), SIM_IO_WAITS,
            SIM_IO_LOST);
}

/* ---- beginning and ending ----------------------------------------------- */

static enum bly_op_course
sim_io_real(struct bly_op *op)
{
    bool lane = false;

    op->result = bly_op_try(op, &lane);
    if (lane)
        op->result = bly_op_call(op);
    else if (op->result == -EAGAIN)
        bly_misuse(op->w.site,
            "descriptor %d is a real one and would block in a simulation",
            op->fd);
    return BLY_OP_IS_DONE;
}

/* Nobody is told of an interruption of poll, so that does not fail. */
static bool
sim_io_fails(struct bly_op *op)
{
    uint32_t choice = op->kind == BLY_OP_POLL
        ? 0
        : bly_choose(BLY_CHOOSE_FAULT, 3);

    if (choice == 0)
        return false;
    op->result = choice == 1 ? bly_vnet_fail(op) : -EINTR;
    bly_vnet_changed();
    return true;
}

static enum bly_op_course
sim_io_submit(struct bly_io *io, struct bly_op *op)
{
    struct sim_io *s = BLY_CONTAINER(io, struct sim_io, io);

    bly_point(&bly_vnet);
    if (sim_io_fails(op))
        return BLY_OP_IS_DONE;
    if (op->fd < BLY_SIM_FD)
        return sim_io_real(op);
    op->state = SIM_IO_WAITS;
    bly_vnet_begin(op);
    if (bly_vnet_look(op) != -EAGAIN) {
        if (bly_choose(BLY_CHOOSE_IO, 2) == 0) {
            op->result = sim_io_do(op);
            bly_vnet_forget(op);
            bly_vnet_changed();
            return BLY_OP_IS_DONE;
        }
        op->state = SIM_IO_LATE;
    }
    bly_list_push(&s->ops, &op->link);
    io->flying++;
    return BLY_OP_FLIES;
}

static enum bly_abort
sim_io_cancel(struct bly_io *io, struct bly_op *op)
{
    if (bly_choose(BLY_CHOOSE_IO, 2) == 0) {
        sim_io_remove(BLY_CONTAINER(io, struct sim_io, io), op);
        return BLY_ABORT_DONE;
    }
    op->cancelled = true;
    op->state = SIM_IO_ENDING;
    return BLY_ABORT_PENDING;
}

void
bly_vnet_io_closing(int fd)
{
    struct bly_link *l;

    for (int i = 0; i < BLY_VTHREADS; i++) {
        struct sim_io *s = sim_ios[i];

        if (s == NULL)
            continue;
        for (l = bly_list_first(&s->ops); l != NULL;
             l = bly_list_next(&s->ops, l)) {
            struct bly_op *op = BLY_CONTAINER(l, struct bly_op, link);
            const belay_site *site = op->w.site;

            if (op->fd != fd)
                continue;
            if (op->state != SIM_IO_ENDING && op->state != SIM_IO_LOST)
                bly_misuse(NULL,
                    "descriptor %d is closed while the %s of %s:%d uses it",
                    fd, site != NULL ? site->what : "select",
                    site != NULL ? site->file : "?",
                    site != NULL ? site->line : 0);
            op->state = SIM_IO_LOST;
        }
    }
}

/* ---- life --------------------------------------------------------------- */

static void
sim_io_wake(struct bly_io *io, struct bly_worker *w)
{
    (void)io;
    bly_os_futex_wake(&w->sleep, 1);
}

static int
sim_io_open(struct bly_io **io, struct bly_worker *w)
{
    struct sim_io *s = bly_alloc_quiet(sizeof(*s));
    int i;

    for (i = 0; i < BLY_VTHREADS && sim_ios[i] != NULL; i++)
        continue;
    if (s == NULL || i == BLY_VTHREADS) {
        bly_free_quiet(s);
        return -ENOMEM;
    }
    memset(s, 0, sizeof(*s));
    s->worker = w;
    s->msg.run = sim_io_look;
    bly_list_init(&s->ops);
    sim_ios[i] = s;
    *io = &s->io;
    return 0;
}

static void
sim_io_forget(struct sim_io *s)
{
    for (int i = 0; i < BLY_VTHREADS; i++)
        if (sim_ios[i] == s)
            sim_ios[i] = NULL;
    bly_free_quiet(s);
}

/* What still flies has been given up by who began it (see io/fd_case.c). */
static void
sim_io_close(struct bly_io *io)
{
    struct sim_io *s = BLY_CONTAINER(io, struct sim_io, io);
    struct bly_link *l;

    while ((l = bly_list_pop(&s->ops)) != NULL) {
        struct bly_op *op = BLY_CONTAINER(l, struct bly_op, link);

        op->result = -ECANCELED;
        op->done(op);
    }
    sim_io_forget(s);
}

void
bly_vnet_io_reset(void)
{
    for (int i = 0; i < BLY_VTHREADS; i++)
        if (sim_ios[i] != NULL)
            sim_io_forget(sim_ios[i]);
}

const struct bly_io_backend bly_io_sim = {
    .name = "sim",
    .open = sim_io_open,
    .close = sim_io_close,
    .submit = sim_io_submit,
    .cancel = sim_io_cancel,
    .poll = sim_io_poll,
    .park = sim_io_park,
    .wake = sim_io_wake,
    .busy = sim_io_busy,
};
