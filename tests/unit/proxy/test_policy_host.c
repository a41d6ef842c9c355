// SPDX-License-Identifier: MIT
// Policies as the configuration sees them: scripts load or are refused by file:line, lua() asks
// them about a request, and scripts ask back for fields, headers, cookies, fetches, converters,
// variables and backends.
#include "tap.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sbuf.h"
#include "conf/conf.h"
#include "expr/expr.h"
#include "expr/var.h"
#include "http/h1.h"
#include "main/modules.h"
#include "proxy/host.h"
#include "proxy/policy_host.h"
#include "proxy/setup.h"
#include "proxy/stats.h"
#include "proxy/txn.h"
#include "proxy/worker.h"
#include "tidegate/vars.h"

static char folder[64], script_path[96];

// A configuration with one script, as main loads it.
struct world {
	struct conf *conf;
	struct expr_set *exprs;
	struct proxy_setup *setup;
	struct tidevars *vars;
	bool loaded, linked;
	struct proxy_worker worker;
	struct txn *txn;
	struct http_field fields[32];
	struct sample_addr src;
	const char *names[16];
	struct expr *parsed[16];
	size_t n;
};

static void
write_script(const char *text)
{
	FILE *f = fopen(script_path, "w");
	OK_MSG(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0, "the script is written");
}

static struct expr *
parse(struct world *w, const char *text)
{
	struct err err = {{0}};
	struct expr_env env = {.set = w->exprs,
			       .place = &EXPR_AT_REQUEST,
			       .file = "test.cfg",
			       .line = 77};
	struct expr *e = expr_parse(&env, str_from_c(text), &err);
	if (e == NULL)
		printf("# %s: %s\n", text, err.text);
	return e;
}

static void
declare(struct world *w)
{
	struct tidevars_options o = {0};
	struct tidevars_error err;
	struct tidevars_decl maint = {.name = "maint", .type = TIDEVARS_INT};
	(void)tidevars_open(&w->vars, &o, &err);
	OK(w->vars != NULL && tidevars_declare(w->vars, &maint, NULL, &err) == TIDEVARS_OK);
	expr_set_shm(w->exprs, w->vars, false);
}

// exprs: NULL-terminated.
static void
load(struct world *w, const char *config, const char *const *exprs)
{
	char text[2048];
	*w = (struct world){0};
	w->conf = conf_new(main_modules, NULL);
	w->exprs = expr_set_new(main_modules);
	w->setup = proxy_setup_new(w->conf, w->exprs, main_modules);
	int n = snprintf(text, sizeof(text), config, script_path);
	conf_add_text(w->conf, "test.cfg", str_of(text, (size_t)n));
	w->loaded = conf_load(w->conf);
	declare(w);
	w->setup->set->vars = w->vars;
	for (; exprs != NULL && *exprs != NULL; exprs++) {
		w->names[w->n] = *exprs;
		w->parsed[w->n++] = parse(w, *exprs);
	}
	w->linked = proxy_setup_link(w->setup);
}

static bool
says(const struct world *w, const char *want)
{
	struct sbuf b;
	sbuf_init(&b, 65536);
	for (const struct conf_message *m = conf_messages(w->conf); m != NULL; m = m->next)
		conf_render_message(m, &b);
	bool found = str_find(sbuf_str(&b), str_from_c(want)) != SIZE_MAX;
	if (!found)
		printf("# messages: %.*s\n", STR_ARG(sbuf_str(&b)));
	sbuf_fini(&b);
	return found;
}

static const char request[] =
    "GET /a/b?q=1&z=%20 HTTP/1.1\r\nHost: www.example.com:8080\r\n"
    "X-A: one\r\nX-B: first\r\nX-B: second\r\nCookie: sid=42; t=x\r\n\r\n";

// A worker and a transaction without connections.
static void
serve(struct world *w)
{
	struct proxy_set *set = w->setup->set;
	struct err err = {{0}};
	OK(policy_engine_start(set->policies, 1, &err));
	w->worker = (struct proxy_worker){.set = set,
					  .policy = policy_worker_of(set->policies, 0),
					  .policy_scratch = mem_alloc(POLICY_SCRATCH_BYTES)};
	policy_worker_enter(w->worker.policy);
	struct txn *t = w->txn = mem_aligned(64, sizeof(struct txn));
	arena_init(&t->arena, 65536);
	t->worker = &w->worker;
	t->frontend = set->all[0];
	struct h1_parser parser;
	h1_parser_init(&parser);
	http_head_init(&t->req, w->fields, 32);
	OK(h1_parse_request(&parser, request, sizeof(request) - 1, &t->req) == H1_OK);
	w->src = (struct sample_addr){.family = 4, .port = 4000, .ip = {192, 0, 2, 7}};
	t->ctx = (struct sample_ctx){.req = &t->req,
				     .src = &w->src,
				     .arena = &t->arena,
				     .now_mono_ns = clock_mono_ns(),
				     .now_boot_ns = clock_boot_ns(),
				     .now_real_ns = clock_real_ns(),
				     .shm = w->vars,
				     .host = &proxy_sample_host,
				     .host_data = t};
	var_scope_init(&t->vars_txn, &t->arena);
	t->ctx.vars[VAR_TXN] = &t->vars_txn;
}

static void
unload(struct world *w)
{
	if (w->txn != NULL) {
		proxy_host_unpin(w->txn);
		OK(w->txn->policy_view == NULL);
		policy_worker_leave(w->worker.policy);
		arena_fini(&w->txn->arena);
		mem_free(w->txn);
		mem_free(w->worker.policy_scratch);
	}
	policy_engine_free(&w->setup->set->policies);
	proxy_set_fini(w->setup->set);
	expr_set_free(&w->exprs);
	conf_free(&w->conf);
	tidevars_close(&w->vars);
}

static bool
ask(struct world *w, const char *name, struct sample *out)
{
	*out = (struct sample){0};
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->names[i], name) == 0)
			return expr_eval(w->parsed[i], &w->txn->ctx, out);
	return OK_MSG(false, name);
}

static bool
is_text(struct world *w, const char *name, const char *want)
{
	struct sample s;
	struct str text = STR_NULL;
	bool ok = ask(w, name, &s) && sample_text(&s, &w->txn->ctx, &text) &&
		  str_eq(text, str_from_c(want));
	if (!ok)
		printf("# %s gave '%.*s'\n", name, STR_ARG(text));
	return ok;
}

#define CONFIG                                                                                \
	"policy maint\n    script %s\n    on-error %s\n    budget 20ms memory 4m\n"           \
	"frontend www\n    mode http\n    bind 127.0.0.1:0\n    default_backend app\n"        \
	"    timeout client 1s\nbackend app\n    timeout server 1s\n    timeout connect 1s\n" \
	"    server a 127.0.0.1:1\n    server b 127.0.0.1:2 disabled\n"

static char config[2048];

static const char *
config_on_error(const char *rule)
{
	(void)snprintf(config, sizeof(config), CONFIG, "%s", rule);
	return config;
}

// --- predicates ------------------------------------------------------------------------------

static const char script[] =
    "function is_maint(txn) return vars.maint > 0 and txn.src:within('192.0.2.0/24') end\n"
    "function line(txn) return txn.method .. ' ' .. txn.path .. ' ' .. txn.query .. ' ' .. "
    "txn.host .. ' ' .. txn.url .. ' ' .. txn.version .. ' ' .. txn.src_port end\n"
    "function head(txn) return txn.headers['x-a'] .. '|' .. txn.headers['X-B'] .. '|' .. "
    "tostring(txn.headers.none) .. '|' .. txn.cookies.sid .. '|' .. txn.frontend end\n"
    "function fetches(txn) return txn.f:req_hdr('x-b', 1) .. txn.f:req_hdr('x-b', -1) .. "
    "tostring(txn.f:req_hdr('no')) .. txn.sf:req_hdr('no') .. txn.f:urlp('q') .. txn.f:src() "
    "end\n"
    "function convs(txn) return txn.c:upper('abc') .. txn.c:field('a,b,c', 2, ',') .. "
    "txn.c:add(40, 2) .. txn.c:ipmask(txn.src, 16) end\n"
    "function var(txn) return tostring(txn:get_var('txn.x')) .. "
    "tostring(txn:get_var('txn.unknown')) .. tostring(txn:get_var('shm.maint')) end\n"
    "function app() return backends.app.up_servers .. '/' .. #backends.app.servers .. ' ' .. "
    "backends.app.sessions end\n"
    "function args(txn, a, b) return b .. a end\n"
    "function half() return 2.5 end\n"
    "function nothing() end\n"
    "function often(txn) for i = 1, 3000 do local x = txn.f:req_hdr('x-b', 1) end return 'ok' "
    "end\n"
    "function regex(txn) return txn.c:regsub('a', 'a', 'b') end\n"
    "function wrong(txn) return txn.f:req_hdr('x-b', 'z') end\n"
    "test('a request of its own', function(t)\n"
    "  t.vars.maint = 1\n"
    "  assert(is_maint(t.txn { src = '192.0.2.9' }))\n"
    "  assert(not is_maint(t.txn { src = '10.0.0.1' }))\n"
    "  local q = t.txn { method = 'POST', path = '/p', query = 'k=v', host = 'h',\n"
    "    headers = { ['x-a'] = 'A', ['x-b'] = 'B' }, cookies = { sid = '7' } }\n"
    "  assert(q.method == 'POST' and q.path == '/p' and q.host == 'h' and q.query == 'k=v')\n"
    "  assert(q.headers['X-A'] == 'A' and q.cookies.sid == '7' and q.src == nil)\n"
    "  assert(q.f:req_hdr('x-b') == 'B' and q.f:urlp('k') == 'v' and q.f:method() == 'POST')\n"
    "end)\n";

static void
test_predicates(void)
{
	static const char *const exprs[] = {"lua(is_maint)", "lua(line)",        "lua(head)",
					    "lua(fetches)",  "lua(convs)",       "lua(var)",
					    "lua(app)",      "lua(args,x,y)",    "lua(half)",
					    "lua(nothing)",  "lua(maint.often)", "lua(regex)",
					    "lua(wrong)",    "var(txn.x)",       NULL};
	struct world w;
	struct sample s;
	write_script(script);
	load(&w, config_on_error("false"), exprs);
	OK(w.loaded && w.linked);
	if (!w.linked) {
		OK(says(&w, "nothing"));
		unload(&w);
		return;
	}
	serve(&w);
	OK(ask(&w, "lua(is_maint)", &s) && s.type == SMP_BOOL && !s.b);
	struct tidevars_writer writer = {.who = "test"};
	OK(tidevars_set_text(w.vars, "maint", "1", 0, &writer, NULL) == TIDEVARS_OK);
	OK(ask(&w, "lua(is_maint)", &s) && s.type == SMP_BOOL && s.b);
	OK(is_text(&w, "lua(line)", "GET /a/b q=1&z=%20 www.example.com /a/b?q=1&z=%20 1.1 4000"));
	OK(is_text(&w, "lua(head)", "one|first, second|nil|42|www"));
	OK(is_text(&w, "lua(fetches)", "firstsecondnil1192.0.2.7"));
	OK(is_text(&w, "lua(convs)", "ABCb42192.0.0.0"));
	struct sample x = {.type = SMP_INT, .i = 5};
	struct var_ref ref;
	struct expr_env env = {.set = w.exprs, .place = &EXPR_AT_REQUEST, .file = "", .line = 0};
	OK(var_parse(&env, STR("txn.x"), &ref, NULL) && var_set(&ref, &w.txn->ctx, &x));
	OK(is_text(&w, "lua(var)", "5nil1"));
	OK(is_text(&w, "lua(app)", "1/2 0"));
	OK(is_text(&w, "lua(args,x,y)", "yx"));
	OK(is_text(&w, "lua(half)", "2.5"));
	OK(!ask(&w, "lua(nothing)", &s));
	// 3000 answers of the host leave the transaction's arena as it was.
	size_t before = w.txn->arena.used_bytes;
	OK(is_text(&w, "lua(maint.often)", "ok"));
	OK(w.txn->arena.used_bytes == before);
	// Refused with a cause; on-error false.
	OK(ask(&w, "lua(regex)", &s) && s.type == SMP_BOOL && !s.b);
	OK(ask(&w, "lua(wrong)", &s) && s.type == SMP_BOOL && !s.b);
	struct sbuf b;
	sbuf_init(&b, 65536);
	policy_show_errors(w.setup->set->policies, &b);
	OK(str_find(sbuf_str(&b), STR("must stand in the configuration")) != SIZE_MAX);
	OK(str_find(sbuf_str(&b), STR("'z' is not an integer")) != SIZE_MAX);
	sbuf_fini(&b);
	unload(&w);
}

static void
test_deny(void)
{
	static const char *const exprs[] = {"lua(bad)", NULL};
	struct world w;
	struct sample s;
	write_script("function bad() error('no') end\n");
	load(&w, config_on_error("deny"), exprs);
	OK(w.linked);
	serve(&w);
	OK(!ask(&w, "lua(bad)", &s) && (w.txn->flags & TXN_POLICY_DENIED));
	unload(&w);
}

// --- refusals --------------------------------------------------------------------------------

static void
test_refused(const char *text, const char *expr, const char *want)
{
	const char *exprs[] = {expr, NULL};
	struct world w;
	char where[160];
	write_script(text);
	load(&w, config_on_error("false"), exprs);
	OK(w.loaded && !w.linked);
	(void)snprintf(where, sizeof(where), want, script_path);
	OK(says(&w, where));
	unload(&w);
}

static void
test_words(void)
{
	struct world w;
	write_script("function a() return true end\n");
	load(&w, "global\n    lua-load %s\nfrontend f\n    bind 127.0.0.1:0\n    mode http\n",
	     NULL);
	OK(w.loaded && w.linked && policy_find(w.setup->set->policies, STR("maint"), NULL) != NULL);
	unload(&w);
	load(&w, "policy p\n    on-error never\n", NULL);
	OK(!w.loaded && says(&w, "test.cfg:2") && says(&w, "last-good"));
	OK(says(&w, "has no 'script'"));
	unload(&w);
	load(&w, "policy p\n    script %s\npolicy p\n    script x\n", NULL);
	OK(!w.loaded && says(&w, "already"));
	unload(&w);
}

int
main(void)
{
	(void)snprintf(folder, sizeof(folder), "/tmp/test_policy_host.XXXXXX");
	OK(mkdtemp(folder) != NULL);
	(void)snprintf(script_path, sizeof(script_path), "%s/maint.lua", folder);
	test_predicates();
	test_deny();
	test_refused("function a()\n  return (\nend\n", "int(1)", "%s:3:");
	test_refused("function a() return true end\n", "lua(b)", "test.cfg:77");
	test_refused("function is_maint() return true end\n", "lua(is_mant)",
		     "did you mean 'is_maint'");
	test_refused("function a() end\ntest('wrong', function() error('x') end)\n", "int(1)",
		     "%s:2: self-test 'wrong' failed");
	test_refused("function a() end\ntest('odd', function(t) t.txn { method = 'A B' } end)\n",
		     "int(1)", "no such request can come");
	test_words();
	OK(unlink(script_path) == 0 && rmdir(folder) == 0);
	return tap_done();
}
