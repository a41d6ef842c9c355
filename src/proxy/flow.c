// SPDX-License-Identifier: MIT
// Body bytes from one connection to the other: receive, check the framing, send the very bytes
// that were received, receive again. One piece is under way at a time, so a slow receiver stops
// the sender, and a body of any size needs one buffer: a larger one while bytes keep filling it.
#include "proxy/flow.h"

void
flow_init(struct flow *f, struct conn *from, struct conn *to, struct codec_in *in, bool ended)
{
	*f = (struct flow){
	    .from = from,
	    .to = to,
	    .in = in,
	    .state = ended ? FLOW_DONE : FLOW_ON,
	    .ended = ended,
	};
}

bool
flow_take(struct flow *f, struct iovec *iov, enum flow_result *result)
{
	*result = FLOW_WAITS;
	while (!f->ended && conn_unread(f->from) > 0) {
		struct codec_piece piece;
		enum codec_status st = http_codec_h1.read_body(f->in, conn_data(f->from),
							       conn_unread(f->from), &piece);
		if (st == CODEC_BAD) {
			*result = FLOW_BAD;
			return false;
		}
		f->ended = st == CODEC_OK;
		if (piece.data.n > 0) {
			*iov = (struct iovec){(void *)(uintptr_t)piece.data.p, piece.data.n};
			f->sending = (uint32_t)piece.used;
			f->held = rbuf_ref(f->from->in);
			return true;
		}
		conn_consume(f->from, (uint32_t)piece.used); // framing only
	}
	return false;
}

void
flow_take_behind(struct flow *f, struct iovec *head, size_t *n, enum flow_result *result)
{
	struct iovec *last = &head[*n - 1];
	if (!flow_take(f, last + 1, result))
		return;
	if ((const char *)last->iov_base + last->iov_len == last[1].iov_base)
		last->iov_len += last[1].iov_len;
	else
		++*n;
}

void
flow_settle(struct flow *f)
{
	if (f->sending == 0)
		return;
	conn_consume(f->from, f->sending);
	f->bytes += f->sending;
	f->sending = 0;
	rbuf_unref(&f->held);
}

static enum flow_result
at_end_of_input(struct flow *f)
{
	if (f->failed || !http_codec_h1.end_of_input(f->in))
		return FLOW_CUT;
	f->ended = true;
	f->state = FLOW_DONE;
	return FLOW_FINISHED;
}

enum flow_result
flow_pump(struct flow *f)
{
	enum flow_result result;
	if (f->state == FLOW_DONE)
		return FLOW_FINISHED;
	if (conn_sending(f->to))
		return FLOW_WAITS;
	flow_settle(f);
	if (flow_take(f, &f->iov, &result)) {
		conn_send(f->to, &f->iov, 1, 0);
		return FLOW_WAITS;
	}
	if (result == FLOW_BAD)
		return FLOW_BAD;
	if (f->ended) {
		f->state = FLOW_DONE;
		return FLOW_FINISHED;
	}
	if (f->eof)
		return at_end_of_input(f);
	if (!conn_receiving(f->from))
		conn_recv_on(f->from);
	return FLOW_WAITS;
}
