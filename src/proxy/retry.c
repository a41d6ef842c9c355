// SPDX-License-Identifier: MIT
#include "proxy/retry.h"

#include "proxy/conf_priv.h"
#include "proxy/txn.h"

// --- the line ------------------------------------------------------------------------------------

// Only these: others are no sign of trouble that another server may not have.
static const uint16_t statuses[] = {401, 403, 404, 408, 425, 500, 501, 502, 503, 504};

unsigned
retry_on_status(unsigned status)
{
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (statuses[i] == status)
			return (unsigned)RETRY_STATUS << i;
	return 0;
}

static const struct {
	const char *word;
	unsigned bits;
} words[] = {
    {"conn-failure", RETRY_CONNECTING},
    {"empty-response", RETRY_EMPTY},
    {"junk-response", RETRY_JUNK},
    {"response-timeout", RETRY_TIMEOUT},
    {"0rtt-rejected", 0}, // there is no TLS towards servers
};

static bool
bits_of(struct str word, unsigned *bits)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!str_eq(word, str_from_c(words[i].word)))
			continue;
		*bits = words[i].bits;
		return true;
	}
	if (str_eq(word, STR("all-retryable-errors"))) {
		*bits = RETRY_CONNECTING | RETRY_EMPTY | RETRY_JUNK | RETRY_TIMEOUT |
			retry_on_status(500) | retry_on_status(502) | retry_on_status(503) |
			retry_on_status(504);
		return true;
	}
	int64_t status;
	*bits = str_to_int(word, &status) && status > 0 && status < 1000
		    ? retry_on_status((unsigned)status)
		    : 0;
	return *bits != 0;
}

bool
conf_parse_retry_on(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	(void)conf;
	struct proxy *p = conf_proxy_of(obj);
	if (line->argc == line->args)
		return err_set(err, "what to retry on is missing: none, conn-failure, "
				    "empty-response, junk-response, response-timeout, "
				    "all-retryable-errors or a status");
	p->retry_on = 0;
	if (str_eq(line->argv[line->args], STR("none"))) {
		if (line->argc > line->args + 1)
			return err_set(err, "'none' stands alone");
		return true;
	}
	for (int i = line->args; i < line->argc; i++) {
		unsigned bits;
		if (!bits_of(line->argv[i], &bits))
			return err_set(err,
				       "'%.*s' is nothing to retry on: none, conn-failure, "
				       "empty-response, junk-response, response-timeout, "
				       "0rtt-rejected, all-retryable-errors and the statuses "
				       "401, 403, 404, 408, 425, 500, 501, 502, 503, 504 are",
				       STR_ARG(line->argv[i]));
		p->retry_on |= bits;
	}
	return true;
}

// --- a request -----------------------------------------------------------------------------------

void
retry_keep(struct txn *t)
{
	t->flags &= ~(uint32_t)TXN_KEPT;
	if (t->flags & TXN_ONCE || !t->up.ended)
		return;
	t->flags |= TXN_KEPT;
	if (t->up.sending == 0) // no body, or it is kept since another attempt
		return;
	t->kept_body = str_of(conn_data(t->up.from), t->up.sending);
	rbuf_unref(&t->kept_buf);
	t->kept_buf = rbuf_ref(t->up.held);
}

bool
retry_may(const struct txn *t, unsigned why)
{
	return t->backend->retry_on & why && t->retries < retry_most(t, t->backend->retries);
}

bool
retry_may_sent(const struct txn *t, unsigned why)
{
	return UNLIKELY(t->flags & TXN_KEPT) && retry_may(t, why);
}
