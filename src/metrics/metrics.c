// SPDX-License-Identifier: MIT
// Counter blocks: one for each worker on cache lines of its own, summed by whoever asks.
#include "metrics/metrics.h"

#include "base/mem.h"

static size_t
stride_of(size_t block_bytes)
{
	return (block_bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

void
metrics_init_in(struct metric_blocks *b, size_t block_bytes, unsigned n_workers, void *mem,
		size_t stride_bytes)
{
	ASSERT(block_bytes > 0 && n_workers > 0 && stride_bytes % CACHE_LINE == 0);
	*b = (struct metric_blocks){.magic = METRIC_MAGIC,
				    .n_workers = n_workers,
				    .stride_bytes = stride_bytes,
				    .block_bytes = block_bytes,
				    .mem = mem,
				    .lent = true};
}

void
metrics_init(struct metric_blocks *b, size_t block_bytes, unsigned n_workers)
{
	size_t stride = stride_of(block_bytes);
	metrics_init_in(b, block_bytes, n_workers, mem_aligned(CACHE_LINE, stride * n_workers),
			stride);
	b->lent = false;
}

void
metrics_fini(struct metric_blocks *b)
{
	CHECK_MAGIC(b, METRIC_MAGIC);
	if (!b->lent)
		mem_free(b->mem);
	*b = (struct metric_blocks){0};
}

static struct metric *
cell(const struct metric_blocks *b, unsigned worker, const struct metric_row *row)
{
	ASSERT(row->offset + sizeof(struct metric) <= b->block_bytes);
	return (struct metric *)((char *)metrics_of(b, worker) + row->offset);
}

static uint64_t
join(uint64_t sum, uint64_t v, enum metric_kind kind)
{
	return kind == METRIC_MAX ? MAX(sum, v) : sum + v;
}

uint64_t
metrics_source_read(const struct metric_source *s, size_t offset, enum metric_kind kind)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < s->n_blocks; i++) {
		const char *at = s->mem + i * s->stride_bytes + offset;
		sum = join(sum, METRIC_GET((const struct metric *)(const void *)at), kind);
	}
	return sum;
}

// What other processes count, and what ended ones have counted.
static uint64_t
elsewhere(const struct metric_blocks *b, const struct metric_row *row)
{
	uint64_t sum = 0;
	for (const struct metric_source *s = b->sources; s != NULL; s = s->next) {
		uint32_t offset = s->map[row->offset / sizeof(struct metric)];
		if (offset != UINT32_MAX)
			sum = join(sum, metrics_source_read(s, offset, row->kind), row->kind);
	}
	return sum;
}

static struct metric *
base_cell(const struct metric_blocks *b, const struct metric_row *row)
{
	return (struct metric *)(void *)(b->base + row->offset);
}

uint64_t
metrics_read(const struct metric_blocks *b, const struct metric_row *row)
{
	uint64_t sum = 0;
	CHECK_MAGIC(b, METRIC_MAGIC);
	for (unsigned w = 0; w < b->n_workers; w++)
		sum = join(sum, METRIC_GET(cell(b, w, row)), row->kind);
	if (b->base == NULL)
		return sum;
	sum = join(sum, METRIC_GET(base_cell(b, row)), row->kind);
	return join(sum, elsewhere(b, row), row->kind);
}

void
metrics_clear(const struct metric_blocks *b, unsigned worker, const struct metric_row *rows)
{
	CHECK_MAGIC(b, METRIC_MAGIC);
	for (const struct metric_row *r = rows; r->name != NULL; r++) {
		if (r->kind == METRIC_GAUGE)
			continue;
		METRIC_SET(cell(b, worker, r), 0);
		// Others' blocks are not ours to write: the base makes up for them.
		if (worker == 0 && b->base != NULL)
			METRIC_SET(base_cell(b, r),
				   r->kind == METRIC_MAX ? 0 : 0 - elsewhere(b, r));
	}
}
