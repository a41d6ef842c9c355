// SPDX-License-Identifier: MIT
// `log`: where access lines go. Targets are only described here; the sockets are opened at start.

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "proxy/conf_priv.h"

static const char *const facilities[] = {"kern",   "user",   "mail",   "daemon", "auth",
					 "syslog", "lpr",    "news",   "uucp",   "cron",
					 "auth2",  "ftp",    "ntp",    "audit",  "alert",
					 "cron2",  "local0", "local1", "local2", "local3",
					 "local4", "local5", "local6", "local7"};
static const char *const levels[] = {"emerg",   "alert",  "crit", "err",
				     "warning", "notice", "info", "debug"};
static const struct {
	const char *name;
	enum log_target_format format;
} formats[] = {
    {"rfc3164", LOG_RFC3164},   {"rfc5424", LOG_RFC5424}, {"raw", LOG_RAW},
    {"short", LOG_SHORT},       {"timed", LOG_TIMED},     {"iso", LOG_ISO},
    {"priority", LOG_PRIORITY}, {"local", LOG_LOCAL},
};

static int
find_word(const char *const *words, size_t n, struct str word)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(word, str_from_c(words[i])))
			return (int)i;
	return -1;
}

static bool
parse_level(struct str word, int *level, struct err *err)
{
	*level = find_word(levels, ARRAY_LEN(levels), word);
	if (*level >= 0)
		return true;
	return err_set(err,
		       "'%.*s' is no level: emerg, alert, crit, err, warning, notice, info or "
		       "debug is",
		       STR_ARG(word));
}

static bool
parse_format(struct str word, struct log_target *t, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		if (!str_eq(word, str_from_c(formats[i].name)))
			continue;
		t->format = formats[i].format;
		return true;
	}
	return err_set(err,
		       "'%.*s' is no format: rfc3164, local, rfc5424, priority, short, timed, iso "
		       "or raw is",
		       STR_ARG(word));
}

// "1,3-4:5": of each five lines the first, third and fourth.
static bool
parse_sample(struct str text, struct log_target *t, struct err *err)
{
	size_t colon = str_find_byte(text, ':');
	struct str ranges = str_slice(text, 0, MIN(colon, text.n)), range;
	int64_t size = 0;
	if (colon == SIZE_MAX || !str_to_int(str_slice(text, colon + 1, text.n), &size) ||
	    size < 1 || size > 64)
		return err_set(err, "sample '%.*s': ranges, ':' and a size up to 64 are expected",
			       STR_ARG(text));
	while (str_next(&ranges, ',', &range)) {
		size_t dash = str_find_byte(range, '-');
		int64_t low, high;
		if (!str_to_int(str_slice(range, 0, MIN(dash, range.n)), &low) ||
		    !str_to_int(dash == SIZE_MAX ? range : str_slice(range, dash + 1, range.n),
				&high) ||
		    low < 1 || high < low || high > size)
			return err_set(err, "sample '%.*s': '%.*s' is no range within 1 to %lld",
				       STR_ARG(text), STR_ARG(range), (long long)size);
		for (int64_t i = low; i <= high; i++)
			t->sample_mask |= UINT64_C(1) << (i - 1);
	}
	t->sample_size = (uint32_t)size;
	return true;
}

static bool
parse_len(struct str text, struct log_target *t, struct err *err)
{
	int64_t n;
	if (!str_to_int(text, &n) || n < 80 || n > 65535)
		return err_set(err, "len '%.*s' is not between 80 and 65535", STR_ARG(text));
	t->len_max = (uint32_t)n;
	return true;
}

static bool
parse_rate(struct str text, struct log_target *t, struct err *err)
{
	int64_t n;
	if (!str_to_int(text, &n) || n < 1 || n > 1000000000)
		return err_set(err,
			       "rate-limit '%.*s': 1 to 1000000000 lines a second are expected",
			       STR_ARG(text));
	t->rate = (uint32_t)n;
	return true;
}

// Words with a value, in any order, in front of the facility.
static const struct {
	const char *name;
	bool (*parse)(struct str value, struct log_target *t, struct err *err);
} options[] = {
    {"len", parse_len},
    {"format", parse_format},
    {"sample", parse_sample},
    {"rate-limit", parse_rate},
};

// Leaves *at behind them.
static bool
parse_options(const struct conf_line *line, int *at, struct log_target *t, struct err *err)
{
	for (; *at + 1 < line->argc; *at += 2) {
		size_t i = 0;
		while (i < ARRAY_LEN(options) &&
		       !str_eq(line->argv[*at], str_from_c(options[i].name)))
			i++;
		if (i == ARRAY_LEN(options))
			break;
		if (!options[i].parse(line->argv[*at + 1], t, err))
			return false;
	}
	return true;
}

static bool
parse_facility(const struct conf_line *line, int at, struct log_target *t, struct err *err)
{
	if (at >= line->argc)
		return err_set(err, "a facility is missing, such as 'local0'");
	t->facility = find_word(facilities, ARRAY_LEN(facilities), line->argv[at]);
	if (t->facility < 0)
		return err_set(err,
			       "'%.*s' is no facility: kern, user, daemon, local0 .. local7 and "
			       "others of syslog are",
			       STR_ARG(line->argv[at]));
	t->level_max = 7;
	t->level_min = 0;
	if (at + 1 < line->argc && !parse_level(line->argv[at + 1], &t->level_max, err))
		return false;
	if (at + 2 < line->argc && !parse_level(line->argv[at + 2], &t->level_min, err))
		return false;
	if (at + 3 < line->argc)
		return err_set(err, "'%.*s' is one word too many", STR_ARG(line->argv[at + 3]));
	return true;
}

static bool
parse_target(struct conf *conf, struct str text, struct log_target *t, struct err *err)
{
	t->text = conf_strdup(conf, text);
	t->kind = LOG_TO_FD;
	if (str_eq(text, STR("stdout")) || str_eq(text, STR("stderr"))) {
		t->fd = str_eq(text, STR("stdout")) ? 1 : 2;
		return true;
	}
	if (str_starts(text, STR("ring@")))
		return err_set(err, "rings come in a later tidegate");
	struct conf_addr a;
	if (!conf_addr_parse(text,
			     CONF_ADDR_PORT_OPTIONAL | CONF_ADDR_RESOLVE | CONF_ADDR_FD_OK |
				 CONF_ADDR_UNIX_OK | CONF_ADDR_ANY,
			     &a, err))
		return false;
	if (a.kind == CONF_ADDR_FD) {
		t->fd = a.fd;
		return true;
	}
	t->fd = -1;
	t->kind = a.kind == CONF_ADDR_INET ? LOG_TO_UDP : LOG_TO_UNIX;
	conf_addr_to_addr(&a, &t->addr);
	if (t->kind == LOG_TO_UDP && !a.has_port)
		addr_set_port(&t->addr, 514);
	return true;
}

// A missing socket of /dev or /run is no news: syslog comes later. Elsewhere a file was meant.
static void
warn_no_socket(struct conf *conf, const struct conf_line *line, const struct log_target *t)
{
	struct str path = t->text;
	struct stat st;
	if (t->kind != LOG_TO_UNIX || path.n == 0 || path.p[0] != '/')
		return;
	bool is_there = stat(path.p, &st) == 0;
	bool later = str_starts(path, STR("/dev/")) || str_starts(path, STR("/run/"));
	if (!is_there && !later)
		conf_warn(
		    conf, line,
		    "log '%s': %s; lines are lost until a syslog listens there (for a file: 'log "
		    "stdout', and append that)",
		    path.p, strerror(errno));
	else if (is_there && !S_ISSOCK(st.st_mode))
		conf_warn(conf, line,
			  "log '%s' is no socket, as a path must be: lines are lost (for a file: "
			  "'log stdout', and append that)",
			  path.p);
}

static struct log_target *
parse_line(struct conf *conf, const struct conf_line *line, struct err *err)
{
	struct log_target *t = CONF_NEW(conf, struct log_target);
	t->len_max = 1024;
	t->format = LOG_RFC3164;
	int at = line->args + 1;
	if (!parse_target(conf, line->argv[line->args], t, err) ||
	    !parse_options(line, &at, t, err) || !parse_facility(line, at, t, err))
		return NULL;
	warn_no_socket(conf, line, t);
	return t;
}

bool
conf_parse_log(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	if (line->flags & CONF_LINE_NO) {
		if (line->argc > line->args)
			return err_set(err, "'no log' takes no further words");
		p->log_global = false;
		p->logs = NULL;
		p->logs_tail = &p->logs;
		return true;
	}
	if (line->argc <= line->args)
		return err_set(err,
			       "a target is missing: 'global', 'stdout', 'stderr', a path or an "
			       "address");
	if (str_eq(line->argv[line->args], STR("global"))) {
		if (line->argc > line->args + 1)
			return err_set(err, "'log global' takes no further words");
		p->log_global = true;
		return true;
	}
	struct log_target *t = parse_line(conf, line, err);
	if (t == NULL)
		return false;
	*p->logs_tail = t;
	p->logs_tail = &t->next;
	return true;
}

bool
conf_parse_global_log(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy_global *g = obj;
	if (line->argc <= line->args)
		return err_set(err,
			       "a target is missing: 'stdout', 'stderr', a path or an address");
	struct log_target *t = parse_line(conf, line, err);
	if (t == NULL)
		return false;
	*g->logs_tail = t;
	g->logs_tail = &t->next;
	return true;
}
