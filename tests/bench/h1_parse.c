// SPDX-License-Identifier: MIT
// One typical request, parsed, stripped and written N times; for callgrind, which counts only the
// functions named on its command line:
//   gcc -std=gnu17 -O2 -g -fPIC -D_GNU_SOURCE -Isrc tests/bench/h1_parse.c src/http/*.c
//       src/base/*.c -lxxhash -lm -o h1_parse
//   for f in bench_parse bench_strip bench_write; do
//     valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect=$f h1_parse 1000
//   done
// The sum divided by N is the cost of one. `h1_parse N time` prints nanoseconds instead.
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "http/h1.h"

static const char request[] =
    "GET /static/js/app.min.js?v=20221104 HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:102.0) Gecko/20100101 Firefox/102.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Referer: https://www.example.com/index.html\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    "If-None-Match: \"33a64df551425fcc55e4d42a148795d9f25f89d4\"\r\n"
    "\r\n";

static struct http_field table[101];
static struct http_head head;
static struct h1_write out;
static struct iovec iov[8];

void bench_parse(void);
void bench_strip(void);
size_t bench_write(void);

__attribute__((noinline)) void
bench_parse(void)
{
	struct h1_parser p;
	h1_parser_init(&p);
	http_head_init(&head, table, ARRAY_LEN(table));
	ASSERT(h1_parse_request(&p, request, sizeof(request) - 1, &head) == H1_OK);
}

__attribute__((noinline)) void
bench_strip(void)
{
	http_head_strip_hop_by_hop(&head, false);
}

__attribute__((noinline)) size_t
bench_write(void)
{
	out.flags = 0;
	out.extra = STR("X-Forwarded-For: 192.0.2.1\r\n");
	return h1_write_request(&head, &out, iov, ARRAY_LEN(iov));
}

int
main(int argc, char **argv)
{
	long n = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;
	uint64_t from = clock_mono_ns();
	for (long i = 0; i < n; i++) {
		bench_parse();
		bench_strip();
		ASSERT(bench_write() == 3);
	}
	if (argc > 2)
		printf("%.1f ns a request of %zu bytes, %u fields\n",
		       (double)(clock_mono_ns() - from) / (double)n, sizeof(request) - 1,
		       head.n_fields);
	return 0;
}
