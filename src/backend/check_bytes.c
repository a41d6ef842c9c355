// SPDX-License-Identifier: MIT
// Answers to checks that speak no HTTP: whatever bytes are there, against a text.
#include <stdio.h>

#include "backend/check.h"
#include "base/sbuf.h"
#include "net/conn.h"

static bool
no_more_comes(const struct check *c)
{
	return c->at_end || (c->conn.in != NULL && conn_room(&c->conn) == 0);
}

static enum check_verdict
decide(const struct check_step *step, const char *what, bool with_text, struct health_finding *f)
{
	const struct check_expect *e = &step->expect;
	struct sbuf info;
	sbuf_init(&info, HEALTH_INFO_BYTES * 4);
	if (e->on_error.n > 0) {
		sbuf_add(&info, e->on_error);
	} else {
		sbuf_printf(&info, "TCPCHK %s", what);
		if (with_text && e->text.how == CHECK_MATCH_REG)
			sbuf_printf(&info, " (%s)", e->word);
		else if (with_text)
			sbuf_printf(&info, " '%.*s'", STR_ARG(e->shown));
		sbuf_printf(&info, " at step %u", step->number);
	}
	if (step->comment.n > 0)
		sbuf_printf(&info, " comment: '%.*s'", STR_ARG(step->comment));
	health_say(f, e->error != HEALTH_UNKNOWN ? e->error : HEALTH_L7RSP, sbuf_str(&info));
	sbuf_fini(&info);
	return CHECK_DECIDED;
}

enum check_verdict
check_bytes_judge(struct check *c, const struct check_step *step, struct health_finding *f)
{
	const struct check_expect *e = &step->expect;
	struct str got = str_of(conn_data(&c->conn), conn_unread(&c->conn));
	bool last = no_more_comes(c);
	if (got.n == 0 && last)
		return decide(step, "got an empty response", false, f);
	if (got.n == 0 || (got.n < e->min_recv && !last))
		return CHECK_WAITS;
	bool holds = check_text_matches(&e->text, got);
	if (!holds && !e->negated && !last)
		return CHECK_WAITS;
	if (holds != e->negated)
		return CHECK_MATCHES;
	return decide(step, holds ? "matched unwanted content" : "did not match content", true, f);
}
