// SPDX-License-Identifier: MIT
// The verbs. Most are a line with places for arguments; a few build their line themselves.
#include "tidectl/verbs.h"

#include <stdio.h>

#include "tidectl/ops.h"

#define SOURCE_NAME_BYTES 255 // as `policy load` takes it

// A word that stands as a line in no text: the payload's end.
static void
choose_delimiter(struct request *r)
{
	for (unsigned i = 0;; i++) {
		snprintf(r->delimiter, sizeof(r->delimiter), "END-OF-TEXT-%u", i);
		if (str_find(sbuf_str(&r->payload), str_from_c(r->delimiter)) == SIZE_MAX)
			return;
	}
}

// The file's name for places in errors: its end where it is long, and nothing a terminal obeys.
static bool
add_source_name(struct request *r, const char *path, struct err *err)
{
	char name[SOURCE_NAME_BYTES + 1];
	size_t n = strlen(path);
	(void)snprintf(name, sizeof(name), "%s",
		       n > SOURCE_NAME_BYTES ? path + n - SOURCE_NAME_BYTES : path);
	for (char *p = name; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	return request_add_word(r, name, err);
}

// `policy load` or `policy check`, with the text of a file that this user may read.
static bool
build_policy(struct request *r, const char *command, struct err *err)
{
	sbuf_add(&r->line, str_from_c(command));
	if (r->argc > 0 && !request_add_word(r, r->argv[0], err))
		return false;
	if (r->argc < 2)
		return true;
	const char *path = strcmp(r->argv[1], "-") == 0 ? NULL : r->argv[1];
	if (!request_read_payload(r, path, err))
		return false;
	if (r->payload.n == 0)
		return err_set(err, "%s is empty", path == NULL ? "standard input" : path);
	if (r->payload.p[r->payload.n - 1] != '\n')
		sbuf_add_byte(&r->payload, '\n');
	choose_delimiter(r);
	r->has_payload = true;
	if (path != NULL && !add_source_name(r, path, err))
		return false;
	sbuf_printf(&r->line, " <<%s", r->delimiter);
	return true;
}

static bool
build_reload(struct request *r, struct err *err)
{
	if (!r->config)
		return build_policy(r, "policy load", err);
	if (r->argc > 0)
		return err_set(err,
			       "--config reloads all of the configuration: no policy is named");
	sbuf_add(&r->line, STR("reload config"));
	return true;
}

static bool
build_check(struct request *r, struct err *err)
{
	return build_policy(r, "policy check", err);
}

// set, unset, add, cas, hold, extend, release.
static bool
build_op(struct request *r, struct err *err)
{
	struct op op;
	return op_of_request(r, &op, err) && op_command(&op, &r->line, err);
}

static bool
build_commit(struct request *r, struct err *err)
{
	struct op ops[OPS_MAX];
	size_t n;
	bool good = ops_of_commit(r, ops, &n, err);
	sbuf_add(&r->line, STR("begin"));
	for (size_t i = 0; good && i < n; i++) {
		sbuf_add_byte(&r->line, ';');
		good = op_command(&ops[i], &r->line, err);
	}
	sbuf_add(&r->line, STR(";commit"));
	return good;
}

static bool
build_maint(struct request *r, struct err *err)
{
	if (strcmp(r->argv[0], "status") != 0)
		return build_op(r, err);
	if (r->for_time != NULL || r->reason != NULL || r->owner != NULL)
		return err_set(err, "maint status takes no options");
	r->native_json = r->json;
	sbuf_add(&r->line,
		 r->json ? STR("show var maint json") : STR("get var shm.maint;show holds maint"));
	return true;
}

static bool
build_addr(struct request *r, struct err *err)
{
	sbuf_add(&r->line, STR("set server"));
	if (!request_add_word(r, r->argv[0], err))
		return false;
	sbuf_add(&r->line, STR(" addr"));
	if (!request_add_word(r, r->argv[1], err))
		return false;
	if (r->argc < 3)
		return true;
	sbuf_add(&r->line, STR(" port"));
	return request_add_word(r, r->argv[2], err);
}

// The command with all arguments as names of variables.
static bool
build_names(struct request *r, const char *command, struct err *err)
{
	sbuf_add(&r->line, str_from_c(command));
	for (int i = 0; i < r->argc; i++) {
		const char *name = r->argv[i];
		sbuf_add(&r->line, STR(" shm."));
		if (!request_add_word(r, strncmp(name, "shm.", 4) == 0 ? name + 4 : name, err))
			return false;
	}
	sbuf_add(&r->line, r->json ? STR(" json") : STR(""));
	return true;
}

static bool
build_get(struct request *r, struct err *err)
{
	r->native_json = r->json;
	return build_names(r, "get var", err);
}

static bool
build_watch(struct request *r, struct err *err)
{
	return build_names(r, "watch var", err);
}

// "on", "off" and what follows switch; anything else asks.
static bool
build_explain(struct request *r, struct err *err)
{
	bool sets =
	    r->argc > 0 && (strcmp(r->argv[0], "on") == 0 || strcmp(r->argv[0], "off") == 0);
	sbuf_add(&r->line, sets ? STR("explain") : STR("show explain"));
	for (int i = 0; i < r->argc; i++)
		if (!request_add_word(r, r->argv[i], err))
			return false;
	return true;
}

#define HOLD_OPTIONS (OPT_OWNER | OPT_FOR | OPT_REASON)

const struct verb verbs[] = {
    {.name = "set",
     .usage = "NAME VALUE [--ttl TIME] [--reason TEXT]",
     .min_args = 2,
     .max_args = 2,
     .options = OPT_TTL | OPT_REASON,
     .build = build_op,
     .in_file = true,
     .help = "set a variable; the VALUE - is read from standard input"},
    {.name = "get",
     .usage = "NAME...",
     .min_args = 1,
     .max_args = VERB_MAX_ARGS,
     .build = build_get,
     .in_file = true,
     .help = "print a variable; several are read as of one commit"},
    {.name = "unset",
     .usage = "NAME [--reason TEXT]",
     .min_args = 1,
     .max_args = 1,
     .options = OPT_REASON,
     .build = build_op,
     .in_file = true,
     .help = "give a variable its default back"},
    {.name = "add",
     .usage = "NAME NUMBER [--reason TEXT]",
     .min_args = 2,
     .max_args = 2,
     .options = OPT_REASON,
     .build = build_op,
     .in_file = true,
     .help = "add to a number"},
    {.name = "cas",
     .usage = "NAME EXPECTED VALUE [--ttl TIME] [--reason TEXT]",
     .min_args = 3,
     .max_args = 3,
     .options = OPT_TTL | OPT_REASON,
     .build = build_op,
     .in_file = true,
     .help = "set a variable if it reads as expected, else exit with status 1"},
    {.name = "commit",
     .usage = "WRITE... | - [--reason TEXT]",
     .min_args = 1,
     .max_args = VERB_MAX_ARGS,
     .options = OPT_REASON,
     .build = build_commit,
     .in_file = true,
     .help = "several writes at once or none: 'set a 1' 'add b 2' 'release m'; - reads lines"},
    {.name = "rate",
     .usage = "NAME [PERIOD]",
     .min_args = 1,
     .max_args = 2,
     .line = "rate var shm.$1 $2?",
     .in_file = true,
     .help = "by how much a counter or int grew in the last period, default 1s"},
    {.name = "hold",
     .usage = "NAME [--owner WHO] [--for TIME] [--reason TEXT]",
     .min_args = 1,
     .max_args = 1,
     .options = HOLD_OPTIONS,
     .build = build_op,
     .in_file = true,
     .help = "hold a flag up; it stands while anybody holds it"},
    {.name = "extend",
     .usage = "NAME [--owner WHO] [--for TIME] [--reason TEXT]",
     .min_args = 1,
     .max_args = 1,
     .options = HOLD_OPTIONS,
     .build = build_op,
     .in_file = true,
     .help = "hold on for so long from now; status 1 when one holds nothing"},
    {.name = "release",
     .usage = "NAME [--owner WHO] [--reason TEXT]",
     .min_args = 1,
     .max_args = 1,
     .options = OPT_OWNER | OPT_REASON,
     .build = build_op,
     .in_file = true,
     .help = "give one's own hold back"},
    {.name = "maint",
     .usage = "on|off|status [--owner WHO] [--for TIME] [--reason TEXT]",
     .min_args = 1,
     .max_args = 1,
     .options = HOLD_OPTIONS,
     .build = build_maint,
     .in_file = true,
     .help = "hold or release the variable maint; who holds it"},
    {.name = "holds",
     .usage = "[NAME]",
     .max_args = 1,
     .line = "show holds $1?",
     .json = "show holds $1? json",
     .in_file = true,
     .help = "list who holds what, for how long and why"},
    {.name = "vars",
     .usage = "[check FILE | dump FILE | restore FILE [JSON]]",
     .max_args = 3,
     .line = "show vars",
     .json = "show vars json",
     .in_file = true,
     .help = "list all variables; or check a file of them, print it as JSON, make it from that"},
    {.name = "log",
     .usage = "",
     .line = "show vars-log",
     .json = "show vars-log json",
     .in_file = true,
     .help = "list the last writes: who, when, from where, why"},
    {.name = "watch",
     .usage = "NAME...",
     .min_args = 1,
     .max_args = VERB_MAX_ARGS,
     .build = build_watch,
     .endless = true,
     .in_file = true,
     .help = "print variables now and whenever they change"},
    {.name = "map",
     .usage = "save NAME [FILE] [--force]",
     .min_args = 2,
     .max_args = 3,
     .options = OPT_FORCE,
     .line = "dump map $2",
     .help = "write a map's entries back to its file, or to another; --force: though somebody "
	     "edited it"},
    {.name = "acl",
     .usage = "save NAME [FILE] [--force]",
     .min_args = 2,
     .max_args = 3,
     .options = OPT_FORCE,
     .line = "dump acl $2",
     .help = "the same of an ACL's patterns"},
    {.name = "reload",
     .usage = "[POLICY [FILE] | --config]",
     .max_args = 2,
     .options = OPT_CONFIG,
     .build = build_reload,
     .help = "load a policy's script again, or FILE as its script; without a name all; with "
	     "--config the configuration files"},
    {.name = "stop", .usage = "", .line = "stop", .help = "stop the service gracefully"},
    {.name = "rollback",
     .usage = "POLICY [N]",
     .min_args = 1,
     .max_args = 2,
     .line = "policy rollback $1 $2?",
     .help = "go back N generations of a script; default 1"},
    {.name = "check",
     .usage = "POLICY [FILE]",
     .min_args = 1,
     .max_args = 2,
     .build = build_check,
     .help = "see whether a script would load; nothing is changed"},
    {.name = "test",
     .usage = "POLICY",
     .min_args = 1,
     .max_args = 1,
     .line = "policy test $1",
     .help = "run the script's own tests"},
    {.name = "policy",
     .usage = "",
     .line = "show policy",
     .json = "show policy json",
     .help = "list policies and their generations"},
    {.name = "errors",
     .usage = "",
     .line = "show policy errors",
     .help = "list the last errors of policies"},
    {.name = "status",
     .usage = "",
     .line = "show info",
     .json = "show info json",
     .help = "the state of the process"},
    {.name = "info",
     .usage = "",
     .line = "show info",
     .json = "show info json",
     .help = "the same as status"},
    {.name = "stat",
     .usage = "",
     .line = "show stat",
     .json = "show stat json",
     .help = "counters of frontends, listeners, backends and servers, as CSV"},
    {.name = "sess", .usage = "", .line = "show sess", .help = "list the requests under way"},
    {.name = "explain",
     .usage = "[on [every N] | off | ID]",
     .max_args = 3,
     .build = build_explain,
     .help = "which rules decided and on what values, once switched on; or of one transaction"},
    {.name = "rules",
     .usage = "[FRONTEND|BACKEND]",
     .max_args = 1,
     .line = "show rules $1?",
     .json = "show rules $1? json",
     .help = "how often each rule was applied: 0 is one that never was"},
    {.name = "servers",
     .usage = "[BACKEND]",
     .max_args = 1,
     .line = "show servers $1?",
     .help =
	 "list servers: state, address, weight, requests they have now, since when, last check"},
    {.name = "enable",
     .usage = "BACKEND/SERVER",
     .min_args = 1,
     .max_args = 1,
     .line = "enable server $1",
     .help = "let a server take requests again"},
    {.name = "disable",
     .usage = "BACKEND/SERVER",
     .min_args = 1,
     .max_args = 1,
     .line = "disable server $1",
     .help = "take a server out for maintenance"},
    {.name = "drain",
     .usage = "BACKEND/SERVER",
     .min_args = 1,
     .max_args = 1,
     .line = "set server $1 state drain",
     .help = "no new requests for a server; those it has are finished"},
    {.name = "health",
     .usage = "BACKEND/SERVER up|stopping|down",
     .min_args = 2,
     .max_args = 2,
     .line = "set server $1 health $2",
     .help = "say what a server's checks say, until they say otherwise"},
    {.name = "agent",
     .usage = "BACKEND/SERVER up|down",
     .min_args = 2,
     .max_args = 2,
     .line = "set server $1 agent $2",
     .help = "say what a server's agent says, until it says otherwise"},
    {.name = "weight",
     .usage = "BACKEND/SERVER WEIGHT",
     .min_args = 2,
     .max_args = 2,
     .line = "set server $1 weight $2",
     .help = "change a server's weight: 0 to 256, or a share of the configured one, 50%"},
    {.name = "addr",
     .usage = "BACKEND/SERVER ADDRESS [PORT]",
     .min_args = 2,
     .max_args = 3,
     .build = build_addr,
     .help = "send a server's requests to another IP address or unix socket; without PORT to the "
	     "same port"},
    {.name = NULL},
};

const struct verb *
verb_find(const char *name)
{
	for (const struct verb *v = verbs; v->name != NULL; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

static const char *
next_verb(void *iter)
{
	const struct verb **at = iter;
	return (*at)->name != NULL ? (*at)++->name : NULL;
}

const char *
verb_suggest(const char *word)
{
	const struct verb *at = verbs;
	return str_suggest(str_from_c(word), next_verb, &at);
}
