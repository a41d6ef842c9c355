// SPDX-License-Identifier: MIT
// `tidegate eval`: loads the configuration as the service does, self-tests included, but with a
// variable table of its own (the declared defaults and what --var says), and has one request
// judged. No address is bound and the configured variable file is not opened.
#include "main/eval.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "main/service.h"
#include "net/addr.h"
#include "proxy/conns.h"
#include "proxy/offline.h"
#include "proxy/proxy.h"
#include "tidegate/vars.h"

#define MOST_REQUEST_BYTES ((size_t)1 << 20)
#define MOST_OUTPUT_BYTES  ((size_t)16 << 20)

static bool
set_vars(const struct service *s, struct err *err)
{
	const struct options *o = s->options;
	struct tidevars_writer w = {.who = "command line",
				    .reason = "--var",
				    .source = TIDEVARS_FROM_CONFIG};
	for (size_t i = 0; i < o->n_vars; i++) {
		struct tidevars_error why;
		const struct setting *v = &o->vars[i];
		if (tidevars_set_text(s->set->vars, v->name, v->value, 0, &w, &why) != TIDEVARS_OK)
			return err_set(err, "--var %s=%s: %s", v->name, v->value, why.text);
	}
	return true;
}

// --- the request ---------------------------------------------------------------------------------

// "GET /path host=a x-b=c"; a word of the rest is a header field.
static bool
add_fields(struct str rest, struct sbuf *out, struct err *err)
{
	struct str word;
	bool has_host = false;
	while (str_next(&rest, ' ', &word)) {
		size_t equals = str_find_byte(word, '=');
		if (word.n == 0)
			continue;
		if (equals == 0 || equals >= word.n)
			return err_set(err,
				       "--request: '%.*s' is no header field: NAME=VALUE is "
				       "expected",
				       STR_ARG(word));
		struct str name = str_slice(word, 0, equals);
		has_host |= str_eq_nocase(name, STR("host"));
		sbuf_printf(out, "%.*s: %.*s\r\n", STR_ARG(name),
			    STR_ARG(str_slice(word, equals + 1, word.n)));
	}
	if (!has_host)
		sbuf_add(out, STR("host: localhost\r\n"));
	sbuf_add(out, STR("\r\n"));
	return true;
}

static bool
add_words(struct str text, bool http, struct sbuf *out, struct err *err)
{
	struct str method, target;
	if (!str_next(&text, ' ', &method) || !str_next(&text, ' ', &target) || method.n == 0 ||
	    target.n == 0)
		return err_set(err,
			       "--request: 'METHOD PATH [NAME=VALUE]...' is expected; %s "
			       "with @FILE, or with '-' from standard input",
			       http ? "a request as it comes over the wire is given"
				    : "mode tcp takes a connection's first bytes");
	sbuf_printf(out, "%.*s %.*s HTTP/1.1\r\n", STR_ARG(method), STR_ARG(target));
	return add_fields(text, out, err);
}

// As it would come over the wire; in mode http, lines that end in a line feed alone, as an editor
// writes them, get their carriage return.
static bool
add_raw(const char *path, bool http, struct sbuf *out, struct err *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *f = is_stdin ? stdin : fopen(path, "re");
	int before = '\0', c;
	if (f == NULL)
		return err_set(err, "--request @%s: %s", path, strerror(errno));
	while (!out->full && (c = getc(f)) != EOF) {
		if (http && c == '\n' && before != '\r')
			sbuf_add_byte(out, '\r');
		sbuf_add_byte(out, (char)c);
		before = c;
	}
	bool ok = !ferror(f) || err_set(err, "--request: %s: %s", path, strerror(errno));
	if (!is_stdin)
		(void)fclose(f); // only read
	return ok;
}

static bool
make_request(const char *text, bool http, struct sbuf *out, struct err *err)
{
	bool raw = text[0] == '@' || strcmp(text, "-") == 0;
	if (!(raw ? add_raw(text + (text[0] == '@'), http, out, err)
		  : add_words(str_from_c(text), http, out, err)))
		return false;
	return !out->full || err_set(err, "--request: more than %zu bytes", MOST_REQUEST_BYTES);
}

static bool
find_source(const char *text, struct sample_addr *out, struct err *err)
{
	struct addr a;
	text = text != NULL ? text : "127.0.0.1";
	if (!addr_parse_ip(&a, str_from_c(text), 0))
		return err_set(err, "--src %s: an address is expected", text);
	client_sample_addr(&a, out);
	return true;
}

// --- all of it -----------------------------------------------------------------------------------

static bool
judge(struct service *s, struct offline *job, struct sbuf *request, struct err *err)
{
	const struct options *o = s->options;
	struct str name = o->frontend != NULL ? str_from_c(o->frontend) : STR_NULL;
	job->frontend = offline_frontend(s->set, name, err);
	if (job->frontend == NULL || !set_vars(s, err) || !find_source(o->src, &job->src, err) ||
	    !make_request(o->request, job->frontend->mode == PROXY_HTTP, request, err))
		return false;
	job->request = sbuf_str(request);
	job->status = (unsigned)o->status;
	struct offline_field *fields = mem_zalloc((o->n_fields + 1) * sizeof(*fields));
	for (size_t i = 0; i < o->n_fields; i++)
		fields[i] = (struct offline_field){str_from_c(o->fields[i].name),
						   str_from_c(o->fields[i].value)};
	job->fields = fields;
	job->n_fields = o->n_fields;
	bool ok = offline_run(s->set, job, err);
	mem_free(fields);
	return ok;
}

int
eval_run(const struct options *o)
{
	struct service s;
	struct offline job = {0};
	struct sbuf request;
	struct err err;
	bool ok = false;
	sbuf_init(&request, MOST_REQUEST_BYTES);
	sbuf_init(&job.out, MOST_OUTPUT_BYTES);
	if (service_load(&s, o, NULL)) {
		ok = judge(&s, &job, &request, &err);
		if (!ok)
			fprintf(stderr, "eval: %s\n", err.text);
	}
	if (ok)
		ok = fwrite(job.out.p, 1, job.out.n, stdout) == job.out.n && fflush(stdout) == 0;
	sbuf_fini(&job.out);
	sbuf_fini(&request);
	service_free(&s);
	return ok ? 0 : 1;
}
