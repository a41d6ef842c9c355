// SPDX-License-Identifier: MIT
// Addresses of bind and server lines, good and bad.
#include "conf/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "conf/conf.h"
#include "tap.h"

#define BIND   CONF_ADDR_FOR_BIND
#define SERVER CONF_ADDR_FOR_SERVER

static const struct {
	const char *text;
	unsigned flags;
	enum conf_addr_kind kind;
	const char *shown;
} good[] = {
    {"127.0.0.1:80", BIND, CONF_ADDR_INET, "127.0.0.1:80"},
    {"*:80", BIND, CONF_ADDR_INET, "0.0.0.0:80"},
    {":80", BIND, CONF_ADDR_INET, "0.0.0.0:80"},
    {":0", BIND, CONF_ADDR_INET, "0.0.0.0:0"},
    {":::80", BIND, CONF_ADDR_INET, "[::]:80"},
    {"[::1]:80", BIND, CONF_ADDR_INET, "[::1]:80"},
    {"::1:80", BIND, CONF_ADDR_INET, "[::1]:80"},
    {"ipv4@:80", BIND, CONF_ADDR_INET, "0.0.0.0:80"},
    {"ipv6@:80", BIND, CONF_ADDR_INET, "[::]:80"},
    {"ipv6@*:80", BIND, CONF_ADDR_INET, "[::]:80"},
    {"ipv6@[2001:db8::5]:65535", BIND, CONF_ADDR_INET, "[2001:db8::5]:65535"},
    {"tcp4@10.1.2.3:1", BIND, CONF_ADDR_INET, "10.1.2.3:1"},
    {"unix@/run/x.sock", BIND, CONF_ADDR_UNIX, "unix@/run/x.sock"},
    {"unix@x.sock", BIND, CONF_ADDR_UNIX, "unix@x.sock"},
    {"/run/x:y,z.sock", BIND, CONF_ADDR_UNIX, "unix@/run/x:y,z.sock"},
    {"abns@name", BIND, CONF_ADDR_ABNS, "abns@name"},
    {"fd@0", BIND, CONF_ADDR_FD, "fd@0"},
    {"fd@12", BIND, CONF_ADDR_FD, "fd@12"},
    {"10.0.0.1", SERVER, CONF_ADDR_INET, "10.0.0.1"},
    {"10.0.0.1:8080", SERVER, CONF_ADDR_INET, "10.0.0.1:8080"},
    {"10.0.0.1:+100", SERVER, CONF_ADDR_INET, "10.0.0.1:+100"},
    {"10.0.0.1:-100", SERVER, CONF_ADDR_INET, "10.0.0.1:-100"},
    {"[::1]", SERVER, CONF_ADDR_INET, "[::1]"},
    {"localhost:80", SERVER & ~CONF_ADDR_RESOLVE, CONF_ADDR_NONE, NULL},
    {"app-1.example.org:80", (SERVER & ~CONF_ADDR_RESOLVE) | CONF_ADDR_HOSTNAME, CONF_ADDR_NAMED,
     "app-1.example.org:80"},
    {"ipv4@localhost:80", SERVER, CONF_ADDR_INET, "127.0.0.1:80"},
    {"::1", 0, CONF_ADDR_INET, "[::1]"},
    {"192.0.2.1", 0, CONF_ADDR_INET, "192.0.2.1"},
};

static const struct {
	const char *text;
	unsigned flags;
	const char *why;
} bad[] = {
    {"", BIND, "'': an address must be given"},
    {"127.0.0.1", BIND, "'127.0.0.1': missing port number, expected <address>:<port>"},
    {"127.0.0.1:", BIND, "'127.0.0.1:': missing port number, expected <address>:<port>"},
    {"127.0.0.1:", SERVER, "'127.0.0.1:': no port behind the colon"},
    {":70000", BIND, "':70000': a port is a number from 0 to 65535"},
    {":8x", BIND, "':8x': a port is a number from 0 to 65535"},
    {":90-80", BIND, "':90-80': the port range ends before it begins"},
    {":80-", BIND, "':80-': a port is a number from 0 to 65535"},
    {"10.0.0.1:80-90", SERVER, "'10.0.0.1:80-90': a port range is not permitted here"},
    {":+80", BIND, "':+80': a port offset is not permitted here"},
    {"10.0.0.1:+x", SERVER, "'10.0.0.1:+x': a port offset is + or - and a number up to 65535"},
    {"*:80", SERVER, "'*:80': an address must be given"},
    {"[::1:80", BIND, "'[::1:80': missing ']' behind the IPv6 address"},
    {"[127.0.0.1]:80", BIND, "'[127.0.0.1]:80': not an IPv6 address"},
    {"[]:80", BIND, "'[]:80': not an address"},
    {"ipv6@127.0.0.1:80", BIND & ~CONF_ADDR_RESOLVE, "'ipv6@127.0.0.1:80': not an IPv6 address"},
    {"ipv4@[::1]:80", BIND, "'ipv4@[::1]:80': not an IPv6 address"},
    {"300.1.1.1:80", BIND & ~CONF_ADDR_RESOLVE, "'300.1.1.1:80': not an IP address"},
    {"a b:80", BIND, "'a b:80': not an IP address"},
    {"sock", BIND & ~CONF_ADDR_RESOLVE,
     "'sock': not an IP address; a unix socket's path begins with '/' or 'unix@'"},
    {"run/sock", SERVER,
     "'run/sock': not an IP address; a unix socket's path begins with '/' or 'unix@'"},
    {"web1", SERVER & ~CONF_ADDR_RESOLVE, "'web1': not an IP address"},
    {"unix@", BIND, "'unix@': missing path of the unix socket"},
    {"/x", CONF_ADDR_PORT, "'/x': a unix socket is not permitted here"},
    {"fd@", BIND, "'fd@': fd@ expects the number of an open file descriptor"},
    {"fd@-1", BIND, "'fd@-1': fd@ expects the number of an open file descriptor"},
    {"fd@x", BIND, "'fd@x': fd@ expects the number of an open file descriptor"},
    {"fd@3", SERVER, "'fd@3': a file descriptor is not permitted here"},
    {"quic4@:443", BIND, "'quic4@:443': this kind of address is not supported"},
    {"foo@:443", BIND,
     "'foo@:443': unknown prefix before '@', expected ipv4, ipv6, unix, abns or fd"},
    {"192.0.2.1:80", 0, "'192.0.2.1:80': a port is not permitted here"},
};

static void
test_good(void)
{
	char shown[160];
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct conf_addr a;
		struct err err = {.text = ""};
		bool ok = conf_addr_parse(str_from_c(good[i].text), good[i].flags, &a, &err);
		OK_MSG(ok == (good[i].shown != NULL), good[i].text);
		if (good[i].shown == NULL)
			continue;
		IS_INT(a.kind, good[i].kind);
		conf_addr_format(&a, shown, sizeof(shown));
		IS_STR(shown, good[i].shown);
	}
}

static void
test_bad(void)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct conf_addr a;
		struct err err = {.text = ""};
		OK_MSG(!conf_addr_parse(str_from_c(bad[i].text), bad[i].flags, &a, &err),
		       bad[i].text);
		IS_STR(err.text, bad[i].why);
	}
	struct conf_addr a;
	struct err err;
	char path[120];
	memset(path, 'p', sizeof(path));
	path[0] = '/';
	OK(!conf_addr_parse(str_of(path, 108), BIND, &a, &err));
	OK(conf_addr_parse(str_of(path, 107), BIND, &a, &err));
	OK(!conf_addr_parse(str_of("a\0b:80", 6), BIND, &a, &err));
	OK(!conf_addr_parse(STR("no-such-host.invalid:80"), SERVER, &a, &err));
	OK(str_starts(str_from_c(err.text),
		      STR("could not resolve address 'no-such-host.invalid'")));
}

static void
test_sockaddr(void)
{
	struct conf_addr a;
	struct err err;
	OK(conf_addr_parse(STR("127.0.0.2:8080"), BIND, &a, &err));
	const struct sockaddr_in *in = (const struct sockaddr_in *)&a.sa;
	IS_INT(ntohs(in->sin_port), 8080);
	IS_INT(ntohl(in->sin_addr.s_addr), 0x7f000002);
	IS_INT(a.sa_len, sizeof(*in));
	OK(conf_addr_parse(STR("[::1]:443"), BIND, &a, &err));
	IS_INT(ntohs(((const struct sockaddr_in6 *)&a.sa)->sin6_port), 443);
	OK(conf_addr_parse(STR("abns@xy"), BIND, &a, &err));
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a.sa;
	OK(memcmp(un->sun_path, "\0xy\0", 4) == 0);
	OK(conf_addr_parse(STR("10.0.0.1:-5"), SERVER, &a, &err));
	OK(a.port_is_offset && a.port_low == -5);
}

static void
test_list(void)
{
	struct conf *c = conf_new((const struct module *const[]){NULL}, NULL);
	struct conf_addr *a;
	size_t n;
	struct err err;
	char shown[160];
	OK(conf_addr_parse_list(c, STR("127.0.0.1:80-82,[::1]:90,unix@/x"), BIND, &a, &n, &err));
	IS_INT(n, 5);
	static const char *const want[] = {"127.0.0.1:80", "127.0.0.1:81", "127.0.0.1:82",
					   "[::1]:90", "unix@/x"};
	for (size_t i = 0; i < n; i++) {
		conf_addr_format(&a[i], shown, sizeof(shown));
		IS_STR(shown, want[i]);
	}
	IS_INT(ntohs(((const struct sockaddr_in *)&a[2].sa)->sin_port), 82);
	OK(!conf_addr_parse_list(c, STR(":80,,:81"), BIND, &a, &n, &err));
	OK(!conf_addr_parse_list(c, STR(""), BIND, &a, &n, &err));
	OK(!conf_addr_parse_list(c, STR(":0-65535,:1"), BIND, &a, &n, &err));
	IS_STR(err.text, "':0-65535,:1' stands for more than 65536 addresses");
	conf_free(&c);
}

int
main(void)
{
	test_good();
	test_bad();
	test_sockaddr();
	test_list();
	return tap_done();
}
