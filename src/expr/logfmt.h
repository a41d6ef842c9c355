// SPDX-License-Identifier: MIT
// Log formats: literal text, %[expr], %{flags} and HAProxy's aliases (%ci, %ST, %Tr, ...),
// compiled to a list of pieces. The same language makes header values, returned bodies and
// names of backends. Aliases print from a `struct log_values` that the host fills. A format may
// also be encoded as JSON or CBOR: "%{+json}o %(status)ST %(host)[req.hdr(host)]".
#pragma once

#include "expr/expr.h"

struct logfmt;

// Times in milliseconds, -1: never came. Strings live until the rendering is over; .p == NULL
// prints "-" (or HAProxy's word for it, "<NOSRV>", "<BADREQ>").
struct log_values {
	struct str frontend, backend, server, listener;
	struct str method, uri, path, query, version; // of the request as received
	struct str request_line;                      // empty: "<BADREQ>"
	struct str unique_id;
	struct str cookie_in, cookie_out;      // %CC %CS
	const struct str *req_caps, *res_caps; // %hr %hs; .p == NULL: not captured
	uint16_t n_req_caps, n_res_caps;
	struct sample_addr client, local;         // %ci %cp, %fi %fp
	struct sample_addr server_peer;           // %si %sp
	bool client_is_tls;                       // "~" after the frontend's name in %ft
	char term[4];                             // "----"; %ts prints two, %tsc four
	uint16_t status;                          // 0: -1 is printed
	bool redispatched;                        // "+" before %rc
	bool log_asap;                            // "+" before %Ta and %B
	uint64_t bytes_in, bytes_out;             // %U %B
	uint64_t accept_real_ns, request_real_ns; // %t %T, %tr
	int64_t th_ms, ti_ms, tr_ms, tw_ms, tc_ms, tr_res_ms, td_ms, ta_ms, tt_ms, tq_ms, tu_ms;
	uint32_t act_conn, fe_conn, be_conn, srv_conn, retries, srv_queue, be_queue;
	uint32_t request_count;             // %rt
	struct str tls_cipher, tls_version; // %sslc %sslv
};

#define LOGFMT_HTTP                                                                        \
	"%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/" \
	"%rc %sq/%bq %hr %hs %{+Q}r"
#define LOGFMT_HTTPS                                                             \
	LOGFMT_HTTP " %[fc_err]/%[ssl_fc_err,hex]/%[ssl_c_err]/%[ssl_c_ca_err]/" \
		    "%[ssl_fc_is_resumed] %[ssl_fc_sni]/%sslv/%sslc"
#define LOGFMT_HTTP_CLF                                                                        \
	"%{+Q}o %{-Q}ci - - [%trg] %r %ST %B \"\" \"\" %cp %ms %ft %b %s %TR %Tw %Tc %Tr %Ta " \
	"%tsc %ac %fc %bc %sc %rc %sq %bq %CC %CS %hrl %hsl"
#define LOGFMT_TCP "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq"

// The rows of aliases, for the reference: the i-th one's name without '%', or NULL behind the last.
const char *logfmt_alias_at(size_t i, const char **help);
// env->place decides which expressions may be used. An alias prints what the host knows by then.
struct logfmt *logfmt_parse(struct expr_env *env, struct str text, struct err *err);
// True when the whole is one piece of plain text (then no evaluation is needed).
bool logfmt_is_const(const struct logfmt *f, struct str *text);
unsigned logfmt_needs(const struct logfmt *f);
// Appends; bytes that would break a line are escaped #XX as HAProxy does in logs.
void logfmt_render_log(const struct logfmt *f, struct sample_ctx *ctx, struct sbuf *out);
// Value for a body or a name: nothing is escaped. In ctx->arena; false at its cap.
bool logfmt_render(const struct logfmt *f, struct sample_ctx *ctx, struct str *out);
// Value for a header or a target: controls but tabs become %XX, as HAProxy has it.
bool logfmt_render_header(const struct logfmt *f, struct sample_ctx *ctx, struct str *out);
