// SPDX-License-Identifier: MIT
// The `vars` section as rows, and the opening of the table. Lines are only kept while reading;
// what depends on a variable's type is judged when the table is there, each at its own line.

#include "expr/vars_conf.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/conf.h"
#include "expr/vars_conf_priv.h"
#include "expr/vars_settle.h"
#include "tidegate/vars.h"

#define BOUND_AS "expr.vars"

static const char *const type_words[] = {"int",     "bool", "float", "string",
					 "counter", "hold", "gauge", NULL};

// One `var` line. Texts are empty when not given.
struct vars_var {
	struct vars_var *next;
	const struct conf_line *line;
	struct str name;
	uint32_t type; // TIDEVARS_*
	struct str initial, min, max, use, description;
	uint64_t stale_after_ns, ttl_ns, half_life_ns;
	uint32_t writable_by, uid, gid;
};

struct vars_section {
	const struct conf_line *line; // where the section begins
	struct str file, mode, group;
	int64_t size, log_size;
	bool sync, allow_undeclared;
	bool rescue;     // see expr_vars_default_file
	bool check_only; // the file is looked at, the table is memory
	struct vars_var *vars, **tail;
	struct vars_was *was; // until the process serves
};

static void *
section_begin(struct conf *c, const struct conf_line *line, struct str name UNUSED,
	      struct err *err UNUSED)
{
	struct vars_section *s = conf_bound(c, BOUND_AS);
	if (s != NULL)
		return s; // a second one goes on where the first ended
	s = CONF_NEW(c, struct vars_section);
	s->line = line;
	s->tail = &s->vars;
	conf_apply_defaults(c, "vars", s);
	conf_bind(c, BOUND_AS, s);
	return s;
}

// "writable-by uid monitor", "writable-by lua".
static bool
parse_writable_by(struct conf *c UNUSED, void *obj, const struct conf_line *line,
		  struct conf_value *value, struct err *err)
{
	struct vars_var *v = obj;
	bool uid = str_eq(value->s, STR("uid")), gid = str_eq(value->s, STR("gid"));
	int64_t id;
	if (!uid && !gid) {
		bool lua = str_eq(value->s, STR("lua")), cli = str_eq(value->s, STR("cli"));
		v->writable_by |= lua ? TIDEVARS_BY_LUA : cli ? TIDEVARS_BY_CLI : TIDEVARS_BY_ANY;
		if (!lua && !cli && !str_eq(value->s, STR("any")))
			return err_set(err, "'%.*s' is none of uid, gid, lua, cli, any",
				       STR_ARG(value->s));
		return true;
	}
	int at = value->at + value->used;
	if (at >= line->argc)
		return err_set(err, "a name or number is missing behind '%.*s'", STR_ARG(value->s));
	struct str who = line->argv[at];
	value->used++;
	if (!str_to_int(who, &id)) {
		const struct passwd *p = uid ? getpwnam(who.p) : NULL;
		const struct group *g = gid ? getgrnam(who.p) : NULL;
		if (p == NULL && g == NULL)
			return err_set(err, "no %s '%.*s' is known", uid ? "user" : "group",
				       STR_ARG(who));
		id = p != NULL ? p->pw_uid : g->gr_gid;
	}
	if (id < 0 || id > UINT32_MAX)
		return err_set(err, "'%.*s' is no identifier", STR_ARG(who));
	*(uid ? &v->uid : &v->gid) = (uint32_t)id;
	v->writable_by |= uid ? TIDEVARS_BY_UID : TIDEVARS_BY_GID;
	return true;
}

static const struct conf_word var_words[] = {
    {"default", CONF_STR, .offset = offsetof(struct vars_var, initial),
     .help = "value before the first write and after a time to live"},
    {"min", CONF_STR, .offset = offsetof(struct vars_var, min), .help = "least value"},
    {"max", CONF_STR, .offset = offsetof(struct vars_var, max), .help = "largest value"},
    {"stale-after", CONF_TIME, .unit = "s", .offset = offsetof(struct vars_var, stale_after_ns),
     .help = "without a write for so long, `use` is read"},
    {"use", CONF_STR, .offset = offsetof(struct vars_var, use),
     .help = "value of a stale variable"},
    {"ttl", CONF_TIME, .unit = "s", .offset = offsetof(struct vars_var, ttl_ns),
     .help = "time to live of a write that names none"},
    {"half-life", CONF_TIME, .unit = "s", .offset = offsetof(struct vars_var, half_life_ns),
     .help = "gauge: half-life of the smoothed reading"},
    {"writable-by", CONF_STR, .parse = parse_writable_by,
     .help = "who may write: uid NAME, gid NAME, lua, cli, any; may be repeated"},
    {"description", CONF_STR, .offset = offsetof(struct vars_var, description),
     .help = "for people"},
    {NULL, CONF_END, .help = NULL},
};

static bool
parse_var(struct conf *c, void *obj, const struct conf_line *line, struct err *err)
{
	struct vars_section *s = obj;
	struct vars_var *v = CONF_NEW(c, struct vars_var);
	v->line = line;
	v->name = line->values[0].s;
	v->type = tidevars_type_of(line->values[1].s.p, line->values[1].s.n);
	ASSERT(v->type != TIDEVARS_NONE); // the row's words are the types' names
	if (!tidevars_name_ok(v->name.p, v->name.n))
		return err_set(err,
			       "'%.*s' is no variable's name: letters, digits, _ and ., at "
			       "most %d bytes",
			       STR_ARG(v->name), TIDEVARS_NAME_MAX);
	for (const struct vars_var *o = s->vars; o != NULL; o = o->next) {
		if (str_eq(o->name, v->name))
			return err_set(err, "variable '%.*s' was declared at %s:%d already",
				       STR_ARG(v->name), o->line->file, o->line->line);
	}
	if (!conf_parse_words(c, line, line->args + 2, var_words, v, err))
		return false;
	if ((v->use.p != NULL) != (v->stale_after_ns > 0))
		return err_set(err, "stale-after and use belong together");
	*s->tail = v;
	s->tail = &v->next;
	return true;
}

static const struct conf_word file_words[] = {
    {"mode", CONF_STR, .offset = offsetof(struct vars_section, mode),
     .help = "permission bits of a new file, octal"},
    {"group", CONF_STR, .offset = offsetof(struct vars_section, group),
     .help = "group of a new file"},
    {NULL, CONF_END, .help = NULL},
};

static bool
parse_file(struct conf *c, void *obj, const struct conf_line *line, struct err *err)
{
	struct vars_section *s = obj;
	s->file = line->values[0].s;
	return conf_parse_words(c, line, line->args + 1, file_words, s, err);
}

static const struct conf_arg var_args[] = {
    {"name", CONF_STR, .help = "name of the variable"},
    {"type", CONF_ENUM, .words = type_words, .help = "type of its values"},
    {NULL, CONF_END, .help = NULL},
};
static const struct conf_arg file_args[] = {
    {"path", CONF_STR, .min = 1, .max = 4096, .help = "file that holds the table"},
    {NULL, CONF_END, .help = NULL},
};
static const struct conf_arg size_args[] = {
    {"variables", CONF_INT, .min = 1, .max = 1048576, .dflt = "1024",
     .help = "most variables of a new table"},
    {NULL, CONF_END, .help = NULL},
};
static const struct conf_arg log_size_args[] = {
    {"entries", CONF_INT, .min = 1, .max = 1048576, .dflt = "1024",
     .help = "entries of a new table's write log"},
    {NULL, CONF_END, .help = NULL},
};
static const struct conf_arg sync_args[] = {
    {"on|off", CONF_BOOL, .dflt = "off",
     .help = "each write is on the disk before it is confirmed"},
    {NULL, CONF_END, .help = NULL},
};
static const struct conf_arg undeclared_args[] = {
    {"yes|no", CONF_BOOL, .dflt = "no", .help = "whether other names may be used"},
    {NULL, CONF_END, .help = NULL},
};

const struct conf_section expr_sections[] = {
    {.name = "vars",
     .naming = CONF_NAME_NONE,
     .begin = section_begin,
     .help = "the shared variable table: where it lives and what is in it"},
    {.name = NULL},
};

const struct conf_keyword expr_keywords[] = {
    {"vars", "file", file_args, file_words, parse_file, 0, CONF_EXTRA,
     "keeps the table in a file, so that it survives the process"},
    {"vars", "size", size_args, NULL, NULL, offsetof(struct vars_section, size), 0,
     "room for so many variables in a new table"},
    {"vars", "log-size", log_size_args, NULL, NULL, offsetof(struct vars_section, log_size), 0,
     "room for so many writes in a new table's log"},
    {"vars", "sync", sync_args, NULL, NULL, offsetof(struct vars_section, sync), 0,
     "whether operators' writes survive a loss of power"},
    {"vars", "allow-undeclared", undeclared_args, NULL, NULL,
     offsetof(struct vars_section, allow_undeclared), 0,
     "whether names that are not declared here are made when first used"},
    {"vars", "var", var_args, var_words, parse_var, 0, CONF_EXTRA, "declares a variable"},
    {.words = NULL},
};

// ---- opening

static bool
to_value(struct conf *c, const struct vars_var *v, const char *what, struct str text,
	 struct tidevars_value *out)
{
	struct tidevars_error why;
	*out = (struct tidevars_value){.type = TIDEVARS_NONE};
	if (text.p == NULL || tidevars_parse(v->type, text.p, text.n, out, &why) == TIDEVARS_OK)
		return true;
	return conf_error(c, v->line, "variable '%.*s': %s: %s", STR_ARG(v->name), what, why.text);
}

static bool
declare(struct conf *c, struct tidevars *t, const struct vars_var *v)
{
	struct tidevars_error why;
	uint32_t handle;
	struct tidevars_decl d = {
	    .name = v->name.p,
	    .type = v->type,
	    .flags = (v->min.p != NULL ? TIDEVARS_HAS_MIN : 0u) |
		     (v->max.p != NULL ? TIDEVARS_HAS_MAX : 0u) |
		     (v->use.p != NULL ? TIDEVARS_HAS_STALE : 0u),
	    .stale_after_ns = v->stale_after_ns,
	    .ttl_ns = v->ttl_ns,
	    .half_life_ns = v->half_life_ns,
	    .writable_by = v->writable_by,
	    .writable_uid = v->uid,
	    .writable_gid = v->gid,
	    .description = v->description.p,
	};
	if (!to_value(c, v, "default", v->initial, &d.initial) ||
	    !to_value(c, v, "min", v->min, &d.min) || !to_value(c, v, "max", v->max, &d.max) ||
	    !to_value(c, v, "use", v->use, &d.stale_use))
		return false;
	if (tidevars_declare(t, &d, &handle, &why) != TIDEVARS_OK)
		return conf_error(c, v->line, "%s", why.text);
	return true;
}

static bool
fill_options(struct conf *c, const struct vars_section *s, struct tidevars_options *o)
{
	uint32_t mode = 0;
	o->path = s->file.n > 0 ? s->file.p : NULL;
	o->flags = TIDEVARS_CREATE | (s->sync ? TIDEVARS_SYNC : 0u);
	o->size = (uint32_t)s->size;
	o->log_size = (uint32_t)s->log_size;
	for (size_t i = 0; i < s->mode.n; i++) {
		if (s->mode.p[i] < '0' || s->mode.p[i] > '7' || s->mode.n > 4)
			return conf_error(c, s->line, "mode '%.*s' is not octal", STR_ARG(s->mode));
		mode = mode * 8 + (uint32_t)(s->mode.p[i] - '0');
	}
	o->mode = mode;
	if (s->group.n > 0) {
		const struct group *g = getgrnam(s->group.p);
		if (g == NULL)
			return conf_error(c, s->line, "no group '%.*s' is known",
					  STR_ARG(s->group));
		o->set_gid = 1;
		o->gid = g->gr_gid;
	}
	return true;
}

static bool
folder_exists(struct conf *c, const char *path)
{
	struct str folder = str_from_c(path);
	while (folder.n > 0 && folder.p[folder.n - 1] != '/')
		folder.n--;
	return folder.n == 0 || access(conf_strdup(c, folder).p, F_OK) == 0;
}

// Only a new table gets the size that is asked for.
static void
warn_of_size(struct conf *c, const struct vars_section *s, const struct tidevars *t)
{
	if (tidevars_size(t) >= s->size)
		return;
	conf_warn(c, s->line,
		  "the variable table has room for %u variables, not %lld, as it was made: %s",
		  tidevars_size(t), (long long)s->size,
		  s->file.n > 0
		      ? "to enlarge it, stop, 'tidectl vars dump' it, raise \"size\" in that "
			"text, and restore it into a new file"
		      : "in memory it grows at the next start, not at a reload");
}

// t gets what the file at `path` stores, so that declaring fails as it would with the file.
static bool
take_stored(struct conf *c, const struct vars_section *s, struct tidevars *t, const char *path)
{
	struct tidevars_options o = {.path = path, .flags = TIDEVARS_READ_ONLY};
	struct tidevars *file;
	struct tidevars_error why;
	bool good = true;
	if (tidevars_open(&file, &o, &why) != TIDEVARS_OK)
		return s->rescue || (why.sys_errno == ENOENT && folder_exists(c, path)) ||
		       conf_error(c, s->line, "%s", why.text);
	warn_of_size(c, s, file);
	for (const struct vars_var *v = s->vars; v != NULL; v = v->next) {
		if (!vars_take(t, file, v->name, &why))
			good = conf_error(c, v->line, "%s", why.text);
	}
	// Rules and scripts may name what a program declared; that it fits is not ours to check.
	for (uint32_t h = 0, n = tidevars_count(file); h < n; h++) {
		const char *name = tidevars_name(file, h);
		if (name != NULL)
			(void)vars_take(t, file, str_from_c(name), &why);
	}
	tidevars_close(&file);
	return good;
}

// -s NAME=VALUE also sets the variable of that name, where there is one.
static bool
write_overlay(struct conf *c, struct expr_set *set, struct tidevars *t,
	      const struct vars_section *s)
{
	struct tidevars_writer w = {.who = "command line",
				    .reason = "-s",
				    .source = TIDEVARS_FROM_CONFIG};
	bool good = true;
	for (const struct vars_var *v = s->vars; v != NULL; v = v->next) {
		struct tidevars_error why;
		struct str text;
		if (!expr_env_overlay(set, v->name, &text))
			continue;
		if (tidevars_set_text(t, v->name.p, text.p, 0, &w, &why) != TIDEVARS_OK)
			good = conf_error(c, v->line, "-s %.*s=%.*s: %s", STR_ARG(v->name),
					  STR_ARG(text), why.text);
	}
	return good;
}

void
expr_vars_default_file(struct conf *c, const char *path, bool rescue)
{
	struct vars_section *s = conf_bound(c, BOUND_AS);
	if (s == NULL) {
		struct err none;
		s = section_begin(c, NULL, STR_NULL, &none);
		s->allow_undeclared = true;
	}
	s->file = str_from_c(path);
	s->rescue = rescue;
}

void
expr_vars_private(struct conf *c)
{
	struct vars_section *s = conf_bound(c, BOUND_AS);
	if (s != NULL)
		s->file = STR_NULL;
}

void
expr_vars_check_only(struct conf *c)
{
	struct vars_section *s = conf_bound(c, BOUND_AS);
	if (s != NULL)
		s->check_only = true;
}

void
expr_vars_settle(struct conf *c, struct tidevars *t, bool serves)
{
	struct vars_section *s = conf_bound(c, BOUND_AS);
	if (s != NULL)
		vars_settle(&s->was, t, serves);
}

const char *
expr_vars_file(struct conf *c)
{
	const struct vars_section *s = conf_bound(c, BOUND_AS);
	return s != NULL && s->file.n > 0 ? s->file.p : NULL;
}

// The file by another name, so that nobody's values are thrown away.
static bool
put_aside(struct conf *c, const char *path, const char *why)
{
	const char *aside = conf_printf(c, "%s.unusable", path);
	if (rename(path, aside) != 0)
		return false;
	log_msg(LOG_ALERT, "%s: it stands as %s now, and the variables begin with their defaults",
		why, aside);
	return true;
}

// Something else where the default file cannot be used.
static int
open_rescued(struct conf *c, struct vars_section *s, struct tidevars_options *o, int status,
	     struct tidevars_error *why, struct tidevars **out)
{
	if (status == TIDEVARS_BAD_FILE && put_aside(c, o->path, why->text))
		status = tidevars_open(out, o, why);
	if (status == TIDEVARS_OK)
		return status;
	log_msg(LOG_ALERT,
		"%s: the variables are in memory now; they outlive reloads and crashes of this "
		"service, but not its stop",
		why->text);
	o->path = NULL;
	s->file = STR_NULL;
	return tidevars_open(out, o, why);
}

bool
expr_vars_open(struct conf *c, struct expr_set *set, const struct vars_before *before,
	       struct tidevars **out)
{
	struct vars_section none = {.allow_undeclared = true};
	struct vars_section *s = conf_bound(c, BOUND_AS);
	struct tidevars_options o = {0};
	struct tidevars_error why;
	bool good = true;
	*out = NULL;
	s = s != NULL ? s : &none;
	if (!fill_options(c, s, &o))
		return false;
	const char *looked_at = s->check_only ? o.path : NULL;
	if (looked_at != NULL)
		o.path = NULL;
	bool inherited = before != NULL && before->fd >= 0;
	int status = inherited ? tidevars_open_fd(out, before->fd, o.flags, &why)
			       : tidevars_open(out, &o, &why);
	if (status != TIDEVARS_OK && s->rescue)
		status = open_rescued(c, s, &o, status, &why, out);
	if (status != TIDEVARS_OK)
		return conf_error(c, s->line, "%s", why.text);
	if (looked_at != NULL)
		good = take_stored(c, s, *out, looked_at);
	else
		warn_of_size(c, s, *out);
	for (const struct vars_var *v = s->vars; v != NULL; v = v->next) {
		vars_note(&s->was, *out, v->name);
		good &= declare(c, *out, v);
	}
	if (before == NULL)
		good = good && write_overlay(c, set, *out, s);
	if (!good) {
		vars_settle(&s->was, *out, false);
		tidevars_close(out);
	}
	expr_set_shm(set, *out, s->allow_undeclared);
	return good;
}
