// SPDX-License-Identifier: MIT
// Body bytes on their way from one connection to the other. The flow's owner holds its connections
// and framing for as long as it lives; one worker. Nothing is copied and nothing allocated.
#pragma once

#include <sys/uio.h>

#include "http/codec.h"
#include "net/conn.h"

// One direction of body bytes: from `from` to `to`. A flow holds at most what stands in from->in,
// and receives no more before that is sent: backpressure.
struct flow {
	struct conn *from, *to;
	struct codec_in *in; // who reads the body's framing
	enum flow_state { FLOW_OFF, FLOW_ON, FLOW_DONE } state;
	bool ended;        // the body's last byte was seen in from->in
	bool eof;          // `from` will give no more
	bool failed;       // and not by a proper end
	uint32_t sending;  // bytes of from->in that the send under way covers
	struct rbuf *held; // their buffer, for as long as the kernel may read them
	uint64_t bytes;    // given to `to`, framing included
	struct iovec iov;
};

enum flow_result { FLOW_WAITS, FLOW_FINISHED, FLOW_CUT, FLOW_BAD };
void flow_init(struct flow *f, struct conn *from, struct conn *to, struct codec_in *in, bool ended);
// What may be sent of the bytes that stand ready goes to *iov; false when none may.
bool flow_take(struct flow *f, struct iovec *iov, enum flow_result *result);
// The first piece, which travels with its head: goes behind the head's *n >= 1 entries, where one
// more has room. A piece that follows the head in memory extends the last entry, so that one
// buffer received is one buffer sent. flow_pump does the rest of the body.
void flow_take_behind(struct flow *f, struct iovec *head, size_t *n, enum flow_result *result);
// The send that flow_take prepared is over: its bytes may go.
void flow_settle(struct flow *f);
// Receives and sends as far as possible. CUT: the sender ended too early. BAD: framing.
enum flow_result flow_pump(struct flow *f);
