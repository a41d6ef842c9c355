// SPDX-License-Identifier: MIT
// The floor on io_uring: a keep-alive relay that parses nothing. One multishot receive stands on
// every connection, buffers come from a provided ring, what arrives on one connection is sent from
// that very buffer to the other: one submission and two completions per message, one enter a turn.
// Behind a busy turn it waits up to 50 us for more, which are then served together (Linux 6.12).
// With ORIGIN_PORT 0 whatever arrives is answered by one fixed page: the floor of a returned page.
// Usage: floor_uring PORT ORIGIN_PORT    (127.0.0.1; small messages only; ends on SIGTERM)
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_FD  65536
#define N_BUFS  256
#define BUF_LEN 16384

#define GATHER_FROM 8
#define GATHER_US   50

enum { OP_ACCEPT, OP_RECV, OP_SEND };

static int peer_of[MAX_FD]; // with a page: the connection itself
static const char page[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
			   "Content-Length: 12\r\n\r\nHello, world";
static int answers; // the page, instead of relaying
static struct io_uring ring;
static struct io_uring_buf_ring *bufs;
static char *memory;

static struct sockaddr_in
local(const char *port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons((uint16_t)atoi(port)),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void
must(int good, const char *what)
{
	if (!good) {
		perror(what);
		exit(1);
	}
}

// user_data: operation, buffer id, descriptor.
static void
tag(struct io_uring_sqe *sqe, unsigned op, unsigned id, int fd)
{
	must(fd < MAX_FD, "descriptors");
	io_uring_sqe_set_data64(sqe, (uint64_t)op << 48 | (uint64_t)id << 32 | (unsigned)fd);
}

static void
start_recv(int fd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	tag(sqe, OP_RECV, 0, fd);
}

static void
take(int client, const struct sockaddr_in *origin)
{
	int on = 1, server = answers ? client : socket(AF_INET, SOCK_STREAM, 0);
	must(client >= 0 && server >= 0, "accept");
	if (!answers)
		must(connect(server, (const void *)origin, sizeof(*origin)) == 0, "connect");
	(void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	peer_of[client] = server;
	peer_of[server] = client;
	start_recv(client);
	if (!answers)
		start_recv(server);
}

static void
lend(unsigned id)
{
	io_uring_buf_ring_add(bufs, memory + (size_t)id * BUF_LEN, BUF_LEN, (unsigned short)id,
			      io_uring_buf_ring_mask(N_BUFS), 0);
	io_uring_buf_ring_advance(bufs, 1);
}

static void
on_recv(const struct io_uring_cqe *cqe, int fd)
{
	if (cqe->res == -ENOBUFS) {
		start_recv(fd);
		return;
	}
	if (cqe->res <= 0) {
		(void)shutdown(peer_of[fd], SHUT_RDWR); // its own completion closes it
		(void)close(fd);
		return;
	}
	unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	io_uring_prep_send(sqe, peer_of[fd], answers ? page : memory + (size_t)id * BUF_LEN,
			   answers ? sizeof(page) - 1 : (size_t)cqe->res,
			   MSG_NOSIGNAL | MSG_WAITALL);
	tag(sqe, OP_SEND, id, fd);
	if ((cqe->flags & IORING_CQE_F_MORE) == 0)
		start_recv(fd);
}

// Submits and waits: for one completion, or behind a busy turn for as many as come in GATHER_US.
// liburing 2.3 does not know the first deadline, so this is io_uring_enter by hand.
static void
submit_and_wait(unsigned n_last)
{
	struct __kernel_timespec hour = {.tv_sec = 3600};
	struct io_uring_getevents_arg arg = {.pad = GATHER_US, .ts = (uint64_t)(uintptr_t)&hour};
	struct io_uring_sq *sq = &ring.sq;
	unsigned mask = *sq->kring_mask, tail = sq->sqe_tail;
	if (n_last < GATHER_FROM) {
		(void)io_uring_submit_and_wait(&ring, 1);
		return;
	}
	for (; sq->sqe_head != tail; sq->sqe_head++)
		sq->array[sq->sqe_head & mask] = sq->sqe_head & mask;
	__atomic_store_n(sq->ktail, tail, __ATOMIC_RELEASE);
	(void)syscall(__NR_io_uring_enter, ring.ring_fd, tail - *sq->khead, 2 * n_last,
		      IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof(arg));
}

int
main(int argc, char **argv)
{
	must(argc == 3, "usage: floor_uring PORT ORIGIN_PORT");
	struct sockaddr_in here = local(argv[1]), origin = local(argv[2]);
	answers = origin.sin_port == 0;
	int r, on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
	must(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0, "reuse");
	must(bind(listener, (void *)&here, sizeof(here)) == 0 && listen(listener, 1024) == 0,
	     "bind");
	r = io_uring_queue_init(1024, &ring,
				IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	must(r == 0, "io_uring_queue_init");
	(void)io_uring_register_ring_fd(&ring);
	memory = aligned_alloc(4096, N_BUFS * BUF_LEN);
	bufs = aligned_alloc(4096, N_BUFS * sizeof(struct io_uring_buf));
	io_uring_buf_ring_init(bufs);
	struct io_uring_buf_reg reg = {.ring_addr = (uint64_t)(uintptr_t)bufs,
				       .ring_entries = N_BUFS};
	must(io_uring_register_buf_ring(&ring, &reg, 0) == 0, "io_uring_register_buf_ring");
	for (unsigned i = 0; i < N_BUFS; i++)
		lend(i);
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, 0);
	tag(sqe, OP_ACCEPT, 0, listener);
	for (unsigned n = 0;;) {
		struct io_uring_cqe *cqe;
		unsigned head;
		submit_and_wait(n);
		n = 0;
		io_uring_for_each_cqe(&ring, head, cqe)
		{
			int fd = (int)(uint32_t)cqe->user_data;
			switch (cqe->user_data >> 48) {
			case OP_ACCEPT:
				take(cqe->res, &origin);
				break;
			case OP_RECV:
				on_recv(cqe, fd);
				break;
			default:
				lend((unsigned)(cqe->user_data >> 32) & 0xffff);
			}
			n++;
		}
		io_uring_cq_advance(&ring, n);
	}
}
