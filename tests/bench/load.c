// SPDX-License-Identifier: MIT
// The bench's load generator: a closed loop of N connections, one thread, epoll. Prints one line
// of JSON: requests, errors, seconds, bytes, and latency percentiles in microseconds.
// Usage: load -p PORT [-c CONNECTIONS] [-n REQUESTS | -s SECONDS] [-u URI] [-w PIPELINE]
//             [-H "Name: value"]... (######## in URI: the request's number)
//             [-k] (new connection per request) [-b BODY_BYTES] [-t] (body chunked)
//             [-i IDLE_CONNECTIONS] (no load: opened, one request each, and held until stdin ends)
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_PIPELINE 64
#define BUF          (1 << 18)
#define ROOM         16384   // longest piece of a request's head
#define SLOTS        2000000 // of one microsecond; what took longer counts as the last

struct conn {
	int fd;
	char head[8192]; // response head under way
	size_t head_n;
	bool in_body, chunked, until_close;
	bool closing; // the server said so: what comes next takes a new connection
	uint64_t left;
	unsigned tail; // progress in "\r\n0\r\n\r\n"
	size_t sent;
	uint64_t started[MAX_PIPELINE];
	unsigned first, open; // of started
};

static struct {
	uint16_t port;
	unsigned conns, pipeline, idle;
	uint64_t requests; // to begin; with -s lowered to what was begun when time was up
	uint64_t for_ns;   // 0: by number
	bool close_each, chunked;
	uint64_t body;
} opt = {.conns = 32, .pipeline = 1, .requests = 100000};

static char *request, *number; // number: 8 digits inside it, or NULL
static size_t request_n;
static uint64_t begun, done, errors, bytes, longest_us;
static uint32_t latency[SLOTS];
static int ep;

static uint64_t
now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
dial(struct conn *c)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(opt.port),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(c->fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		perror("load: connect");
		exit(1);
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	struct linger hard = {1, 0}; // no TIME_WAIT: ports are for the proxy
	if (opt.close_each)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	c->head_n = c->sent = 0;
	c->in_body = c->closing = false;
	c->first = c->open = 0;
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
	epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
}

// An idle connection has served once, as a keep-alive one has.
static void
serve_once(struct conn *c)
{
	char answer[4096];
	if (send(c->fd, request, request_n, MSG_NOSIGNAL) < 0 ||
	    recv(c->fd, answer, sizeof(answer), 0) <= 0) {
		perror("load: idle connection");
		exit(1);
	}
}

static void
hold_idle(void)
{
	char byte;
	for (unsigned i = 0; i < opt.idle; i++) {
		struct conn c = {0};
		dial(&c);
		serve_once(&c);
	}
	puts("ready");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
}

static void
redial(struct conn *c)
{
	close(c->fd);
	dial(c);
}

// The connection is gone: what was under way on it has failed.
static void
lose(struct conn *c)
{
	errors += c->open;
	done += c->open;
	if (done < opt.requests)
		redial(c);
}

// Requests are small: one that is sent in pieces keeps its number as a rule.
static void
write_number(uint64_t n)
{
	for (int i = 7; i >= 0; i--, n /= 10)
		number[i] = (char)('0' + n % 10);
}

// Starts and continues requests; partial sends are continued at the next event.
static void
push(struct conn *c)
{
	for (;;) {
		if (c->sent == 0) {
			if (c->open >= opt.pipeline || begun >= opt.requests)
				return;
			begun++;
			if (number != NULL)
				write_number(begun);
			c->started[(c->first + c->open++) % MAX_PIPELINE] = now_ns();
		}
		ssize_t r = send(c->fd, request + c->sent, request_n - c->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (r < 0)
			return;
		c->sent += (size_t)r;
		if (c->sent < request_n)
			return;
		c->sent = 0;
	}
}

static void
finish(struct conn *c)
{
	uint64_t us = (now_ns() - c->started[c->first]) / 1000;
	c->first = (c->first + 1) % MAX_PIPELINE;
	c->open--;
	latency[us < SLOTS ? us : SLOTS - 1]++;
	longest_us = us > longest_us ? us : longest_us;
	done++;
	c->in_body = false;
	c->head_n = 0;
}

static void
begin_body(struct conn *c)
{
	char *cl = strcasestr(c->head, "\r\ncontent-length:");
	c->in_body = true;
	c->chunked = cl == NULL && strcasestr(c->head, "\r\ntransfer-encoding:") != NULL;
	c->left = cl != NULL ? strtoull(cl + 17, NULL, 10) : 0;
	c->tail = 0;
	c->closing = strcasestr(c->head, "\r\nconnection: close") != NULL;
	if (strncmp(c->head, "HTTP/1.1 2", 10) != 0)
		errors++;
}

// Takes n bytes; the end of a chunked body is its last bytes, since our origin sends zeros.
static void
take(struct conn *c, const char *p, size_t n)
{
	static const char end[] = "\r\n0\r\n\r\n";
	bytes += n;
	while (n > 0) {
		if (!c->in_body) {
			while (n > 0 && c->head_n < sizeof(c->head) - 1) {
				c->head[c->head_n++] = *p++;
				n--;
				if (c->head_n >= 4 &&
				    memcmp(c->head + c->head_n - 4, "\r\n\r\n", 4) == 0)
					break;
			}
			if (c->head_n < 4 || memcmp(c->head + c->head_n - 4, "\r\n\r\n", 4) != 0)
				return;
			c->head[c->head_n] = '\0';
			if (strncmp(c->head, "HTTP/1.1 100", 12) == 0) {
				c->head_n = 0;
				continue;
			}
			begin_body(c);
			if (!c->chunked && c->left == 0) {
				finish(c);
				continue;
			}
		}
		if (!c->chunked) {
			size_t used = c->left < n ? (size_t)c->left : n;
			c->left -= used;
			p += used;
			n -= used;
			if (c->left == 0)
				finish(c);
			continue;
		}
		for (; n > 0 && c->tail < 7; p++, n--) {
			if (*p == end[c->tail])
				c->tail++;
			else
				c->tail = *p == '\r';
		}
		if (c->tail == 7)
			finish(c);
	}
}

static void
event(struct conn *c)
{
	static char buf[BUF];
	for (;;) {
		uint64_t before = done;
		ssize_t r = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (r < 0 && errno == EAGAIN)
			break;
		if (r <= 0) {
			lose(c);
			break;
		}
		take(c, buf, (size_t)r);
		if ((opt.close_each || c->closing) && done > before) {
			redial(c);
			break;
		}
		if ((size_t)r < sizeof(buf))
			break;
	}
	push(c);
}

// The latency that `share` of all requests stayed below.
static unsigned
percentile(double share)
{
	uint64_t seen = 0, wanted = (uint64_t)((double)done * share);
	for (unsigned us = 0; us < SLOTS; us++)
		if ((seen += latency[us]) > wanted)
			return us;
	return SLOTS - 1;
}

static void
build_request(const char *uri, const char *fields)
{
	size_t room = 16384 + opt.body * 2;
	request = malloc(room);
	char *at = request;
	at += snprintf(
	    at, ROOM,
	    "%s %s HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: load/1\r\nAccept: */*\r\n%s%s",
	    opt.body > 0 ? "POST" : "GET", uri, fields,
	    opt.close_each ? "Connection: close\r\n" : "");
	if (opt.body > 0 && opt.chunked)
		at += snprintf(at, ROOM, "Transfer-Encoding: chunked\r\n");
	else if (opt.body > 0)
		at += snprintf(at, ROOM, "Content-Length: %llu\r\n", (unsigned long long)opt.body);
	at += snprintf(at, ROOM, "\r\n");
	for (uint64_t left = opt.body; left > 0;) {
		uint64_t n = opt.chunked && left > 16384 ? 16384 : left;
		if (opt.chunked)
			at += snprintf(at, ROOM, "%llx\r\n", (unsigned long long)n);
		memset(at, 'x', n);
		at += n;
		left -= n;
		if (opt.chunked)
			at += snprintf(at, ROOM, "\r\n");
	}
	if (opt.body > 0 && opt.chunked)
		at += snprintf(at, ROOM, "0\r\n\r\n");
	request_n = (size_t)(at - request);
	number = strstr(request, "########");
}

// SIGINT ends it as -s does: what is under way is waited for.
static volatile sig_atomic_t interrupted;

static void
interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

static void
run(void)
{
	struct epoll_event evs[256];
	uint64_t stalled = now_ns(), end = opt.for_ns > 0 ? stalled + opt.for_ns : 0;
	for (uint64_t seen = 0; done < opt.requests;) {
		int n = epoll_wait(ep, evs, 256, 1000);
		for (int i = 0; i < n; i++)
			event(evs[i].data.ptr);
		if (end > 0 && (interrupted || now_ns() >= end)) {
			opt.requests = begun;
			end = 0;
		}
		if (done != seen)
			stalled = now_ns();
		seen = done;
		if (now_ns() - stalled > 20000000000u) {
			fprintf(stderr, "load: no answer for 20 s (%llu of %llu done)\n",
				(unsigned long long)done, (unsigned long long)opt.requests);
			exit(1);
		}
	}
}

int
main(int argc, char **argv)
{
	const char *uri = "/";
	char fields[16384] = "";
	for (int o; (o = getopt(argc, argv, "p:c:n:s:u:w:H:kb:ti:")) != -1;)
		switch (o) {
		case 'p':
			opt.port = (uint16_t)atoi(optarg);
			break;
		case 'c':
			opt.conns = (unsigned)atoi(optarg);
			break;
		case 'n':
			opt.requests = strtoull(optarg, NULL, 10);
			break;
		case 's':
			opt.for_ns = (uint64_t)(atof(optarg) * 1e9);
			opt.requests = UINT64_MAX;
			break;
		case 'u':
			uri = optarg;
			break;
		case 'w':
			opt.pipeline = (unsigned)atoi(optarg);
			break;
		case 'H':
			snprintf(fields + strlen(fields), sizeof(fields) - strlen(fields), "%s\r\n",
				 optarg);
			break;
		case 'k':
			opt.close_each = true;
			break;
		case 'b':
			opt.body = strtoull(optarg, NULL, 10);
			break;
		case 't':
			opt.chunked = true;
			break;
		case 'i':
			opt.idle = (unsigned)atoi(optarg);
			break;
		default:
			return 2;
		}
	build_request(uri, fields);
	signal(SIGINT, interrupt);
	ep = epoll_create1(0);
	if (opt.idle > 0) {
		hold_idle();
		return 0;
	}
	struct conn *conns = calloc(opt.conns, sizeof(*conns));
	for (unsigned i = 0; i < opt.conns; i++)
		dial(&conns[i]);
	uint64_t start = now_ns();
	for (unsigned i = 0; i < opt.conns; i++)
		push(&conns[i]);
	run();
	double seconds = (double)(now_ns() - start) / 1e9;
	printf("{\"requests\": %llu, \"errors\": %llu, \"seconds\": %.6f, \"bytes\": %llu, "
	       "\"p50_us\": %u, \"p99_us\": %u, \"p999_us\": %u, \"max_us\": %llu}\n",
	       (unsigned long long)done, (unsigned long long)errors, seconds,
	       (unsigned long long)bytes, percentile(0.5), percentile(0.99), percentile(0.999),
	       (unsigned long long)longest_us);
	return errors > 0;
}
