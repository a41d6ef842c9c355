// SPDX-License-Identifier: MIT
// tidectl: plain verbs for the operator's shell. Options, then a verb of verbs.c, sent to the
// runtime socket (link.c) or performed on a file of variables (file.c). The exit status tells the
// truth: 0 done, 1 refused, 2 not understood, 3 not reached.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tidectl/console.h"
#include "tidectl/file.h"
#include "tidectl/link.h"
#include "tidectl/mapfile.h"
#include "tidectl/table.h"

struct options {
	const char *wrong; // the option looked at last
	const char *socket, *file;
	bool json;
	int timeout_ms;
};

static void
print_help(FILE *to)
{
	fprintf(to, "usage: tidectl [-S SOCKET | --file PATH] [--json] [--timeout TIME] VERB ...\n"
		    "       tidectl 'any command of the runtime socket'\n"
		    "       tidectl                      a prompt, on a terminal\n\n");
	for (const struct verb *v = verbs; v->name != NULL; v++) {
		char left[128];
		snprintf(left, sizeof(left), "%s %s", v->name, v->usage);
		if (strlen(left) > 34)
			fprintf(to, "  %s\n  %34s  %s\n", left, "", v->help);
		else
			fprintf(to, "  %-34s  %s\n", left, v->help);
	}
	fprintf(to, "  %-34s  %s\n  %-34s  %s\n", "cli WORD...",
		"send the words as a command of the runtime socket", "help [VERB]",
		"this, or one verb");
	fprintf(
	    to,
	    "\n"
	    "-S SOCKET      default: $TIDEGATE_SOCKET, else $XDG_RUNTIME_DIR/tidegate.sock,\n"
	    "               else /run/tidegate/tidegate.sock, else /run/tidegate.sock\n"
	    "--file PATH    work on the variable table itself, proxy running or not: the verbs\n"
	    "               from set to watch\n"
	    "--json         answer in JSON\n"
	    "TIME           a number with ms, s, m, h or d; without: seconds\n"
	    "--timeout TIME how long to wait for an answer, default 30s\n"
	    "exit status    0 done, 1 refused, 2 not understood, 3 not reached\n");
}

// `help VERB`, also where no proxy runs; false when it is no verb: the socket may know the word.
static bool
print_verb(const char *name)
{
	const struct verb *v = verb_find(name);
	if (v != NULL)
		printf("usage: tidectl %s %s\n%s\n", v->name, v->usage, v->help);
	return v != NULL;
}

// "help VERB", "VERB --help".
static bool
asks_for_verb(const char *first, const char *second)
{
	if (strcmp(first, "help") == 0)
		return print_verb(second);
	return (strcmp(second, "--help") == 0 || strcmp(second, "-h") == 0) && print_verb(first);
}

static int
complain(const char *text)
{
	fprintf(stderr, "tidectl: %s\n", text);
	return EXIT_USAGE;
}

static bool
parse_timeout(const char *text, int *ms)
{
	uint64_t us;
	if (text == NULL || !str_to_time_us(str_from_c(text), 1000000, &us) || us < 1000 ||
	    us / 1000 > INT32_MAX)
		return false;
	*ms = (int)(us / 1000);
	return true;
}

// The value behind "-S" or "--name", be it "--name=VALUE" or the next word.
static const char *
option_value(int argc, char **argv, int *i, const char *name)
{
	size_t n = strlen(name);
	if (strncmp(argv[*i], name, n) != 0)
		return NULL;
	if (argv[*i][n] == '=' && name[1] == '-')
		return argv[*i] + n + 1;
	if (argv[*i][n] != '\0' || *i + 1 == argc)
		return NULL;
	return argv[++*i];
}

// Index of the verb, or -1 when an option is not understood: then o->wrong is that.
static int
parse_options(int argc, char **argv, struct options *o)
{
	int i = 1;
	for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
		const char *value;
		o->wrong = argv[i];
		if (strcmp(argv[i], "--") == 0)
			return i + 1;
		if (strcmp(argv[i], "--json") == 0)
			o->json = true;
		else if ((value = option_value(argc, argv, &i, "-S")) != NULL)
			o->socket = value;
		else if ((value = option_value(argc, argv, &i, "--file")) != NULL)
			o->file = value;
		else if ((value = option_value(argc, argv, &i, "--timeout")) == NULL ||
			 !parse_timeout(value, &o->timeout_ms))
			return -1;
	}
	return i;
}

// A line for the socket that no verb stands for: one argument of several words, `cli ...`, or
// what begins with a word that only the socket knows.
static bool
is_raw(int argc, char **argv)
{
	static const char *const begins[] = {"show", "help", "echo", "clear", "shutdown"};
	if (argc == 1 && strpbrk(argv[0], " ;") != NULL)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(begins); i++)
		if (strcmp(argv[0], begins[i]) == 0)
			return true;
	const struct verb *v = verb_find(argv[0]);
	// "policy load x", "set var shm.x 1", "enable server b/s": the socket's own words
	return v != NULL && argc > 1 &&
	       (strcmp(argv[0], "policy") == 0 || strcmp(argv[1], "var") == 0 ||
		strcmp(argv[1], "server") == 0) &&
	       argc - 1 > (strcmp(argv[1], "var") == 0 ? v->min_args : v->max_args);
}

static bool
prepare(struct request *r, int argc, char **argv, struct err *err)
{
	if (strcmp(argv[0], "cli") == 0 && argc > 1)
		return request_raw(r, argc - 1, argv + 1, err);
	if (is_raw(argc, argv))
		return request_raw(r, argc, argv, err);
	const struct verb *verb = verb_find(argv[0]);
	if (verb != NULL)
		return request_parse(r, verb, argc - 1, argv + 1, err);
	const char *close = verb_suggest(argv[0]);
	if (close == NULL)
		return err_set(err, "there is no verb '%s'; 'tidectl help' lists them", argv[0]);
	return err_set(err, "there is no verb '%s', did you mean '%s'?", argv[0], close);
}

static int
perform(const struct options *o, int argc, char **argv)
{
	struct request r;
	struct err err;
	request_init(&r);
	r.json = o->json;
	int status = EXIT_USAGE;
	if (!prepare(&r, argc, argv, &err))
		complain(err.text);
	else if (o->file != NULL && (r.verb == NULL || !r.verb->in_file))
		complain("with --file only the verbs on variables work; see 'tidectl help'");
	else if (r.verb != NULL && strcmp(r.verb->name, "vars") == 0 && r.argc > 0)
		status = r.argc > 1 ? table_perform(&r)
				    : complain("usage: tidectl vars check|dump|restore FILE");
	else if (r.verb != NULL &&
		 (strcmp(r.verb->name, "map") == 0 || strcmp(r.verb->name, "acl") == 0))
		status = mapfile_perform(o->socket, &r, o->timeout_ms);
	else if (o->file != NULL)
		status = file_perform(o->file, &r);
	else if (r.verb != NULL && !request_build(&r, &err))
		complain(err.text);
	else
		status = link_perform(o->socket, &r, o->timeout_ms);
	// The socket's words come first: "help show" is no misspelt "help stop".
	if (status != EXIT_DONE && argc == 2 && strcmp(argv[0], "help") == 0) {
		const char *close = verb_suggest(argv[1]);
		fprintf(stderr, "tidectl: there is no verb '%s'%s%s%s\n", argv[1],
			close != NULL ? ", did you mean '" : "; 'tidectl help' lists them",
			close != NULL ? close : "", close != NULL ? "'?" : "");
	}
	request_fini(&r);
	return status;
}

int
main(int argc, char **argv)
{
	char path[512];
	struct options o = {.timeout_ms = 30000};
	int i = parse_options(argc, argv, &o);
	bool wants_help =
	    argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
	if (wants_help || (i > 0 && i + 1 == argc && strcmp(argv[i], "help") == 0)) {
		print_help(stdout);
		return EXIT_DONE;
	}
	if (i > 0 && i + 2 == argc && asks_for_verb(argv[i], argv[i + 1]))
		return EXIT_DONE;
	if (i < 0) {
		fprintf(stderr,
			"tidectl: option '%s' not understood, or its value; 'tidectl help' lists "
			"them\n",
			o.wrong);
		return EXIT_USAGE;
	}
	if (o.socket == NULL)
		o.socket = link_default_path(path, sizeof(path));
	if (i < argc)
		return perform(&o, argc - i, argv + i);
	if (o.file == NULL && isatty(0) && isatty(1))
		return console_run(o.socket);
	print_help(stderr);
	return EXIT_USAGE;
}
