// SPDX-License-Identifier: MIT
// Counters without contention: each object (a frontend, a server) has one block for each worker,
// on cache lines of its own. Only that worker writes it, with relaxed stores and no locked
// instruction; any thread reads and sums with relaxed loads. Rows say what the block holds, and
// the renderers (Prometheus, JSON, HAProxy's CSV) walk rows and name no feature.
//
// A block is a plain struct whose members are `struct metric`:
//     struct srv_counters { struct metric requests, conns, conns_max; };
//     static const struct metric_row srv_rows[] = {
//         {"server_requests_total", "req_tot", offsetof(struct srv_counters, requests),
//          METRIC_COUNTER, NULL, "Requests sent to the server."}, ... {0}};
//     METRIC_ADD(&c->requests, 1);
#pragma once

#include "base/str.h"

struct sbuf;

struct metric {
	_Atomic uint64_t v; // relaxed, written by one worker
};

// By the worker that owns the block, only. A gauge may go down: METRIC_ADD(&g, -1).
#define METRIC_GET(m)     atomic_load_explicit(&(m)->v, memory_order_relaxed)
#define METRIC_SET(m, to) atomic_store_explicit(&(m)->v, (uint64_t)(to), memory_order_relaxed)
#define METRIC_ADD(m, by) METRIC_SET((m), METRIC_GET(m) + (uint64_t)(by))
#define METRIC_RAISE(m, to)                          \
	do {                                         \
		uint64_t metric_v_ = (uint64_t)(to); \
		if (metric_v_ > METRIC_GET(m))       \
			METRIC_SET((m), metric_v_);  \
	} while (0)

enum metric_kind {
	METRIC_COUNTER,   // only grows; summed
	METRIC_GAUGE,     // signed; summed
	METRIC_MAX,       // the greatest of the workers
	METRIC_HISTOGRAM, // of times: the offset is that of a struct metric_histogram
};

// Bucket i counts times of [2^i, 2^(i+1)) ns, the last one all beyond.
#define METRIC_BUCKETS 24
struct metric_histogram {
	struct metric bucket[METRIC_BUCKETS], sum_ns;
};

struct metric_row {
	const char *name;      // Prometheus, without the "tidegate_" in front; NULL ends the table
	const char *stat_name; // column of HAProxy's CSV, or NULL
	size_t offset;         // of the metric in the block
	enum metric_kind kind;
	const char *unit; // shown: "bytes", "seconds"; NULL: a number of things
	const char *help;
};

// Blocks of the same object in another process that still counts (ledger.h); only read.
struct metric_source {
	const struct metric_source *next;
	const char *mem;
	size_t stride_bytes;
	unsigned n_blocks;
	const uint32_t *map; // by our offset / 8: theirs, UINT32_MAX where there is none
};

#define METRIC_MAGIC 0x3e791c01u
// One object's blocks. Embedded by value in its owner.
struct metric_blocks {
	uint32_t magic;
	unsigned n_workers;
	size_t stride_bytes; // a multiple of the cache line
	size_t block_bytes;
	char *mem;
	char *base; // one more block, of what ended processes counted; NULL: none
	const struct metric_source *sources;
	bool lent; // mem is not ours to free
};

// Zeroed. Never fails (base/mem.h).
void metrics_init(struct metric_blocks *b, size_t block_bytes, unsigned n_workers);
// In the caller's memory, zeroed: one worker's block stands stride_bytes behind another's, a
// multiple of the cache line.
void metrics_init_in(struct metric_blocks *b, size_t block_bytes, unsigned n_workers, void *mem,
		     size_t stride_bytes);
void metrics_fini(struct metric_blocks *b);
// Worker numbers start at 0.
static inline void *
metrics_of(const struct metric_blocks *b, unsigned worker)
{
	ASSERT(worker < b->n_workers);
	return b->mem + worker * b->stride_bytes;
}

// Any thread. Two's complement for gauges.
uint64_t metrics_read(const struct metric_blocks *b, const struct metric_row *row);
// The sum (or greatest) at an offset of a source's own.
uint64_t metrics_source_read(const struct metric_source *s, size_t offset, enum metric_kind kind);
// Sets all counters and maxima to zero ("clear counters all"); gauges stay. Called on the worker
// that owns the block.
void metrics_clear(const struct metric_blocks *b, unsigned worker, const struct metric_row *rows);

struct metric_label {
	const char *name;
	struct str value;
};

// A column of the CSV that is not a counter: {"pxname", "www"}, {"status", "OPEN"}.
struct metric_text {
	const char *stat_name; // NULL ends the table
	struct str value;
};

// What a renderer is given for each object. Borrowed for the call.
struct metric_object {
	const struct metric_row *rows;
	const struct metric_blocks *blocks;
	const struct metric_label *labels; // {NULL} ends; may be NULL
	const struct metric_text *texts;   // may be NULL
};

// Text exposition format 0.0.4; each metric's HELP and TYPE once, its objects below it.
void metrics_render_prometheus(const struct metric_object *objects, size_t n, struct sbuf *out);
// [{"labels":{..},"stats":{..},"metrics":{..}},..]
void metrics_render_json(const struct metric_object *objects, size_t n, struct sbuf *out);
// "show stat": a header line "# pxname,svname,...," then a line for each object, every field
// followed by a comma. columns is NULL-terminated.
void metrics_render_csv(const struct metric_object *objects, size_t n, const char *const *columns,
			struct sbuf *out);
// The columns of haproxy 2.6's "show stat" that are not of one codec, in its order.
extern const char *const metrics_haproxy_columns[];
