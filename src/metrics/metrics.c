// SPDX-License-Identifier: MIT
// Counter blocks: one for each worker on cache lines of its own, summed by whoever asks.
#include "metrics/metrics.h"

#include "base/mem.h"

void
metrics_init(struct metric_blocks *b, size_t block_bytes, unsigned n_workers)
{
	ASSERT(block_bytes > 0 && n_workers > 0);
	size_t stride = (block_bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	*b = (struct metric_blocks){.magic = METRIC_MAGIC,
				    .n_workers = n_workers,
				    .stride_bytes = stride,
				    .block_bytes = block_bytes,
				    .mem = mem_aligned(CACHE_LINE, stride * n_workers)};
}

void
metrics_fini(struct metric_blocks *b)
{
	CHECK_MAGIC(b, METRIC_MAGIC);
	mem_free(b->mem);
	*b = (struct metric_blocks){0};
}

static struct metric *
cell(const struct metric_blocks *b, unsigned worker, const struct metric_row *row)
{
	ASSERT(row->offset + sizeof(struct metric) <= b->block_bytes);
	return (struct metric *)((char *)metrics_of(b, worker) + row->offset);
}

uint64_t
metrics_read(const struct metric_blocks *b, const struct metric_row *row)
{
	uint64_t sum = 0;
	CHECK_MAGIC(b, METRIC_MAGIC);
	for (unsigned w = 0; w < b->n_workers; w++) {
		uint64_t v = METRIC_GET(cell(b, w, row));
		sum = row->kind == METRIC_MAX ? MAX(sum, v) : sum + v;
	}
	return sum;
}

void
metrics_clear(const struct metric_blocks *b, unsigned worker, const struct metric_row *rows)
{
	CHECK_MAGIC(b, METRIC_MAGIC);
	for (const struct metric_row *r = rows; r->name != NULL; r++)
		if (r->kind != METRIC_GAUGE)
			METRIC_SET(cell(b, worker, r), 0);
}
