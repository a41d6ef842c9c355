// SPDX-License-Identifier: MIT
// Commands on named pattern sets, map and acl alike: show, get, add, set, del, clear, prepare,
// commit, with HAProxy's words and answers.

#include <stdio.h>

#include "base/mem.h"
#include "base/module.h"
#include "cli/cli.h"
#include "expr/pattern_ref_priv.h"

#define ARENA_BYTES ((size_t)1 << 20)

// What a row's arg says.
struct kind {
	bool map;
	const char *name;
};
static const struct kind kind_map = {true, "map"};
static const struct kind kind_acl = {false, "acl"};

// "[@VERSION] SET ...": what stands before a command's own words.
struct call {
	const struct kind *kind;
	struct pattern_ref *ref;
	uint32_t version;
	int at; // first of the own words
	struct err err;
};

static bool
parse_version(struct call *c, struct str word)
{
	int64_t n;
	if (!str_to_int(str_slice(word, 1, word.n), &n) || n < 0 || n > UINT32_MAX)
		return err_set(&c->err, "'%.*s' is not a version: '@' and a number", STR_ARG(word));
	c->version = (uint32_t)n;
	return true;
}

static bool
begin(struct call *c, struct cli_session *s, const struct cli_args *args)
{
	struct expr_set *set = cli_bound(s, "expr");
	*c = (struct call){.kind = args->row->arg};
	if (str_starts(args->argv[0], STR("@")) && !parse_version(c, args->argv[c->at++]))
		return false;
	struct str name = args->argv[c->at++];
	c->ref = set != NULL ? pattern_ref_find(set, name) : NULL;
	if (c->ref == NULL || c->ref->is_map != c->kind->map)
		return err_set(&c->err, "Unknown %s identifier. Please use #<id> or <file>.",
			       c->kind->map ? "map" : "ACL");
	if (!pattern_ref_has_version(c->ref, c->version))
		return err_set(&c->err, "Version number out of range.");
	return true;
}

static bool
parse_hash(struct call *c, struct str word, uint64_t *hash)
{
	int64_t n;
	bool good = str_to_int(word, &n);
	*hash = (uint64_t)n;
	return good || err_set(&c->err, "'%.*s' is no hash", STR_ARG(word));
}

static enum cli_status
refuse(struct cli_session *s, const struct call *c)
{
	return cli_error(s, "%s", c->err.text);
}

// ---- show, dump

struct dump {
	struct pattern_ref *ref;
	uint32_t version;
	struct pattern_walk walk;
	uint64_t hash; // of what was dumped so far
};

static enum cli_status
start(struct cli_session *s, const struct call *c,
      enum cli_status (*more)(struct cli_session *s, void *state))
{
	struct dump *d = MEM_NEW(struct dump);
	d->ref = c->ref;
	d->version = c->version;
	cli_continue(s, more, d, mem_free);
	return more(s, d);
}

static enum cli_status
dump_more(struct cli_session *s, void *state)
{
	struct dump *d = state;
	struct pattern_entry e;
	while (cli_room(s) > 0) {
		if (!pattern_ref_next(d->ref, d->version, &d->walk, &e))
			return CLI_DONE;
		cli_printf(s, "0x%llx %.*s", (unsigned long long)e.id, STR_ARG(e.key));
		if (d->ref->is_map)
			cli_printf(s, " %.*s", STR_ARG(e.value));
		cli_printf(s, "\n");
	}
	return CLI_MORE;
}

static enum cli_status
show_list(struct cli_session *s, const struct kind *kind)
{
	struct expr_set *set = cli_bound(s, "expr");
	struct pattern_ref_info i;
	const struct pattern_ref *r;
	cli_printf(s, "# id (file) description\n");
	for (size_t n = 0; set != NULL && (r = pattern_ref_nth(set, n)) != NULL; n++) {
		pattern_ref_info(r, &i);
		if (i.is_map != kind->map)
			continue;
		if (i.name.n == 0) {
			cli_printf(s,
				   "%u () acl '%.*s' file '%s' line %d. curr_ver=%u next_ver=%u "
				   "entry_cnt=%zu\n",
				   i.number, STR_ARG(i.keyword), i.used_in, i.used_line, i.version,
				   i.next_version, i.n_entries);
			continue;
		}
		cli_printf(s,
			   "%u (%.*s) pattern loaded from file '%.*s' used by %s at file '%s' line "
			   "%d%.*s. curr_ver=%u next_ver=%u entry_cnt=%zu\n",
			   i.number, STR_ARG(i.name), STR_ARG(i.name), kind->name, i.used_in,
			   i.used_line, STR_ARG(i.used_too), i.version, i.next_version,
			   i.n_entries);
	}
	return CLI_DONE;
}

static enum cli_status
run_show(struct cli_session *s, const struct cli_args *args)
{
	struct call c;
	if (args->argc == 0)
		return show_list(s, args->row->arg);
	return begin(&c, s, args) ? start(s, &c, dump_more) : refuse(s, &c);
}

// As a file has them, so that it can be written back. Who comes to the end may tell that it was.
static enum cli_status
lines_more(struct cli_session *s, void *state)
{
	struct dump *d = state;
	struct pattern_entry e;
	while (cli_room(s) > 0) {
		if (!pattern_ref_next(d->ref, d->version, &d->walk, &e)) {
			d->ref->dumped_hash = d->hash;
			return CLI_DONE;
		}
		d->hash = pattern_kept_hash(d->hash, e.key, e.value);
		if (!pattern_file_holds(d->ref->is_map, e.key, e.value))
			return cli_error(s, "a file cannot hold this entry: 0x%llx '%.*s' '%.*s'",
					 (unsigned long long)e.id, STR_ARG(e.key),
					 STR_ARG(e.value));
		cli_printf(s, e.value.n > 0 ? "%.*s %.*s\n" : "%.*s%.*s\n", STR_ARG(e.key),
			   STR_ARG(e.value));
	}
	return CLI_MORE;
}

static enum cli_status
run_dump(struct cli_session *s, const struct cli_args *args)
{
	struct call c;
	uint64_t hash = 0;
	if (!begin(&c, s, args) || (args->argc > c.at && !parse_hash(&c, args->argv[c.at], &hash)))
		return refuse(s, &c);
	if (args->argc > c.at && hash != c.ref->text_hash)
		return cli_error(s,
				 "its file was edited since the proxy read it%s; what it has now "
				 "would be lost",
				 c.ref->text_hash == 0 ? " (it was not there)" : "");
	return start(s, &c, lines_more);
}

// The last dump is the file now: what changes from here on is a change to that.
static enum cli_status
run_saved(struct cli_session *s, const struct cli_args *args)
{
	struct call c;
	uint64_t hash;
	if (!begin(&c, s, args) || !parse_hash(&c, args->argv[c.at], &hash))
		return refuse(s, &c);
	c.ref->text_hash = hash;
	c.ref->file_hash = c.ref->dumped_hash;
	if (c.ref->refs->changed != NULL)
		c.ref->refs->changed(c.ref->refs->changed_arg, c.ref, false);
	return CLI_DONE;
}

// ---- get

static const char *
index_name(enum pat_match m)
{
	bool tree = m == PAT_STR || m == PAT_BIN || m == PAT_BEG || m == PAT_END || m == PAT_IP;
	return tree ? "tree" : "list";
}

// HAProxy's name of a value's type.
static const char *
value_type(enum sample_type t)
{
	return t == SMP_INT ? "sint" : t == SMP_STR ? "str" : "addr";
}

// One line for each way in which the configuration looks at the set.
static void
get_one(struct cli_session *s, const struct pattern_use *u, struct str text, struct arena *arena)
{
	struct sample_ctx ctx = {.arena = arena};
	struct sample smp = {.type = SMP_STR, .s = text};
	enum sample_type want = pat_match_type(u->opts.match);
	const struct pattern_entry *e = NULL;
	bool map = u->opts.map;
	if (want == SMP_ANY || sample_cast(&smp, want, &ctx))
		e = pattern_use_match(u, &smp, &ctx);
	cli_printf(s, "type=%s, case=%s, %s=%s", pat_match_name(u->opts.match),
		   u->opts.icase ? "insensitive" : "sensitive", map ? "found" : "match",
		   e != NULL ? "yes" : "no");
	if (e == NULL) {
		cli_printf(s, "\n");
		return;
	}
	cli_printf(s, ", idx=%s, %s=\"%.*s\"", index_name(u->opts.match), map ? "key" : "pattern",
		   STR_ARG(e->key));
	if (map)
		cli_printf(s, ", value=\"%.*s\", type=\"%s\"", STR_ARG(e->value),
			   value_type(u->type));
	cli_printf(s, "\n");
}

static enum cli_status
run_get(struct cli_session *s, const struct cli_args *args)
{
	struct call c;
	struct arena arena;
	if (!begin(&c, s, args))
		return refuse(s, &c);
	if (c.at >= args->argc)
		return cli_usage(s, args);
	arena_init(&arena, ARENA_BYTES);
	pattern_ref_open(c.ref);
	for (const struct pattern_use *u = c.ref->uses; u != NULL; u = u->next)
		get_one(s, u, args->argv[c.at], &arena);
	arena_fini(&arena);
	return CLI_DONE;
}

// ---- add, set, del

static enum cli_status
finish(struct cli_session *s, struct call *c, bool good)
{
	if (good) {
		pattern_ref_publish(c->ref);
		return CLI_DONE;
	}
	pattern_ref_undo(c->ref);
	return refuse(s, c);
}

// Lines of a payload; all of them or none.
static bool
add_payload(struct call *c, struct str text)
{
	struct str line;
	int number = 0;
	while (str_next(&text, '\n', &line)) {
		struct str key, value;
		pattern_line_cut(str_trim(line), c->kind->map, &key, &value);
		number++;
		if (key.n == 0)
			continue;
		bool whole = !c->kind->map || value.n > 0 ||
			     err_set(&c->err, "key '%.*s' has no value", STR_ARG(key));
		if (!whole ||
		    !pattern_ref_change(c->ref, PATTERN_ADD, c->version, key, value, &c->err))
			return err_wrap(&c->err, "payload line %d, nothing is added", number);
	}
	return true;
}

static enum cli_status
run_add(struct cli_session *s, const struct cli_args *args)
{
	struct call c;
	if (!begin(&c, s, args))
		return refuse(s, &c);
	int want = args->has_payload ? 0 : c.kind->map ? 2 : 1;
	if (args->argc - c.at != want)
		return cli_usage(s, args);
	if (args->has_payload)
		return finish(s, &c, add_payload(&c, args->payload));
	return finish(s, &c,
		      pattern_ref_change(c.ref, PATTERN_ADD, c.version, args->argv[c.at],
					 args->argv[c.at + 1], &c.err));
}

static enum cli_status
run_set(struct cli_session *s, const struct cli_args *args)
{
	struct call c;
	if (!begin(&c, s, args))
		return refuse(s, &c);
	if (args->argc - c.at != 2)
		return cli_usage(s, args);
	return finish(s, &c,
		      pattern_ref_change(c.ref, PATTERN_SET, c.version, args->argv[c.at],
					 args->argv[c.at + 1], &c.err));
}

static enum cli_status
run_del(struct cli_session *s, const struct cli_args *args)
{
	struct call c;
	if (!begin(&c, s, args))
		return refuse(s, &c);
	if (args->argc - c.at != 1)
		return cli_usage(s, args);
	return finish(s, &c,
		      pattern_ref_change(c.ref, PATTERN_DEL, c.version, args->argv[c.at], STR_NULL,
					 &c.err));
}

// ---- whole versions

static enum cli_status
run_clear(struct cli_session *s, const struct cli_args *args)
{
	struct call c;
	if (!begin(&c, s, args) || !pattern_ref_clear(c.ref, c.version, &c.err))
		return refuse(s, &c);
	return CLI_DONE;
}

static enum cli_status
run_prepare(struct cli_session *s, const struct cli_args *args)
{
	struct call c;
	uint32_t version;
	if (!begin(&c, s, args) || (version = pattern_ref_prepare(c.ref, &c.err)) == 0)
		return refuse(s, &c);
	cli_msg(s, "New version created: %u", version);
	return CLI_DONE;
}

static enum cli_status
run_commit(struct cli_session *s, const struct cli_args *args)
{
	struct call c;
	if (!str_starts(args->argv[0], STR("@")))
		return cli_usage(s, args);
	if (!begin(&c, s, args) || !pattern_ref_commit(c.ref, c.version, &c.err))
		return refuse(s, &c);
	return CLI_DONE;
}

#define ROW(w, k, a, least, most, fl, fn, h)                                                   \
	{                                                                                      \
		.words = (w), .level = CLI_ADMIN, .args = (a), .min_args = (least),            \
		.max_args = (most), .flags = (fl), .run = (fn), .help = (h), .arg = &kind_##k, \
	}

static const struct cli_command map_commands[] = {
    ROW("show map", map, "[[@VERSION] MAP]", 0, 2, 0, run_show,
	"list the maps, or a map's entries"),
    ROW("dump map", map, "MAP [HASH]", 1, 2, 0, run_dump,
	"a map's entries as lines of a file; an error for one that no file can hold, or when its "
	"file's text had another hash"),
    ROW("saved map", map, "MAP HASH", 2, 2, 0, run_saved,
	"the last dump was written to the map's file; the hash of its text, XXH3 as a signed "
	"number"),
    ROW("get map", map, "MAP KEY", 2, 2, 0, run_get, "what a map has for a key, as rules see it"),
    ROW("add map", map, "[@VERSION] MAP KEY VALUE | [@VERSION] MAP <<payload", 1, 4,
	CLI_PAYLOAD | CLI_CHANGES | CLI_SECRET_LAST, run_add, "add entries to a map"),
    ROW("set map", map, "MAP KEY|#ID VALUE", 3, 3, CLI_CHANGES | CLI_SECRET_LAST, run_set,
	"change the value of a map's entry"),
    ROW("del map", map, "MAP KEY|#ID", 2, 2, CLI_CHANGES, run_del, "take a key out of a map"),
    ROW("clear map", map, "[@VERSION] MAP", 1, 2, CLI_CHANGES, run_clear,
	"take every entry out of a map"),
    ROW("prepare map", map, "MAP", 1, 1, 0, run_prepare,
	"make an empty version of a map, to fill and commit"),
    ROW("commit map", map, "@VERSION MAP", 2, 2, CLI_CHANGES, run_commit,
	"make a prepared version of a map the one that rules see"),
    ROW("show acl", acl, "[[@VERSION] FILE]", 0, 2, 0, run_show,
	"list the pattern files of ACLs and, by number, the words of each ACL; or one's patterns"),
    ROW("dump acl", acl, "FILE [HASH]", 1, 2, 0, run_dump, "as dump map, of a set's patterns"),
    ROW("saved acl", acl, "FILE HASH", 2, 2, 0, run_saved, "as saved map, of a set's patterns"),
    ROW("get acl", acl, "FILE VALUE", 2, 2, 0, run_get, "whether a pattern matches a value"),
    ROW("add acl", acl, "[@VERSION] FILE PATTERN | [@VERSION] FILE <<payload", 1, 3,
	CLI_PAYLOAD | CLI_CHANGES, run_add, "add patterns to a file's set"),
    ROW("del acl", acl, "FILE PATTERN|#ID", 2, 2, CLI_CHANGES, run_del,
	"take a pattern out of a file's set"),
    ROW("clear acl", acl, "[@VERSION] FILE", 1, 2, CLI_CHANGES, run_clear,
	"take every pattern out of a file's set"),
    ROW("prepare acl", acl, "FILE", 1, 1, 0, run_prepare,
	"make an empty version of a file's set, to fill and commit"),
    ROW("commit acl", acl, "@VERSION FILE", 2, 2, CLI_CHANGES, run_commit,
	"make a prepared version of a file's set the one that rules see"),
    {.words = NULL},
};

const struct module pattern_module = {.name = "patterns", .commands = map_commands};
