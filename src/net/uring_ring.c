// SPDX-License-Identifier: MIT
// The ring of a loop: made on its thread (single issuer, deferred task running), restricted to the
// operations used here before it is enabled. With it a second ring, of provided buffers, which are
// rbufs and change hands whole; a replacement goes into the ring at once.
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/uring_priv.h"

#define DEFAULT_SQ   1024u
#define DEFAULT_BUFS 256u
#define CQ_PER_SQ    4u
// A flood finds up to so many times the usual number of buffers, and has them for so long.
#define LENT_GROWTH  4u
#define LENT_MOST    32768u
#define LENT_KEEP_NS (10 * NS_PER_S)
// Waits may have a first deadline: Linux 6.12, younger than liburing 2.3.
#define FEAT_MIN_TIMEOUT (1u << 15)

// liburing 2.3 declares functions for these two but its shared library lacks them.
static bool
ring_register(struct io_uring *ring, unsigned op, void *arg, unsigned n)
{
	return syscall(__NR_io_uring_register, ring->ring_fd, op, arg, n) == 0;
}

static bool
restrict_ring(struct io_uring *ring, struct err *err)
{
	static const uint8_t ops[] = {
	    IORING_OP_RECV,   IORING_OP_SEND,     IORING_OP_SENDMSG,      IORING_OP_CONNECT,
	    IORING_OP_ACCEPT, IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL,
	};
	struct io_uring_restriction rows[ARRAY_LEN(ops) + 1] = {0};
	for (unsigned i = 0; i < ARRAY_LEN(ops); i++) {
		rows[i].opcode = IORING_RESTRICTION_SQE_OP;
		rows[i].sqe_op = ops[i];
	}
	rows[ARRAY_LEN(ops)].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	rows[ARRAY_LEN(ops)].sqe_flags = IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS;
	if (ring_register(ring, IORING_REGISTER_RESTRICTIONS, rows, ARRAY_LEN(rows)))
		return true;
	return err_set(err, "io_uring restrictions: %s", strerror(errno));
}

// Rings are locked memory, which is limited for all processes of a user together.
static bool
refused(struct err *err, const char *what, int why)
{
	struct rlimit locked = {0};
	(void)getrlimit(RLIMIT_MEMLOCK, &locked); // valid arguments
	if (why != ENOMEM)
		return err_set(err, "%s: %s", what, strerror(why));
	return err_set(err,
		       "%s: %s; this user may lock %llu KiB of memory, of which each thread's ring "
		       "takes some (ulimit -l, LimitMEMLOCK=)",
		       what, strerror(why), (unsigned long long)locked.rlim_cur / 1024);
}

static bool
open_ring(struct uring_state *st, unsigned sq, struct err *err)
{
	struct io_uring_params p = {
	    .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
		     IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE |
		     IORING_SETUP_R_DISABLED,
	    .cq_entries = sq * CQ_PER_SQ,
	};
	int r = io_uring_queue_init_params(sq, &st->ring, &p);
	if (r != 0)
		return refused(err, "io_uring_setup", -r);
	// Saves a descriptor look-up in each enter; the engine works without it.
	(void)io_uring_register_ring_fd(&st->ring);
	struct io_uring_buf_reg reg = {
	    .ring_addr = (uint64_t)(uintptr_t)st->bufs,
	    .ring_entries = st->n_bufs,
	    .bgid = URING_BUF_GROUP,
	};
	r = io_uring_register_buf_ring(&st->ring, &reg, 0);
	if (r != 0) {
		refused(err, "io_uring buffer ring", -r);
		goto out;
	}
	if (!restrict_ring(&st->ring, err))
		goto out;
	if (ring_register(&st->ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0))
		return true;
	err_set(err, "io_uring enable: %s", strerror(errno));
out:
	io_uring_queue_exit(&st->ring);
	return false;
}

static void
make_buf_ring(struct uring_state *st, uint32_t n_bufs)
{
	st->n_bufs = n_bufs;
	st->bufs = mem_aligned(4096, n_bufs * sizeof(struct io_uring_buf));
	io_uring_buf_ring_init(st->bufs);
}

bool
net_uring_usable(char *why, size_t n)
{
	struct uring_state st = {0};
	struct err err;
	make_buf_ring(&st, 8);
	bool good = open_ring(&st, 8, &err);
	if (good)
		io_uring_queue_exit(&st.ring);
	else
		(void)snprintf(why, n, "%s", err.text);
	mem_free(st.bufs);
	return good;
}

static void
lend_buf(struct loop *l, uint32_t id)
{
	struct uring_state *st = state_of(l);
	struct rbuf *b = id < st->n_wanted ? rbuf_new(&l->rbufs) : NULL;
	st->lent[id] = b;
	if (id >= st->n_wanted)
		return;
	if (b == NULL) {
		st->n_absent++;
		return;
	}
	io_uring_buf_ring_add(st->bufs, b->data, b->cap, (unsigned short)id,
			      io_uring_buf_ring_mask(st->n_bufs), st->n_added++);
}

static unsigned
entries(const struct net_config *cfg)
{
	return cfg->sq_entries != 0 ? cfg->sq_entries : DEFAULT_SQ;
}

static uint32_t
lent_at_first(const struct net_config *cfg)
{
	return cfg->lent_bufs != 0 ? cfg->lent_bufs : DEFAULT_BUFS;
}

static uint32_t
lent_at_most(const struct net_config *cfg)
{
	return MIN(lent_at_first(cfg) * LENT_GROWTH, LENT_MOST);
}

uint64_t
net_uring_locked_bytes(const struct net_config *cfg)
{
	uint64_t sq = entries(cfg), cq = sq * CQ_PER_SQ;
	return sq * (sizeof(struct io_uring_sqe) + sizeof(uint32_t)) +
	       cq * sizeof(struct io_uring_cqe) + lent_at_most(cfg) * sizeof(struct io_uring_buf) +
	       (uint64_t)4 * 4096;
}

bool
uring_init(struct loop *l, const struct net_config *cfg, struct err *err)
{
	uint32_t n_bufs = lent_at_first(cfg);
	if ((n_bufs & (n_bufs - 1)) != 0 || n_bufs > LENT_MOST)
		return err_set(err, "%u lent buffers: not a power of two up to %u", n_bufs,
			       LENT_MOST);
	struct uring_state *st = MEM_NEW(struct uring_state);
	make_buf_ring(st, lent_at_most(cfg));
	st->n_least = st->n_wanted = n_bufs;
	if (!open_ring(st, entries(cfg), err)) {
		mem_free(st->bufs);
		mem_free(st);
		return false;
	}
	l->state = st;
	if ((st->ring.features & FEAT_MIN_TIMEOUT) != 0 &&
	    st->ring.enter_ring_fd != st->ring.ring_fd)
		st->gather_us = (uint32_t)(cfg->gather_ns / 1000);
	st->scratch = mem_zalloc(st->ring.sq.ring_entries * sizeof(*st->scratch));
	st->lent = mem_zalloc(st->n_bufs * sizeof(struct rbuf *));
	for (uint32_t i = 0; i < n_bufs; i++)
		lend_buf(l, i);
	return true;
}

void
uring_fini(struct loop *l)
{
	struct uring_state *st = state_of(l);
	io_uring_queue_exit(&st->ring);
	for (uint32_t i = 0; i < st->n_bufs; i++)
		rbuf_unref(&st->lent[i]);
	mem_free(st->lent);
	mem_free(st->scratch);
	mem_free(st->bufs);
	mem_free(st);
	l->state = NULL;
}

// Submissions

struct io_uring_sqe *
uring_sqe(struct loop *l)
{
	struct io_uring *ring = &state_of(l)->ring;
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	while (UNLIKELY(sqe == NULL)) {
		int r = io_uring_submit(ring);
		ASSERT(r >= 0 || r == -EINTR || r == -EAGAIN || r == -EBUSY);
		stat_add(&l->stats.enters, 1);
		sqe = io_uring_get_sqe(ring);
	}
	return sqe;
}

union scratch *
uring_scratch(struct loop *l, const struct io_uring_sqe *sqe)
{
	struct uring_state *st = state_of(l);
	return &st->scratch[sqe - st->ring.sq.sqes];
}

void
uring_tag(struct io_uring_sqe *sqe, void *object, enum tag tag)
{
	io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)object | tag);
}

void
uring_cancel(struct loop *l, void *object, enum tag tag)
{
	struct io_uring_sqe *sqe = uring_sqe(l);
	io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)object | tag, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
	uring_tag(sqe, NULL, TAG_NONE);
}

// Buffers

struct rbuf *
uring_take_lent(struct loop *l, uint32_t cqe_flags)
{
	uint32_t id = cqe_flags >> IORING_CQE_BUFFER_SHIFT;
	struct rbuf *b = state_of(l)->lent[id];
	ASSERT(b != NULL);
	lend_buf(l, id);
	return b;
}

static void
lend_absent(struct loop *l)
{
	struct uring_state *st = state_of(l);
	st->n_absent = 0;
	for (uint32_t i = 0; i < st->n_wanted; i++)
		if (st->lent[i] == NULL)
			lend_buf(l, i);
}

// Twice as many lie ready when a turn had more receives than buffers, for each that found none is
// submitted again; half as many when none had for a while. The ring was made for the most.
static void
fit_lent(struct loop *l)
{
	struct uring_state *st = state_of(l);
	if (!st->starved && l->now_ns - st->starved_ns <= LENT_KEEP_NS)
		return;
	// Halved, those above are not lent anew: they leave as receives take them.
	st->n_wanted = st->starved ? MIN(st->n_wanted * 2, st->n_bufs) : st->n_wanted / 2;
	st->starved = false;
	st->starved_ns = l->now_ns;
	lend_absent(l);
}

void
uring_lend(struct loop *l)
{
	struct uring_state *st = state_of(l);
	if (UNLIKELY(st->starved || st->n_wanted > st->n_least))
		fit_lent(l);
	if (UNLIKELY(st->n_absent > 0))
		lend_absent(l);
	if (st->n_added > 0)
		io_uring_buf_ring_advance(st->bufs, st->n_added);
	st->n_added = 0;
}
