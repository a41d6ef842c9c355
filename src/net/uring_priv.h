// SPDX-License-Identifier: MIT
// What the files of the io_uring engine share. All of it belongs to the loop's thread.
//   uring_ring.c   the ring and the buffers that lie in it for the kernel
//   uring_conn.c   a conn's operations and their completions
//   loop_uring.c   watches, acceptors, the wait, and the engine's vtable
#pragma once

#include <liburing.h>

#include "net/addr.h"
#include "net/loop_priv.h"

#define URING_BUF_GROUP 0

// Lives from the preparation of its submission to the system call that submits it.
union scratch {
	struct msghdr msg;
	struct addr addr;
};

struct uring_state {
	struct io_uring ring;
	struct io_uring_buf_ring *bufs;
	uint32_t n_bufs;            // places in that ring: the most that can lie ready
	uint32_t n_least, n_wanted; // ready at a quiet time, and now
	uint64_t starved_ns;        // when more were needed last
	bool starved;               // in this turn
	int n_added;                // to be shown to the kernel at the next enter
	uint32_t n_absent;          // of those wanted, for want of memory
	uint32_t gather_us;         // 0: one completion ends a wait
	uint32_t n_short_sends;     // prepared since the last enter
	uint32_t n_recvs;           // completions of the last turn that were no sends
	struct rbuf **lent;         // by buffer id; NULL: absent
	union scratch *scratch;     // by place in the submission queue
};

static inline struct uring_state *
state_of(const struct loop *l)
{
	return l->state;
}

// ---- uring_ring.c

bool uring_init(struct loop *l, const struct net_config *cfg, struct err *err);
void uring_fini(struct loop *l);
// A place in the submission queue; submits what lies there when it is full.
struct io_uring_sqe *uring_sqe(struct loop *l);
// Memory for what this submission points to.
union scratch *uring_scratch(struct loop *l, const struct io_uring_sqe *sqe);
void uring_tag(struct io_uring_sqe *sqe, void *object, enum tag tag);
// Calls an operation back; its own completion tells that it ended.
void uring_cancel(struct loop *l, void *object, enum tag tag);
// The buffer that a completion filled; another lies in its place.
struct rbuf *uring_take_lent(struct loop *l, uint32_t cqe_flags);
// Before each enter: shows the kernel what was lent, and has as many lie ready as are needed.
void uring_lend(struct loop *l);

// ---- uring_conn.c

void uring_open(struct conn *c);
void uring_connect(struct conn *c, const struct addr *to);
void uring_recv(struct conn *c);
void uring_send(struct conn *c);
void uring_close(struct conn *c);
void uring_ready(struct conn *c);
void uring_recv_done(struct conn *c, const struct io_uring_cqe *cqe);
void uring_send_done(struct conn *c, int res);
void uring_connect_done(struct conn *c, int res);
