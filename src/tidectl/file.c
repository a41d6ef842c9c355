// SPDX-License-Identifier: MIT
// The verbs on variables through libtidevars. A table is never created here: a mistyped path must
// not look like an empty one.
#include "tidectl/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "tidectl/link.h"
#include "tidectl/ops.h"
#include "tidectl/show.h"
#include "tidegate/vars.h"
#include "vars/list.h"

// What is at work, on which table.
struct work {
	struct tidevars *t;
	struct request *r;
	struct tidevars_writer writer;
	struct tidevars_error err;
};

typedef int (*work_f)(struct work *w); // TIDEVARS_* or, beyond them, EXIT_USAGE as -1

static int
bad_words(struct work *w, const char *text)
{
	snprintf(w->err.text, sizeof(w->err.text), "%.480s", text);
	return -1;
}

static int
bad_word(struct work *w, const char *word, const char *text)
{
	(void)snprintf(w->err.text, sizeof(w->err.text), "'%.80s' %s", word, text);
	return -1;
}

// nothing given: `none`
static bool
ttl_of(struct work *w, const char *text, uint64_t none, uint64_t *ns)
{
	uint64_t us;
	*ns = none;
	if (text == NULL)
		return true;
	if (!str_to_time_us(str_from_c(text), 1000000, &us) || us == 0 || us > UINT64_MAX / 2000)
		return bad_word(w, text, "is not a time above 0: a number with ms, s, m, h or d") ==
		       0;
	*ns = us * 1000;
	return true;
}

static int
find(struct work *w, const char *name, uint32_t *handle)
{
	name = strncmp(name, "shm.", 4) == 0 ? name + 4 : name;
	return tidevars_find(w->t, name, strlen(name), handle, &w->err);
}

static int
value_of(struct work *w, const struct op *op, const char *text, struct tidevars_op *to,
	 struct tidevars_value *v)
{
	struct tidevars_error why;
	int status = tidevars_parse(tidevars_type(w->t, to->handle), text, strlen(text), v, &why);
	if (status != TIDEVARS_OK)
		(void)snprintf(w->err.text, sizeof(w->err.text), "'%s': %.400s", op->name,
			       why.text);
	return status;
}

// The words as an operation on the table.
static int
resolve(struct work *w, const struct op *op, struct tidevars_op *to)
{
	*to = (struct tidevars_op){.kind = op->row->kind, .owner = op->owner};
	if (!ttl_of(w, op->ttl, 0, &to->ttl_ns))
		return -1;
	int status = find(w, op->name, &to->handle);
	const char *last = op->value[op->row->n_values == 2];
	if (status == TIDEVARS_OK && op->row->n_values == 2)
		status = value_of(w, op, op->value[0], to, &to->expect);
	if (status == TIDEVARS_OK && op->row->n_values > 0)
		status = value_of(w, op, last, to, &to->value);
	return status;
}

static int
write_ops(struct work *w, const struct op *ops, size_t n)
{
	struct tidevars_op to[OPS_MAX];
	for (size_t i = 0; i < n; i++) {
		int status = resolve(w, &ops[i], &to[i]);
		if (status != TIDEVARS_OK)
			return status;
	}
	return tidevars_commit(w->t, to, n, &w->writer, &w->err);
}

static int
do_op(struct work *w)
{
	struct op op;
	struct err err;
	return op_of_request(w->r, &op, &err) ? write_ops(w, &op, 1) : bad_words(w, err.text);
}

static int
do_commit(struct work *w)
{
	struct op ops[OPS_MAX];
	struct err err;
	size_t n;
	return ops_of_commit(w->r, ops, &n, &err) ? write_ops(w, ops, n) : bad_words(w, err.text);
}

// The beginning of one more object of a list.
static void
print_between(struct work *w, bool *first)
{
	if (w->r->json)
		printf("%s", *first ? "[" : ",\n");
	*first = false;
}

static void
print_end(struct work *w, bool first)
{
	if (w->r->json)
		printf("%s]\n", first ? "[" : "");
}

// Prints what `b` gathered, and empties it.
static void
print_listed(struct sbuf *b)
{
	(void)fwrite(sbuf_str(b).p, 1, b->n, stdout); // looked at when all is flushed
	sbuf_clear(b);
}

static void
print_value(struct work *w, uint32_t handle, const struct tidevars_value *v, bool with_name)
{
	char text[TIDEVARS_TEXT_MAX * 6 + 64];
	const char *name = tidevars_name(w->t, handle);
	if (w->r->json) {
		struct sbuf b;
		sbuf_init(&b, VARS_LIST_BYTES);
		vars_list_value(&b, name, v);
		print_listed(&b);
		sbuf_fini(&b);
		return;
	}
	(void)tidevars_format(v, text, sizeof(text)); // fits any value
	if (with_name)
		str_tame(text, ""); // one line each
	printf("%s%s", with_name ? name : "", with_name ? " " : "");
	if (isatty(STDOUT_FILENO)) // else a program's
		show_text(stdout, str_from_c(text));
	else
		fputs(text, stdout);
	putchar('\n');
}

// The variables that all arguments name.
struct named {
	size_t n;
	uint32_t handle[VERB_MAX_ARGS];
	struct tidevars_value now[VERB_MAX_ARGS];
};

static int
find_all(struct work *w, struct named *v)
{
	int status = TIDEVARS_OK;
	for (v->n = 0; v->n < (size_t)w->r->argc && status == TIDEVARS_OK; v->n++)
		status = find(w, w->r->argv[v->n], &v->handle[v->n]);
	return status;
}

static int
do_get(struct work *w)
{
	struct named v;
	int status = find_all(w, &v);
	if (status == TIDEVARS_OK)
		status = tidevars_read_many(w->t, v.handle, v.n, tidevars_now_boot_ns(), v.now);
	for (size_t i = 0; i < v.n && status == TIDEVARS_OK; i++)
		print_value(w, v.handle[i], &v.now[i], v.n > 1);
	return status;
}

// Prints what differs from *before; gives until when nothing else happens without a write.
static uint64_t
print_changes(struct work *w, const struct named *v, struct tidevars_value *before, uint64_t now)
{
	uint64_t until = now + 86400 * NS_PER_S;
	for (size_t i = 0; i < v->n; i++) {
		if (!tidevars_value_eq(&v->now[i], &before[i]))
			print_value(w, v->handle[i], &v->now[i], true);
		before[i] = v->now[i];
		until = MIN(until, v->now[i].until_boot_ns);
	}
	return until - now;
}

// Ends when the client goes away (SIGPIPE, SIGINT), or when standard output cannot be written.
static int
do_watch(struct work *w)
{
	struct named v;
	struct tidevars_value before[VERB_MAX_ARGS];
	int status = find_all(w, &v);
	memset(before, 0, sizeof(before)); // of no type: differs from any
	while (status == TIDEVARS_OK || status == TIDEVARS_TIMEOUT) {
		uint32_t ticket = tidevars_ticket(w->t);
		uint64_t now = tidevars_now_boot_ns();
		status = tidevars_read_many(w->t, v.handle, v.n, now, v.now);
		if (status != TIDEVARS_OK)
			break;
		uint64_t wait = print_changes(w, &v, before, now);
		if (fflush(stdout) != 0)
			break;
		status = tidevars_wait_ticket(w->t, ticket, wait);
	}
	return status;
}

static int
do_rate(struct work *w)
{
	struct tidevars_value before, after;
	uint32_t h;
	uint64_t period;
	if (!ttl_of(w, w->r->argc > 1 ? w->r->argv[1] : NULL, NS_PER_S, &period))
		return -1;
	int status = find(w, w->r->argv[0], &h);
	if (status != TIDEVARS_OK)
		return status;
	uint32_t type = tidevars_type(w->t, h);
	if (type != TIDEVARS_COUNTER && type != TIDEVARS_INT)
		return bad_word(w, w->r->argv[0], "has no rate: a counter or an int has one");
	(void)tidevars_read(w->t, h, tidevars_now_boot_ns(), &before); // known: OK
	struct timespec ts = {.tv_sec = (time_t)(period / NS_PER_S),
			      .tv_nsec = (long)(period % NS_PER_S)};
	while (nanosleep(&ts, &ts) != 0 && errno == EINTR)
		continue;
	(void)tidevars_read(w->t, h, tidevars_now_boot_ns(), &after); // the same
	printf("%" PRId64 "\n", MAX(after.u.i - before.u.i, INT64_C(0)));
	return TIDEVARS_OK;
}

static int
do_vars(struct work *w)
{
	struct tidevars_info info;
	struct sbuf b;
	bool first = true;
	uint64_t now = tidevars_now_boot_ns();
	sbuf_init(&b, VARS_LIST_BYTES);
	for (uint32_t h = 0; h < tidevars_count(w->t); h++) {
		if (tidevars_info(w->t, h, now, &info, NULL) != TIDEVARS_OK)
			continue; // forgotten
		print_between(w, &first);
		vars_list_info(&b, w->t, h, &info, now, w->r->json);
		print_listed(&b);
	}
	print_end(w, first);
	sbuf_fini(&b);
	return TIDEVARS_OK;
}

static int
do_log(struct work *w)
{
	struct tidevars_log_entry e;
	struct sbuf b;
	bool first = true;
	sbuf_init(&b, VARS_LIST_BYTES);
	for (uint64_t seq = 0; tidevars_log_next(w->t, seq, &e) == 1; seq = e.seq) {
		print_between(w, &first);
		vars_list_entry(&b, w->t, &e, w->r->json);
		print_listed(&b);
	}
	print_end(w, first);
	sbuf_fini(&b);
	return TIDEVARS_OK;
}

static int
print_holds(struct work *w, uint32_t handle, bool *first)
{
	struct tidevars_hold holds[TIDEVARS_HOLDS_MAX];
	size_t n = 0;
	uint64_t now = tidevars_now_boot_ns();
	struct sbuf b;
	int status = tidevars_read_holds(w->t, handle, now, holds, &n);
	sbuf_init(&b, VARS_LIST_BYTES);
	for (size_t i = 0; i < n; i++) {
		print_between(w, first);
		vars_list_hold(&b, tidevars_name(w->t, handle), &holds[i], now, w->r->json);
		print_listed(&b);
	}
	sbuf_fini(&b);
	return status;
}

// All of the table, or those of one variable, `maint status` among them.
static int
do_holds(struct work *w)
{
	bool first = true;
	bool maint = strcmp(w->r->verb->name, "maint") == 0;
	int status = TIDEVARS_OK;
	if (maint || w->r->argc > 0) {
		uint32_t h;
		status = find(w, maint ? "maint" : w->r->argv[0], &h);
		if (status == TIDEVARS_OK)
			status = print_holds(w, h, &first);
		if (status == TIDEVARS_TYPE)
			return bad_words(w, "the variable is not a hold");
	} else {
		for (uint32_t h = 0; h < tidevars_count(w->t); h++)
			(void)print_holds(w, h, &first); // others have none
	}
	if (status == TIDEVARS_OK)
		print_end(w, first);
	return status;
}

static int
print_info(struct work *w, uint32_t handle)
{
	struct tidevars_info info;
	struct sbuf b;
	uint64_t now = tidevars_now_boot_ns();
	int status = tidevars_info(w->t, handle, now, &info, &w->err);
	if (status != TIDEVARS_OK)
		return status;
	sbuf_init(&b, VARS_LIST_BYTES);
	vars_list_info(&b, w->t, handle, &info, now, true);
	sbuf_add(&b, STR("\n"));
	print_listed(&b);
	sbuf_fini(&b);
	return TIDEVARS_OK;
}

static int
do_maint(struct work *w)
{
	if (strcmp(w->r->argv[0], "status") != 0)
		return do_op(w);
	struct tidevars_value v;
	uint32_t h;
	int status = find(w, "maint", &h);
	if (status != TIDEVARS_OK)
		return status;
	if (w->r->json)
		return print_info(w, h);
	(void)tidevars_read(w->t, h, tidevars_now_boot_ns(), &v); // known: OK
	print_value(w, h, &v, false);
	return do_holds(w);
}

enum access { READS, WRITES, WAITS };

static const struct {
	const char *verb;
	work_f run;
	enum access access;
} deeds[] = {
    {"set", do_op, WRITES},      {"get", do_get, READS},     {"unset", do_op, WRITES},
    {"add", do_op, WRITES},      {"cas", do_op, WRITES},     {"commit", do_commit, WRITES},
    {"hold", do_op, WRITES},     {"extend", do_op, WRITES},  {"release", do_op, WRITES},
    {"maint", do_maint, WRITES}, {"holds", do_holds, READS}, {"rate", do_rate, READS},
    {"vars", do_vars, READS},    {"log", do_log, READS},     {"watch", do_watch, WAITS},
};

// Who waits needs to write a flag, so that it is woken; without that right it looks by itself.
static int
open_table(struct work *w, const char *path, enum access access)
{
	struct tidevars_options options = {
	    .path = path,
	    .flags = access == READS ? TIDEVARS_READ_ONLY : 0,
	};
	int status = tidevars_open(&w->t, &options, &w->err);
	bool may_not = w->err.sys_errno == EACCES || w->err.sys_errno == EROFS;
	if (status != TIDEVARS_SYSTEM || access != WAITS || !may_not)
		return status;
	options.flags = TIDEVARS_READ_ONLY;
	return tidevars_open(&w->t, &options, &w->err);
}

int
file_perform(const char *path, struct request *r)
{
	size_t deed = 0;
	while (strcmp(deeds[deed].verb, r->verb->name) != 0) {
		deed++;
		ASSERT(deed < ARRAY_LEN(deeds));
	}
	struct work w = {
	    .r = r,
	    .writer = {.who = default_owner(),
		       .reason = r->reason,
		       .source = TIDEVARS_FROM_CLI,
		       .uid = getuid(),
		       .gid = getgid(),
		       .pid = (uint32_t)getpid()},
	};
	if (tidevars_guard_sigbus(&w.err) != TIDEVARS_OK ||
	    open_table(&w, path, deeds[deed].access) != TIDEVARS_OK) {
		fprintf(stderr, "tidectl: %s\n", w.err.text);
		return EXIT_UNREACHABLE;
	}
	int status = deeds[deed].run(&w);
	if (status != TIDEVARS_OK)
		fprintf(stderr, "tidectl: %s\n",
			w.err.text[0] != '\0' ? w.err.text : tidevars_status_name(status));
	tidevars_close(&w.t);
	if (fflush(stdout) != 0)
		return EXIT_REFUSED;
	return status == TIDEVARS_OK ? EXIT_DONE : status < 0 ? EXIT_USAGE : EXIT_REFUSED;
}
