// SPDX-License-Identifier: MIT
// Listening sockets: what binds, what is refused and how it says so; accepting with pauses, out of
// descriptors, on shared and inherited sockets, and to the last connection when stopped.
#include "net/listener.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "net_test.h"

#define MOST 64

static int taken[MOST];
static unsigned n_taken;
static unsigned pause_at; // the owner pauses when it has so many; 0: never

static void
on_accept(struct acceptor *a, int fd)
{
	if (n_taken < MOST)
		taken[n_taken++] = fd;
	if (pause_at != 0 && n_taken == pause_at)
		acceptor_pause(a);
}

static void
drop_taken(void)
{
	for (unsigned i = 0; i < n_taken; i++)
		(void)close(taken[i]);
	n_taken = 0;
}

static void
some_turns(void)
{
	for (int i = 0; i < 8; i++)
		loop_turn(loop, 2 * NS_PER_MS);
}

static void
stop(struct acceptor *a, struct listener *l)
{
	acceptor_stop(&a);
	OK(a == NULL);
	some_turns();
	listener_free(&l);
	drop_taken();
}

static void
test_accept_and_pause(void)
{
	struct listener *l = listen_on("127.0.0.1:0", 1);
	OK(addr_port(listener_addr(l)) != 0);
	struct acceptor *a = acceptor_start(l, 0, loop, on_accept, &pause_at);
	OK(acceptor_arg(a) == &pause_at && acceptor_listener(a) == l && acceptor_loop(a) == loop);
	int fd[12];
	n_taken = 0;
	pause_at = 3;
	for (int i = 0; i < 12; i++)
		fd[i] = dial(l);
	TURN_UNTIL(n_taken == 3);
	some_turns();
	IS_INT(n_taken, 3); // not one more, whatever the engine had taken
	pause_at = 0;
	acceptor_resume(a);
	IS_INT(n_taken, 3); // not from inside the call
	TURN_UNTIL(n_taken == 12);
	IS_INT(n_taken, 12);
	// In the order of arrival, close-on-exec, with TCP_NODELAY.
	IS_INT(write(fd[4], "5", 1), 1);
	char byte = 0;
	IS_INT(read(taken[4], &byte, 1), 1);
	OK(byte == '5' && (fcntl(taken[0], F_GETFD) & FD_CLOEXEC) != 0);
	acceptor_pause(a);
	acceptor_pause(a);
	acceptor_resume(a);
	acceptor_resume(a);
	int more = dial(l);
	TURN_UNTIL(n_taken == 13);
	IS_INT(n_taken, 13);
	(void)close(more);
	for (int i = 0; i < 12; i++)
		(void)close(fd[i]);
	stop(a, l);
}

static void
test_stop_loses_none(void)
{
	struct listener *l = listen_on("127.0.0.1:0", 1);
	struct acceptor *a = acceptor_start(l, 0, loop, on_accept, NULL);
	n_taken = 0;
	pause_at = 1;
	int fd[4];
	loop_turn(loop, 0);
	for (int i = 0; i < 4; i++)
		fd[i] = dial(l);
	TURN_UNTIL(n_taken == 1);
	// What the engine has taken meanwhile is handed out; what it has not stays in the queue.
	acceptor_stop(&a);
	some_turns();
	pause_at = 0;
	unsigned waiting = 0;
	(void)fcntl(listener_fd(l, 0), F_SETFL, O_NONBLOCK);
	for (int s; (s = accept(listener_fd(l, 0), NULL, NULL)) >= 0; waiting++)
		(void)close(s);
	IS_INT(n_taken + waiting, 4);
	for (int i = 0; i < 4; i++)
		(void)close(fd[i]);
	drop_taken();
	listener_free(&l);
}

static void
test_out_of_descriptors(void)
{
	struct listener *l = listen_on("127.0.0.1:0", 1);
	n_taken = 0;
	pause_at = 0;
	int one = dial(l), two = dial(l);
	// No descriptor above those in use.
	struct rlimit before, none;
	int top = dup(0);
	(void)getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = (rlim_t)top;
	(void)close(top);
	(void)setrlimit(RLIMIT_NOFILE, &none);
	struct acceptor *a = acceptor_start(l, 0, loop, on_accept, NULL);
	uint64_t enters = atomic_load(&loop_stats(loop)->enters);
	uint64_t end = clock_mono_ns() + 150 * NS_PER_MS;
	while (clock_mono_ns() < end)
		loop_turn(loop, 20 * NS_PER_MS);
	IS_INT(n_taken, 0);
	OK(atomic_load(&loop_stats(loop)->enters) - enters < 40); // it does not spin
	(void)setrlimit(RLIMIT_NOFILE, &before);
	TURN_UNTIL(n_taken == 2);
	IS_INT(n_taken, 2);
	(void)close(one);
	(void)close(two);
	stop(a, l);
}

static void
test_slots_share_an_address(void)
{
	struct listener *l = listen_on("127.0.0.1:0", 3);
	IS_INT(listener_n_slots(l), 3);
	OK(listener_fd(l, 0) != listener_fd(l, 1) && listener_fd(l, 1) != listener_fd(l, 2));
	struct acceptor *a[3];
	int fd[24];
	n_taken = 0;
	pause_at = 0;
	for (unsigned i = 0; i < 3; i++)
		a[i] = acceptor_start(l, i, loop, on_accept, NULL);
	for (int i = 0; i < 24; i++)
		fd[i] = dial(l);
	TURN_UNTIL(n_taken == 24);
	IS_INT(n_taken, 24);
	for (int i = 0; i < 24; i++)
		(void)close(fd[i]);
	acceptor_stop(&a[0]);
	acceptor_stop(&a[1]);
	stop(a[2], l);
}

// An inherited socket that another program made non-blocking is served as it is, and by two
// acceptors at once.
static void
test_inherited(void)
{
	struct err err = {{0}};
	struct listener *first = listen_on("127.0.0.1:0", 1);
	int dup_fd = dup(listener_fd(first, 0));
	(void)fcntl(dup_fd, F_SETFL, O_NONBLOCK);
	struct listener_spec spec = {.inherited_fd = dup_fd, .n_slots = 2};
	struct listener *l = listener_new(&spec, &err);
	if (!OK(l != NULL))
		return;
	OK(addr_eq(listener_addr(l), listener_addr(first)));
	OK(listener_fd(l, 0) == dup_fd && listener_fd(l, 1) == dup_fd);
	struct acceptor *a = acceptor_start(l, 0, loop, on_accept, NULL);
	struct acceptor *b = NULL;
	if (loop_engine(loop) == NET_ENGINE_URING) // one epoll set holds a descriptor once
		b = acceptor_start(l, 1, loop, on_accept, NULL);
	n_taken = 0;
	pause_at = 0;
	for (int round = 0; round < 3; round++) {
		int x = dial(l), y = dial(l);
		TURN_UNTIL(n_taken == 2u * (unsigned)(round + 1));
		(void)close(x);
		(void)close(y);
	}
	IS_INT(n_taken, 6);
	acceptor_stop(&b);
	stop(a, l);
	listener_free(&first);
}

static void
test_bind_errors(void)
{
	struct err err = {{0}};
	char want[160], text[ADDR_TEXT_BYTES];
	struct listener *l = listen_on("127.0.0.1:0", 1);
	struct listener_spec spec = {.inherited_fd = -1, .n_slots = 1, .addr = *listener_addr(l)};
	OK(listener_new(&spec, &err) == NULL);
	(void)snprintf(want, sizeof(want), "cannot bind %s: address in use",
		       addr_text(&spec.addr, text));
	IS_STR(err.text, want);
	listener_free(&l);
	OK(addr_parse(&spec.addr, STR("192.0.2.1:80"), 0, NULL));
	OK(listener_new(&spec, &err) == NULL);
	IS_STR(err.text, "cannot bind 192.0.2.1:80: this host has no such address");
	int pair[2];
	OK(pipe(pair) == 0);
	spec.inherited_fd = pair[0];
	OK(listener_new(&spec, &err) == NULL && strstr(err.text, "fd@") != NULL);
	(void)close(pair[0]);
	(void)close(pair[1]);
	OK(listener_new(&spec, &err) == NULL);
}

static void *
close_later(void *fd)
{
	(void)nanosleep(&(struct timespec){.tv_nsec = 50 * 1000000}, NULL);
	(void)close(*(int *)fd);
	return NULL;
}

// The address is free again before patience ends.
static void
test_patience(void)
{
	struct err err = {{0}};
	pthread_t closer;
	struct listener_spec spec = {.inherited_fd = -1,
				     .n_slots = 2,
				     .patience_ns = 10 * NS_PER_S};
	int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	OK(addr_parse(&spec.addr, STR("127.0.0.1:0"), 0, NULL));
	OK(bind(other, &spec.addr.sa, spec.addr.len) == 0 && listen(other, 1) == 0);
	addr_of_local(&spec.addr, other);
	OK(pthread_create(&closer, NULL, close_later, &other) == 0);
	struct listener *l = listener_new(&spec, &err);
	OK_MSG(l != NULL, err.text);
	(void)pthread_join(closer, NULL);
	listener_free(&l);
}

static void
test_unix_paths(void)
{
	char dir[] = "/tmp/tidegate-net-XXXXXX", path[64];
	struct err err = {{0}};
	struct stat st;
	struct listener_spec spec = {
	    .inherited_fd = -1, .n_slots = 4, .mode = 0600, .uid = -1, .gid = -1};
	if (!OK(mkdtemp(dir) != NULL))
		return;
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	OK(addr_parse(&spec.addr, str_from_c(path), 0, NULL));
	struct listener *l = listener_new(&spec, &err);
	OK(l != NULL && listener_fd(l, 0) == listener_fd(l, 3)); // shared
	OK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	// One that answers is not replaced; one left behind is; what is no socket never.
	OK(listener_new(&spec, &err) == NULL && strstr(err.text, "address in use") != NULL);
	int left = socket(AF_UNIX, SOCK_STREAM, 0);
	listener_free(&l);
	OK(stat(path, &st) != 0);
	OK(bind(left, &spec.addr.sa, spec.addr.len) == 0);
	(void)close(left);
	OK(stat(path, &st) == 0);
	l = listener_new(&spec, &err);
	OK(l != NULL);
	struct acceptor *a = acceptor_start(l, 2, loop, on_accept, NULL);
	n_taken = 0;
	pause_at = 0;
	int fd = dial(l);
	TURN_UNTIL(n_taken == 1);
	IS_INT(n_taken, 1);
	(void)close(fd);
	stop(a, l);
	int file = open(path, O_CREAT | O_WRONLY, 0600);
	(void)close(file);
	OK(listener_new(&spec, &err) == NULL && strstr(err.text, "not a socket") != NULL);
	(void)unlink(path);
	(void)rmdir(dir);
}

// --- sockets that outlive a listener -----------------------------------------------------------

static struct kept {
	char address[160];
	int fds[8];
	unsigned n, found, made;
} kept;

static int
find_kept(void *arg, const char *address, unsigned slot)
{
	struct kept *k = arg;
	if (strcmp(address, k->address) != 0 || slot >= k->n)
		return -1;
	k->found++;
	return dup(k->fds[slot]);
}

static void
keep_made(void *arg, const char *address, unsigned slot, int fd)
{
	struct kept *k = arg;
	(void)snprintf(k->address, sizeof(k->address), "%s", address);
	k->fds[slot] = dup(fd);
	k->n = slot + 1;
	k->made++;
}

static const struct listener_keeper keeper = {.find = find_kept, .made = keep_made, .arg = &kept};

// A listener of `n` slots at the kept address, which every one of some clients reaches.
static void
reach_all(struct listener_spec *spec, unsigned n, unsigned sockets)
{
	struct err err = {{0}};
	struct acceptor *a[8];
	int fds[24];
	spec->n_slots = n;
	struct listener *l = listener_new(spec, &err);
	if (!OK(l != NULL))
		return;
	IS_INT(listener_n_sockets(l), sockets);
	n_taken = 0;
	pause_at = 0;
	for (unsigned i = 0; i < sockets; i++)
		a[i] = acceptor_start(l, i, loop, on_accept, NULL);
	IS_INT(loop_n_acceptors(loop), sockets);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = dial(l);
	TURN_UNTIL(n_taken == ARRAY_LEN(fds));
	IS_INT(n_taken, ARRAY_LEN(fds));
	for (unsigned i = 0; i < sockets; i++) {
		acceptor_look(a[i]);
		acceptor_stop(&a[i]);
	}
	TURN_UNTIL(loop_n_acceptors(loop) == 0);
	IS_INT(loop_n_acceptors(loop), 0);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		(void)close(fds[i]);
	listener_free(&l);
}

static void
test_keeper(void)
{
	struct listener_spec spec = {.inherited_fd = -1, .uid = -1, .gid = -1, .keeper = &keeper};
	struct err err = {{0}};
	kept = (struct kept){0};
	OK(addr_parse(&spec.addr, STR("127.0.0.1:0"), 0, &err));
	spec.n_slots = 1;
	struct listener *l = listener_new(&spec, &err);
	OK(l != NULL && kept.made == 1);
	spec.addr = *listener_addr(l);
	char text[ADDR_TEXT_BYTES];
	(void)snprintf(kept.address, sizeof(kept.address), "%s", addr_text(&spec.addr, text));
	listener_free(&l);
	reach_all(&spec, 3, 3); // the lone one learns to share
	IS_INT(kept.found, 1);
	IS_INT(kept.made, 3);
	reach_all(&spec, 2, 3); // more than slots: none is left alone
	IS_INT(kept.made, 3);
	// It is an address in use for everybody else.
	spec.keeper = NULL;
	OK(listener_new(&spec, &err) == NULL);
	for (unsigned i = 0; i < kept.n; i++)
		(void)close(kept.fds[i]);
}

// --- shut ----------------------------------------------------------------------------------------

// -1: refused.
static int
dial_addr(const struct addr *a)
{
	int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, &a->sa, a->len) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static void
test_shut(void)
{
	struct listener_spec spec = {.inherited_fd = -1, .uid = -1, .gid = -1, .keeper = &keeper};
	struct err err = {{0}};
	char byte, text[ADDR_TEXT_BYTES];
	kept = (struct kept){0};
	OK(addr_parse(&spec.addr, STR("127.0.0.1:0"), 0, &err));
	spec.n_slots = 2;
	struct listener *l = listener_new(&spec, &err);
	if (!OK(l != NULL))
		return;
	spec.addr = *listener_addr(l);
	(void)snprintf(kept.address, sizeof(kept.address), "%s", addr_text(&spec.addr, text));
	int waiting = dial_addr(&spec.addr);
	OK(waiting >= 0);
	listener_shut(l);
	OK(recv(waiting, &byte, 1, 0) <= 0 && dial_addr(&spec.addr) < 0);
	(void)close(waiting);
	listener_free(&l);
	OK(dial_addr(&spec.addr) < 0); // whoever kept the sockets does not listen either
	reach_all(&spec, 2, 2);        // until the next one does
	for (unsigned i = 0; i < kept.n; i++)
		(void)close(kept.fds[i]);
}

static void
test_shut_unix(void)
{
	struct listener_spec spec = {.inherited_fd = -1, .n_slots = 1, .uid = -1, .gid = -1};
	char dir[] = "/tmp/tide.XXXXXX", text[64];
	struct err err = {{0}};
	if (!OK(mkdtemp(dir) != NULL))
		return;
	(void)snprintf(text, sizeof(text), "unix@%s/s", dir);
	OK(addr_parse(&spec.addr, str_from_c(text), 0, &err));
	struct listener *l = listener_new(&spec, &err);
	OK(l != NULL && listener_out_of_reach(&spec.addr) == false);
	listener_shut(l);
	OK(listener_out_of_reach(&spec.addr) && dial_addr(&spec.addr) < 0);
	struct listener *next = listener_new(&spec, &err);
	listener_free(&l); // takes nothing from who came after it
	int fd = dial_addr(&spec.addr);
	OK(next != NULL && fd >= 0);
	(void)close(fd);
	listener_free(&next);
	(void)rmdir(dir);
}

int
main(void)
{
	static const test_f tests[] = {
	    test_accept_and_pause,
	    test_stop_loses_none,
	    test_out_of_descriptors,
	    test_slots_share_an_address,
	    test_inherited,
	    test_bind_errors,
	    test_patience,
	    test_unix_paths,
	    test_keeper,
	    test_shut,
	    test_shut_unix,
	    NULL,
	};
	run_on_engines(tests);
	return tap_done();
}
