// SPDX-License-Identifier: MIT
// Making listening sockets, and what both engines share of accepting from them. Options that a
// connection inherits from its listener (TCP_NODELAY) are set once here.
#include "net/listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/listener_priv.h"
#include "net/loop_priv.h"

#define LISTENER_MAGIC   0x6c73746eu
#define DEFAULT_BACKLOG  1024
#define RETRY_NS         (100 * NS_PER_MS)
#define TELL_NS          (10 * NS_PER_S)
#define BIND_RETRY_MS    10
#define ACCEPTS_PER_TURN 64
#define KEY_BYTES        (ADDR_TEXT_BYTES + 16)

struct listener {
	uint32_t magic;
	unsigned n_slots;
	unsigned n_fds; // n_slots or more, or 1 shared by all
	unsigned cap_fds;
	bool made_path;    // a unix path that goes with us
	bool is_inherited; // fd@N: others may have it too
	int backlog;
	struct addr addr;
	int *fds;
};

static const char *
bind_error(int err)
{
	switch (err) {
	case EADDRINUSE:
		return "address in use";
	case EADDRNOTAVAIL:
		return "this host has no such address";
	case EACCES:
		return "permission denied";
	default:
		return strerror(err);
	}
}

static bool
cannot_bind(const struct addr *addr, int cause, struct err *err)
{
	bool low = cause == EACCES && !addr_is_unix(addr) && addr_port(addr) < 1024;
	return err_set(err, "%s%s", bind_error(cause),
		       low ? ": a port below 1024 takes root or CAP_NET_BIND_SERVICE" : "");
}

static bool
set_on(int fd, int level, int option, const char *name, struct err *err)
{
	int on = 1;
	if (setsockopt(fd, level, option, &on, sizeof(on)) == 0)
		return true;
	return err_set(err, "%s: %s", name, strerror(errno));
}

static bool
set_options(int fd, const struct listener_spec *s, const struct addr *addr, struct err *err)
{
	if (addr_is_unix(addr))
		return true;
	if (!set_on(fd, SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR", err) ||
	    !set_on(fd, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY", err))
		return false;
	if (addr->sa.sa_family != AF_INET6)
		return true;
	int only = s->v6only;
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) != 0)
		return err_set(err, "IPV6_V6ONLY: %s", strerror(errno));
	return true;
}

// A path left by a process that is no more goes; one that somebody listens on stays: then false,
// and *in_use.
static bool
clear_stale_path(const struct addr *a, bool *in_use, struct err *err)
{
	struct stat st;
	const char *path = a->un.sun_path;
	if (!addr_is_unix(a) || path[0] == '\0' || lstat(path, &st) != 0)
		return true;
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, "the path exists and is not a socket");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(err, "socket: %s", strerror(errno));
	int r = connect(fd, &a->sa, a->len);
	bool stale = r != 0 && errno == ECONNREFUSED;
	(void)close(fd); // only a question
	*in_use = !stale;
	if (!stale)
		return err_set(err, "%s", bind_error(EADDRINUSE));
	if (unlink(path) != 0 && errno != ENOENT)
		return err_set(err, "cannot replace the stale socket: %s", strerror(errno));
	return true;
}

static bool
set_path_rights(const struct listener_spec *s, struct err *err)
{
	const char *path = s->addr.un.sun_path;
	if (path[0] == '\0')
		return true;
	if (s->mode != 0 && chmod(path, s->mode) != 0)
		return err_set(err, "chmod %o: %s", s->mode, strerror(errno));
	if ((s->uid >= 0 || s->gid >= 0) && chown(path, (uid_t)s->uid, (gid_t)s->gid) != 0)
		return err_set(err, "chown: %s", strerror(errno));
	return true;
}

static int
backlog_of(const struct listener_spec *s)
{
	return s->backlog > 0 ? s->backlog : DEFAULT_BACKLOG;
}

static bool
start_listening(int fd, const struct listener_spec *s, struct err *err)
{
	if (listen(fd, backlog_of(s)) != 0)
		return err_set(err, "%s", bind_error(errno));
	return true;
}

// `addr` is the address of the first slot's socket, so that all share a port the kernel chose.
// The first socket is bound without SO_REUSEPORT, so that an address which any other process
// serves is refused, and gets the option before it listens; the others join it. -1 with a cause;
// *in_use: that of another process.
static int
make_socket(const struct listener_spec *s, const struct addr *addr, bool first, bool *in_use,
	    struct err *err)
{
	bool shared = s->n_slots > 1 && !addr_is_unix(addr);
	*in_use = false;
	int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		err_set(err, "socket: %s", strerror(errno));
		return -1;
	}
	if (!set_options(fd, s, addr, err) || !clear_stale_path(addr, in_use, err))
		goto out;
	if (shared && !first && !set_on(fd, SOL_SOCKET, SO_REUSEPORT, "SO_REUSEPORT", err))
		goto out;
	if (bind(fd, &addr->sa, addr->len) != 0) {
		*in_use = errno == EADDRINUSE;
		(void)cannot_bind(addr, errno, err);
		goto out;
	}
	if (shared && first && !set_on(fd, SOL_SOCKET, SO_REUSEPORT, "SO_REUSEPORT", err))
		goto out;
	if ((!addr_is_unix(addr) || set_path_rights(s, err)) && start_listening(fd, s, err))
		return fd;
	if (addr_is_unix(addr) && addr->un.sun_path[0] != '\0')
		(void)unlink(addr->un.sun_path); // nobody will listen there
out:
	(void)close(fd); // not in use yet
	return -1;
}

static void
add_socket(struct listener *l, int fd)
{
	VEC_GROW(l->fds, l->cap_fds, l->n_fds);
	l->fds[l->n_fds++] = fd;
}

static bool
inherit_socket(struct listener *l, const struct listener_spec *s, struct err *err)
{
	int on = 1, type = 0;
	socklen_t n = sizeof(type);
	if (getsockopt(s->inherited_fd, SOL_SOCKET, SO_TYPE, &type, &n) != 0)
		return err_set(err, "fd@%d: %s", s->inherited_fd, strerror(errno));
	if (type != SOCK_STREAM)
		return err_set(err, "fd@%d is not a stream socket", s->inherited_fd);
	addr_of_local(&l->addr, s->inherited_fd);
	if (!start_listening(s->inherited_fd, s, err))
		return err_wrap(err, "fd@%d: cannot listen", s->inherited_fd);
	// A wish only: unix sockets have no such option.
	(void)setsockopt(s->inherited_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	add_socket(l, s->inherited_fd);
	l->is_inherited = true;
	return true;
}

// A process that used io_uring lets go of its sockets a moment after its end: whoever starts the
// next one at once shall not be told that the address is in use.
static int
make_socket_patiently(const struct listener_spec *s, const struct addr *addr, bool first,
		      struct err *err)
{
	static const struct timespec pause = {.tv_nsec = BIND_RETRY_MS * 1000000L};
	uint64_t end = clock_mono_ns() + s->patience_ns;
	for (;;) {
		bool in_use;
		int fd = make_socket(s, addr, first, &in_use, err);
		if (fd >= 0 || !in_use || clock_mono_ns() >= end)
			return fd;
		(void)nanosleep(&pause, NULL); // a signal only makes it shorter
	}
}

// --- sockets that another process made --------------------------------------------------------

// What a kept socket is known by: it decides what the socket can receive.
static const char *
key_of(const struct listener_spec *s, char text[KEY_BYTES])
{
	char addr[ADDR_TEXT_BYTES];
	(void)snprintf(text, KEY_BYTES, "%s%s", addr_text(&s->addr, addr),
		       s->v6only ? " v6only" : "");
	return text;
}

bool
listener_out_of_reach(const struct addr *a)
{
	struct stat st;
	const char *path = a->un.sun_path;
	return addr_is_unix(a) && path[0] != '\0' &&
	       (lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode));
}

// All that is kept of the address, though it be more than our slots: nobody else would serve them.
static bool
take_kept(struct listener *l, const struct listener_spec *s, struct err *err)
{
	char key[KEY_BYTES];
	int fd;
	if (s->keeper == NULL || listener_out_of_reach(&s->addr))
		return true;
	while ((fd = s->keeper->find(s->keeper->arg, key_of(s, key), l->n_fds)) >= 0) {
		add_socket(l, fd);
		addr_of_local(&l->addr, fd);
		if (addr_is_unix(&s->addr) && !set_path_rights(s, err))
			return false;
		if (!start_listening(fd, s, err)) // with the backlog of today
			return false;
	}
	// One that stood alone does not share its address yet.
	if (l->n_fds == 1 && s->n_slots > 1 && !addr_is_unix(&s->addr))
		return set_on(l->fds[0], SOL_SOCKET, SO_REUSEPORT, "SO_REUSEPORT", err);
	return true;
}

static bool
make_sockets(struct listener *l, const struct listener_spec *s, struct err *err)
{
	char key[KEY_BYTES];
	unsigned want = addr_is_unix(&s->addr) ? 1 : s->n_slots;
	while (l->n_fds < want) {
		int fd = make_socket_patiently(s, &l->addr, l->n_fds == 0, err);
		if (fd < 0)
			return false;
		if (s->keeper != NULL)
			s->keeper->made(s->keeper->arg, key_of(s, key), l->n_fds, fd);
		add_socket(l, fd);
		if (addr_is_unix(&s->addr))
			l->made_path = s->keeper == NULL && s->addr.un.sun_path[0] != '\0';
		else
			addr_of_local(&l->addr, fd);
	}
	return true;
}

static bool
have_sockets(struct listener *l, const struct listener_spec *s, struct err *err)
{
	char text[ADDR_TEXT_BYTES];
	l->addr = s->addr;
	if (take_kept(l, s, err) && make_sockets(l, s, err))
		return true;
	return err_wrap(err, "cannot bind %s", addr_text(&s->addr, text));
}

struct listener *
listener_new(const struct listener_spec *s, struct err *err)
{
	struct listener *l = MEM_NEW(struct listener);
	ASSERT(s->n_slots >= 1);
	l->magic = LISTENER_MAGIC;
	l->n_slots = s->n_slots;
	l->backlog = backlog_of(s);
	bool good = s->inherited_fd >= 0 ? inherit_socket(l, s, err) : have_sockets(l, s, err);
	if (!good)
		listener_free(&l);
	return l;
}

void
listener_free(struct listener **listener)
{
	struct listener *l = *listener;
	*listener = NULL;
	if (l == NULL)
		return;
	CHECK_MAGIC(l, LISTENER_MAGIC);
	for (unsigned i = 0; i < l->n_fds; i++)
		(void)close(l->fds[i]); // a listening socket has nothing to flush
	if (l->made_path)
		(void)unlink(l->addr.un.sun_path); // somebody may have been faster
	l->magic = 0;
	mem_free(l->fds);
	mem_free(l);
}

void
listener_shut(struct listener *l)
{
	CHECK_MAGIC(l, LISTENER_MAGIC);
	if (l->is_inherited || (addr_is_unix(&l->addr) && l->addr.un.sun_path[0] == '\0'))
		return;
	// A path that is gone has another socket made in its place: one of unix is shut for good.
	if (addr_is_unix(&l->addr))
		(void)unlink(l->addr.un.sun_path); // somebody may have been faster
	l->made_path = false;                      // what is there from now on is another's
	for (unsigned i = 0; i < l->n_fds; i++)
		(void)shutdown(l->fds[i], SHUT_RDWR); // of a listening socket it cannot fail
}

const struct addr *
listener_addr(const struct listener *l)
{
	return &l->addr;
}

unsigned
listener_n_slots(const struct listener *l)
{
	return l->n_slots;
}

unsigned
listener_n_sockets(const struct listener *l)
{
	return l->n_fds;
}

int
listener_fd(const struct listener *l, unsigned slot)
{
	CHECK_MAGIC(l, LISTENER_MAGIC);
	ASSERT(slot < MAX(l->n_slots, l->n_fds));
	return l->fds[l->n_fds == 1 ? 0 : slot];
}

// Turns the engine's part on or off as the flags now want it.
static void
update(struct acceptor *a)
{
	if (acceptor_wants(a))
		a->loop->engine->accept_on(a);
	else
		a->loop->engine->accept_off(a);
}

static void
hand_out_held(struct acceptor *a)
{
	uint32_t n = 0;
	while (n < a->n_held && (!a->paused || a->stopping))
		a->fn(a, a->held[n++]);
	if (n == 0)
		return;
	memmove(a->held, a->held + n, (a->n_held - n) * sizeof(*a->held));
	a->n_held -= n;
}

static void
on_retry(struct timer *t)
{
	struct acceptor *a = CONTAINER_OF(t, struct acceptor, retry);
	a->starved = false;
	if (a->shut) // it fails for a socket of unix: the next accept tells
		(void)listen(a->fd, a->listener->backlog);
	a->shut = false;
	hand_out_held(a);
	if (acceptor_wants(a))
		update(a);
}

struct acceptor *
acceptor_start(struct listener *l, unsigned slot, struct loop *loop, accept_f fn, void *arg)
{
	struct acceptor *a = MEM_NEW(struct acceptor);
	a->magic = ACCEPTOR_MAGIC;
	a->fd = listener_fd(l, slot);
	a->listener = l;
	a->loop = loop;
	a->fn = fn;
	a->arg = arg;
	timer_init(&a->retry, on_retry);
	list_append(&loop->acceptors, &a->node);
	atomic_fetch_add_explicit(&loop->n_acceptors, 1, memory_order_relaxed);
	update(a);
	return a;
}

void
acceptor_pause(struct acceptor *a)
{
	CHECK_MAGIC(a, ACCEPTOR_MAGIC);
	if (a->paused)
		return;
	a->paused = true;
	update(a);
}

void
acceptor_resume(struct acceptor *a)
{
	CHECK_MAGIC(a, ACCEPTOR_MAGIC);
	if (!a->paused)
		return;
	a->paused = false;
	if (a->n_held > 0) // accept_f is called from the turn only: the timer hands them out
		loop_timer_set(a->loop, &a->retry, a->loop->now_ns);
	update(a);
}

void
acceptor_look(struct acceptor *a)
{
	CHECK_MAGIC(a, ACCEPTOR_MAGIC);
	if (!acceptor_wants(a))
		return;
	a->loop->engine->accept_off(a);
	a->loop->engine->accept_on(a);
}

void
acceptor_stop(struct acceptor **acceptor)
{
	struct acceptor *a = *acceptor;
	*acceptor = NULL;
	if (a == NULL)
		return;
	CHECK_MAGIC(a, ACCEPTOR_MAGIC);
	a->stopping = true;
	loop_timer_stop(a->loop, &a->retry);
	update(a);
}

void
acceptor_took(struct acceptor *a, int fd)
{
	stat_add(&a->loop->stats.accepts, 1);
	if (LIKELY((!a->paused && a->n_held == 0) || a->stopping)) {
		a->fn(a, fd);
		return;
	}
	VEC_GROW(a->held, a->cap_held, a->n_held);
	a->held[a->n_held++] = fd;
}

// Clients see a proxy that does not answer; only the log can say why.
static void
tell_starved(struct acceptor *a, int err)
{
	char text[ADDR_TEXT_BYTES];
	if (a->loop->now_ns < a->tell_ns)
		return;
	a->tell_ns = a->loop->now_ns + TELL_NS;
	log_msg(LOG_ALERT, "%s: no connection can be accepted: %s%s",
		addr_text(listener_addr(a->listener), text),
		err == EINVAL ? "another process has shut the socket; it is told to listen again"
			      : strerror(err),
		err == EMFILE ? " (ulimit -n is too low for what is open)" : "");
}

void
acceptor_failed(struct acceptor *a, int err)
{
	switch (err) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EINVAL: // shut by another process, for which it would be ready without end
		break;
	default:
		return; // this one connection's fault: ECONNABORTED, EPROTO, ENETDOWN...
	}
	if (a->starved || a->stopping)
		return;
	a->starved = true;
	a->shut = err == EINVAL;
	tell_starved(a, err);
	loop_timer_set(a->loop, &a->retry, a->loop->now_ns + RETRY_NS);
	update(a);
}

void
acceptor_drain(struct acceptor *a)
{
	for (unsigned i = 0; i < ACCEPTS_PER_TURN && acceptor_wants(a); i++) {
		int fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			acceptor_took(a, fd);
		else if (errno == EAGAIN)
			return;
		else
			acceptor_failed(a, errno);
	}
}

void
acceptor_gone(struct acceptor *a)
{
	a->gone = true;
	a->loop->acceptor_gone = true;
}

void
acceptor_free(struct acceptor *a)
{
	CHECK_MAGIC(a, ACCEPTOR_MAGIC);
	if (a->stopping)
		hand_out_held(a);
	for (uint32_t i = 0; i < a->n_held; i++)
		(void)close(a->held[i]); // the loop ends: nobody is there to serve them
	loop_timer_stop(a->loop, &a->retry);
	list_remove(&a->node);
	// release: whoever sees none left sees what accept_f counted
	atomic_fetch_sub_explicit(&a->loop->n_acceptors, 1, memory_order_release);
	a->magic = 0;
	mem_free(a->held);
	mem_free(a);
}

void *
acceptor_arg(const struct acceptor *a)
{
	return a->arg;
}

struct listener *
acceptor_listener(const struct acceptor *a)
{
	return a->listener;
}

struct loop *
acceptor_loop(const struct acceptor *a)
{
	return a->loop;
}
