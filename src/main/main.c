// SPDX-License-Identifier: MIT
// tidegate: reads the command line and does the one thing it asks for.
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/sbuf.h"
#include "conf/conf.h"
#include "main/eval.h"
#include "main/modules.h"
#include "main/options.h"
#include "main/reference.h"
#include "main/rights.h"
#include "main/service.h"
#include "main/test.h"
#include "master/link.h"
#include "net/loop.h"

static int
print_version(void)
{
	printf("tidegate version " TIDEGATE_VERSION "\n");
	return 0;
}

static int
print_buffer(struct sbuf *b)
{
	bool ok = fwrite(b->p, 1, b->n, stdout) == b->n && fflush(stdout) == 0;
	sbuf_fini(b);
	return ok ? 0 : 1;
}

// Of the configuration, where one is named; false: it has faults, which were printed.
static bool
describe_rights(const struct options *o, struct sbuf *out)
{
	struct service s;
	if (o->n_files == 0) {
		rights_describe(NULL, out);
		return true;
	}
	bool ok = service_load(&s, o, NULL);
	if (ok)
		service_describe(&s, out);
	service_free(&s);
	return ok;
}

static int
print_build(const struct options *o)
{
	char why[160];
	bool uring = net_uring_usable(why, sizeof(why));
	print_version();
	printf("Build   : %s, C%ld\n", __VERSION__, __STDC_VERSION__ / 100 % 100);
	printf("Language: HAProxy " CONF_LANGUAGE_VERSION ", HTTP/1.1\n");
	printf("Engines : io_uring (%s%s), epoll\n",
	       uring ? "usable" : "not usable: ", uring ? "" : why);
	printf("Limits  : %d workers, bufsize %d\n", NET_MAX_WORKERS, NET_BUFSIZE);
	printf("Modules :");
	for (size_t i = 0; main_modules[i] != NULL; i++)
		printf(" %s", main_modules[i]->name);
	printf("\n");
	struct sbuf rights;
	sbuf_init(&rights, SIZE_MAX / 2);
	bool ok = describe_rights(o, &rights);
	return print_buffer(&rights) == 0 && ok ? 0 : 1;
}

static int
print_reference(const struct options *o)
{
	struct sbuf b;
	sbuf_init(&b, SIZE_MAX / 2);
	if (o->task == TASK_REFERENCE)
		reference_print_markdown(&b);
	else
		reference_print_lists(o->keywords, &b);
	return print_buffer(&b);
}

static int
eval_condition(const struct options *o)
{
	struct err err;
	bool result;
	if (!conf_eval_condition(NULL, str_from_c(o->condition), &result, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 2; // neither true nor false
	}
	if (o->verbose)
		printf("Condition: %s\n", result ? "TRUE" : "FALSE");
	return result ? 0 : 1;
}

// --- the service ---------------------------------------------------------------------------------

// The master needs a few words of the configuration, which is then a worker process's business.
static int
supervise(struct service *s, char **argv)
{
	const struct proxy_global *g = &s->set->global;
	struct daemon_master d = {.background = g->daemon,
				  .systemd = s->options->systemd,
				  .quiet = s->options->quiet || g->quiet,
				  .terms = service_terms(s),
				  .pidfile = g->pidfile.n > 0 ? mem_strdup(g->pidfile.p) : NULL,
				  .cli = s->options->master_cli,
				  .state_dir =
				      g->state_dir.n > 0 ? mem_strdup(g->state_dir.p) : NULL,
				  .options = s->options,
				  .argv = argv};
	service_free(s);
	return daemon_master(&d);
}

// A wish to reload is heard once there is somebody who can: until then it would end the process.
static void
put_off_reloads(void)
{
	sigset_t set;
	(void)sigemptyset(&set);                  // cannot fail
	(void)sigaddset(&set, SIGUSR2);           // a known number
	(void)sigaddset(&set, SIGHUP);            // likewise
	(void)sigprocmask(SIG_BLOCK, &set, NULL); // valid arguments
}

static int
check_or_run(const struct options *o, struct link *link, char **argv)
{
	struct service s;
	int status = 1;
	if (o->task == TASK_RUN)
		put_off_reloads();
	if (service_load(&s, o, link)) {
		if (!service_listens(&s)) {
			if (!o->quiet)
				log_msg(LOG_ALERT, "the configuration has no error but nothing to "
						   "listen on: it will not start");
			status = 2;
		} else if (o->task == TASK_CHECK) {
			if (!o->quiet)
				printf("Configuration file is valid\n");
			status = 0;
		} else if (o->take_over && s.set->global.state_dir.n == 0) {
			log_msg(LOG_ALERT,
				"-sf, -st and -x need a state-dir in section global: without it "
				"nobody can tell whether a process is a tidegate");
		} else if (service_supervises(&s)) {
			return supervise(&s, argv);
		} else {
			status = service_run(&s);
		}
	}
	service_free(&s);
	return status;
}

static int
perform(const struct options *o, const char *program, char **argv)
{
	switch (o->task) {
	case TASK_HELP:
		options_print_usage(program, TASK_RUN);
		return 0;
	case TASK_HELP_EVAL:
		options_print_usage(program, TASK_EVAL);
		return 0;
	case TASK_HELP_TEST:
		options_print_usage(program, TASK_TEST);
		return 0;
	case TASK_VERSION:
		return print_version();
	case TASK_BUILD:
		return print_build(o);
	case TASK_KEYWORDS:
	case TASK_REFERENCE:
		return print_reference(o);
	case TASK_CONDITION:
		return eval_condition(o);
	case TASK_TEST:
	case TASK_CHECK:
	case TASK_EVAL:
	case TASK_RUN:
		break;
	}
	struct link *link;
	struct err err;
	if (o->verbose)
		log_set_level(LOG_DEBUG); // what scripts say is all there is of that level
	if (!link_open(&link, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	if (link != NULL)
		link_log_begin(link);
	else if (o->folder != NULL && chdir(o->folder) != 0) { // a master's folder is its worker's
		fprintf(stderr, "-C %s: ", o->folder);
		perror(NULL);
		return 1;
	}
	int status = o->task == TASK_EVAL   ? eval_run(o)
		     : o->task == TASK_TEST ? test_run(o)
					    : check_or_run(o, link, argv);
	link_free(&link);
	return status;
}

int
main(int argc, char **argv)
{
	struct options o;
	struct err err;
	log_choose_place();
	const char *slash = strrchr(argv[0], '/');
	const char *program = slash != NULL ? slash + 1 : argv[0];
	if (!options_parse(&o, argc, argv, &err)) {
		fprintf(stderr, "%s: %s\n", program, err.text);
		options_fini(&o);
		return 1;
	}
	int status = perform(&o, program, argv);
	options_fini(&o);
	return status;
}
