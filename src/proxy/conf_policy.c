// SPDX-License-Identifier: MIT
// Policies in the configuration: sections `policy` and `lua-load`. Scripts are loaded once all
// files were read and the variable table is open; then each lua() (fetch_lua.c) finds its function,
// so that a configuration that names a function no script defines does not start.
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/module.h"
#include "conf/conf.h"
#include "expr/call.h"
#include "proxy/action_lua.h"
#include "proxy/action_priv.h"
#include "proxy/lua_cli.h"
#include "proxy/policy_host.h"
#include "proxy/setup.h"
#include "proxy/worker.h"

#define POLICY_SETUP_MAGIC 0x7c5a0103

// on-error ANSWER FUNCTION...
struct fails_as {
	struct fails_as *next;
	const struct conf_line *line;
	enum policy_on_error rule;
	struct str function;
};

struct policy_setup {
	uint32_t magic;
	struct policy_setup *next;
	const struct conf_line *line, *script_line;
	struct str name, script;
	const struct str *script_args; // of lua-load
	unsigned n_script_args;
	enum policy_on_error on_error;
	struct fails_as *fails_as; // functions with a rule of their own
	uint64_t budget_ns, memory_bytes, effect_budget_ns;
	bool memo_check;
};

// In the order of enum policy_on_error.
static const char *const on_error_words[] = {"last-good", "true", "false", "deny", NULL};

// --- section policy ----------------------------------------------------------------------------

static bool
is_policy_name(struct str name)
{
	if (name.n == 0 || name.n > POLICY_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];
		if (!((c >= '0' && c <= '9') || (byte_lower(c) >= 'a' && byte_lower(c) <= 'z') ||
		      c == '_' || c == '-'))
			return false;
	}
	return true;
}

static struct policy_setup *
add_policy(struct proxy_setup *s, const struct conf_line *line, struct str name, struct err *err)
{
	if (!is_policy_name(name)) {
		err_set(err,
			"'%.*s' is no name of a policy: letters, digits, '_' and '-', at most "
			"%d",
			STR_ARG(name), POLICY_NAME_MAX);
		return NULL;
	}
	for (const struct policy_setup *p = s->first_policy; p != NULL; p = p->next)
		if (str_eq(p->name, name)) {
			err_set(err, "there is a policy '%.*s' already, declared at %s:%d",
				STR_ARG(name), p->line->file, p->line->line);
			return NULL;
		}
	struct policy_setup *p = CONF_NEW(s->conf, struct policy_setup);
	p->magic = POLICY_SETUP_MAGIC;
	p->line = line;
	p->name = conf_strdup(s->conf, name);
	*s->policy_tail = p;
	s->policy_tail = &p->next;
	return p;
}

static void *
begin_policy(struct conf *conf, const struct conf_line *line, struct str name, struct err *err)
{
	return add_policy(conf_bound(conf, "setup"), line, name, err);
}

static bool
end_policy(struct conf *conf, void *obj, struct err *err)
{
	(void)conf;
	const struct policy_setup *p = obj;
	CHECK_MAGIC(p, POLICY_SETUP_MAGIC);
	return p->script.n > 0 || err_set(err, "policy '%.*s' has no 'script'", STR_ARG(p->name));
}

static bool
parse_script(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	(void)err;
	struct policy_setup *p = obj;
	p->script = line->values[0].s;
	p->script_line = line;
	return true;
}

// Functions may be named behind the answer: it is theirs then, not the policy's.
static bool
parse_on_error(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)err;
	struct policy_setup *p = obj;
	enum policy_on_error rule = (enum policy_on_error)line->values[0].i;
	struct fails_as **end = &p->fails_as;
	while (*end != NULL)
		end = &(*end)->next;
	if (line->args + 1 >= line->argc)
		p->on_error = rule;
	for (int i = line->args + 1; i < line->argc; i++) {
		struct fails_as *f = *end = CONF_NEW(conf, struct fails_as);
		*f = (struct fails_as){.line = line, .rule = rule, .function = line->argv[i]};
		end = &f->next;
	}
	return true;
}

// "budget 2ms memory 8m" may stand on one line.
static const struct conf_word budget_words[] = {
    {.name = "memory",
     .type = CONF_SIZE,
     .min = POLICY_MIN_MEMORY,
     .max = (int64_t)1 << 32,
     .offset = offsetof(struct policy_setup, memory_bytes),
     .help = "Most memory of one worker's state; default 8m."},
    {.name = NULL},
};

static bool
parse_budget(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct policy_setup *p = obj;
	p->budget_ns = line->values[0].u;
	return conf_parse_words(conf, line, line->args + 1, budget_words, p, err);
}

static const struct conf_arg script_args[] = {
    {.name = "file", .type = CONF_STR, .min = 1, .max = 4095, .help = "A Lua script."},
    {.type = CONF_END}};
static const struct conf_arg on_error_args[] = {
    {.name = "answer",
     .type = CONF_ENUM,
     .words = on_error_words,
     .dflt = "last-good",
     .help = "last-good asks the generation before; deny answers 403 in http-request and cuts "
	     "the connection in tcp-request and tcp-response."},
    {.type = CONF_END}};
static const struct conf_arg budget_args[] = {{.name = "time",
					       .type = CONF_TIME,
					       .min = 10000,
					       .max = INT64_C(10000000000),
					       .unit = "ms",
					       .help = "CPU time of one call; default 2ms."},
					      {.type = CONF_END}};
static const struct conf_arg memo_check_args[] = {
    {.name = "switch",
     .type = CONF_BOOL,
     .help = "Costs what verdicts that stand save: for finding faults."},
    {.type = CONF_END}};
static const struct conf_arg effect_budget_args[] = {{.name = "time",
						      .type = CONF_TIME,
						      .min = 10000,
						      .max = INT64_C(10000000000),
						      .unit = "ms",
						      .help =
							  "CPU time of one call; default 10ms."},
						     {.type = CONF_END}};
static const struct conf_arg memory_args[] = {
    {.name = "bytes",
     .type = CONF_SIZE,
     .min = POLICY_MIN_MEMORY,
     .max = (int64_t)1 << 32,
     .help = "Most memory of one worker's state; default 8m."},
    {.type = CONF_END}};

// --- lua-load --------------------------------------------------------------------------------

// "/etc/tidegate/maint.lua" is policy "maint".
static bool
parse_lua_load(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)obj;
	struct str path = line->values[0].s, name = path;
	for (size_t slash; (slash = str_find_byte(name, '/')) != SIZE_MAX;)
		name = str_slice(name, slash + 1, name.n);
	if (str_ends(name, STR(".lua")))
		name.n -= 4;
	struct policy_setup *p = add_policy(conf_bound(conf, "setup"), line, name, err);
	if (p == NULL)
		return false;
	p->script = path;
	p->script_line = line;
	p->script_args = line->argv + line->args + 1;
	p->n_script_args = (unsigned)(line->argc - line->args - 1);
	return p->n_script_args <= POLICY_MAX_ARGS ||
	       err_set(err, "more than %d arguments for the script", POLICY_MAX_ARGS);
}

// HAProxy's templates, of which the last one given is tried first.
static bool
parse_lua_path(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy_setup *s = conf_bound(conf, "setup");
	struct str path = line->values[0].s;
	(void)obj;
	if (line->values[1].given && !str_eq(line->values[1].s, STR("path")))
		return err_set(err, "'%.*s': modules in C are not loaded; 'path' is there",
			       STR_ARG(line->values[1].s));
	if (s->n_lua_paths == POLICY_MAX_PATHS - 1)
		return err_set(err, "more than %d folders", POLICY_MAX_PATHS - 1);
	memmove(s->lua_paths + 1, s->lua_paths, s->n_lua_paths * sizeof(s->lua_paths[0]));
	s->lua_paths[0] = path.p;
	s->n_lua_paths++;
	return true;
}

// --- tune.lua.* --------------------------------------------------------------------------------

static bool
parse_tune_lua(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	static const struct {
		const char *word;
		size_t offset;
	} members[] = {
	    {"tune.lua.session-timeout", offsetof(struct proxy_setup, lua_limits.session_ns)},
	    {"tune.lua.task-timeout", offsetof(struct proxy_setup, lua_limits.task_ns)},
	    {"tune.lua.service-timeout", offsetof(struct proxy_setup, lua_limits.service_ns)},
	    {"tune.lua.burst-timeout", offsetof(struct proxy_setup, lua_burst_ns)},
	};
	struct proxy_setup *s = conf_bound(conf, "setup");
	(void)obj;
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		if (str_eq(line->argv[0], str_from_c(members[i].word))) {
			memcpy((char *)s + members[i].offset, &line->values[0].u, sizeof(uint64_t));
			return true;
		}
	return err_set(err, "no such setting");
}

static bool
parse_lua_maxmem(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy_setup *s = conf_bound(conf, "setup");
	(void)obj;
	(void)err;
	s->lua_memory_bytes = (uint64_t)line->values[0].i << 20;
	return true;
}

static const struct conf_arg lua_time_args[] = {{.name = "time",
						 .type = CONF_TIME,
						 .min = 0,
						 .max = CONF_S(2147483),
						 .unit = "ms",
						 .help = "0: no limit."},
						{.type = CONF_END}};
static const struct conf_arg lua_maxmem_args[] = {
    {.name = "megabytes", .type = CONF_INT, .min = 0, .max = 4096, .help = "0: the default, 8."},
    {.type = CONF_END}};
static const struct conf_arg lua_path_args[] = {
    {.name = "template", .type = CONF_STR, .min = 1, .max = 4095, .help = "\"DIR/?.lua\"."},
    {.name = "type", .type = CONF_STR, .flags = CONF_ARG_OPTIONAL, .help = "path"},
    {.type = CONF_END}};

// --- loading -----------------------------------------------------------------------------------

// In the file's order: the last line that names a function counts.
static bool
link_fails_as(struct proxy_setup *s, const struct policy_setup *p)
{
	bool ok = true;
	char name[POLICY_NAME_MAX + 128];
	for (const struct fails_as *f = p->fails_as; f != NULL; f = f->next) {
		struct err err = {0};
		int n = snprintf(name, sizeof(name), "%.*s.%.*s", STR_ARG(p->name),
				 STR_ARG(f->function));
		struct str full = str_of(name, MIN((size_t)n, sizeof(name) - 1));
		struct policy_fn *fn = policy_resolve(s->set->policies, full, &err);
		if (fn == NULL)
			ok = conf_error(s->conf, f->line, "on-error: %s", err.text);
		else
			policy_fn_fails_as(fn, f->rule);
	}
	return ok;
}

static void
report(void *arg, const char *file, int line, const char *text)
{
	struct conf_line at = {.file = file, .line = line};
	conf_error(arg, &at, "%s", text);
}

void
policy_setup_listen(struct proxy_set *set, policy_remarked_f f, void *arg)
{
	if (set->policy_host == NULL)
		return;
	set->policy_host->remarked = f;
	set->policy_host->remarked_arg = arg;
}

// While the configuration loads a warning like others; later a line of the log, unless somebody
// listens.
void
policy_setup_remark(void *data, const char *file, int line, const char *text)
{
	const struct policy_host_data *d = data;
	if (d->remarked != NULL)
		d->remarked(d->remarked_arg, file, line, text);
	if (d->remarked == NULL && d->conf == NULL)
		log_msg(LOG_WARNING, "%s:%d: %s", file, line, text);
	if (d->conf == NULL || d->remarked != NULL)
		return;
	struct conf_line at = {.file = conf_strdup(d->conf, str_from_c(file)).p, .line = line};
	conf_warn(d->conf, &at, "%s", text);
}

static bool
load_policies(struct proxy_setup *s)
{
	struct proxy_set *set = s->set;
	bool ok = true;
	if (s->first_policy == NULL && !set->tests_only)
		return true;
	struct policy_host_data *data = CONF_NEW(s->conf, struct policy_host_data);
	set->policy_host = data;
	data->set = set;
	data->calls = expr_calls_new(s->exprs, s->conf);
	data->test_scratch = conf_alloc(s->conf, POLICY_SCRATCH_BYTES);
	data->loading = true;
	data->conf = s->conf;
	set->policies = policy_engine_new(&policy_host, data, set->vars);
	for (const struct policy_setup *p = s->first_policy; p != NULL; p = p->next) {
		struct policy_spec spec = {.name = p->name.p,
					   .path = p->script.p,
					   .on_error = p->on_error,
					   .budget_ns = p->budget_ns,
					   .memory_bytes = p->memory_bytes,
					   .memo_check = p->memo_check,
					   .untested = set->tests_only,
					   .effect_budget_ns = p->effect_budget_ns > 0
								   ? p->effect_budget_ns
								   : s->lua_burst_ns,
					   .limits = s->lua_limits,
					   .args = p->script_args,
					   .n_args = p->n_script_args,
					   .paths = s->lua_paths};
		if (p->script_args != NULL && spec.memory_bytes == 0)
			spec.memory_bytes = s->lua_memory_bytes;
		struct err err = {0};
		if (p->script.n == 0) {
			ok = false; // told at the section's end
			continue;
		}
		if (set->kept_policy != NULL)
			(void)set->kept_policy(set, p->name, &spec.kept); // else from the file
		const struct policy *added = policy_add(set->policies, &spec, &err);
		if (added == NULL)
			ok = conf_error(s->conf, p->script_line, "%s", err.text);
		else
			ok &= link_fails_as(s, p);
		if (added != NULL && set->policy_live != NULL)
			set->policy_live(set, added);
	}
	data->loading = set->tests_only;
	data->conf = NULL;
	return ok;
}

bool
proxy_setup_link(struct proxy_setup *s)
{
	CHECK_MAGIC(s, PROXY_SETUP_MAGIC);
	s->policies_failed = !load_policies(s);
	bool rules = s->policies_failed || lua_rules_link(s);
	if (!s->policies_failed)
		lua_commands_collect(s);
	return expr_set_link(s->exprs, s->conf, report, s->conf) && rules && !s->policies_failed;
}

bool
policy_setup_engine(struct conf *conf, struct str name, struct policy_engine **engine,
		    struct err *err)
{
	const struct proxy_setup *s = conf_bound(conf, "setup");
	*engine = NULL;
	if (s != NULL && s->policies_failed)
		return true;
	if (s == NULL || s->set->policies == NULL)
		return err_set(err, "'%.*s': there is no script; a section 'policy NAME' names one",
			       STR_ARG(name));
	*engine = s->set->policies;
	return true;
}

// --- rows --------------------------------------------------------------------------------------

static const struct conf_section policy_sections[] = {
    {.name = "policy",
     .naming = CONF_NAME_REQUIRED,
     .begin = begin_policy,
     .end = end_policy,
     .help = "A Lua script whose functions decide: lua(FUNCTION) in conditions and texts."},
    {.name = NULL},
};

static const struct conf_keyword policy_keywords[] = {
    {.sections = "policy",
     .words = "script",
     .args = script_args,
     .parse = parse_script,
     .help = "The file; read again by 'policy load'. Its folder is opened at start."},
    {.sections = "policy",
     .words = "on-error",
     .args = on_error_args,
     .parse = parse_on_error,
     .flags = CONF_EXTRA,
     .help = "What stands for the verdict of a function that fails: of those named behind the "
	     "answer, else of all others."},
    {.sections = "policy",
     .words = "budget",
     .args = budget_args,
     .options = budget_words,
     .parse = parse_budget,
     .flags = CONF_EXTRA,
     .help = "A call that takes longer is stopped."},
    {.sections = "policy",
     .words = "effect-budget",
     .args = effect_budget_args,
     .offset = offsetof(struct policy_setup, effect_budget_ns),
     .help = "A function of every() or on_change() that takes longer is stopped."},
    {.sections = "policy",
     .words = "memo-check",
     .args = memo_check_args,
     .offset = offsetof(struct policy_setup, memo_check),
     .help = "Runs functions although their verdict stands, memoised or not, and logs where the "
	     "two differ."},
    {.sections = "policy",
     .words = "memory",
     .args = memory_args,
     .offset = offsetof(struct policy_setup, memory_bytes),
     .help = "A call that needs more fails."},
    {.sections = "global",
     .words = "lua-load",
     .args = script_args,
     .parse = parse_lua_load,
     .flags = CONF_EXTRA,
     .help = "Short form of a section 'policy' that is named after the file. Further words are the "
	     "script's arguments."},
    {.sections = "global",
     .words = "lua-load-per-thread",
     .args = script_args,
     .parse = parse_lua_load,
     .flags = CONF_EXTRA,
     .help = "The same: each worker always has a state of its own."},
    {.sections = "global",
     .words = "lua-prepend-path",
     .args = lua_path_args,
     .parse = parse_lua_path,
     .help = "Where require looks before the script's own folder. Opened at start."},
    {.sections = "global",
     .words = "tune.lua.session-timeout",
     .args = lua_time_args,
     .parse = parse_tune_lua,
     .help = "Time inside Lua of one action with its waits left out; default 4s."},
    {.sections = "global",
     .words = "tune.lua.service-timeout",
     .args = lua_time_args,
     .parse = parse_tune_lua,
     .help = "The same of a service or command; default 4s."},
    {.sections = "global",
     .words = "tune.lua.task-timeout",
     .args = lua_time_args,
     .parse = parse_tune_lua,
     .help = "The same of a task; default 0."},
    {.sections = "global",
     .words = "tune.lua.burst-timeout",
     .args = lua_time_args,
     .parse = parse_tune_lua,
     .help = "CPU time of an action, service, command or task between two waits; default 10ms."},
    {.sections = "global",
     .words = "tune.lua.maxmem",
     .args = lua_maxmem_args,
     .parse = parse_lua_maxmem,
     .help = "Most memory of one state of a script named by lua-load."},
    {.sections = NULL},
};

const struct module policy_module = {
    .name = "policy",
    .sections = policy_sections,
    .keywords = policy_keywords,
    .fetches = policy_fetches,
    .convs = policy_converters,
    .commands = policy_commands,
    .actions = actions_lua,
};
