// SPDX-License-Identifier: MIT
// Who changed what: a line in the service's log for each command that changes the service, when it
// was not refused. Variables have a log of their writes of their own.
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/cli_priv.h"

#define MOST_WORDS_BYTES 256
#define MOST_LINES       20 // a second; a script may fill a map

static void
add_words(const struct cli_session *s, struct sbuf *text)
{
	const struct cli_args *a = &s->args;
	bool secret = a->row->flags & CLI_SECRET_LAST && !a->has_payload;
	int hidden = secret ? a->argc - 1 : a->argc;
	sbuf_add(text, str_from_c(a->row->flags & CLI_PREFIX ? "" : a->row->words));
	for (int i = 0; i < a->argc; i++)
		sbuf_printf(text, "%s%.*s", text->n > 0 ? " " : "",
			    STR_ARG(i < hidden ? a->argv[i] : STR("...")));
	if (a->has_payload)
		sbuf_printf(text, " <<%zu bytes", a->payload.n);
}

void
cli_audit(const struct cli_session *s)
{
	struct log_rate *rate = &s->cli->audit;
	const struct cli_peer *peer = &s->peer;
	struct sbuf text;
	char pid[32] = "";
	if (!(s->args.row->flags & CLI_CHANGES) || s->failed)
		return;
	if (!log_rate_ok(rate, clock_mono_ns(), MOST_LINES))
		return;
	uint32_t missed = log_rate_missed(rate);
	if (missed > 0)
		log_msg(LOG_NOTICE, "%u more commands", missed);
	if (peer->known)
		(void)snprintf(pid, sizeof(pid), "pid %d at ", (int)peer->pid);
	sbuf_init(&text, MOST_WORDS_BYTES);
	add_words(s, &text);
	log_line(LOG_NOTICE, "%s (%s%s): %.*s%s", s->who, pid, peer->from, STR_ARG(sbuf_str(&text)),
		 text.full ? "..." : "");
	sbuf_fini(&text);
}
