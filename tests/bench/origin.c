// SPDX-License-Identifier: MIT
// The bench's origin server: as little work as a correct answer needs, so that the proxy is what
// is measured. One thread, epoll. GET /bytes/N answers N bytes with Content-Length, /chunked/N
// the same in chunks of 16 KiB, anything else 13 bytes. Request bodies (Content-Length or
// chunked) are read and thrown away. Usage: origin PORT
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FD   65536
#define IN_BYTES 65536
#define CHUNK    16384

struct peer {
	char *in;
	size_t n;         // bytes in `in`
	uint64_t skip;    // request body bytes still to throw away
	bool skip_chunks; // a chunked request body is under way: look for its end
	uint64_t left;    // response body bytes still to send
	bool chunked;     // in chunks
	char head[256];   // what is sent before the body
	size_t head_n, head_at;
	size_t tail_at, tail_n; // of the current chunk's framing
	char frame[32];
	uint64_t chunk_left;
	bool sending;
};

static struct peer *peers[MAX_FD];
static char zeros[1 << 18];

// Progress of one response; false when the socket is full. Heads and chunk sizes are told to the
// kernel as the beginning of what follows (MSG_MORE), as servers do that write them with the data
// in one writev: framing in segments of its own is what no proxy can be blamed for.
static bool
put(int fd, const char *p, size_t n, size_t *at, int more)
{
	while (*at < n) {
		ssize_t r = send(fd, p + *at, n - *at, MSG_NOSIGNAL | more);
		if (r < 0)
			return false;
		*at += (size_t)r;
	}
	return true;
}

static bool
put_zeros(int fd, uint64_t *left)
{
	while (*left > 0) {
		size_t n = *left < sizeof(zeros) ? (size_t)*left : sizeof(zeros);
		ssize_t r = send(fd, zeros, n, MSG_NOSIGNAL);
		if (r < 0)
			return false;
		*left -= (uint64_t)r;
	}
	return true;
}

static bool
put_chunks(int fd, struct peer *p)
{
	for (;;) {
		if (!put(fd, p->frame, p->tail_n, &p->tail_at, p->chunk_left > 0 ? MSG_MORE : 0))
			return false;
		if (!put_zeros(fd, &p->chunk_left))
			return false;
		if (p->tail_n == 0 && p->left == 0)
			return true;
		bool first = p->head_n > 0;
		p->head_n = 0;
		if (p->left == 0) {
			p->tail_n = (size_t)snprintf(p->frame, sizeof(p->frame), "\r\n0\r\n\r\n");
			p->tail_at = 0;
			if (!put(fd, p->frame, p->tail_n, &p->tail_at, 0))
				return false;
			p->tail_n = 0;
			return true;
		}
		p->chunk_left = p->left < CHUNK ? p->left : CHUNK;
		p->left -= p->chunk_left;
		p->tail_n =
		    (size_t)snprintf(p->frame, sizeof(p->frame), "%s%llx\r\n", first ? "" : "\r\n",
				     (unsigned long long)p->chunk_left);
		p->tail_at = 0;
	}
}

// True when the response is out.
static bool
respond(int fd, struct peer *p)
{
	if (p->head_at < p->head_n &&
	    !put(fd, p->head, p->head_n, &p->head_at, p->left > 0 ? MSG_MORE : 0))
		return false;
	bool done = p->chunked ? put_chunks(fd, p) : put_zeros(fd, &p->left);
	p->sending = !done;
	return done;
}

static void
begin_response(struct peer *p, const char *request)
{
	unsigned long long n = 0;
	p->chunked = false;
	p->left = p->chunk_left = 0;
	p->head_at = p->tail_at = p->tail_n = 0;
	const char *path = strchr(request, ' ');
	if (path != NULL && sscanf(path, " /bytes/%llu", &n) == 1) {
		p->left = n;
		p->head_n = (size_t)snprintf(
		    p->head, sizeof(p->head),
		    "HTTP/1.1 200 OK\r\nContent-Type: x/y\r\nContent-Length: %llu\r\n\r\n", n);
	} else if (path != NULL && sscanf(path, " /chunked/%llu", &n) == 1) {
		p->left = n;
		p->chunked = true;
		p->head_n = (size_t)snprintf(
		    p->head, sizeof(p->head),
		    "HTTP/1.1 200 OK\r\nContent-Type: x/y\r\nTransfer-Encoding: chunked\r\n\r\n");
	} else {
		p->head_n =
		    (size_t)snprintf(p->head, sizeof(p->head),
				     "HTTP/1.1 200 OK\r\nServer: origin\r\n"
				     "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: "
				     "text/plain\r\nContent-Length: 13\r\n\r\nHello, world\n");
	}
}

// Throws away what belongs to a request body; false when more bytes are needed.
static bool
skip_body(struct peer *p)
{
	if (p->skip_chunks) {
		char *end = memmem(p->in, p->n, "\r\n0\r\n\r\n", 7);
		if (end == NULL && p->n >= 5 && memcmp(p->in, "0\r\n\r\n", 5) == 0)
			end = p->in - 2;
		if (end == NULL) {
			size_t keep = p->n < 6 ? p->n : 6;
			memmove(p->in, p->in + p->n - keep, keep);
			p->n = keep;
			return false;
		}
		size_t used = (size_t)(end + 7 - p->in);
		memmove(p->in, p->in + used, p->n - used);
		p->n -= used;
		p->skip_chunks = false;
	}
	size_t n = p->skip < p->n ? (size_t)p->skip : p->n;
	memmove(p->in, p->in + n, p->n - n);
	p->n -= n;
	p->skip -= n;
	return p->skip == 0;
}

// Takes the requests that stand in the buffer; false: the connection is to be closed.
static bool
serve(int fd, struct peer *p)
{
	bool pending = p->skip > 0 || p->skip_chunks;
	while (!p->sending) {
		if (pending && !skip_body(p))
			return p->n < IN_BYTES;
		if (pending) {
			pending = false;
			if (!respond(fd, p))
				return errno == EAGAIN;
			continue;
		}
		char *end = memmem(p->in, p->n, "\r\n\r\n", 4);
		if (end == NULL)
			return p->n < IN_BYTES;
		*end = '\0';
		begin_response(p, p->in);
		char *cl = strcasestr(p->in, "\r\ncontent-length:");
		p->skip = cl != NULL ? strtoull(cl + 17, NULL, 10) : 0;
		p->skip_chunks = cl == NULL && strcasestr(p->in, "\r\ntransfer-encoding:") != NULL;
		size_t used = (size_t)(end + 4 - p->in);
		memmove(p->in, p->in + used, p->n - used);
		p->n -= used;
		pending = p->skip > 0 || p->skip_chunks;
		if (!pending && !respond(fd, p))
			return errno == EAGAIN;
	}
	return true;
}

static void
drop(int fd)
{
	free(peers[fd]->in);
	free(peers[fd]);
	peers[fd] = NULL;
	close(fd);
}

static void
readable(int fd)
{
	struct peer *p = peers[fd];
	for (;;) {
		if (p->sending && !respond(fd, p)) {
			if (errno != EAGAIN)
				drop(fd);
			return;
		}
		if (p->n > 0 && !serve(fd, p)) {
			drop(fd);
			return;
		}
		if (p->sending)
			return;
		ssize_t r = recv(fd, p->in + p->n, IN_BYTES - p->n, 0);
		if (r < 0 && errno == EAGAIN)
			return;
		if (r <= 0) {
			drop(fd);
			return;
		}
		p->n += (size_t)r;
		if (!serve(fd, p)) {
			drop(fd);
			return;
		}
		if ((size_t)r < IN_BYTES / 2 && !p->sending)
			return;
	}
}

int
main(int argc, char **argv)
{
	int on = 1, l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), ep = epoll_create1(0);
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0)),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(l, (struct sockaddr *)&a, len) != 0 || listen(l, 4096) != 0) {
		perror("origin: bind");
		return 1;
	}
	getsockname(l, (struct sockaddr *)&a, &len);
	printf("%d\n", ntohs(a.sin_port));
	fflush(stdout);
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = l}, evs[256];
	epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev);
	for (;;) {
		int n = epoll_wait(ep, evs, 256, -1);
		for (int i = 0; i < n; i++) {
			int fd = evs[i].data.fd;
			if (fd != l) {
				if (peers[fd] != NULL)
					readable(fd);
				continue;
			}
			while ((fd = accept4(l, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
				if (fd >= MAX_FD) {
					close(fd);
					continue;
				}
				setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
				peers[fd] = calloc(1, sizeof(struct peer));
				peers[fd]->in = malloc(IN_BYTES + 1);
				ev = (struct epoll_event){.events = EPOLLIN | EPOLLOUT | EPOLLET,
							  .data.fd = fd};
				epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
			}
		}
	}
}
