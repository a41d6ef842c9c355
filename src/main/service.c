// SPDX-License-Identifier: MIT
// Loading: configuration, variable table, policies. Where the process has a master, what an earlier
// one left is taken over, and what a later one will want is handed to the master.
#include "main/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/sbuf.h"
#include "conf/conf.h"
#include "expr/vars_conf.h"
#include "expr/vars_watch.h"
#include "main/changes.h"
#include "main/keep_maps.h"
#include "main/keep_numbers.h"
#include "main/modules.h"
#include "master/link.h"
#include "policy/policy.h"
#include "proxy/stick.h"
#include "tidegate/vars.h"

#define MAX_KEPT_POLICY (256u << 20)

// --- loading -----------------------------------------------------------------------------------

static const char *
get_env(void *arg, const char *name)
{
	const char *value = options_setting(arg, name);
	return value != NULL ? value : getenv(name);
}

// For whoever takes this process's place when it dies: what is in force, not what the file says
// then.
static void
keep_file(void *arg, const char *name, struct str text)
{
	struct service *s = arg;
	struct err err;
	if (s->changes != NULL)
		changes_add_config(s->changes, true, text);
	if (!link_made_text(s->link, HERITAGE_CONFIG, s->n_sources++, str_from_c(name), text, &err))
		log_msg(LOG_WARNING, "%s", err.text);
}

static bool
add_kept_files(struct service *s)
{
	struct heritage *h = &s->link->kept;
	bool ok = true;
	for (size_t i = 0; i < h->n; i++) {
		const struct heritage_item *it = &h->items[i];
		struct str text;
		struct err err;
		if (it->kind != HERITAGE_CONFIG)
			continue;
		if (heritage_text_read(it->fd, CONF_MAX_FILE_BYTES, &text, &err))
			conf_add_text(s->conf, it->name, text);
		else
			ok = conf_error(s->conf, NULL, "%s", err.text);
		mem_free((void *)(uintptr_t)text.p);
	}
	return ok;
}

// Of a kept script: which generation it is says nothing about its text.
static struct str
without_number(struct str text)
{
	struct str line;
	(void)str_next(&text, '\n', &line);
	(void)str_next(&text, '\n', &line);
	return text;
}

// For the log of a reload.
static void
note_before(struct service *s)
{
	const struct heritage *h = &s->link->kept;
	s->changes = changes_new();
	for (size_t i = 0; i < h->n; i++) {
		const struct heritage_item *it = &h->items[i];
		bool is_config = it->kind == HERITAGE_CONFIG;
		struct str text;
		if (!is_config && it->kind != HERITAGE_POLICY)
			continue;
		if (!heritage_text_read(it->fd, MAX_KEPT_POLICY, &text, NULL))
			continue; // then it counts as new
		if (is_config)
			changes_add_config(s->changes, false, text);
		else
			changes_add_script(s->changes, false, str_from_c(it->name),
					   without_number(text));
		mem_free((void *)(uintptr_t)text.p);
	}
}

// Scripts likewise: another process begins with the generation that is live.
static void
keep_policy(struct proxy_set *set, const struct policy *p)
{
	const struct service *s = set->owner;
	struct sbuf text;
	struct err err;
	sbuf_init(&text, SIZE_MAX / 2);
	policy_live_text(p, &text);
	if (s->changes != NULL)
		changes_add_script(s->changes, true, str_from_c(policy_name(p)),
				   without_number(sbuf_str(&text)));
	if (!link_made_text(s->link, HERITAGE_POLICY, 0, str_from_c(policy_name(p)),
			    sbuf_str(&text), &err))
		log_msg(LOG_WARNING, "%s", err.text);
	sbuf_fini(&text);
}

static bool
find_kept_policy(struct proxy_set *set, struct str name, struct str *kept)
{
	struct service *s = set->owner;
	struct heritage_item *it = heritage_find(&s->link->kept, HERITAGE_POLICY, 0, name);
	struct err err;
	mem_free((void *)(uintptr_t)s->kept_policy.p);
	s->kept_policy = STR_NULL;
	if (it == NULL)
		return false;
	if (!heritage_text_read(it->fd, MAX_KEPT_POLICY, &s->kept_policy, &err)) {
		log_msg(LOG_WARNING, "%s", err.text);
		return false;
	}
	*kept = s->kept_policy;
	return true;
}

static void
hook_policies(struct service *s)
{
	s->set->owner = s;
	if (s->link == NULL)
		return;
	s->set->policy_live = keep_policy;
	if (s->link->start == MASTER_RESTART)
		s->set->kept_policy = find_kept_policy;
}

static bool
add_files(struct service *s)
{
	const struct options *o = s->options;
	struct err err;
	bool ok = true;
	if (s->link != NULL && s->link->start == MASTER_RESTART)
		return add_kept_files(s);
	for (size_t i = 0; i < o->n_files; i++)
		if (!conf_add_path(s->conf, o->files[i], &err))
			ok = conf_error(s->conf, NULL, "%s", err.text);
	return ok;
}

static void
apply_options(struct service *s)
{
	const struct options *o = s->options;
	struct proxy_global *g = &s->set->global;
	if (o->maxconn > 0)
		g->maxconn = (uint32_t)o->maxconn;
	g->master |= o->master;
	if (o->pidfile != NULL)
		g->pidfile = str_from_c(o->pidfile);
	if (o->daemon)
		g->daemon = true;
	if (o->foreground || o->verbose)
		g->daemon &= !o->foreground;
	if (o->local_name != NULL)
		g->node = str_from_c(o->local_name);
	char name[256] = "localhost";
	if (gethostname(name, sizeof(name) - 1) != 0)
		(void)snprintf(name, sizeof(name), "localhost");
	s->set->hostname = conf_strdup(s->conf, str_from_c(name));
	if (g->node.n == 0)
		g->node = s->set->hostname;
}

// What has its place in the foreground only.
static const struct log_target *
first_of_terminal(const struct log_target *t)
{
	while (t != NULL && (t->kind != LOG_TO_FD || (t->fd != 1 && t->fd != 2)))
		t = t->next;
	return t;
}

static void
warn_of_background(struct service *s)
{
	const struct log_target *t = first_of_terminal(s->set->global.logs);
	for (size_t i = 0; i < s->set->n_all && t == NULL; i++)
		t = first_of_terminal(s->set->all[i]->logs);
	if (s->set->global.daemon && t != NULL)
		conf_warn(s->conf, NULL,
			  "'log %.*s' leads nowhere in the background (-D, daemon), where %.*s is "
			  "closed: log to a syslog ('log /dev/log local0'), or stay in the "
			  "foreground and append that to a file",
			  STR_ARG(t->text), STR_ARG(t->text));
}

bool
service_supervises(const struct service *s)
{
	const struct proxy_global *g = &s->set->global;
	return s->link == NULL && s->options->task == TASK_RUN && (g->master || g->state_dir.n > 0);
}

static bool
report(struct service *s, bool ok)
{
	bool fatal_warning = s->options->no_warnings && conf_n_warnings(s->conf) > 0;
	// A master's worker process reads the same in a moment, and says it where it is kept.
	bool told_by_worker = ok && !fatal_warning && service_supervises(s);
	if ((!s->options->quiet || !ok) && !told_by_worker)
		conf_log_messages(s->conf);
	if (!ok)
		log_msg(LOG_ALERT, "config : Fatal errors found in configuration.");
	else if (fatal_warning)
		log_msg(LOG_ALERT, "config : Some warnings were found and 'zero-warning' is set.");
	return ok && !fatal_warning;
}

// From another master's processes, that serve.
static bool
takes_over(const struct link *l)
{
	return l->start == MASTER_FIRST && heritage_count(&l->kept, HERITAGE_STATS) > 0;
}

// With a reload, whoever serves goes on with the table that he has: only the reload is refused.
static void
use_state_dir(struct service *s)
{
	const char *dir = s->set->global.state_dir.p;
	bool serves = s->link->start == MASTER_RELOAD || takes_over(s->link);
	(void)mkdir(dir, 0750); // the table says what is wrong
	expr_vars_default_file(s->conf, conf_printf(s->conf, "%s/vars", dir), !serves);
}

// Whether a start could make the folder, as far as what stands there says: rights are of whoever
// serves. NULL, or why not.
static const char *
why_no_folder(struct conf *conf, const char *dir)
{
	struct stat st;
	size_t n = strlen(dir);
	if (stat(dir, &st) == 0)
		return S_ISDIR(st.st_mode) ? NULL : strerror(ENOTDIR);
	if (errno != ENOENT)
		return errno == EACCES ? NULL : strerror(errno);
	while (n > 1 && dir[n - 1] == '/')
		n--;
	while (n > 0 && dir[n - 1] != '/')
		n--;
	const char *parent = n > 0 ? conf_printf(conf, "%.*s", (int)n, dir) : ".";
	if (stat(parent, &st) == 0 || errno == EACCES)
		return NULL;
	return conf_printf(conf, "it cannot be made in %s: %s", parent, strerror(errno));
}

// A check leaves no trace: whoever checks may be another user than who serves, or serve nothing
// yet.
static bool
look_at_state(struct service *s)
{
	const char *dir = s->set->global.state_dir.p, *why = NULL;
	if (s->set->global.state_dir.n > 0)
		why = why_no_folder(s->conf, dir);
	if (why != NULL)
		return conf_error(s->conf, NULL, "state-dir %s: %s", dir, why);
	if (s->set->global.state_dir.n > 0 && expr_vars_file(s->conf) == NULL) {
		const char *path = conf_printf(s->conf, "%s/vars", dir);
		if (access(path, F_OK) == 0)
			expr_vars_default_file(s->conf, path, true);
	}
	expr_vars_check_only(s->conf);
	return true;
}

// The master holds one folder, from its start to its end; another's table would be another
// service's state, or none.
static bool
keeps_state_dir(struct service *s)
{
	const char *now = s->set->global.state_dir.n > 0 ? s->set->global.state_dir.p : NULL;
	char proc[64], before[4096] = "";
	struct stat a, b;
	if (s->link == NULL || s->link->start != MASTER_RELOAD)
		return true;
	int fd = keep_dir(s->link);
	bool same = fd < 0 ? now == NULL
			   : now != NULL && fstat(fd, &a) == 0 && stat(now, &b) == 0 &&
				 a.st_dev == b.st_dev && a.st_ino == b.st_ino;
	if (same)
		return true;
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	ssize_t n = fd >= 0 ? readlink(proc, before, sizeof(before) - 1) : -1;
	before[MAX(n, (ssize_t)0)] = '\0';
	return conf_error(
	    s->conf, NULL,
	    "a reload cannot change state-dir, which is %s%s: it takes a stop and a start",
	    fd < 0 ? "none" : "the folder ", before);
}

// The table of a file that was removed, or moved away, goes on with those who have it: nothing in
// it is lost for as long as they serve. A file that stands there is the table, whoever put it
// there. -1: it is opened by its path.
static int
removed_table(struct link *l, const char *path)
{
	struct str name = str_from_c(path);
	const struct heritage_item *kept = heritage_find(&l->kept, HERITAGE_VARS_FILE, 0, name);
	struct stat ours, there;
	if (kept == NULL || fstat(kept->fd, &ours) != 0)
		return -1;
	bool stands = stat(path, &there) == 0;
	bool same = stands && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
	if (!stands && errno != ENOENT)
		return -1; // opening it says why
	if (stands && !same) {
		log_msg(LOG_WARNING,
			"%s is another file than the variable table so far: what it holds counts",
			path);
		return -1;
	}
	int fd = link_use(l, HERITAGE_VARS_FILE, 0, name);
	return same ? -1 : fd;
}

static void
tell_of_removed(const char *path, int fd)
{
	log_msg(LOG_ALERT,
		"%s was removed: its variables stay with this service, out of other programs' "
		"reach, and end with its stop; 'tidectl vars dump /proc/%d/fd/%d | tidectl vars "
		"restore %s' and a reload bring it back",
		path, getpid(), fd, path);
}

// What the master keeps of the table, for those who serve next.
static void
keep_table(struct link *l, const char *path, int fd)
{
	struct str name = str_from_c(path != NULL ? path : "");
	enum heritage_kind kind = path != NULL ? HERITAGE_VARS_FILE : HERITAGE_VARS;
	const struct heritage_item *it = NULL;
	for (size_t i = 0; it == NULL && i < l->kept.n; i++)
		if (l->kept.items[i].kind == kind && l->kept.items[i].mark == HERITAGE_TAKEN)
			it = &l->kept.items[i];
	if (it == NULL)
		link_made(l, kind, 0, name, fd);
}

static bool
open_vars(struct service *s)
{
	struct vars_before before = {.fd = -1};
	const struct vars_before *from = NULL;
	bool has_table = s->link != NULL && heritage_count(&s->link->kept, HERITAGE_VARS) > 0;
	bool has_dir = s->set->global.state_dir.n > 0;
	bool offline = s->options->task == TASK_EVAL || s->options->task == TASK_TEST ||
		       s->options->task == TASK_BUILD;
	if (offline || service_supervises(s))
		expr_vars_private(s->conf); // a master's are its worker's business
	else if (s->options->task == TASK_CHECK && !look_at_state(s))
		return false;
	else if (s->link != NULL && has_dir && !has_table && expr_vars_file(s->conf) == NULL)
		use_state_dir(s);
	const char *path = expr_vars_file(s->conf);
	if (s->link != NULL && (s->link->start != MASTER_FIRST || takes_over(s->link))) {
		from = &before;
		before.fd = path != NULL ? removed_table(s->link, path)
					 : link_use(s->link, HERITAGE_VARS, 0, STR_NULL);
	}
	if (!expr_vars_open(s->conf, s->exprs, from, &s->set->vars))
		return false;
	if (s->link == NULL)
		return true;
	if (path != NULL && before.fd >= 0)
		tell_of_removed(path, tidevars_fd(s->set->vars));
	keep_table(s->link, expr_vars_file(s->conf), tidevars_fd(s->set->vars));
	return true;
}

// Who only looks at the files, or has another process serve, needs none.
static bool
open_tables(struct service *s)
{
	struct err err;
	return s->options->task == TASK_CHECK || service_supervises(s) ||
	       keep_tables_open(s, &err) || conf_error(s->conf, NULL, "%s", err.text);
}

bool
service_load(struct service *s, const struct options *o, struct link *link)
{
	*s = (struct service){.options = o, .link = link};
	struct conf_options copt = {.env = get_env,
				    .env_arg = (void *)(uintptr_t)o,
				    .was_read = link != NULL ? keep_file : NULL,
				    .was_read_arg = s,
				    .diag = o->diagnose};
	s->conf = conf_new(main_modules, &copt);
	s->exprs = expr_set_new(main_modules);
	for (size_t i = 0; i < o->n_settings; i++)
		expr_set_env(s->exprs, str_from_c(o->settings[i].name),
			     str_from_c(o->settings[i].value));
	s->setup = proxy_setup_new(s->conf, s->exprs, main_modules);
	s->set = s->setup->set;
	hook_policies(s);
	s->set->tests_only = o->task == TASK_TEST;
	if (link != NULL && link->start == MASTER_RELOAD)
		note_before(s);
	bool ok = add_files(s);
	ok = conf_load(s->conf) && ok;
	apply_options(s);
	warn_of_background(s);
	if (!keeps_state_dir(s))
		return report(s, false);
	ok = open_vars(s) && ok;
	// Without a table every shm. would be one more fault of the same cause.
	if (s->set->vars != NULL)
		ok = proxy_setup_link(s->setup) && ok;
	ok = ok && open_tables(s);
	return report(s, ok);
}

struct link_terms
service_terms(const struct service *s)
{
	const struct proxy_global *g = &s->set->global;
	return (struct link_terms){.hard_stop_ns = g->hard_stop_after_ns,
				   .start_timeout_ns = g->start_timeout_ns,
				   .most_draining = (uint64_t)g->most_draining};
}

bool
service_listens(const struct service *s)
{
	for (size_t i = 0; i < s->set->n_all; i++)
		if (s->set->all[i]->binds != NULL)
			return true;
	return false;
}

void
service_free(struct service *s)
{
	cli_server_free(&s->cli_server);
	if (s->cli != NULL)
		cli_free(&s->cli);
	if (s->set != NULL && s->set->policies != NULL)
		policy_engine_free(&s->set->policies);
	struct tidevars *vars = s->set != NULL ? s->set->vars : NULL;
	struct vars_watch *watch = s->set != NULL ? s->set->watch : NULL;
	if (s->conf != NULL)
		expr_vars_settle(s->conf, vars, false); // nothing if it served
	if (s->set != NULL)
		proxy_tables_close(s->set);
	if (s->set != NULL)
		proxy_set_fini(s->set);
	if (s->exprs != NULL)
		expr_set_free(&s->exprs);
	if (s->conf != NULL)
		conf_free(&s->conf);
	mem_free((void *)(uintptr_t)s->kept_policy.p);
	changes_free(&s->changes);
	mem_free(s->askers);
	keep_maps_free(&s->maps);
	keep_numbers_free(&s->numbers);
	vars_watch_free(&watch);
	tidevars_close(&vars);
}
