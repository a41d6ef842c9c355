// SPDX-License-Identifier: MIT
// Answers to checks that speak no HTTP: whatever bytes are there, against a text.
#include <stdio.h>

#include "backend/check.h"
#include "base/sbuf.h"
#include "net/conn.h"

bool
check_no_more_comes(const struct check *c)
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
		if (with_text && e->shown.n == 0)
			sbuf_printf(&info, " (%s)", e->word);
		else if (with_text)
			sbuf_printf(&info, " '%.*s'", STR_ARG(e->shown));
		sbuf_printf(&info, " at step %u", step->number);
	}
	// HAProxy quotes it in one of the two.
	const char *quote = with_text ? "" : "'";
	if (step->comment.n > 0)
		sbuf_printf(&info, " comment: %s%.*s%s", quote, STR_ARG(step->comment), quote);
	health_say(f, e->error != HEALTH_UNKNOWN ? e->error : HEALTH_L7RSP, sbuf_str(&info));
	sbuf_fini(&info);
	return CHECK_DECIDED;
}

static bool
matches(const struct check_expect *e, struct str got)
{
	static const char digits[] = "0123456789ABCDEF";
	struct sbuf hex;
	if (!e->in_hex)
		return check_text_matches(&e->text, got);
	sbuf_init(&hex, 2 * got.n);
	for (size_t i = 0; i < got.n; i++) {
		sbuf_add_byte(&hex, digits[(unsigned char)got.p[i] >> 4]);
		sbuf_add_byte(&hex, digits[got.p[i] & 15]);
	}
	bool is = check_text_matches(&e->text, sbuf_str(&hex));
	sbuf_fini(&hex);
	return is;
}

enum check_verdict
check_bytes_judge(struct check *c, const struct check_step *step, struct health_finding *f)
{
	const struct check_expect *e = &step->expect;
	struct str got = str_of(conn_data(&c->conn), conn_unread(&c->conn));
	bool last = check_no_more_comes(c);
	if (got.n == 0 && last)
		return decide(step, "got an empty response", false, f);
	if (got.n == 0 || (got.n < e->min_recv && !last))
		return CHECK_WAITS;
	bool holds = matches(e, got);
	if (!holds && !last)
		return CHECK_WAITS;
	if (holds != e->negated)
		return CHECK_MATCHES;
	return decide(step, holds ? "matched unwanted content" : "did not match content", true, f);
}
