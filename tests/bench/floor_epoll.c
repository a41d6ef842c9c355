// SPDX-License-Identifier: MIT
// The floor on epoll: a keep-alive relay that parses nothing. Each accepted connection gets one to
// the origin; whatever arrives on either is sent to the other with one recv and one send. No proxy
// on epoll can spend less per request, so this is what the bench's figures are read against.
// With ORIGIN_PORT 0 whatever arrives is answered by one fixed page: the floor of a returned page.
// Usage: floor_epoll PORT ORIGIN_PORT    (127.0.0.1; small messages only; ends on SIGTERM)
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FD 65536

static int peer_of[MAX_FD]; // with a page: the connection itself
static const char page[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
			   "Content-Length: 12\r\n\r\nHello, world";
static int answers; // the page, instead of relaying

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

static void
take(int ep, int listener, const struct sockaddr_in *origin)
{
	int on = 1;
	int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	int server = answers ? client : socket(AF_INET, SOCK_STREAM, 0);
	must(client >= 0 && server >= 0 && client < MAX_FD && server < MAX_FD, "accept");
	if (!answers)
		must(connect(server, (const void *)origin, sizeof(*origin)) == 0, "connect");
	(void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	peer_of[client] = server;
	peer_of[server] = client;
	for (int i = answers, fd = client; i < 2; i++, fd = server) {
		struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.fd = fd};
		must(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0, "epoll_ctl");
	}
}

static void
relay(int fd)
{
	static char buf[16384];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	size_t out = answers && n > 0 ? sizeof(page) - 1 : (size_t)n;
	if (n > 0 && send(peer_of[fd], answers ? page : buf, out, MSG_NOSIGNAL | MSG_DONTWAIT) ==
			 (ssize_t)out)
		return;
	if (n < 0 && errno == EAGAIN)
		return;
	(void)shutdown(peer_of[fd], SHUT_RDWR); // its own event closes it
	(void)close(fd);
}

int
main(int argc, char **argv)
{
	static struct epoll_event events[256];
	must(argc == 3, "usage: floor_epoll PORT ORIGIN_PORT");
	struct sockaddr_in here = local(argv[1]), origin = local(argv[2]);
	answers = origin.sin_port == 0;
	int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0), ep = epoll_create1(0);
	must(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0, "reuse");
	must(bind(listener, (void *)&here, sizeof(here)) == 0 && listen(listener, 1024) == 0,
	     "bind");
	struct epoll_event e = {.events = EPOLLIN, .data.fd = listener};
	must(epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e) == 0, "epoll_ctl");
	for (;;) {
		int n = epoll_wait(ep, events, 256, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				take(ep, listener, &origin);
			else
				relay(events[i].data.fd);
		}
	}
}
