// SPDX-License-Identifier: MIT
// `tidegate test`: the `test` blocks of scripts, each run in a throw-away state. With -f the
// scripts see what the configuration declares: variables (a table of this run's own), fetches,
// converters, maps, backends; a script that is a policy's runs with that policy's arguments,
// folders and memory. Nothing is bound and the configured variable file is not opened.
#include "main/test.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "main/service.h"
#include "policy/coverage.h"
#include "policy/policy.h"
#include "proxy/policy_host.h"
#include "proxy/proxy.h"

struct run {
	const struct options *options;
	struct proxy_set *set;        // NULL: no configuration
	struct policy_engine *engine; // likewise
	struct policy_test_sink sink;
	struct coverage coverage;
	unsigned passed, failed;
};

// --- telling -------------------------------------------------------------------------------------

// Of TAP, a name's '#' would begin a directive and a line feed end it.
static void
print_name(const char *name)
{
	for (; *name != '\0'; name++) {
		if (*name == '#' || *name == '\\')
			putchar('\\');
		putchar(*name == '\n' || *name == '\r' ? ' ' : *name);
	}
}

static void
print_verdict(const struct run *r, bool passed, const char *name)
{
	printf(passed ? "ok" : "not ok");
	if (!r->options->tap) {
		printf(" - %s\n", name);
		return;
	}
	printf(" %u - ", r->passed + r->failed);
	print_name(name);
	putchar('\n');
}

// Each line of a diagnosis begins with "# ".
static void
print_diagnosis(const char *where, const char *message)
{
	struct str rest = str_from_c(message), line;
	printf("# %s%s", where, where[0] != '\0' ? " " : "");
	for (bool first = true; str_next(&rest, '\n', &line); first = false)
		printf("%s%.*s\n", first ? "" : "# ", STR_ARG(line));
}

static void
take_result(void *arg, const char *name, bool passed, const char *where, const char *message)
{
	struct run *r = arg;
	char place[256];
	*(passed ? &r->passed : &r->failed) += 1;
	print_verdict(r, passed, name);
	if (passed)
		return;
	(void)snprintf(place, sizeof(place), "%s:", where);
	print_diagnosis(where[0] != '\0' ? place : "", message[0] != '\0' ? message : "failed");
}

// As a test that failed, so that nobody overlooks it.
static void
tell_unloadable(struct run *r, const char *script, const char *message)
{
	r->failed++;
	print_verdict(r, false, script);
	print_diagnosis("", message);
}

// --- which scripts -------------------------------------------------------------------------------

static bool
is_same_file(const char *a, const char *b)
{
	struct stat x, y;
	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void
pass_over(void *arg, const char *file, int line, const char *text)
{
	(void)arg;
	(void)file;
	(void)line;
	(void)text;
}

// What is doubtful in it was told when the configuration was loaded.
static void
test_policy(struct run *r, struct policy *p)
{
	struct err err = {0};
	policy_setup_listen(r->set, pass_over, NULL);
	if (!policy_test(p, NULL, NULL, &r->sink, &err))
		tell_unloadable(r, policy_path(p), err.text);
	policy_setup_listen(r->set, NULL, NULL);
}

static void
test_file(struct run *r, const char *path)
{
	struct policy *p = NULL;
	struct err err = {0};
	while (r->engine != NULL && (p = policy_next(r->engine, p)) != NULL)
		if (is_same_file(policy_path(p), path)) {
			test_policy(r, p);
			return;
		}
	if (!policy_test_file(r->engine, path, &r->sink, &err))
		tell_unloadable(r, path, err.text);
}

struct names {
	char **at;
	size_t n, cap;
};

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool
list_scripts(const char *path, struct names *names)
{
	DIR *d = opendir(path);
	if (d == NULL)
		return false;
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		if (e->d_name[0] == '.' || !str_ends(str_from_c(e->d_name), STR(".lua")))
			continue;
		VEC_GROW(names->at, names->cap, names->n);
		names->at[names->n++] = mem_strdup(e->d_name);
	}
	(void)closedir(d); // only read
	if (names->n > 0)
		qsort(names->at, names->n, sizeof(names->at[0]), compare_names);
	return true;
}

static void
test_folder(struct run *r, const char *path)
{
	struct names names = {0};
	if (!list_scripts(path, &names))
		tell_unloadable(r, path, strerror(errno));
	else if (names.n == 0)
		tell_unloadable(r, path, "no script (*.lua) in the folder");
	for (size_t i = 0; i < names.n; i++) {
		char file[4096];
		(void)snprintf(file, sizeof(file), "%s/%s", path, names.at[i]);
		test_file(r, file); // one that was cut is not there
		mem_free(names.at[i]);
	}
	mem_free(names.at);
}

static void
test_all(struct run *r)
{
	const struct options *o = r->options;
	struct policy *p = NULL;
	struct stat st;
	for (size_t i = 0; i < o->n_scripts; i++)
		if (stat(o->scripts[i], &st) == 0 && S_ISDIR(st.st_mode))
			test_folder(r, o->scripts[i]);
		else
			test_file(r, o->scripts[i]);
	while (o->n_scripts == 0 && (p = policy_next(r->engine, p)) != NULL)
		test_policy(r, p);
}

// --- coverage ------------------------------------------------------------------------------------

static void
print_missed(const struct coverage_file *f)
{
	size_t first, last = 0;
	bool any = false;
	while (coverage_missed(f, last + 1, &first, &last)) {
		printf("%s%zu", any ? ", " : "; never run: ", first);
		if (last > first)
			printf("-%zu", last);
		any = true;
	}
	putchar('\n');
}

// Whether each file has as much as is asked for.
static bool
print_coverage(const struct run *r)
{
	const struct options *o = r->options;
	bool enough = true;
	for (size_t i = 0; o->coverage && i < r->coverage.n_files; i++) {
		const struct coverage_file *f = &r->coverage.files[i];
		size_t code, ran;
		coverage_count(f, &code, &ran);
		double share = code > 0 ? 100.0 * (double)ran / (double)code : 100.0;
		printf("%scoverage %s %.1f%%, %zu of %zu lines", o->tap ? "# " : "", f->name, share,
		       ran, code);
		print_missed(f);
		if (ran * 100 >= code * (size_t)o->coverage_min)
			continue;
		fprintf(stderr, "test: %s: %.1f%% of its lines ran; --coverage-min %d\n", f->name,
			share, (int)o->coverage_min);
		enough = false;
	}
	return enough;
}

// --- all of it -----------------------------------------------------------------------------------

static bool
perform(struct run *r)
{
	const struct options *o = r->options;
	if (r->engine != NULL && o->n_scripts == 0 && policy_next(r->engine, NULL) == NULL) {
		fprintf(stderr, "test: the configuration has no policy\n");
		return false;
	}
	test_all(r);
	if (o->tap)
		printf("1..%u\n", r->passed + r->failed);
	bool enough = print_coverage(r);
	printf("%s%u passed, %u failed\n", o->tap ? "# " : "", r->passed, r->failed);
	return fflush(stdout) == 0 && enough && r->failed == 0;
}

int
test_run(const struct options *o)
{
	struct service s = {0};
	struct run r = {.options = o, .sink = {.result = take_result}};
	r.sink.arg = &r;
	r.sink.coverage = o->coverage ? &r.coverage : NULL;
	bool ok = o->n_files == 0 || service_load(&s, o, NULL);
	if (ok && o->n_files > 0)
		r.engine = (r.set = s.set)->policies;
	if (ok)
		ok = perform(&r);
	else if (o->tap)
		printf("Bail out! the configuration has errors\n");
	coverage_fini(&r.coverage);
	if (o->n_files > 0)
		service_free(&s);
	return ok ? 0 : 1;
}
