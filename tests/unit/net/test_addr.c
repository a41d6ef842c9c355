// SPDX-License-Identifier: MIT
// Addresses: what is written as HAProxy writes it, what is refused, and that text and value agree.
#include "net/addr.h"

#include "base/err.h"
#include "tap.h"

static void
test_text_round_trip(void)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
	    {"127.0.0.1:80", "127.0.0.1:80"},
	    {"127.0.0.1", "127.0.0.1:99"},
	    {"[::1]:8080", "[::1]:8080"},
	    {"::1:8080", "[::1]:8080"},
	    {"[2001:db8::2]", "[2001:db8::2]:99"},
	    {"*:80", "0.0.0.0:80"},
	    {":80", "0.0.0.0:80"},
	    {"ipv6@:80", "[::]:80"},
	    {"ipv6@*:80", "[::]:80"},
	    {"ipv4@10.1.2.3:65535", "10.1.2.3:65535"},
	    {"unix@/run/x.sock", "unix@/run/x.sock"},
	    {"/run/x.sock", "unix@/run/x.sock"},
	    {"abns@name", "abns@name"},
	};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a, b;
		char text[ADDR_TEXT_BYTES];
		if (!OK_MSG(addr_parse(&a, str_from_c(rows[i].in), 99, NULL), rows[i].in))
			continue;
		IS_STR(addr_text(&a, text), rows[i].out);
		OK(addr_parse(&b, str_from_c(rows[i].out), 1, NULL) && addr_eq(&a, &b));
	}
}

static void
test_refusals(void)
{
	static const char *const rows[] = {
	    "localhost:80", "127.0.0.1:65536", "127.0.0.1:http", "127.0.0.1:",
	    "1.2.3:80",     "[::1:80",         "ipv4@[::1]:80",  "ipv6@127.0.0.1:80",
	    "unix@",        "abns@",           "1.2.3.4:-1",     "127.0.0.1:80x",
	};
	char path[140];
	struct addr a;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = {{0}};
		OK_MSG(!addr_parse(&a, str_from_c(rows[i]), 99, &err), rows[i]);
		OK(err.text[0] != '\0');
	}
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	OK(!addr_parse(&a, str_of(path, 108), 0, NULL));
	OK(addr_parse(&a, str_of(path, 107), 0, NULL));
	char text[ADDR_TEXT_BYTES];
	IS_INT(strlen(addr_text(&a, text)), 112);
	OK(!addr_parse_ip(&a, STR("*"), 1));
	OK(!addr_parse_ip(&a, STR(""), 1));
	OK(addr_parse_ip(&a, STR("::ffff:1.2.3.4"), 1));
}

static void
test_order(void)
{
	static const char *const sorted[] = {
	    "unix@/a", "unix@/b", "9.0.0.1:80", "10.0.0.1:70", "10.0.0.1:80", "[::1]:1", "[::2]:1",
	};
	struct addr a[ARRAY_LEN(sorted)], none = {0};
	unsigned wrong = 0;
	for (unsigned i = 0; i < ARRAY_LEN(sorted); i++)
		OK(addr_parse(&a[i], str_from_c(sorted[i]), 0, NULL));
	for (unsigned i = 0; i < ARRAY_LEN(sorted); i++)
		for (unsigned k = 0; k < ARRAY_LEN(sorted); k++) {
			int c = addr_cmp(&a[i], &a[k]);
			wrong += i < k ? c >= 0 : i > k ? c <= 0 : c != 0;
		}
	IS_INT(wrong, 0);
	OK(addr_cmp(&none, &a[0]) < 0 && addr_eq(&none, &none));
}

static void
test_parts(void)
{
	struct addr a;
	char text[ADDR_TEXT_BYTES];
	OK(addr_parse(&a, STR("[::1]:80"), 0, NULL));
	IS_STR(addr_host_text(&a, text), "::1");
	addr_set_port(&a, 81);
	IS_INT(addr_port(&a), 81);
	OK(addr_parse(&a, STR("/x"), 0, NULL));
	IS_STR(addr_host_text(&a, text), "unix");
	IS_INT(addr_port(&a), 0);
	addr_of_peer(&a, -1);
	IS_STR(addr_text(&a, text), "-");
}

int
main(void)
{
	test_text_round_trip();
	test_refusals();
	test_order();
	test_parts();
	return tap_done();
}
