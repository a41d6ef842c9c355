// SPDX-License-Identifier: MIT
// The event loop of one thread: turns of "run messages, run due timers, submit what was asked and
// wait in one system call, deliver completions". Everything a thread's code does is called from
// its turn. Two engines, io_uring and epoll, behind one vtable; owners never see which.
// Create, run and free a loop on the thread that owns it; only loop_post and loop_stop may be
// called from others.
#pragma once

#include "base/base.h"

struct err;
struct loop;
struct rbuf_pool;
struct timer;

enum net_engine { NET_ENGINE_AUTO, NET_ENGINE_URING, NET_ENGINE_EPOLL };

struct net_config {
	enum net_engine engine;
	unsigned nbthread;   // workers, 1..NET_MAX_WORKERS; 0 counts as 1
	uint32_t bufsize;    // tune.bufsize, bytes of one receive buffer; 0: NET_BUFSIZE
	uint32_t lent_bufs;  // io_uring: buffers lying ready for the kernel at quiet times, a power
			     // of two; 0: 256. A flood finds up to 4 times as many
	uint32_t sq_entries; // io_uring: submissions of one turn before it submits early; 0: 1024
	// io_uring, Linux 6.12: how long a loop that is busy waits for more completions than one,
	// so that they are served together; 0: not at all. At most a second.
	uint64_t gather_ns;
	bool or_epoll; // a ring that cannot be had (locked memory, say) is warned of, no error
};

#define NET_MAX_WORKERS 64
#define NET_BUFSIZE     16384
#define NET_GATHER_NS   UINT64_C(50000)

// Whether this kernel and container allow what the io_uring engine needs; else writes a cause of
// at most n bytes into why ("io_uring_setup: Operation not permitted").
bool net_uring_usable(char *why, size_t n);
// AUTO resolved: io_uring where usable, else epoll with one notice in the log.
enum net_engine net_engine_choose(enum net_engine wanted);
const char *net_engine_name(enum net_engine engine); // "auto", "uring", "epoll"
bool net_engine_parse(const char *name, enum net_engine *out);

// Locked memory of one loop's ring with these settings, bytes, rounded up: what the kernel counts
// against RLIMIT_MEMLOCK, for all processes of a user together (io_uring_setup(2)).
uint64_t net_uring_locked_bytes(const struct net_config *cfg);

// NULL with a cause when the engine cannot be had.
struct loop *loop_new(const struct net_config *cfg, struct err *err);
// All conns must have been closed and delivered CONN_CLOSED, acceptors and watches stopped.
// Messages that have not run are dropped. On the loop's thread, or when that has ended.
void loop_free(struct loop **loop);

// Turns until loop_stop. What is stopped with connections open is the owner's business: they
// simply get no more events.
void loop_run(struct loop *loop);
// Makes loop_run return after its present turn. Any thread.
void loop_stop(struct loop *loop);
// One turn that waits at most wait_ns (0: does not wait; UINT64_MAX: no bound of its own).
void loop_turn(struct loop *loop, uint64_t wait_ns);

// Monotonic time, read once a turn after waiting. The loop's own thread.
uint64_t loop_now_ns(const struct loop *loop);
// CLOCK_REALTIME and CLOCK_BOOTTIME of the same moment.
uint64_t loop_real_ns(struct loop *loop);
uint64_t loop_boot_ns(struct loop *loop);
// Conns between conn_open or conn_connect and CONN_CLOSED.
uint32_t loop_n_conns(const struct loop *loop);
// Acceptors that are not gone: once stopped, with all they had taken handed out. Any thread.
unsigned loop_n_acceptors(const struct loop *loop);
enum net_engine loop_engine(const struct loop *loop);
struct rbuf_pool *loop_rbufs(struct loop *loop);
// The loop whose turn this thread is in or that it created; NULL if none.
struct loop *loop_self(void);

// timer.h's timers on this loop. See timer_set: 0 cancels lazily, later is one store.
void loop_timer_set(struct loop *loop, struct timer *t, uint64_t due_ns);
void loop_timer_stop(struct loop *loop, struct timer *t);

// A message: `fn` runs once on the loop's thread, in the order posted by each poster. The message
// is the poster's memory and belongs to fn's side from loop_post on; fn may free or post it anew.
struct msg {
	struct msg *next; // the queue's
	void (*fn)(struct msg *m);
};

// Any thread, the loop's own too (then it runs in the next turn, without a system call). No lock,
// no allocation; one eventfd write only when the target may be asleep.
void loop_post(struct loop *loop, struct msg *m);

// Any readable descriptor (inotify, signalfd, pipe): `fn` is called from the turn after something
// arrived; it must read until EAGAIN, since arrivals are reported once. The fd stays the owner's.
struct watch;
typedef void (*watch_f)(struct watch *w);
struct watch {
	uint32_t magic;
	int fd;
	struct loop *loop;
	watch_f fn;
	watch_f on_stopped;
	struct watch *next; // the loop's
	uint8_t state;      // the engine's
	bool in_kernel;     // the engine's
};
void loop_watch(struct loop *loop, struct watch *w, int fd, watch_f fn);
// No call of fn from here on; on_stopped (may be NULL) is called once from a later turn, and only
// then may the memory go and the fd be closed.
void loop_unwatch(struct watch *w, watch_f on_stopped);

// Work counters of the loop, its thread writes with relaxed stores, anyone reads.
struct loop_stats {
	_Atomic uint64_t turns;
	_Atomic uint64_t enters; // system calls that submit or wait
	_Atomic uint64_t recvs;  // completions, bytes
	_Atomic uint64_t recv_bytes;
	_Atomic uint64_t sends;
	_Atomic uint64_t send_bytes;
	_Atomic uint64_t accepts;
	_Atomic uint64_t no_bufs; // receives that found no lent buffer
};
const struct loop_stats *loop_stats(const struct loop *loop);
