/* SPDX-License-Identifier: MIT */
/*
 * Arenas that are written once.
 *
 * Their memory is mapped for them alone, so that sealing is a matter of whole
 * pages; what describes an arena lies elsewhere, since it still changes.  The
 * sealed ones are in a list, where the handler of a fault looks up whose pages
 * were written to.
 */
#include <belay/frozen.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/list.h"
#include "base/lock.h"
#include "core/overflow.h"
#include "os/os.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum {
    FROZEN_CHUNK = 64 * 1024, /* the first; each is twice the one before */
    FROZEN_DOUBLINGS = 6,
    FROZEN_ALIGN = _Alignof(max_align_t),
    FROZEN_TRIES = 1000000
};

struct frozen_chunk {
    struct frozen_chunk *next;
    char *low;
    size_t size, used;
};

struct belay_frozen {
    struct bly_link link; /* in frozen_sealed */
    const char *name;
    const belay_site *site; /* where it was sealed; NULL: it is not */
    struct frozen_chunk *chunks; /* the newest first */
    unsigned count;
};

/* ---- whose page is it --------------------------------------------------- */

#if BLY_SIM

/* A simulation has no handler of ours, and a run that is given up half-way
 * must leave no lock behind. */
static void
frozen_register(belay_frozen *f)
{
    (void)f;
}

static void
frozen_forget(belay_frozen *f)
{
    (void)f;
}

#else

static struct bly_lock frozen_lock;
static struct bly_list frozen_sealed = {
    {&frozen_sealed.head, &frozen_sealed.head}};

/* In a signal handler.  Nobody faults while he has the lock, so it is soon
 * free, unless its holder is stopped: then the data stay unnamed. */
static bool
frozen_find(const void *addr, struct bly_overflow_info *out)
{
    struct bly_link *l;
    int tries = 0;
    bool found = false;

    while (!bly_trylock(&frozen_lock))
        if (++tries == FROZEN_TRIES)
            return false;
    for (l = bly_list_first(&frozen_sealed); l != NULL && !found;
         l = bly_list_next(&frozen_sealed, l)) {
        belay_frozen *f = BLY_CONTAINER(l, belay_frozen, link);
        struct frozen_chunk *c = f->chunks;

        while (c != NULL && (uintptr_t)addr - (uintptr_t)c->low >= c->size)
            c = c->next;
        found = c != NULL;
        if (found) {
            out->name = f->name;
            out->file = f->site->file;
            out->line = f->site->line;
        }
    }
    bly_unlock(&frozen_lock);
    return found;
}

static void
frozen_register(belay_frozen *f)
{
    bly_lock(&frozen_lock);
    bly_list_push(&frozen_sealed, &f->link);
    bly_unlock(&frozen_lock);
    /* pairs with overflow_compose_sealed */
    bly_store_release(&bly_overflow_sealed, frozen_find);
}

static void
frozen_forget(belay_frozen *f)
{
    bly_lock(&frozen_lock);
    bly_list_remove(&f->link);
    bly_unlock(&frozen_lock);
}

#endif

/* ---- filling ------------------------------------------------------------ */

int
belay_frozen_open(belay_frozen **out, const char *name)
{
    belay_frozen *f = bly_zalloc(sizeof(*f));

    if (f == NULL)
        return -ENOMEM;
    f->name = name != NULL ? name : "?";
    *out = f;
    return 0;
}

static struct frozen_chunk *
frozen_chunk_new(belay_frozen *f, size_t least)
{
    unsigned times = f->count < FROZEN_DOUBLINGS ? f->count : FROZEN_DOUBLINGS;
    size_t size = (size_t)FROZEN_CHUNK << times;
    size_t page = bly_os_page_size();
    struct frozen_chunk *c = bly_alloc(sizeof(*c));

    if (c == NULL)
        return NULL;
    if (size < least)
        size = (least + page - 1) & ~(page - 1);
    c->low = mmap(NULL, size, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (c->low == MAP_FAILED) {
        bly_free(c);
        return NULL;
    }
    c->size = size;
    c->used = 0;
    c->next = f->chunks;
    f->chunks = c;
    f->count++;
    return c;
}

void *
belay_frozen_alloc_at(belay_frozen *f, size_t size, const belay_site *site)
{
    struct frozen_chunk *c = f->chunks;
    void *p;

    if (f->site != NULL)
        bly_misuse(site, "allocation in data '%s' that were sealed at %s:%d",
            f->name, f->site->file, f->site->line);
    if (size > PTRDIFF_MAX / 2)
        return NULL;
    /* Also an object of no size gets an address of its own. */
    size = size == 0 ? 1 : size;
    size = (size + FROZEN_ALIGN - 1) & ~(size_t)(FROZEN_ALIGN - 1);
    if (c == NULL || c->size - c->used < size)
        c = frozen_chunk_new(f, size);
    if (c == NULL)
        return NULL;
    p = c->low + c->used;
    c->used += size;
    return p;
}

void *
belay_frozen_copy_at(belay_frozen *f, const void *data, size_t size,
    const belay_site *site)
{
    void *p = belay_frozen_alloc_at(f, size, site);

    if (p != NULL && size > 0)
        memcpy(p, data, size);
    return p;
}

char *
belay_frozen_strdup_at(belay_frozen *f, const char *text,
    const belay_site *site)
{
    return belay_frozen_copy_at(f, text, strlen(text) + 1, site);
}

/* ---- sealing ------------------------------------------------------------ */

static int
frozen_protect(belay_frozen *f, int how)
{
    for (struct frozen_chunk *c = f->chunks; c != NULL; c = c->next)
        if (mprotect(c->low, c->size, how) != 0)
            return -ENOMEM;
    return 0;
}

int
belay_frozen_seal_at(belay_frozen *f, const belay_site *site)
{
    static const belay_site unknown = {"?", 0, "?", "?"};

    if (f->site != NULL)
        return 0;
    if (frozen_protect(f, PROT_READ) < 0) {
        (void)frozen_protect(f, PROT_READ | PROT_WRITE);
        return -ENOMEM;
    }
    f->site = site != NULL ? site : &unknown;
    frozen_register(f);
    return 0;
}

void
belay_frozen_close(belay_frozen *f)
{
    struct frozen_chunk *c;

    if (f == NULL)
        return;
    if (f->site != NULL)
        frozen_forget(f);
    while ((c = f->chunks) != NULL) {
        f->chunks = c->next;
        (void)munmap(c->low, c->size);
        bly_free(c);
    }
    bly_free(f);
}

void
belay_frozen_closep(belay_frozen **f)
{
    belay_frozen_close(*f);
    *f = NULL;
}

void
belay_frozen_drop(void *f)
{
    belay_frozen_close(f);
}
