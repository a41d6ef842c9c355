// SPDX-License-Identifier: MIT
// The verbs on variables through libtidevars. A table is never created here: a mistyped path must
// not look like an empty one.
#include "tidectl/file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "tidectl/link.h"
#include "tidegate/vars.h"

// The table and the variable an operation is about.
struct work {
	struct tidevars *t;
	struct request *r;
	uint32_t handle;
	const char *name;
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

// nothing given: `none`
static bool
ttl_of(struct work *w, const char *text, uint64_t none, uint64_t *ns)
{
	uint64_t us;
	*ns = none;
	if (text == NULL)
		return true;
	if (!str_to_time_us(str_from_c(text), 1000000, &us) || us == 0 || us > UINT64_MAX / 2000)
		return bad_words(w, "a time is a number with ms, s, m, h or d") == 0;
	*ns = us * 1000;
	return true;
}

static int
value_of(struct work *w, const char *arg, struct tidevars_value *v)
{
	struct err err;
	if (!request_value(w->r, arg, &arg, &err))
		return bad_words(w, err.text);
	struct tidevars_error why;
	int status = tidevars_parse(tidevars_type(w->t, w->handle), arg, strlen(arg), v, &why);
	if (status != TIDEVARS_OK)
		(void)snprintf(w->err.text, sizeof(w->err.text), "'%s': %.400s", w->name, why.text);
	return status;
}

static int
do_set(struct work *w)
{
	struct tidevars_value v;
	uint64_t ttl;
	if (!ttl_of(w, w->r->ttl, 0, &ttl))
		return -1;
	int status = value_of(w, w->r->argv[1], &v);
	return status != TIDEVARS_OK ? status
				     : tidevars_set(w->t, w->handle, &v, ttl, &w->writer, &w->err);
}

static int
do_add(struct work *w)
{
	struct tidevars_value v;
	int status = value_of(w, w->r->argv[1], &v);
	return status != TIDEVARS_OK ? status
				     : tidevars_add(w->t, w->handle, &v, &w->writer, &w->err);
}

static int
do_unset(struct work *w)
{
	return tidevars_unset(w->t, w->handle, &w->writer, &w->err);
}

static void
print_value(struct work *w, const struct tidevars_value *v, bool with_name)
{
	char text[TIDEVARS_TEXT_MAX * 6 + 64];
	if (w->r->json) {
		tidevars_format_json(v, text, sizeof(text));
		printf("{\"name\":\"%s\",\"value\":%s}\n", w->name, text);
		return;
	}
	tidevars_format(v, text, sizeof(text));
	printf("%s%s%s\n", with_name ? w->name : "", with_name ? " " : "", text);
}

static int
do_get(struct work *w)
{
	struct tidevars_value v;
	int status = tidevars_read(w->t, w->handle, tidevars_now_boot_ns(), &v);
	if (status == TIDEVARS_OK)
		print_value(w, &v, false);
	return status;
}

static const char *
owner_of(const struct work *w)
{
	return w->r->owner != NULL ? w->r->owner : default_owner();
}

static int
do_hold(struct work *w)
{
	uint64_t ttl;
	if (!ttl_of(w, w->r->for_time, 0, &ttl))
		return -1;
	return tidevars_take(w->t, w->handle, owner_of(w), ttl, &w->writer, &w->err);
}

static int
do_release(struct work *w)
{
	return tidevars_release(w->t, w->handle, owner_of(w), &w->writer, &w->err);
}

static int
do_maint(struct work *w)
{
	const char *what = w->r->argv[0];
	if (strcmp(what, "on") == 0)
		return do_hold(w);
	if (strcmp(what, "off") == 0)
		return do_release(w);
	return strcmp(what, "status") == 0 ? do_get(w) : bad_words(w, "maint: on, off or status");
}

// Ends when the client goes away (SIGPIPE, SIGINT), or when standard output cannot be written.
static int
do_watch(struct work *w)
{
	struct tidevars_value v, before = {.type = TIDEVARS_NONE};
	for (;;) {
		uint64_t now = tidevars_now_boot_ns();
		int status = tidevars_read(w->t, w->handle, now, &v);
		if (status != TIDEVARS_OK)
			return status;
		if (before.type == TIDEVARS_NONE || !tidevars_value_eq(&v, &before)) {
			print_value(w, &v, true);
			if (fflush(stdout) != 0)
				return TIDEVARS_OK;
		}
		before = v;
		uint64_t wait = v.until_boot_ns > now ? v.until_boot_ns - now : NS_PER_MS;
		status = tidevars_wait(w->t, w->handle, v.version, MIN(wait, 60 * NS_PER_S));
		if (status != TIDEVARS_OK && status != TIDEVARS_TIMEOUT)
			return status;
	}
}

static void
print_time(uint64_t real_ns)
{
	time_t at = (time_t)(real_ns / NS_PER_S);
	struct tm tm;
	char text[32] = "-";
	if (real_ns != 0 && localtime_r(&at, &tm) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	printf("%s", text);
}

static void
print_info(struct work *w, const struct tidevars_info *info, bool first)
{
	char value[TIDEVARS_TEXT_MAX * 6 + 64], initial[TIDEVARS_TEXT_MAX * 6 + 64];
	if (w->r->json) {
		tidevars_format_json(&info->value, value, sizeof(value));
		tidevars_format_json(&info->initial, initial, sizeof(initial));
		struct sbuf who;
		sbuf_init(&who, 4096);
		sbuf_add_json(&who, str_from_c(info->who));
		printf("%s{\"name\":\"%s\",\"type\":\"%s\",\"value\":%s,\"default\":%s,\"who\":%s}",
		       first ? "[" : ",\n", info->name, tidevars_type_name(info->type), value,
		       initial, who.p);
		sbuf_fini(&who);
		return;
	}
	tidevars_format(&info->value, value, sizeof(value));
	tidevars_format(&info->initial, initial, sizeof(initial));
	printf("%s %s %s default %s", info->name, tidevars_type_name(info->type), value, initial);
	if (info->written_real_ns != 0) {
		printf(" written ");
		print_time(info->written_real_ns);
		printf(" by %s", info->who);
	}
	printf("%s%s\n", info->reason[0] != '\0' ? " reason " : "", info->reason);
}

static int
do_vars(struct work *w)
{
	struct tidevars_info info;
	bool first = true;
	for (uint32_t h = 0; h < tidevars_count(w->t); h++) {
		if (tidevars_info(w->t, h, tidevars_now_boot_ns(), &info, NULL) != TIDEVARS_OK)
			continue; // forgotten
		print_info(w, &info, first);
		first = false;
	}
	if (w->r->json)
		printf("%s]\n", first ? "[" : "");
	return TIDEVARS_OK;
}

static int
do_log(struct work *w)
{
	struct tidevars_log_entry e;
	for (uint64_t seq = 0; tidevars_log_next(w->t, seq, &e) == 1; seq = e.seq) {
		char after[TIDEVARS_TEXT_MAX * 6 + 64];
		tidevars_format(&e.after, after, sizeof(after));
		const char *name = tidevars_name(w->t, e.handle);
		printf("%" PRIu64 " ", e.seq);
		print_time(e.real_ns);
		printf(" %s %s by %s (%s uid %u pid %u)%s%s\n", name != NULL ? name : "?", after,
		       e.who, tidevars_source_name(e.source), e.uid, e.pid,
		       e.reason[0] != '\0' ? " reason " : "", e.reason);
	}
	return TIDEVARS_OK;
}

static const struct {
	const char *verb;
	work_f run;
	bool writes, no_name;
} deeds[] = {
    {"set", do_set, true, false},     {"get", do_get, false, false},
    {"unset", do_unset, true, false}, {"add", do_add, true, false},
    {"hold", do_hold, true, false},   {"release", do_release, true, false},
    {"maint", do_maint, true, false}, {"vars", do_vars, false, true},
    {"log", do_log, false, true},     {"watch", do_watch, false, false},
};

static int
perform_deed(struct work *w, size_t deed)
{
	if (!deeds[deed].no_name) {
		const char *name = strcmp(deeds[deed].verb, "maint") == 0 ? "maint" : w->r->argv[0];
		w->name = strncmp(name, "shm.", 4) == 0 ? name + 4 : name;
		int status = tidevars_find(w->t, w->name, strlen(w->name), &w->handle, &w->err);
		if (status != TIDEVARS_OK)
			return status;
	}
	return deeds[deed].run(w);
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
	struct tidevars_options options = {
	    .path = path,
	    .flags = deeds[deed].writes ? 0 : TIDEVARS_READ_ONLY,
	};
	if (tidevars_guard_sigbus(&w.err) != TIDEVARS_OK ||
	    tidevars_open(&w.t, &options, &w.err) != TIDEVARS_OK) {
		fprintf(stderr, "tidectl: %s\n", w.err.text);
		return EXIT_UNREACHABLE;
	}
	int status = perform_deed(&w, deed);
	if (status != TIDEVARS_OK)
		fprintf(stderr, "tidectl: %s\n",
			w.err.text[0] != '\0' ? w.err.text : tidevars_status_name(status));
	tidevars_close(&w.t);
	if (fflush(stdout) != 0)
		return EXIT_REFUSED;
	return status == TIDEVARS_OK ? EXIT_DONE : status < 0 ? EXIT_USAGE : EXIT_REFUSED;
}
