// SPDX-License-Identifier: MIT
// Connections on both engines: each operation ends in exactly one event, never from inside a
// call, and CONN_CLOSED comes last. The other end is a conn too, or a plain blocking socket.
#include "net_test.h"

#include "net/uring_priv.h"

#include <fcntl.h>
#include <netinet/tcp.h>

struct counts {
	int connected, recv, sent, eof, error, send_failed, timeout, closed;
};

// A conn that counts its events and does what its flags say.
struct end {
	struct conn c;
	struct counts n;
	const struct reason *why;
	struct iovec iov[4];
	uint64_t n_in, n_out; // bytes
	uint32_t sum_in;      // of the bytes, order-dependent
	bool echo;            // sends back what it gets
	bool sink;            // throws away what it gets and asks for more
	bool bulk;            // and says that it is a body
	uint32_t most_in;     // the longest piece
	bool close_in_event;  // closes itself in its next event
	bool in_call;         // a conn_* call is under way: no event may come
	bool no_early_drop;   // leaves the buffer alone after a receive
	struct end *close_other;
};

static void
guarded_recv(struct end *e)
{
	e->in_call = true;
	conn_recv(&e->c);
	e->in_call = false;
}

static void
guarded_send(struct end *e, const struct iovec *iov, unsigned n)
{
	e->in_call = true;
	conn_send(&e->c, iov, n, 0);
	e->in_call = false;
}

static void
got_bytes(struct end *e)
{
	const char *p = conn_data(&e->c);
	uint32_t n = conn_unread(&e->c);
	if (n == 0)
		OK_MSG(false, "CONN_RECV without a byte");
	for (uint32_t i = 0; i < n; i++)
		e->sum_in = e->sum_in * 31 + (unsigned char)p[i];
	e->n_in += n;
	e->most_in = MAX(e->most_in, n);
	if (e->echo) {
		e->iov[0] = (struct iovec){(void *)(uintptr_t)p, n};
		guarded_send(e, e->iov, 1);
	} else if (e->sink) {
		conn_consume(&e->c, n);
		e->in_call = true;
		if (e->bulk) {
			conn_recv_on(&e->c);
		} else {
			conn_drop_rbuf(&e->c);
			conn_recv(&e->c);
		}
		e->in_call = false;
	}
}

static void
on_event(struct conn *c, enum conn_event event, const struct reason *why)
{
	struct end *e = CONTAINER_OF(c, struct end, c);
	if (e->in_call)
		OK_MSG(false, "event from inside a call");
	if (e->n.closed > 0)
		OK_MSG(false, "event after CONN_CLOSED");
	if (conn_closing(c) && event != CONN_CLOSED)
		OK_MSG(false, "event after conn_close");
	if (why != NULL)
		e->why = why;
	if (e->close_in_event && event != CONN_CLOSED)
		conn_close(c);
	if (e->close_other != NULL && event != CONN_CLOSED)
		conn_close(&e->close_other->c);
	switch (event) {
	case CONN_CONNECTED:
		e->n.connected++;
		break;
	case CONN_RECV:
		e->n.recv++;
		if (!conn_closing(c))
			got_bytes(e);
		break;
	case CONN_SENT:
		e->n.sent++;
		if (e->echo && !conn_closing(c)) {
			e->n_out += conn_unread(c);
			conn_consume(c, conn_unread(c));
			conn_drop_rbuf(c);
			guarded_recv(e);
		}
		break;
	case CONN_EOF:
		e->n.eof++;
		if (e->echo)
			conn_close(c);
		break;
	case CONN_ERROR:
		e->n.error++;
		if (e->echo)
			conn_close(c);
		break;
	case CONN_SEND_FAILED:
		e->n.send_failed++;
		if (e->echo)
			conn_close(c);
		break;
	case CONN_TIMEOUT:
		e->n.timeout++;
		break;
	case CONN_CLOSED:
		e->n.closed++;
		break;
	}
}

static struct end *
open_end(struct end *e, int fd)
{
	*e = (struct end){0};
	conn_init(&e->c, loop, on_event);
	if (fd >= 0)
		conn_open(&e->c, fd);
	return e;
}

static void
close_end(struct end *e)
{
	conn_close(&e->c);
	TURN_UNTIL(e->n.closed == 1);
	IS_INT(e->n.closed, 1);
}

// A connected TCP pair: one blocking end for the test, one for a conn.
static void
tcp_pair(int fd[2])
{
	struct listener *l = listen_on("127.0.0.1:0", 1);
	fd[0] = dial(l);
	fd[1] = accept(listener_fd(l, 0), NULL, NULL);
	listener_free(&l);
}

#define N_ECHO 64
static struct end ends[N_ECHO * 2];
static int n_accepted;

static void
accept_echo(struct acceptor *a, int fd)
{
	struct end *e = open_end(&ends[N_ECHO + n_accepted++], fd);
	e->echo = true;
	(void)a;
	guarded_recv(e);
}

static int
count_ends(int from, int to, size_t field)
{
	int sum = 0;
	for (int i = from; i < to; i++)
		sum += *(const int *)(const void *)((const char *)&ends[i].n + field);
	return sum;
}

static void
test_echo_of_many(void)
{
	static char text[] = "forty-two bytes of text to be sent around.";
	struct listener *l = listen_on("127.0.0.1:0", 1);
	struct acceptor *a = acceptor_start(l, 0, loop, accept_echo, NULL);
	n_accepted = 0;
	for (int i = 0; i < N_ECHO; i++) {
		open_end(&ends[i], -1);
		conn_connect(&ends[i].c, listener_addr(l), NULL);
	}
	TURN_UNTIL(count_ends(0, N_ECHO, offsetof(struct counts, connected)) == N_ECHO);
	IS_INT(count_ends(0, N_ECHO, offsetof(struct counts, connected)), N_ECHO);
	for (int round = 1; round <= 20; round++) {
		for (int i = 0; i < N_ECHO; i++) {
			// In pieces, one of them empty: what comes back may come in pieces too.
			ends[i].iov[0] = (struct iovec){text, 10};
			ends[i].iov[1] = (struct iovec){text, 0};
			ends[i].iov[2] = (struct iovec){text + 10, sizeof(text) - 11};
			ends[i].sink = true;
			guarded_send(&ends[i], ends[i].iov, 3);
			if (round == 1)
				guarded_recv(&ends[i]);
		}
		uint64_t want = (uint64_t)round * (sizeof(text) - 1);
		int done;
		uint64_t end = clock_mono_ns() + 5 * NS_PER_S;
		do {
			loop_turn(loop, NS_PER_MS);
			done = 0;
			for (int i = 0; i < N_ECHO; i++)
				done += ends[i].n_in == want && ends[i].n.sent == round;
		} while (done < N_ECHO && clock_mono_ns() < end);
		if (done != N_ECHO) {
			IS_INT(done, N_ECHO);
			break;
		}
	}
	uint32_t sum = 0;
	for (int round = 0; round < 20; round++)
		for (unsigned i = 0; i < sizeof(text) - 1; i++)
			sum = sum * 31 + (unsigned char)text[i];
	int same = 0;
	for (int i = 0; i < N_ECHO; i++) {
		same += ends[i].sum_in == sum;
		conn_close(&ends[i].c);
	}
	IS_INT(same, N_ECHO);
	TURN_UNTIL(count_ends(0, 2 * N_ECHO, offsetof(struct counts, closed)) == 2 * N_ECHO);
	IS_INT(count_ends(0, 2 * N_ECHO, offsetof(struct counts, closed)), 2 * N_ECHO);
	IS_INT(count_ends(N_ECHO, 2 * N_ECHO, offsetof(struct counts, eof)), N_ECHO);
	acceptor_stop(&a);
	loop_turn(loop, 0);
	loop_turn(loop, 0);
	listener_free(&l);
}

// Idle conns with a receive pending hold no buffer.
static void
test_idle_holds_nothing(void)
{
	int fd[2];
	struct end e;
	tcp_pair(fd);
	open_end(&e, fd[1]);
	guarded_recv(&e);
	loop_turn(loop, 0);
	loop_turn(loop, 0);
	OK(e.c.in == NULL);
	OK(conn_receiving(&e.c));
	OK(sizeof(struct conn) <= 200);
	IS_INT(write(fd[0], "x", 1), 1);
	TURN_UNTIL(e.n.recv == 1);
	OK(e.c.in != NULL && conn_unread(&e.c) == 1 && !conn_receiving(&e.c));
	// Nothing was asked: nothing is told.
	IS_INT(write(fd[0], "y", 1), 1);
	for (int i = 0; i < 5; i++)
		loop_turn(loop, NS_PER_MS);
	IS_INT(e.n.recv, 1);
	close_end(&e);
	(void)close(fd[0]);
}

// A head in pieces: each receive appends behind the unread bytes.
static void
test_receive_into_tail(void)
{
	static const char *const pieces[] = {"GET ", "/ HT", "TP/1.", "1\r\n\r\n", "GET"};
	int fd[2];
	struct end e;
	tcp_pair(fd);
	open_end(&e, fd[1]);
	for (int i = 0; i < 5; i++) {
		guarded_recv(&e);
		loop_turn(loop, 0);
		IS_INT(write(fd[0], pieces[i], strlen(pieces[i])), (int)strlen(pieces[i]));
		TURN_UNTIL(e.n.recv == i + 1);
	}
	OK(conn_unread(&e.c) == 21 &&
	   memcmp(conn_data(&e.c), "GET / HTTP/1.1\r\n\r\nGET", 21) == 0);
	// The rest of one head moves to a new start while somebody still reads the old one.
	conn_consume(&e.c, 18);
	struct rbuf *old = rbuf_ref(e.c.in);
	OK(conn_new_rbuf(&e.c));
	OK(e.c.in != old && old->refs == 1 && memcmp(old->data, "GET / ", 6) == 0);
	OK(e.c.in_at == 0 && conn_unread(&e.c) == 3 && memcmp(conn_data(&e.c), "GET", 3) == 0);
	rbuf_unref(&old);
	// Alone with the buffer, the bytes are moved down in it.
	conn_consume(&e.c, 1);
	old = e.c.in;
	OK(conn_new_rbuf(&e.c));
	OK(e.c.in == old && conn_unread(&e.c) == 2 && memcmp(conn_data(&e.c), "ET", 2) == 0);
	// A full buffer of unread bytes cannot be renewed.
	e.c.in_end = e.c.in->cap;
	OK(!conn_new_rbuf(&e.c));
	close_end(&e);
	(void)close(fd[0]);
}

static void
set_buf(int fd, int option, int bytes)
{
	(void)setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof(bytes));
}

#define BIG (8u << 20)

// The sender is stopped by the receiver's pace, and nothing is lost or mixed up.
static void
test_big_send_is_paced(void)
{
	int fd[2];
	struct end e, far;
	char *bytes = malloc(BIG);
	uint32_t sum = 0;
	for (uint32_t i = 0; i < BIG; i++) {
		bytes[i] = (char)(i * 2654435761u >> 24);
		sum = sum * 31 + (unsigned char)bytes[i];
	}
	tcp_pair(fd);
	set_buf(fd[1], SO_SNDBUF, 64 << 10);
	set_buf(fd[0], SO_RCVBUF, 64 << 10);
	open_end(&e, fd[1]);
	open_end(&far, fd[0]);
	e.iov[0] = (struct iovec){bytes, 1000};
	e.iov[1] = (struct iovec){bytes + 1000, 5 << 20};
	e.iov[2] = (struct iovec){bytes + 1000 + (5 << 20), BIG - 1000 - (5 << 20)};
	guarded_send(&e, e.iov, 3);
	for (int i = 0; i < 20; i++)
		loop_turn(loop, NS_PER_MS);
	IS_INT(e.n.sent, 0); // nobody reads
	far.sink = true;
	guarded_recv(&far);
	TURN_UNTIL(far.n_in == BIG && e.n.sent == 1);
	IS_INT(e.n.sent, 1);
	IS_INT(far.n_in, BIG);
	OK(far.sum_in == sum);
	close_end(&e);
	TURN_UNTIL(far.n.eof == 1);
	IS_INT(far.n.eof, 1);
	close_end(&far);
	free(bytes);
}

// A receiver that asks for one buffer at a time makes the sender wait, on either engine.
static void
test_slow_receiver_holds_back(void)
{
	static char chunk[64 << 10];
	int fd[2];
	struct end e;
	uint64_t written = 0;
	tcp_pair(fd);
	set_buf(fd[1], SO_RCVBUF, 64 << 10);
	set_buf(fd[0], SO_SNDBUF, 64 << 10);
	(void)fcntl(fd[0], F_SETFL, O_NONBLOCK);
	open_end(&e, fd[1]);
	guarded_recv(&e);
	uint64_t stuck_since = clock_mono_ns();
	while (clock_mono_ns() - stuck_since < 200 * NS_PER_MS && written < (64u << 20)) {
		ssize_t n = write(fd[0], chunk, sizeof(chunk));
		if (n > 0) {
			written += (uint64_t)n;
			stuck_since = clock_mono_ns();
		}
		loop_turn(loop, NS_PER_MS);
	}
	IS_INT(e.n.recv, 1);
	OK_MSG(written < (16u << 20), "the sender was held back");
	// All of it comes when it is asked for.
	e.sink = true;
	conn_drop_rbuf(&e.c);
	guarded_recv(&e);
	TURN_UNTIL(e.n_in == written);
	IS_INT(e.n_in, written);
	close_end(&e);
	(void)close(fd[0]);
}

static void
test_end_and_half_close(void)
{
	int fd[2];
	char got[8];
	struct end e;
	tcp_pair(fd);
	open_end(&e, fd[1]);
	guarded_recv(&e);
	IS_INT(write(fd[0], "bye", 3), 3);
	(void)shutdown(fd[0], SHUT_WR);
	TURN_UNTIL(e.n.recv == 1);
	IS_INT(conn_unread(&e.c), 3);
	conn_drop_rbuf(&e.c);
	guarded_recv(&e);
	TURN_UNTIL(e.n.eof == 1);
	OK(e.n.eof == 1 && e.why->id == REASON_PEER_CLOSED && e.c.in == NULL);
	// The other direction still works, then we close ours.
	e.iov[0] = (struct iovec){(void *)(uintptr_t) "yes", 3};
	guarded_send(&e, e.iov, 1);
	TURN_UNTIL(e.n.sent == 1);
	IS_INT(read(fd[0], got, sizeof(got)), 3);
	conn_shutdown(&e.c);
	IS_INT(read(fd[0], got, sizeof(got)), 0);
	close_end(&e);
	(void)close(fd[0]);
}

// Bytes that came before the end are received before the end is told, also when both were there
// before the first receive.
static void
test_end_comes_last(void)
{
	int fd[2];
	struct end e;
	tcp_pair(fd);
	IS_INT(write(fd[0], "last words", 10), 10);
	(void)close(fd[0]);
	open_end(&e, fd[1]);
	e.sink = true;
	guarded_recv(&e);
	TURN_UNTIL(e.n.eof == 1);
	OK(e.n.eof == 1 && e.n_in == 10);
	close_end(&e);
}

static void
reset_by_peer(int fd)
{
	struct linger now = {.l_onoff = 1};
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	(void)close(fd);
}

static void
test_reset(void)
{
	int fd[2];
	struct end e;
	tcp_pair(fd);
	open_end(&e, fd[1]);
	guarded_recv(&e);
	loop_turn(loop, 0);
	reset_by_peer(fd[0]);
	TURN_UNTIL(e.n.error == 1);
	OK(e.n.error == 1 && e.why->id == REASON_RESET);
	// A send on the dead socket fails by itself, and says so once.
	e.iov[0] = (struct iovec){(void *)(uintptr_t) "no", 2};
	guarded_send(&e, e.iov, 1);
	TURN_UNTIL(e.n.send_failed == 1);
	OK(e.n.send_failed == 1 && e.why->id == REASON_SEND_RESET);
	close_end(&e);
}

// An answer sent before the reset is received although our send failed.
static void
test_early_answer_survives_failed_send(void)
{
	static char lots[4 << 20];
	int fd[2];
	struct end e;
	tcp_pair(fd);
	open_end(&e, fd[1]);
	IS_INT(write(fd[0], "413", 3), 3);
	e.iov[0] = (struct iovec){lots, sizeof(lots)};
	guarded_send(&e, e.iov, 1);
	for (int i = 0; i < 5; i++)
		loop_turn(loop, NS_PER_MS);
	(void)close(fd[0]); // with our bytes unread: the kernel answers RST
	TURN_UNTIL(e.n.send_failed == 1);
	IS_INT(e.n.send_failed, 1);
	guarded_recv(&e);
	TURN_UNTIL(e.n.recv == 1);
	OK(e.n.recv == 1 && conn_unread(&e.c) == 3);
	close_end(&e);
}

static void
test_connect_refused(void)
{
	struct end e;
	struct listener *l = listen_on("127.0.0.1:0", 1);
	struct addr to = *listener_addr(l);
	listener_free(&l);
	open_end(&e, -1);
	e.in_call = true;
	conn_connect(&e.c, &to, NULL);
	e.in_call = false;
	TURN_UNTIL(e.n.error == 1);
	OK(e.n.error == 1 && e.n.connected == 0 && e.why->id == REASON_REFUSED);
	OK(e.why->before_sent && e.why->http_status == 503);
	close_end(&e);
	// A unix path that is not there; known at once, told from the turn.
	OK(addr_parse(&to, STR("unix@/nonexistent/socket"), 0, NULL));
	open_end(&e, -1);
	e.in_call = true;
	conn_connect(&e.c, &to, NULL);
	e.in_call = false;
	TURN_UNTIL(e.n.error == 1);
	OK(e.n.error == 1 && e.why->id == REASON_REFUSED);
	close_end(&e);
	// A source address that is not ours: no socket at all.
	struct addr from;
	OK(addr_parse(&to, STR("127.0.0.1:9"), 0, NULL));
	OK(addr_parse(&from, STR("192.0.2.1:0"), 0, NULL));
	open_end(&e, -1);
	conn_connect(&e.c, &to, &from);
	TURN_UNTIL(e.n.error == 1);
	OK(e.n.error == 1 && e.why->id == REASON_NO_PORTS);
	close_end(&e);
	// Closed before the connect is done.
	l = listen_on("127.0.0.1:0", 1);
	open_end(&e, -1);
	conn_connect(&e.c, listener_addr(l), NULL);
	close_end(&e);
	OK(e.n.connected == 0 && e.n.error == 0);
	listener_free(&l);
}

static void
test_deadlines(void)
{
	int fd[2];
	struct end e;
	tcp_pair(fd);
	open_end(&e, fd[1]);
	guarded_recv(&e);
	uint64_t start = clock_mono_ns();
	conn_deadline(&e.c, start + 20 * NS_PER_MS);
	TURN_UNTIL(e.n.timeout == 1);
	OK(e.n.timeout == 1 && e.why->id == REASON_TIMEOUT && e.why->timeout);
	OK(clock_mono_ns() - start >= 20 * NS_PER_MS);
	OK(conn_receiving(&e.c)); // the receive goes on
	// Moved later before it came, then off: silence.
	conn_deadline(&e.c, clock_mono_ns() + 10 * NS_PER_MS);
	conn_deadline(&e.c, clock_mono_ns() + 40 * NS_PER_MS);
	start = clock_mono_ns();
	while (clock_mono_ns() - start < 25 * NS_PER_MS)
		loop_turn(loop, NS_PER_MS);
	IS_INT(e.n.timeout, 1);
	conn_deadline(&e.c, 0);
	while (clock_mono_ns() - start < 60 * NS_PER_MS)
		loop_turn(loop, NS_PER_MS);
	IS_INT(e.n.timeout, 1);
	// Moved earlier.
	conn_deadline(&e.c, clock_mono_ns() + 3600 * NS_PER_S);
	conn_deadline(&e.c, clock_mono_ns() + 5 * NS_PER_MS);
	TURN_UNTIL(e.n.timeout == 2);
	IS_INT(e.n.timeout, 2);
	// Closing forgets it.
	conn_deadline(&e.c, clock_mono_ns() + NS_PER_MS);
	close_end(&e);
	IS_INT(e.n.timeout, 2);
	(void)close(fd[0]);
}

// With a receive and a blocked send in the kernel, close brings CONN_CLOSED and nothing else.
static void
test_close_with_work_pending(void)
{
	static char lots[8 << 20];
	int fd[2];
	struct end e;
	tcp_pair(fd);
	open_end(&e, fd[1]);
	guarded_recv(&e);
	e.iov[0] = (struct iovec){lots, sizeof(lots)};
	guarded_send(&e, e.iov, 1);
	for (int i = 0; i < 5; i++)
		loop_turn(loop, NS_PER_MS);
	conn_close(&e.c);
	conn_close(&e.c);
	TURN_UNTIL(e.n.closed == 1);
	OK(e.n.closed == 1 && e.n.sent == 0 && e.n.recv == 0 && e.n.error == 0);
	(void)close(fd[0]);
	// The same with a receive into a tail.
	tcp_pair(fd);
	open_end(&e, fd[1]);
	guarded_recv(&e);
	IS_INT(write(fd[0], "a", 1), 1);
	TURN_UNTIL(e.n.recv == 1);
	guarded_recv(&e);
	loop_turn(loop, 0);
	conn_abort(&e.c);
	TURN_UNTIL(e.n.closed == 1);
	IS_INT(e.n.recv, 1);
	char byte;
	OK(read(fd[0], &byte, 1) < 0 && errno == ECONNRESET);
	(void)close(fd[0]);
	// Never opened.
	open_end(&e, -1);
	close_end(&e);
}

static void
test_close_inside_events(void)
{
	int one[2], two[2];
	struct end a, b;
	tcp_pair(one);
	tcp_pair(two);
	open_end(&a, one[1]);
	open_end(&b, two[1]);
	guarded_recv(&a);
	guarded_recv(&b);
	loop_turn(loop, 0);
	// Both become readable in one turn; whoever is first closes itself and the other.
	a.close_in_event = b.close_in_event = true;
	a.close_other = &b;
	b.close_other = &a;
	IS_INT(write(one[0], "x", 1), 1);
	IS_INT(write(two[0], "x", 1), 1);
	TURN_UNTIL(a.n.closed == 1 && b.n.closed == 1);
	OK(a.n.closed == 1 && b.n.closed == 1);
	IS_INT(a.n.recv + b.n.recv, 1);
	(void)close(one[0]);
	(void)close(two[0]);
}

// Each of the conns gets five bytes in one turn. Returns how many receives have found no buffer.
static uint64_t
flood(int far[N_ECHO], int n_before)
{
	for (int i = 0; i < N_ECHO; i++) {
		conn_consume(&ends[i].c, conn_unread(&ends[i].c));
		conn_drop_rbuf(&ends[i].c);
		guarded_recv(&ends[i]);
	}
	loop_turn(loop, 0);
	for (int i = 0; i < N_ECHO; i++)
		(void)!write(far[i], "hello", 5);
	int want = N_ECHO * (n_before + 1);
	TURN_UNTIL(count_ends(0, N_ECHO, offsetof(struct counts, recv)) == want);
	IS_INT(count_ends(0, N_ECHO, offsetof(struct counts, recv)), want);
	IS_INT(count_ends(0, N_ECHO, offsetof(struct counts, error)), 0);
	return atomic_load(&loop_stats(loop)->no_bufs);
}

// More conns get bytes in one turn than buffers lie ready for the kernel (16 here): more lie ready
// the next times, until a quiet while has gone by.
static void
test_more_arrivals_than_buffers(void)
{
	int far[N_ECHO];
	uint64_t starved[7] = {0};
	for (int i = 0; i < N_ECHO; i++) {
		int fd[2];
		tcp_pair(fd);
		far[i] = fd[0];
		open_end(&ends[i], fd[1]);
	}
	for (int n = 0; n < 6; n++)
		starved[n] = flood(far, n);
	if (loop_engine(loop) == NET_ENGINE_URING) {
		struct uring_state *st = loop->state;
		OK(starved[0] > 0);
		IS_INT(starved[5], starved[4]);
		OK(st->n_wanted >= N_ECHO);
		for (int halvings = 0; halvings < 5; halvings++) {
			st->starved_ns = 0; // long ago
			loop_turn(loop, 0);
		}
		IS_INT(st->n_wanted, st->n_least);
	}
	starved[6] = flood(far, 6); // takes those that are too many
	OK(flood(far, 7) > starved[6] || loop_engine(loop) != NET_ENGINE_URING);
	for (int i = 0; i < N_ECHO; i++) {
		conn_close(&ends[i].c);
		(void)close(far[i]);
	}
	TURN_UNTIL(count_ends(0, N_ECHO, offsetof(struct counts, closed)) == N_ECHO);
	IS_INT(count_ends(0, N_ECHO, offsetof(struct counts, closed)), N_ECHO);
}

// A socket that somebody made non-blocking serves as well; so does a unix pair.
static void
test_nonblocking_and_unix(void)
{
	static char lots[1 << 20];
	int fd[2];
	struct end e, far;
	if (!OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0))
		return;
	open_end(&e, fd[0]);
	open_end(&far, fd[1]);
	far.sink = true;
	guarded_recv(&far);
	for (int i = 0; i < 5; i++)
		loop_turn(loop, NS_PER_MS);
	IS_INT(far.n.error, 0);
	e.iov[0] = (struct iovec){lots, sizeof(lots)};
	guarded_send(&e, e.iov, 1);
	TURN_UNTIL(far.n_in == sizeof(lots));
	OK(far.n_in == sizeof(lots) && e.n.sent == 1);
	struct addr a;
	conn_peer(&e.c, &a);
	OK(addr_is_unix(&a));
	close_end(&e);
	TURN_UNTIL(far.n.eof == 1);
	IS_INT(far.n.eof, 1);
	close_end(&far);
}

// What fills its buffer is received into larger ones from then on; what does not, is not.
static void
test_bodies_in_bulk(void)
{
	static char lots[1 << 20];
	int fd[2], room = 1 << 20;
	struct end e, far;
	tcp_pair(fd);
	(void)setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)); // faster, no more
	open_end(&e, fd[0]);
	open_end(&far, fd[1]);
	far.sink = far.bulk = true;
	guarded_recv(&far);
	uint32_t sum = 0;
	for (uint32_t i = 0; i < sizeof(lots); i++) {
		lots[i] = (char)(i * 2654435761u >> 24);
		sum = sum * 31 + (unsigned char)lots[i];
	}
	e.iov[0] = (struct iovec){lots, sizeof(lots)};
	guarded_send(&e, e.iov, 1);
	TURN_UNTIL(far.n_in == sizeof(lots));
	OK(far.n_in == sizeof(lots) && far.sum_in == sum);
	OK(far.most_in > NET_BUFSIZE && far.most_in <= CONN_BULK_BYTES);
	far.most_in = 0;
	for (int i = 1; i <= 20; i++) {
		e.iov[0] = (struct iovec){lots, 1000};
		guarded_send(&e, e.iov, 1);
		TURN_UNTIL(far.n_in == sizeof(lots) + (size_t)i * 1000);
	}
	IS_INT(far.most_in, 1000);
	OK(far.c.in == NULL || far.c.in->cap == NET_BUFSIZE);
	close_end(&e);
	close_end(&far);
}

int
main(void)
{
	static const test_f tests[] = {
	    test_echo_of_many,
	    test_idle_holds_nothing,
	    test_receive_into_tail,
	    test_big_send_is_paced,
	    test_bodies_in_bulk,
	    test_slow_receiver_holds_back,
	    test_end_and_half_close,
	    test_end_comes_last,
	    test_reset,
	    test_early_answer_survives_failed_send,
	    test_connect_refused,
	    test_deadlines,
	    test_close_with_work_pending,
	    test_close_inside_events,
	    test_more_arrivals_than_buffers,
	    test_nonblocking_and_unix,
	    NULL,
	};
	run_on_engines(tests);
	return tap_done();
}
