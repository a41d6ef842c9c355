// SPDX-License-Identifier: MIT
// What net's tests share: a loop per engine, a listener on a free port, turning until something is
// true. Every test runs once for each engine that this machine allows.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "net/addr.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/reason.h"
#include "tap.h"

static struct loop *loop;
static struct net_config config;

// Turns until cond holds, for at most five seconds.
#define TURN_UNTIL(cond)                                                                  \
	do {                                                                              \
		uint64_t turn_end = clock_mono_ns() + 5 * NS_PER_S;                       \
		while (!(cond) && clock_mono_ns() < turn_end)                             \
			loop_turn(loop, 20 * NS_PER_MS);                                  \
		if (!(cond))                                                              \
			printf("# gave up waiting for %s at line %d\n", #cond, __LINE__); \
	} while (0)

static inline struct listener *
listen_on(const char *where, unsigned n_slots)
{
	struct err err = {{0}};
	struct listener_spec spec = {.inherited_fd = -1, .n_slots = n_slots, .uid = -1, .gid = -1};
	struct listener *l = NULL;
	if (addr_parse(&spec.addr, str_from_c(where), 0, &err))
		l = listener_new(&spec, &err);
	if (l == NULL)
		printf("# %s\n", err.text);
	return l;
}

// A plain blocking client of the listener.
static inline int
dial(const struct listener *l)
{
	const struct addr *a = listener_addr(l);
	int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, &a->sa, a->len) != 0) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

typedef void (*test_f)(void);

static inline void
run_on_engines(const test_f *tests)
{
	static const struct net_config configs[] = {
	    {.engine = NET_ENGINE_EPOLL},
	    {.engine = NET_ENGINE_URING, .lent_bufs = 16},
	    {.engine = NET_ENGINE_URING, .lent_bufs = 16, .gather_ns = NET_GATHER_NS},
	};
	char why[160];
	for (unsigned e = 0; e < ARRAY_LEN(configs); e++) {
		enum net_engine engine = configs[e].engine;
		if (engine == NET_ENGINE_URING && !net_uring_usable(why, sizeof(why))) {
			printf("# io_uring is not tested here: %s\n", why);
			continue;
		}
		for (const test_f *t = tests; *t != NULL; t++) {
			struct err err = {{0}};
			config = configs[e];
			loop = loop_new(&config, &err);
			if (!OK_MSG(loop != NULL, net_engine_name(engine))) {
				printf("# %s\n", err.text);
				continue;
			}
			(*t)();
			IS_INT(loop_n_conns(loop), 0);
			loop_free(&loop);
		}
	}
}
