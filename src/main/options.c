// SPDX-License-Identifier: MIT
// Reading the command line: one row for each flag.
#include "main/options.h"

#include <stdio.h>

#include "base/mem.h"

// What the first word may be; without one of these it is the service.
enum { ALL, VERB_SERVE = 1, VERB_EVAL = 2, VERB_TEST = 4, VERB_OFFLINE = VERB_EVAL | VERB_TEST };

struct words {
	struct options *o;
	unsigned verb;
	char **argv;
	int at, argc;
	struct err *err;
};

// A flag's function; the flag itself is w->argv[w->at], which is passed already.
typedef bool (*flag_f)(struct words *w, const char *flag);

static const char *
value_of(struct words *w, const char *flag)
{
	if (w->at < w->argc)
		return w->argv[w->at++];
	err_set(w->err, "%s needs a value", flag);
	return NULL;
}

static void
add_file(struct options *o, const char *path)
{
	VEC_GROW(o->files, o->cap_files, o->n_files);
	o->files[o->n_files++] = path;
}

static void
add_script(struct options *o, const char *path)
{
	VEC_GROW(o->scripts, o->cap_scripts, o->n_scripts);
	o->scripts[o->n_scripts++] = path;
}

static bool
take_file(struct words *w, const char *flag)
{
	const char *path = value_of(w, flag);
	if (path == NULL)
		return false;
	add_file(w->o, path);
	return true;
}

static bool
take_rest(struct words *w, const char *flag)
{
	(void)flag;
	while (w->at < w->argc)
		(w->verb == VERB_TEST ? add_script : add_file)(w->o, w->argv[w->at++]);
	return true;
}

static bool
take_check(struct words *w, const char *flag)
{
	(void)flag;
	w->o->task = TASK_CHECK;
	return true;
}

static bool
take_condition(struct words *w, const char *flag)
{
	w->o->task = TASK_CONDITION;
	return (w->o->condition = value_of(w, flag)) != NULL;
}

static bool
take_verbose(struct words *w, const char *flag)
{
	(void)flag;
	w->o->verbose = true;
	w->o->quiet = false;
	return true;
}

static bool
take_quiet(struct words *w, const char *flag)
{
	(void)flag;
	w->o->quiet = true;
	return true;
}

static bool
take_debug(struct words *w, const char *flag)
{
	(void)flag;
	w->o->foreground = true;
	w->o->verbose = true;
	return true;
}

static bool
take_foreground(struct words *w, const char *flag)
{
	(void)flag;
	w->o->foreground = true;
	return true;
}

static bool
take_daemon(struct words *w, const char *flag)
{
	(void)flag;
	w->o->daemon = true;
	return true;
}

static bool
take_diagnose(struct words *w, const char *flag)
{
	(void)flag;
	w->o->diagnose = true;
	return true;
}

static bool
take_no_warnings(struct words *w, const char *flag)
{
	(void)flag;
	w->o->no_warnings = true;
	return true;
}

static bool
take_keywords(struct words *w, const char *flag)
{
	w->o->task = TASK_KEYWORDS;
	w->o->keywords = flag + 3;
	return true;
}

static bool
take_pidfile(struct words *w, const char *flag)
{
	return (w->o->pidfile = value_of(w, flag)) != NULL;
}

static bool
take_folder(struct words *w, const char *flag)
{
	return (w->o->folder = value_of(w, flag)) != NULL;
}

static bool
take_local_name(struct words *w, const char *flag)
{
	return (w->o->local_name = value_of(w, flag)) != NULL;
}

static bool
take_maxconn(struct words *w, const char *flag)
{
	const char *text = value_of(w, flag);
	if (text == NULL)
		return false;
	if (!str_to_int(str_from_c(text), &w->o->maxconn) || w->o->maxconn < 1 ||
	    w->o->maxconn > 10000000)
		return err_set(w->err, "%s %s: a number from 1 to 10000000 is expected", flag,
			       text);
	return true;
}

static bool
take_version(struct words *w, const char *flag)
{
	w->o->task = strcmp(flag, "-vv") == 0 ? TASK_BUILD : TASK_VERSION;
	return true;
}

static bool
take_reference(struct words *w, const char *flag)
{
	(void)flag;
	w->o->task = TASK_REFERENCE;
	return true;
}

static bool
take_help(struct words *w, const char *flag)
{
	(void)flag;
	w->o->task = w->verb == VERB_EVAL   ? TASK_HELP_EVAL
		     : w->verb == VERB_TEST ? TASK_HELP_TEST
					    : TASK_HELP;
	return true;
}

// The name is the caller's to free.
static bool
setting_of(struct words *w, const char *flag, struct setting *out)
{
	const char *text = value_of(w, flag);
	if (text == NULL)
		return false;
	const char *equals = strchr(text, '=');
	if (equals == NULL || equals == text)
		return err_set(w->err, "%s %s: NAME=VALUE is expected", flag, text);
	char *name = mem_strdup(text);
	name[equals - text] = '\0';
	*out = (struct setting){.name = name, .value = name + (equals - text) + 1};
	return true;
}

static bool
take_setting(struct words *w, const char *flag)
{
	struct setting s;
	if (!setting_of(w, flag, &s))
		return false;
	VEC_GROW(w->o->settings, w->o->cap_settings, w->o->n_settings);
	w->o->settings[w->o->n_settings++] = s;
	return true;
}

static bool
take_var(struct words *w, const char *flag)
{
	struct setting s;
	if (!setting_of(w, flag, &s))
		return false;
	VEC_GROW(w->o->vars, w->o->cap_vars, w->o->n_vars);
	w->o->vars[w->o->n_vars++] = s;
	return true;
}

static bool
take_request(struct words *w, const char *flag)
{
	return (w->o->request = value_of(w, flag)) != NULL;
}

static bool
take_src(struct words *w, const char *flag)
{
	return (w->o->src = value_of(w, flag)) != NULL;
}

static bool
take_frontend(struct words *w, const char *flag)
{
	return (w->o->frontend = value_of(w, flag)) != NULL;
}

static bool
take_status(struct words *w, const char *flag)
{
	const char *text = value_of(w, flag);
	if (text == NULL)
		return false;
	if (!str_to_int(str_from_c(text), &w->o->status) || w->o->status < 200 ||
	    w->o->status > 599)
		return err_set(w->err, "%s %s: a final status from 200 to 599 is expected", flag,
			       text);
	return true;
}

static bool
take_response_header(struct words *w, const char *flag)
{
	struct setting s;
	if (!setting_of(w, flag, &s))
		return false;
	VEC_GROW(w->o->fields, w->o->cap_fields, w->o->n_fields);
	w->o->fields[w->o->n_fields++] = s;
	if (w->o->status == 0)
		w->o->status = 200;
	return true;
}

static bool
take_tap(struct words *w, const char *flag)
{
	(void)flag;
	return w->o->tap = true;
}

static bool
take_coverage(struct words *w, const char *flag)
{
	(void)flag;
	return w->o->coverage = true;
}

static bool
take_coverage_min(struct words *w, const char *flag)
{
	const char *text = value_of(w, flag);
	if (text == NULL)
		return false;
	if (!str_to_int(str_from_c(text), &w->o->coverage_min) || w->o->coverage_min < 0 ||
	    w->o->coverage_min > 100)
		return err_set(w->err, "%s %s: a number from 0 to 100 is expected", flag, text);
	return w->o->coverage = true;
}

static bool
take_master(struct words *w, const char *flag)
{
	w->o->master = true;
	if (strcmp(flag, "-Ws") == 0)
		w->o->systemd = w->o->foreground = true;
	return true;
}

static bool
take_master_cli(struct words *w, const char *flag)
{
	return (w->o->master_cli = value_of(w, flag)) != NULL;
}

static bool
skip(struct words *w, const char *flag)
{
	(void)w;
	(void)flag;
	return true;
}

static bool
skip_value(struct words *w, const char *flag)
{
	return value_of(w, flag) != NULL;
}

// "-sf 12 34": numbers up to the next flag, as `-sf $(cat pidfile)` gives them; perhaps none.
static bool
take_pids(struct words *w, const char *flag)
{
	struct options *o = w->o;
	o->end_at_once |= strcmp(flag, "-st") == 0;
	while (w->at < w->argc && w->argv[w->at][0] != '-') {
		int64_t pid;
		const char *word = w->argv[w->at++];
		if (!str_to_int(str_from_c(word), &pid) || pid < 1 || pid > INT32_MAX)
			return err_set(w->err, "%s %s: numbers of processes are expected", flag,
				       word);
		VEC_GROW(o->pids, o->cap_pids, o->n_pids);
		o->pids[o->n_pids++] = pid;
		o->take_over = true;
	}
	return true;
}

// HAProxy asks a runtime socket for listeners; here the state directory says who has them.
static bool
take_from(struct words *w, const char *flag)
{
	w->o->take_over = true;
	return value_of(w, flag) != NULL;
}

static const struct flag {
	const char *flag;
	flag_f take;
	const char *help; // NULL: not listed
	unsigned verbs;   // that list it and take it; ALL: the service lists it, all take it
} flags[] = {
    {"-f", take_file, "FILE|FOLDER  configuration; may be given several times",
     VERB_SERVE | VERB_OFFLINE},
    {"--", take_rest, "FILE...      the rest are configuration files", VERB_SERVE | VERB_EVAL},
    {"--", take_rest, "FILE...      the rest are scripts", VERB_TEST},
    {"-c", take_check, "check the configuration, run the policies' self-tests, and exit", ALL},
    {"-cc", take_condition,
     "COND  evaluate a condition as behind .if; exit status 0: true, 1: false", ALL},
    {"-s", take_setting,
     "NAME=VALUE  seen by env() and ${NAME}; sets a declared variable of that name",
     VERB_SERVE | VERB_OFFLINE},
    {"-W", take_master, "a master process that supervises a worker process, reloads, restarts",
     ALL},
    {"-Ws", take_master, "the same in the foreground, telling systemd when it is ready", ALL},
    {"-S", take_master_cli, "ADDRESS[,level L][,mode M]  runtime socket of the master", ALL},
    {"-sf", take_pids, "PID...  take the place of the tidegate of the same state-dir; it drains",
     ALL},
    {"-st", take_pids, "PID...  the same; it ends at once", ALL},
    {"-x", take_from, "SOCKET  the same as -sf, whoever it is; SOCKET is not looked at", ALL},
    {"-D", take_daemon, "run in the background", ALL},
    {"-db", take_foreground, "run in the foreground, whatever the configuration says", ALL},
    {"-d", take_debug, "run in the foreground and be verbose", ALL},
    {"-p", take_pidfile, "FILE  write the process's number there", ALL},
    {"-C", take_folder, "FOLDER  change to it first", VERB_SERVE | VERB_OFFLINE},
    {"-L", take_local_name, "NAME  name of this node", ALL},
    {"-n", take_maxconn, "N  most client connections at once", ALL},
    {"-V", take_verbose, "be verbose", ALL},
    {"-q", take_quiet, "no messages", VERB_SERVE | VERB_OFFLINE},
    {"-dD", take_diagnose, "print diagnostic messages about the configuration",
     VERB_SERVE | VERB_OFFLINE},
    {"-dW", take_no_warnings, "a warning is an error", VERB_SERVE | VERB_OFFLINE},
    {"-v", take_version, "print the version", ALL},
    {"-vv", take_version, "print how it was built, and its rights; with -f, a configuration's",
     ALL},
    {"--reference", take_reference, "print the reference of the configuration as Markdown", ALL},
    {"--request", take_request,
     "'METHOD PATH [NAME=VALUE]...'  the request and its header fields; @FILE or -: raw",
     VERB_EVAL},
    {"--var", take_var, "NAME=VALUE  sets a declared variable, of this run alone", VERB_EVAL},
    {"--src", take_src, "ADDRESS  the client's, default 127.0.0.1", VERB_EVAL},
    {"--status", take_status, "N  the server's response has that; its rules are tried too",
     VERB_EVAL},
    {"--response-header", take_response_header, "NAME=VALUE  and that field; may be repeated",
     VERB_EVAL},
    {"--frontend", take_frontend, "NAME  where it arrives, if there are several", VERB_EVAL},
    {"--tap", take_tap, "print the results in the Test Anything Protocol", VERB_TEST},
    {"--coverage", take_coverage, "print which lines of the scripts no test ran", VERB_TEST},
    {"--coverage-min", take_coverage_min, "PERCENT  the same; fails when fewer lines of a file ran",
     VERB_TEST},
    {"-h", take_help, "print this", VERB_SERVE | VERB_OFFLINE},
    {"--help", take_help, NULL, ALL},
    {"-N", skip_value, NULL, ALL},
    {"-m", skip_value, NULL, ALL},
    // Switches of HAProxy's own machinery: harmless here.
    {"-de", skip, NULL, ALL},
    {"-dp", skip, NULL, ALL},
    {"-dG", skip, NULL, ALL},
    {"-dR", skip, NULL, ALL},
    {"-dr", skip, NULL, ALL},
    {"-dL", skip, NULL, ALL},
    {"-dS", skip, NULL, ALL},
    {"-dV", skip, NULL, ALL},
    {"-dI", skip, NULL, ALL},
    {"-dF", skip, NULL, ALL},
    {"-dZ", skip, NULL, ALL},
};

static bool
take(struct words *w)
{
	const char *word = w->argv[w->at++];
	const struct flag *other = NULL;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (strcmp(word, flags[i].flag) != 0)
			continue;
		if (flags[i].verbs == 0 || (flags[i].verbs & w->verb))
			return flags[i].take(w, word);
		other = &flags[i];
	}
	if (other != NULL)
		return err_set(w->err, "%s belongs to '%s', the first word", word,
			       other->verbs == VERB_TEST ? "test" : "eval");
	if (strncmp(word, "-dK", 3) == 0)
		return take_keywords(w, word);
	if (strncmp(word, "-dM", 3) == 0)
		return true;
	if (w->verb == VERB_TEST && word[0] != '-') {
		add_script(w->o, word);
		return true;
	}
	return err_set(w->err, "'%s' is no flag; -h lists them", word);
}

static void
take_verb(struct words *w)
{
	const char *word = w->argc > 1 ? w->argv[1] : "";
	w->verb = VERB_SERVE;
	if (strcmp(word, "test") == 0) {
		w->verb = VERB_TEST;
		w->o->task = TASK_TEST;
	} else if (strcmp(word, "eval") == 0) {
		w->verb = VERB_EVAL;
		w->o->task = TASK_EVAL;
	}
	w->at = w->verb == VERB_SERVE ? 1 : 2;
}

bool
options_parse(struct options *o, int argc, char **argv, struct err *err)
{
	*o = (struct options){0};
	struct words w = {.o = o, .argv = argv, .argc = argc, .err = err};
	take_verb(&w);
	while (w.at < argc)
		if (!take(&w))
			return false;
	if (o->task == TASK_TEST && o->n_scripts == 0 && o->n_files == 0)
		return err_set(err, "test: which scripts? FILE... or those of -f CONFIG");
	if (o->task == TASK_EVAL && o->request == NULL)
		return err_set(err, "eval: which request? --request 'GET /path host=a'");
	bool needs_file = o->task == TASK_RUN || o->task == TASK_CHECK || o->task == TASK_EVAL;
	if (needs_file && o->n_files == 0)
		return err_set(err, "no configuration is given: -f FILE");
	return true;
}

void
options_fini(struct options *o)
{
	for (size_t i = 0; i < o->n_settings; i++)
		mem_free((void *)(uintptr_t)o->settings[i].name);
	for (size_t i = 0; i < o->n_vars; i++)
		mem_free((void *)(uintptr_t)o->vars[i].name);
	for (size_t i = 0; i < o->n_fields; i++)
		mem_free((void *)(uintptr_t)o->fields[i].name);
	mem_free(o->fields);
	mem_free(o->settings);
	mem_free(o->vars);
	mem_free(o->files);
	mem_free(o->scripts);
	mem_free(o->pids);
	*o = (struct options){0};
}

const char *
options_setting(const struct options *o, const char *name)
{
	// The last one counts, as with environment variables.
	for (size_t i = o->n_settings; i-- > 0;)
		if (strcmp(o->settings[i].name, name) == 0)
			return o->settings[i].value;
	return NULL;
}

static const struct {
	unsigned verb;
	const char *text; // behind the program's name
} usages[] = {
    {VERB_SERVE, "-f FILE [flags]"},
    {VERB_TEST, "test [-f FILE] [flags] [SCRIPT|FOLDER]...   run policies' self-tests: of these "
		"scripts, else of\n                    all policies of FILE"},
    {VERB_EVAL,
     "eval -f FILE --request 'GET / host=a' [flags]   which rules would decide, and why"},
};

void
options_print_usage(const char *program, enum options_task task)
{
	unsigned verb = task == TASK_TEST ? VERB_TEST : task == TASK_EVAL ? VERB_EVAL : VERB_SERVE;
	const char *before = "Usage:";
	for (size_t i = 0; i < ARRAY_LEN(usages); i++) {
		if (verb != VERB_SERVE && usages[i].verb != verb)
			continue;
		printf("%s %s %s\n", before, program, usages[i].text);
		before = "      ";
	}
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		unsigned verbs = flags[i].verbs != 0 ? flags[i].verbs : VERB_SERVE;
		if (flags[i].help != NULL && (verbs & verb))
			printf("  %-17s %s\n", flags[i].flag, flags[i].help);
	}
	if (verb == VERB_SERVE)
		printf("  %-17s %s\n  test -h, eval -h  their flags\n", "-dKall",
		       "list keywords, actions, fetches, converters, commands");
}
