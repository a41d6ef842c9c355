// SPDX-License-Identifier: MIT
// What the sections refuse and warn about, by the words a user reads, and what they make of a
// configuration that is in order.
#include <stdlib.h>
#include <unistd.h>

#include "base/sbuf.h"
#include "conf/conf.h"
#include "main/modules.h"
#include "proxy/setup.h"
#include "proxy/txn.h"
#include "tap.h"

struct loaded {
	struct conf *conf;
	struct expr_set *exprs;
	struct proxy_set *set;
	struct sbuf messages;
	bool good;
};

static void
load(struct loaded *l, const char *text)
{
	l->conf = conf_new(main_modules, NULL);
	l->exprs = expr_set_new(main_modules);
	l->set = proxy_setup_new(l->conf, l->exprs, main_modules)->set;
	conf_add_text(l->conf, "t.cfg", str_from_c(text));
	l->good = conf_load(l->conf);
	sbuf_init(&l->messages, 1 << 20);
	for (const struct conf_message *m = conf_messages(l->conf); m != NULL; m = m->next) {
		conf_render_message(m, &l->messages);
		sbuf_add_byte(&l->messages, '\n');
	}
}

static void
unload(struct loaded *l)
{
	sbuf_fini(&l->messages);
	proxy_set_fini(l->set);
	expr_set_free(&l->exprs);
	conf_free(&l->conf);
}

static const char base[] = "defaults\n mode http\n timeout client 1s\n timeout server 1s\n"
			   " timeout connect 1s\n";

#define HEAD "frontend f\n bind 127.0.0.1:0\n default_backend b\nbackend b\n server s 127.0.0.1:1\n"

// The text behind `base`, and what a message about it must hold.
static const struct {
	const char *text, *says;
	bool is_error;
} cases[] = {
    {"frontend f\n bind 127.0.0.1:0\n default_backend apq\nbackend app\n server s 127.0.0.1:1\n",
     "there is no backend 'apq'; did you mean 'app'?", true},
    {"frontend f\n bind 127.0.0.1:0\n use_backend nope if TRUE\n", "there is no backend 'nope'",
     true},
    {"frontend f\n bind 127.0.0.1:0\n default_backend g\nfrontend g\n bind 127.0.0.1:0\n",
     "'g' is a frontend, not a backend", true},
    {"frontend f\n default_backend b\nbackend b\n server s 127.0.0.1:1\n", "'f' has no 'bind'",
     true},
    {HEAD "backend b\n", "there is a backend 'b' already, declared at t.cfg:9", true},
    {HEAD "frontend x from none\n bind :0\n", "there is no 'defaults none' before this line", true},
    {HEAD " mode health\n", "'health' is no mode: http and tcp are", true},
    {HEAD "listen l\n bind 127.0.0.1:0\n mode tcp\n default_backend b\n",
     "backend 'b' has mode http, 'l' has mode tcp", true},
    {HEAD " balance rdp-cookie\n", "balance rdp-cookie comes in a later tidegate", true},
    {HEAD " balance quick\n", "'quick' is no way to balance", true},
    {HEAD " balance lastconn\n", "did you mean 'leastconn'?", true},
    {HEAD " balance leastconn now\n", "'now' is not expected behind 'balance leastconn'", true},
    {HEAD " balance random(0)\n", "expects 1 to 1000 draws, not '0'", true},
    {HEAD " balance random(3\n", "'random(3' lacks its ')'", true},
    {HEAD " balance source(3)\n", "'balance source' takes nothing in parentheses", true},
    {HEAD " balance hdr\n", "write 'balance hdr(NAME)'", true},
    {HEAD " balance hdr(host) domain\n", "'domain' is not expected behind", true},
    {HEAD " balance uri len 0\n", "'len' expects a positive number, not '0'", true},
    {HEAD " balance uri depth\n", "'depth' expects a positive number, not ''", true},
    {HEAD " balance uri half\n", "takes whole, path-only, len N and depth N, not 'half'", true},
    {HEAD " balance url_param\n", "expects the name of a parameter", true},
    {HEAD " balance url_param a check_post 9\n", "check_post is not performed", false},
    {HEAD " http-request set-tos 1abc\n", "unknown fetch '1abc'", true},
    {HEAD " http-request set-tos 256\n", "256 is not in 0..255", true},
    {HEAD " balance hash\n", "'balance hash' expects an expression", true},
    {HEAD " balance hash res.hdr(a)\n", "needs the response head", true},
    {HEAD " balance hash path x\n", "'x' is not expected behind 'balance hash'", true},
    {"listen t\n mode tcp\n bind 127.0.0.1:0\n balance uri\n server s 127.0.0.1:1\n",
     "'balance uri' needs requests; roundrobin takes its place", false},
    {HEAD " hash-type ring\n", "expected one of 'map-based', 'consistent'", true},
    {HEAD " hash-type consistent md5\n", "'md5' is no hash function", true},
    {HEAD " hash-type consistent sdbm much\n", "'much' is not expected here", true},
    {HEAD " cookie\n", "cookie", true},
    {HEAD " cookie a=b\n", "'a=b' is no name of a cookie", true},
    {HEAD " cookie S rewrite indirect\n", "'rewrite' and 'indirect' modes are incompatible", true},
    {HEAD " cookie S insert prefix\n", "'rewrite', 'insert' and 'prefix' modes are", true},
    {HEAD " cookie S preserve\n", "requires at least 'insert' or 'indirect'", true},
    {HEAD " cookie S insrt\n", "did you mean 'insert'", true},
    {HEAD " cookie S insert maxidle\n", "'maxidle' expects a value", true},
    {HEAD " cookie S insert maxlife 99999999999\n", "maxlife", true},
    {HEAD " cookie S insert domain example\n", "contains no embedded dot", false},
    {HEAD " cookie S insert domain 'a b.example'\n", "is no domain", true},
    {HEAD " cookie S insert attr 'a;b'\n", "is no attribute", true},
    {HEAD " server t 127.0.0.1:2 cookie\n", "'cookie' expects a value", true},
    {HEAD " server t 127.0.0.1:2 cookie \"a\\tb\\x01\"\n", "is no value of a cookie", true},
    {HEAD " dynamic-cookie-key\n", "key", true},
    {HEAD " capture cookie S len 5\n", "capture cookie", true},
    {HEAD " force-persist\n", "requires either 'if' or 'unless'", true},
    {HEAD " ignore-persist when TRUE\n", "'when' is not expected here", true},
    {HEAD " option redispatch often\n", "expects a number of attempts, not 'often'", true},
    {HEAD " option persist now\n", "now", true},
    {"listen l\n bind 127.0.0.1:0\n capture cookie S len 0\n", "bytes", true},
    {"listen l\n bind 127.0.0.1:0\n capture cookie S size 5\n", "'len'", true},
    {"listen l\n bind 127.0.0.1:0\n capture cookie S len 64\n server s 127.0.0.1:1\n",
     "cut to 63 bytes (tune.http.cookielen)", false},
    {"listen l\n mode tcp\n bind 127.0.0.1:0\n cookie S insert\n server s 127.0.0.1:1\n",
     "cookies have no effect: 'l' has mode tcp", false},
    {HEAD " server s 127.0.0.1:2\n", "has a server 's' already", true},
    {HEAD " server t 127.0.0.1\n", "has no port", true},
    {HEAD " server t 127.0.0.1:2 ssl\n", "TLS towards servers comes in a later tidegate", true},
    {HEAD " server t 127.0.0.1:2 agent-check\n", "add 'agent-port PORT'", true},
    {HEAD " server t 127.0.0.1:2 agent-check agent-port 70000\n", "agent-port", true},
    {HEAD " server t 127.0.0.1:2 agent-check agent-port 1 agent-inter 0\n", "agent-inter", true},
    {HEAD " server t 127.0.0.1:2 agent-check agent-port 1 agent-addr 127.0.0.1:8\n", "agent-addr",
     true},
    {HEAD " server t 127.0.0.1:2 agent-check agent-port 1 track s\n", "exclude each other", true},
    {HEAD " server t 127.0.0.1:2 check rise 0\n", "rise", true},
    {HEAD " server t 127.0.0.1:2 check inter 0\n", "inter", true},
    {HEAD " option httpchk GET /a HTTP/2\n", "'HTTP/2' is no version", true},
    {HEAD " option httpchk GET /a HTTP/1.1 x\n", "one word too many", true},
    {HEAD " option httpchk GET /a HTTP/1.1\n", "want a Host", false},
    {HEAD " http-check expect status 99\n", "'99' is no status", true},
    {HEAD " http-check expect rstring (\n", "regex", true},
    {HEAD " http-check expect string a string b\n", "not expected behind", true},
    {HEAD " http-check expect\n", "needs something to look for", true},
    {HEAD " http-check send hdr A b%[rand]\n", "not evaluated", true},
    {HEAD " http-check send hdr A\n", "needs a value", true},
    {HEAD " http-check connect ssl\n", "'ssl' comes in a later", true},
    {HEAD " option httpchk\n http-check expect ok-status L7 string a\n", "no such status", true},
    {HEAD " option httpchk\n http-check connect\n http-check send uri /a\n"
	  " http-check expect status 200\n http-check connect\n http-check expect status 200\n",
     "stands before anything is sent", true},
    {HEAD " tcp-check send-binary 123\n", "even number", true},
    {HEAD " tcp-check send-binary 12g4\n", "'12g4' is not hexadecimal", true},
    {HEAD " tcp-check expect status 200\n", "string, rstring, binary and rbinary", true},
    {HEAD " server t 127.0.0.1:2 weight 300\n", "256", true},
    {HEAD " stick on src\n", "this section has no stick table", true},
    {HEAD " stick on src table nix\n", "no section 'nix' has a stick table", true},
    {HEAD " stick on\n", "an expression is missing", true},
    {HEAD " stick to src\n", "stick", true},
    {HEAD " stick-table type ip size 1k\n stick match src unles x\n", "'unles'", true},
    {HEAD " stick-table type ip\n", "'size' is missing", true},
    {HEAD " stick-table type ip size 0\n", "is no number of keys", true},
    {HEAD " stick-table type ipx size 1k\n", "'ipx'", true},
    {HEAD " stick-table type string len 1025 size 1k\n", "1024", true},
    {HEAD " stick-table type ip size 1k store gpc0,gpc1_rat(1s)\n", "did you mean 'gpc1_rate'?",
     true},
    {HEAD " stick-table type ip size 1k store gpc0,gpc(2)\n", "a part of 'gpc'", true},
    {HEAD " stick-table type ip size 1k\n stick-table type ip size 1k\n",
     "has a stick table already", true},
    {HEAD " http-request track-sc0 src\n", "this section has no stick table", true},
    {HEAD " http-request track-sc0 src table nix\n", "no section 'nix' has a stick table", true},
    {HEAD " http-request track-sc0\n", "an expression is missing", true},
    {HEAD " http-request sc-inc-gpc0(3)\n", "a counter is 0 to 2", true},
    {HEAD " http-request sc-inc-gpc(0)\n", "a counter is 0 to 2", true},
    {HEAD " http-request sc-set-gpt0(0) -1\n", "is not 0 to", true},
    {HEAD " http-request denny\n", "there is no action 'denny'; did you mean 'deny'?", true},
    {HEAD " http-request cache-use\n", "action 'cache-use' is known to HAProxy", true},
    {HEAD " http-request set-status 200\n", "'set-status' is no action of http-request", true},
    {HEAD " http-request set-header Content-Length 3\n", "belongs to one connection", true},
    {HEAD " http-request deny whatever\n", "'whatever' is not expected here", true},
    {HEAD " http-request deny if nosuch\n", "nosuch", true},
    {HEAD " http-request deny deny_status 99\n", "'99' is no status", true},
    {HEAD " http-request return status 200 string a string b\n", "there is a body already", true},
    {HEAD " http-request redirect location /a code 309\n", "none of 301, 302", true},
    {HEAD " http-request redirect code 301\n", "'location', 'prefix' or 'scheme' is missing", true},
    {HEAD " http-request redirect code 301 if TRUE\n", "'if' is not expected here", true},
    {HEAD " http-request redirect code 301 location\n", "the target is missing", true},
    {HEAD " http-request redirect to /a\n", "'location', 'prefix' or 'scheme'", true},
    {HEAD " http-request replace-path ( x\n", "replace-path", true},
    {HEAD " http-request set-var(foo) int(1)\n", "has no scope", true},
    {HEAD " http-request deny\n http-request allow\n", "this rule is never reached", false},
    {HEAD " errorfile 503 /nonexistent/page\n", "cannot open '/nonexistent/page'", true},
    {HEAD " errorfile 299 /etc/passwd\n", "status 299 has no error page", true},
    {HEAD " errorfile 503 /etc/passwd\n", "is no HTTP response", true},
    {HEAD " log ring@x local0\n", "rings come in a later tidegate", true},
    {HEAD " log stderr local9\n", "'local9' is no facility", true},
    {HEAD " log stderr local0 loud\n", "'loud' is no level", true},
    {HEAD " timeout client 1s\n", "has no effect in a backend section", false},
    {HEAD " timeout server 3x\n", "timeout", true},
    {HEAD "frontend g\n bind 127.0.0.1:0 ssl crt x\n default_backend b\n",
     "TLS comes in a later tidegate", true},
    {HEAD "frontend g\n bind 127.0.0.1:7\n bind 127.0.0.1:7\n default_backend b\n",
     "is bound by 'g' at", true},
    {HEAD "frontend g\n bind 127.0.0.1:0\n default_backend e\nbackend e\n",
     "backend 'e' has no server", false},
    {HEAD "frontend g\n bind 127.0.0.1:0\n log-format %[nosuch]\n log stderr local0\n", "nosuch",
     true},
    {HEAD "defaults\n acl x path /\n", "give the section a name", true},
    {HEAD "global\n nbthread 1000\n", "64", true},
    {HEAD "global\n external-check\n", "comes in a later tidegate", true},
    {HEAD "global\n ssl-default-bind-options no-sslv3\n", "not performed: there is no TLS yet",
     false},
    {HEAD "defaults\n mode http\nlisten l\n bind 127.0.0.1:0\n server s 127.0.0.1:1\n",
     "missing timeouts: 'l' needs 'timeout client' 'timeout connect' 'timeout server'", false},
    {"policy x\n on-error last-good\n" HEAD, "policy 'x' has no 'script'", true},
    {"policy x\n script a.lua\npolicy x\n script b.lua\n" HEAD,
     "there is a policy 'x' already, declared at t.cfg:6", true},
};

static void
test_cases(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct loaded l;
		char text[2048], what[160];
		snprintf(text, sizeof(text), "%s%s", base, cases[i].text);
		snprintf(what, sizeof(what), "%s: %s", cases[i].is_error ? "error" : "warning",
			 cases[i].says);
		load(&l, text);
		if (!OK_MSG(l.good == !cases[i].is_error &&
				str_find(sbuf_str(&l.messages), str_from_c(cases[i].says)) !=
				    SIZE_MAX,
			    what))
			printf("# %s", l.messages.p != NULL ? l.messages.p : "no message\n");
		unload(&l);
	}
}

static void
test_good(void)
{
	struct loaded l;
	load(&l, "global\n nbthread 3\n maxconn 77\n"
		 "defaults base\n mode http\n timeout client 5s\n timeout connect 250\n"
		 " timeout server 1m\n retries 1\n option forwardfor except 10.0.0.0/8\n"
		 " acl api path_beg /api\n http-request set-header X-Api 1 if api\n"
		 "defaults other from base\n retries 2\n no option forwardfor\n"
		 "frontend f from base\n bind 127.0.0.1:0,[::1]:0 name web\n use_backend b if api\n"
		 " default_backend c\n"
		 "backend b from other\n id 9\n default-server weight 7\n server s 127.0.0.1:1\n"
		 " server t 127.0.0.1:2 weight 3 backup disabled\n"
		 "backend c from base\n http-request return status 200 string hello\n"
		 " errorloc 503 /sorry\n"
		 "backend regexes\n http-request replace-path a+b c\n" // SAN=address: freed
		 " http-request del-header x.y -m reg\n http-check expect rstring a.b\n");
	OK(l.good);
	IS_INT(conf_n_warnings(l.conf), 0);
	IS_STR(l.messages.n > 0 ? l.messages.p : "", "");
	IS_INT(l.set->global.nbthread, 3);
	IS_INT(l.set->global.maxconn, 77);
	IS_INT(proxy_setup_workers(l.set), 3);
	const struct proxy *f = hash_map_get(&l.set->frontends, STR("f"));
	const struct proxy *b = hash_map_get(&l.set->backends, STR("b"));
	const struct proxy *c = hash_map_get(&l.set->backends, STR("c"));
	OK(f != NULL && b != NULL && c != NULL);
	OK(f->binds != NULL && f->binds->next != NULL && f->binds->next->next == NULL);
	OK(str_eq(f->binds->next->name, STR("web")));
	OK(f->timeouts.client_ns == UINT64_C(5000000000) && f->timeouts.connect_ns == 250000000 &&
	   f->timeouts.server_ns == UINT64_C(60000000000));
	OK(f->switching != NULL && f->switching->backend == b && f->default_backend == c);
	OK_MSG(f->http_request.first != NULL && f->http_request.first->cond != NULL &&
		   f->http_request.first->next == NULL,
	       "rules of named defaults are performed in each section");
	OK(b->http_request.first != NULL && b->http_request.first != f->http_request.first);
	OK(f->options & PROXY_OPT_FORWARDFOR && f->forwardfor_except->prefix == 8);
	OK(!(b->options & PROXY_OPT_FORWARDFOR));
	IS_INT(f->retries, 1);
	IS_INT(b->retries, 2);
	IS_INT(b->id, 9);
	IS_INT(f->id, 2);
	IS_INT(c->id, 3);
	IS_INT(b->backend->n_servers, 2);
	IS_INT(b->backend->servers[0]->weight_configured, 7);
	IS_INT(b->backend->servers[1]->weight_configured, 3);
	OK(b->backend->servers[1]->is_backup && !server_is_usable(b->backend->servers[1]));
	IS_INT(c->n_pages, 1);
	IS_INT(c->pages[0].reply->status, 302);
	unload(&l);
}

static void
test_error_page(void)
{
	char path[] = "/tmp/tidegate-page-XXXXXX";
	int fd = mkstemp(path);
	static const char page[] = "HTTP/1.0 503 Busy\r\nConnection: close\r\nX-A: b\r\n"
				   "Content-Type: text/html\r\n\r\n<p>busy</p>";
	OK(fd >= 0 && write(fd, page, sizeof(page) - 1) == (ssize_t)sizeof(page) - 1);
	char text[512];
	snprintf(text, sizeof(text), "%s" HEAD " errorfile 503 %s\n", base, path);
	struct loaded l;
	load(&l, text);
	OK(l.good);
	const struct proxy *b = hash_map_get(&l.set->backends, STR("b"));
	const struct reply *r = b->n_pages == 1 ? b->pages[0].reply : NULL;
	OK(r != NULL && r->status == 503 && str_eq(r->reason, STR("Busy")) &&
	   str_eq(r->body, STR("<p>busy</p>")));
	OK_MSG(r != NULL && r->headers != NULL && str_eq(r->headers->name, STR("X-A")) &&
		   r->headers->next != NULL && r->headers->next->next == NULL,
	       "Connection is not the page's business");
	unload(&l);
	(void)close(fd);
	(void)unlink(path);
}

int
main(void)
{
	test_good();
	test_cases();
	test_error_page();
	return tap_done();
}
