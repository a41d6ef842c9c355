// SPDX-License-Identifier: MIT
// A table as JSON: each variable with its declaration, its value, and, of a hold, who holds it.
// Restoring declares what is there and writes all values in one commit, so that readers see the
// table before or after, and a text with a fault changes no value.
#include "tidectl/table.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tidectl/link.h"
#include "tidectl/request.h"
#include "tidegate/vars.h"

#define FORMAT_VERSION 1

enum { USUAL_SIZE = 1024 }; // of a dump that names none; more where it has more

static int
complain(const char *text)
{
	fprintf(stderr, "tidectl: %s\n", text);
	return EXIT_REFUSED;
}

// --- dump ------------------------------------------------------------------------------------

static json_t *
json_of(const struct tidevars_value *v)
{
	switch (v->type) {
	case TIDEVARS_BOOL:
		return json_boolean(v->u.i);
	case TIDEVARS_FLOAT:
	case TIDEVARS_GAUGE:
		return json_real(v->u.f);
	case TIDEVARS_STRING:
		return json_stringn_nocheck(v->text, v->text_n);
	default:
		return json_integer(v->u.i);
	}
}

// Only what differs from nothing stands in the text.
static void
put_ms(json_t *o, const char *key, uint64_t ns)
{
	if (ns != 0 && ns != TIDEVARS_NEVER)
		json_object_set_new(o, key, json_integer((json_int_t)(ns / NS_PER_MS)));
}

static void
put_text(json_t *o, const char *key, const char *text)
{
	if (text[0] != '\0')
		json_object_set_new(o, key, json_string_nocheck(text));
}

static void
put_writers(json_t *o, const struct tidevars_info *i)
{
	const struct {
		unsigned bit;
		const char *word;
	} words[] = {{TIDEVARS_BY_LUA, "lua"}, {TIDEVARS_BY_CLI, "cli"}, {TIDEVARS_BY_ANY, "any"}};
	if (i->writable_by == 0)
		return;
	json_t *list = json_array();
	for (size_t k = 0; k < ARRAY_LEN(words); k++)
		if (i->writable_by & words[k].bit)
			json_array_append_new(list, json_string(words[k].word));
	json_object_set_new(o, "writable-by", list);
	if (i->writable_by & TIDEVARS_BY_UID)
		json_object_set_new(o, "writable-by-uid", json_integer(i->writable_uid));
	if (i->writable_by & TIDEVARS_BY_GID)
		json_object_set_new(o, "writable-by-gid", json_integer(i->writable_gid));
}

static uint64_t
left_ns(uint64_t until_boot_ns, uint64_t now)
{
	return until_boot_ns == TIDEVARS_NEVER ? 0 : MAX(until_boot_ns - now, NS_PER_MS);
}

static json_t *
json_of_holds(struct tidevars *t, uint32_t handle, uint64_t now)
{
	struct tidevars_hold holds[TIDEVARS_HOLDS_MAX];
	size_t n = 0;
	json_t *list = json_array();
	if (tidevars_read_holds(t, handle, now, holds, &n) != TIDEVARS_OK)
		return list; // damaged while we read: told by the caller's last look
	for (size_t i = 0; i < n; i++) {
		json_t *h = json_object();
		put_text(h, "owner", holds[i].owner);
		put_text(h, "reason", holds[i].reason);
		put_ms(h, "left-ms", left_ns(holds[i].until_boot_ns, now));
		json_array_append_new(list, h);
	}
	return list;
}

static json_t *
json_of_variable(struct tidevars *t, uint32_t handle, uint64_t now)
{
	struct tidevars_info i;
	if (tidevars_info(t, handle, now, &i, NULL) != TIDEVARS_OK)
		return NULL; // forgotten
	json_t *o = json_object();
	json_object_set_new(o, "name", json_string(i.name));
	json_object_set_new(o, "type", json_string(tidevars_type_name(i.type)));
	put_text(o, "description", i.description);
	json_object_set_new(o, "default", json_of(&i.initial));
	if (i.flags & TIDEVARS_HAS_MIN)
		json_object_set_new(o, "min", json_of(&i.min));
	if (i.flags & TIDEVARS_HAS_MAX)
		json_object_set_new(o, "max", json_of(&i.max));
	if (i.flags & TIDEVARS_HAS_STALE) {
		put_ms(o, "stale-after-ms", i.stale_after_ns);
		json_object_set_new(o, "stale-use", json_of(&i.stale_use));
	}
	if (i.flags & TIDEVARS_UNDECLARED)
		json_object_set_new(o, "undeclared", json_true());
	put_ms(o, "ttl-ms", i.ttl_ns);
	put_ms(o, "half-life-ms", i.half_life_ns);
	put_writers(o, &i);
	if (i.type == TIDEVARS_HOLD) {
		json_object_set_new(o, "holds", json_of_holds(t, handle, now));
	} else if (!(i.value.flags & (TIDEVARS_IS_DEFAULT | TIDEVARS_IS_STALE))) {
		json_object_set_new(o, "value", json_of(&i.value));
		put_ms(o, "left-ms", left_ns(i.deadline_boot_ns, now));
	}
	return o;
}

static int
dump(struct tidevars *t)
{
	uint64_t now = tidevars_now_boot_ns();
	json_t *all = json_array(), *root = json_object();
	for (uint32_t h = 0; h < tidevars_count(t); h++) {
		json_t *o = json_of_variable(t, h, now);
		if (o != NULL)
			json_array_append_new(all, o);
	}
	json_object_set_new(root, "tidegate-vars", json_integer(FORMAT_VERSION));
	json_object_set_new(root, "size", json_integer(tidevars_size(t)));
	json_object_set_new(root, "variables", all);
	bool good = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) == 0 &&
		    putchar('\n') != EOF && fflush(stdout) == 0;
	json_decref(root);
	if (tidevars_damaged(t))
		return complain("the file was cut short while it was read");
	return good ? EXIT_DONE : complain("standard output cannot be written");
}

static int
check(struct tidevars *t, const char *path)
{
	uint32_t n = tidevars_count(t), live = 0;
	struct tidevars_info i;
	for (uint32_t h = 0; h < n; h++)
		live += tidevars_info(t, h, tidevars_now_boot_ns(), &i, NULL) == TIDEVARS_OK;
	if (tidevars_damaged(t))
		return complain("the file was cut short while it was read");
	printf("%s: good: %u variables, room for %u, %" PRIu64 " commits\n", path, live,
	       tidevars_size(t), tidevars_epoch(t));
	return EXIT_DONE;
}

// --- restore ---------------------------------------------------------------------------------

// The variable being read, for messages, and what is to be written.
struct restore {
	struct tidevars *t;
	const char *name;
	struct tidevars_op *ops;
	size_t n, cap;
	struct err err;
};

static bool
read_value(struct restore *r, const json_t *j, uint32_t type, const char *key,
	   struct tidevars_value *out)
{
	struct tidevars_error why;
	char number[64];
	const char *text = number;
	size_t n;
	if (json_is_string(j) && type == TIDEVARS_STRING) {
		text = json_string_value(j);
		n = json_string_length(j);
	} else if (json_is_boolean(j) && type == TIDEVARS_BOOL) {
		n = (size_t)snprintf(number, sizeof(number), "%d", json_is_true(j));
	} else if (json_is_integer(j) && type != TIDEVARS_STRING) {
		n = (size_t)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
				     json_integer_value(j));
	} else if (json_is_real(j) && (type == TIDEVARS_FLOAT || type == TIDEVARS_GAUGE)) {
		n = (size_t)snprintf(number, sizeof(number), "%.17g", json_real_value(j));
	} else {
		return err_set(&r->err, "variable '%s': \"%s\" is no %s", r->name, key,
			       tidevars_type_name(type));
	}
	return tidevars_parse(type, text, n, out, &why) == TIDEVARS_OK ||
	       err_set(&r->err, "variable '%s': \"%s\": %s", r->name, key, why.text);
}

static bool
read_optional(struct restore *r, const json_t *o, const char *key, uint32_t type,
	      struct tidevars_value *out, bool *given)
{
	const json_t *j = json_object_get(o, key);
	*given = j != NULL;
	return j == NULL || read_value(r, j, type, key, out);
}

static bool
read_ms(struct restore *r, const json_t *o, const char *key, uint64_t *ns)
{
	const json_t *j = json_object_get(o, key);
	json_int_t ms = json_integer_value(j);
	*ns = 0;
	if (j == NULL)
		return true;
	if (!json_is_integer(j) || ms <= 0 || ms > INT64_MAX / (json_int_t)NS_PER_MS)
		return err_set(&r->err, "variable '%s': \"%s\" is no number of milliseconds",
			       r->name, key);
	*ns = (uint64_t)ms * NS_PER_MS;
	return true;
}

static bool
read_id(struct restore *r, const json_t *o, const char *key, uint32_t bit, struct tidevars_decl *d,
	uint32_t *out)
{
	const json_t *j = json_object_get(o, key);
	if (j == NULL)
		return true;
	json_int_t id = json_integer_value(j);
	if (!json_is_integer(j) || id < 0 || id > UINT32_MAX)
		return err_set(&r->err, "variable '%s': \"%s\" is no id", r->name, key);
	d->writable_by |= bit;
	*out = (uint32_t)id;
	return true;
}

static bool
read_writers(struct restore *r, const json_t *o, struct tidevars_decl *d)
{
	const json_t *list = json_object_get(o, "writable-by"), *word;
	size_t i;
	json_array_foreach(list, i, word)
	{
		const char *w = json_string_value(word);
		unsigned bit = w == NULL               ? 0
			       : strcmp(w, "lua") == 0 ? TIDEVARS_BY_LUA
			       : strcmp(w, "cli") == 0 ? TIDEVARS_BY_CLI
			       : strcmp(w, "any") == 0 ? TIDEVARS_BY_ANY
						       : 0;
		if (bit == 0)
			return err_set(&r->err, "variable '%s': writable-by knows lua, cli, any",
				       r->name);
		d->writable_by |= bit;
	}
	return read_id(r, o, "writable-by-uid", TIDEVARS_BY_UID, d, &d->writable_uid) &&
	       read_id(r, o, "writable-by-gid", TIDEVARS_BY_GID, d, &d->writable_gid);
}

static bool
read_declaration(struct restore *r, const json_t *o, struct tidevars_decl *d)
{
	const char *type = json_string_value(json_object_get(o, "type"));
	bool given, min, max;
	*d = (struct tidevars_decl){.name = r->name};
	d->type = type != NULL ? tidevars_type_of(type, strlen(type)) : TIDEVARS_NONE;
	if (d->type == TIDEVARS_NONE)
		return err_set(&r->err, "variable '%s': unknown type '%s'", r->name,
			       type != NULL ? type : "");
	d->description = json_string_value(json_object_get(o, "description"));
	if (!read_optional(r, o, "default", d->type, &d->initial, &given) ||
	    !read_optional(r, o, "min", d->type, &d->min, &min) ||
	    !read_optional(r, o, "max", d->type, &d->max, &max) ||
	    !read_ms(r, o, "stale-after-ms", &d->stale_after_ns) ||
	    !read_ms(r, o, "ttl-ms", &d->ttl_ns) ||
	    !read_ms(r, o, "half-life-ms", &d->half_life_ns) || !read_writers(r, o, d))
		return false;
	d->flags = (min ? TIDEVARS_HAS_MIN : 0u) | (max ? TIDEVARS_HAS_MAX : 0u);
	if (json_is_true(json_object_get(o, "undeclared")))
		d->flags |= TIDEVARS_UNDECLARED;
	if (d->stale_after_ns == 0)
		return true;
	d->flags |= TIDEVARS_HAS_STALE;
	return read_optional(r, o, "stale-use", d->type, &d->stale_use, &given);
}

static struct tidevars_op *
add_op(struct restore *r, uint32_t handle, uint32_t kind)
{
	VEC_GROW(r->ops, r->cap, r->n);
	struct tidevars_op *op = &r->ops[r->n++];
	*op = (struct tidevars_op){.handle = handle, .kind = kind};
	return op;
}

// Each in a commit of its own behind the values': a variable may be named once in a commit.
static bool
restore_holds(struct restore *r, const json_t *o)
{
	const json_t *list = json_object_get(o, "holds"), *h;
	uint32_t handle;
	size_t i;
	r->name = json_string_value(json_object_get(o, "name"));
	if (list == NULL)
		return true;
	(void)tidevars_find(r->t, r->name, strlen(r->name), &handle, NULL); // declared before
	json_array_foreach(list, i, h)
	{
		const char *owner = json_string_value(json_object_get(h, "owner"));
		const char *reason = json_string_value(json_object_get(h, "reason"));
		struct tidevars_writer w = {.who = owner,
					    .reason = reason,
					    .source = TIDEVARS_FROM_CLI};
		struct tidevars_error why;
		uint64_t left;
		(void)read_ms(r, h, "left-ms", &left); // good: check_holds
		const struct tidevars_op take = {.handle = handle,
						 .kind = TIDEVARS_TAKE,
						 .ttl_ns = left != 0 ? left : TIDEVARS_NEVER,
						 .owner = owner};
		if (tidevars_restore(r->t, &take, 1, &w, &why) != TIDEVARS_OK)
			return err_set(&r->err, "%s", why.text);
	}
	return true;
}

// Before any value is written.
static bool
check_holds(struct restore *r, const json_t *o)
{
	const json_t *list = json_object_get(o, "holds"), *h;
	uint64_t left;
	size_t i;
	if (json_array_size(list) > TIDEVARS_HOLDS_MAX)
		return err_set(&r->err, "variable '%s': at most %d holds", r->name,
			       TIDEVARS_HOLDS_MAX);
	json_array_foreach(list, i, h)
	{
		const json_t *owner = json_object_get(h, "owner");
		if (!tidevars_owner_ok(json_string_value(owner), json_string_length(owner)))
			return err_set(
			    &r->err,
			    "variable '%s': a hold without owner, or whose has more than "
			    "%d bytes or control bytes",
			    r->name, TIDEVARS_WHO_MAX);
		if (!read_ms(r, h, "left-ms", &left))
			return false;
	}
	return true;
}

static bool
restore_variable(struct restore *r, const json_t *o)
{
	struct tidevars_decl d;
	struct tidevars_error why;
	struct tidevars_value v;
	uint32_t handle;
	uint64_t left;
	bool given;
	r->name = json_string_value(json_object_get(o, "name"));
	if (r->name == NULL)
		return err_set(&r->err, "a variable without a name");
	if (!read_declaration(r, o, &d) || !read_ms(r, o, "left-ms", &left) ||
	    !read_optional(r, o, "value", d.type, &v, &given))
		return false;
	if (tidevars_declare(r->t, &d, &handle, &why) != TIDEVARS_OK)
		return err_set(&r->err, "%s", why.text);
	if (d.type == TIDEVARS_HOLD)
		return check_holds(r, o); // taken after the values
	struct tidevars_op *op = add_op(r, handle, given ? TIDEVARS_SET : TIDEVARS_UNSET);
	if (given)
		op->value = v;
	op->ttl_ns = left != 0 ? left : TIDEVARS_NEVER;
	return true;
}

static bool
restore_all(struct restore *r, const json_t *root)
{
	const struct tidevars_writer w = {.who = default_owner(),
					  .reason = "restored from a dump",
					  .source = TIDEVARS_FROM_CLI};
	const json_t *list = json_object_get(root, "variables"), *o;
	struct tidevars_error why;
	size_t i;
	json_array_foreach(list, i, o)
	{
		if (!restore_variable(r, o))
			return false;
	}
	if (tidevars_restore(r->t, r->ops, r->n, &w, &why) != TIDEVARS_OK)
		return err_set(&r->err, "%s", why.text);
	json_array_foreach(list, i, o)
	{
		if (!restore_holds(r, o))
			return false;
	}
	return true;
}

static json_t *
read_text(const char *path, struct err *err)
{
	json_error_t why;
	bool standard = path == NULL || strcmp(path, "-") == 0;
	json_t *root = standard ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &why)
				: json_load_file(path, JSON_REJECT_DUPLICATES, &why);
	const char *from = standard ? "standard input" : path;
	if (root == NULL) {
		if (why.line > 0)
			err_set(err, "%s:%d: %s", from, why.line, why.text);
		else
			err_set(err, "%s", why.text); // names the file that could not be opened
		return NULL;
	}
	if (json_integer_value(json_object_get(root, "tidegate-vars")) == FORMAT_VERSION &&
	    json_is_array(json_object_get(root, "variables")))
		return root;
	json_decref(root);
	err_set(err, "%s is no dump of variables of format %d", from, FORMAT_VERSION);
	return NULL;
}

// A new file is filled under another name and appears whole.
static int
restore(const char *path, const char *text)
{
	struct restore r = {0};
	char fresh[4096];
	struct tidevars_error why;
	json_t *root = read_text(text, &r.err);
	if (root == NULL)
		return complain(r.err.text);
	bool exists = access(path, F_OK) == 0;
	if ((size_t)snprintf(fresh, sizeof(fresh), "%s.restore.%d", path, getpid()) >=
	    sizeof(fresh))
		return json_decref(root), complain("the path is too long");
	json_int_t size = json_integer_value(json_object_get(root, "size"));
	json_int_t n = (json_int_t)json_array_size(json_object_get(root, "variables"));
	size = MAX(size != 0 ? size : USUAL_SIZE, n);
	struct tidevars_options o = {.path = exists ? path : fresh,
				     .flags = exists ? 0 : TIDEVARS_CREATE,
				     .size = size > 0 && size <= 1048576 ? (uint32_t)size : 0};
	bool good = tidevars_open(&r.t, &o, &why) == TIDEVARS_OK || err_set(&r.err, "%s", why.text);
	good = good && restore_all(&r, root);
	if (good && !exists && rename(fresh, path) != 0)
		good = err_set(&r.err, "%s: %s", path, strerror(errno));
	if (!good && !exists)
		(void)unlink(fresh); // nothing of it is to stay
	tidevars_close(&r.t);
	mem_free(r.ops);
	json_decref(root);
	return good ? EXIT_DONE : complain(r.err.text);
}

// --- the verb ----------------------------------------------------------------------------------

int
table_perform(struct request *r)
{
	const char *what = r->argv[0], *path = r->argv[1];
	struct tidevars_error why;
	struct tidevars *t;
	if (tidevars_guard_sigbus(&why) != TIDEVARS_OK)
		return complain(why.text);
	if (strcmp(what, "restore") == 0)
		return restore(path, r->argc > 2 ? r->argv[2] : NULL);
	bool checks = strcmp(what, "check") == 0;
	if (r->argc > 2 || (!checks && strcmp(what, "dump") != 0)) {
		fprintf(stderr, "tidectl: usage: tidectl vars [check FILE | dump FILE | "
				"restore FILE [JSON]]\n");
		return EXIT_USAGE;
	}
	const struct tidevars_options o = {.path = path, .flags = TIDEVARS_READ_ONLY};
	if (tidevars_open(&t, &o, &why) != TIDEVARS_OK)
		return complain(why.text);
	int status = checks ? check(t, path) : dump(t);
	tidevars_close(&t);
	return status;
}
