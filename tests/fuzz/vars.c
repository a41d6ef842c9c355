// SPDX-License-Identifier: MIT
// A variable table that somebody wrote over, before it is opened or while it is used. The input is
// a list of patches, each: where (4 bytes, modulo the file's length), how many bytes (1, at most
// 16), the bytes; its first byte says when they come and whether the header's sum is made right
// again, so that the fuzzer gets behind it. Asserted: a refusal has a text; everything that a
// program may do with what opens comes to an end and stays inside the table.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "vars/table_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { WHILE_USED = 1, RIGHT_SUM = 2 };

// A table with one variable of each type, some written, as the bytes of its file.
static struct {
	char *bytes;
	size_t n;
} image;

static const char *const texts[TIDEVARS_N_TYPES] = {
    [TIDEVARS_INT] = "7",      [TIDEVARS_BOOL] = "on",   [TIDEVARS_FLOAT] = "0.5",
    [TIDEVARS_STRING] = "abc", [TIDEVARS_COUNTER] = "3", [TIDEVARS_HOLD] = "1",
    [TIDEVARS_GAUGE] = "50",
};

static void
fill(struct tidevars *t)
{
	struct tidevars_error err;
	uint32_t h;
	for (uint32_t type = 1; type < TIDEVARS_N_TYPES; type++) {
		struct tidevars_decl d = {.name = tidevars_type_name(type), .type = type};
		ASSERT(tidevars_declare(t, &d, &h, &err) == TIDEVARS_OK);
		ASSERT(tidevars_set_text(t, d.name, texts[type], 0, NULL, &err) == TIDEVARS_OK);
	}
}

static void
make_image(void)
{
	struct tidevars_options o = {.size = 16, .log_size = 16};
	struct tidevars_error err;
	struct tidevars *t;
	ASSERT(tidevars_open(&t, &o, &err) == TIDEVARS_OK);
	fill(t);
	image.n = (size_t)lseek(tidevars_fd(t), 0, SEEK_END);
	image.bytes = mem_alloc(image.n);
	ASSERT(pread(tidevars_fd(t), image.bytes, image.n, 0) == (ssize_t)image.n);
	tidevars_close(&t);
}

static void
patch(int fd, const uint8_t *p, size_t n)
{
	while (n > 5) {
		uint32_t at;
		memcpy(&at, p, sizeof(at));
		size_t len = MIN(MIN((size_t)p[4] % 17, n - 5), image.n);
		at %= (uint32_t)(image.n - len + 1);
		ASSERT(pwrite(fd, p + 5, len, at) == (ssize_t)len);
		p += 5 + len;
		n -= 5 + len;
	}
}

static void
make_sum_right(int fd)
{
	struct layout_header h;
	ASSERT(pread(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h));
	h.sum = layout_sum(LAYOUT_SUM_START, &h, LAYOUT_SUMMED);
	ASSERT(pwrite(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h));
}

static void
use_one(struct tidevars *t, uint32_t h, const struct tidevars_writer *w)
{
	struct tidevars_value v;
	struct tidevars_info info;
	struct tidevars_hold holds[TIDEVARS_HOLDS_MAX];
	struct tidevars_error err;
	size_t n;
	char buf[700];
	uint64_t now = clock_boot_ns();
	(void)tidevars_read(t, h, now, &v);
	ASSERT(v.type != TIDEVARS_STRING || v.text_n <= TIDEVARS_TEXT_MAX);
	(void)tidevars_format_json(&v, buf, sizeof(buf));
	(void)tidevars_info(t, h, now, &info, &err);
	(void)tidevars_read_holds(t, h, now, holds, &n);
	(void)tidevars_add(t, h, &v, w, &err);
	(void)tidevars_set(t, h, &v, NS_PER_S, w, &err);
	(void)tidevars_take(t, h, "fuzz", 0, w, &err);
	(void)tidevars_release(t, h, "fuzz", w, &err);
	(void)tidevars_unset(t, h, w, &err);
	(void)tidevars_version(t, h);
}

static void
use(struct tidevars *t)
{
	struct tidevars_log_entry e;
	struct tidevars_error err;
	struct tidevars_writer w = {.who = "fuzz", .wait_ms = 2};
	struct tidevars_decl d = {.name = "fresh", .type = TIDEVARS_STRING};
	uint64_t seq = 0;
	uint32_t h;
	for (uint32_t i = 0; i < tidevars_count(t); i++)
		use_one(t, i, &w);
	for (int i = 0; i < 40 && tidevars_log_next(t, seq, &e) == 1; i++)
		seq = e.seq;
	(void)tidevars_sweep(t, clock_boot_ns(), NULL, &err);
	(void)tidevars_declare(t, &d, &h, &err);
	(void)tidevars_find(t, "hold", 4, &h, &err);
	err.text[0] = '\0';
	ASSERT(tidevars_inspect(t, &err) == TIDEVARS_OK || err.text[0] != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct tidevars_error err = {.text = ""};
	struct tidevars *t;
	if (n < 1 || n > 4096)
		return 0;
	if (image.bytes == NULL)
		make_image();
	int fd = memfd_create("fuzz-vars", MFD_CLOEXEC);
	ASSERT(fd >= 0 && write(fd, image.bytes, image.n) == (ssize_t)image.n);
	unsigned how = data[0];
	if (!(how & WHILE_USED))
		patch(fd, data + 1, n - 1);
	if (how & RIGHT_SUM)
		make_sum_right(fd);
	int status = tidevars_open_fd(&t, fd, 0, &err);
	ASSERT(status == TIDEVARS_OK || err.text[0] != '\0');
	if (status == TIDEVARS_OK && how & WHILE_USED)
		patch(fd, data + 1, n - 1);
	if (status == TIDEVARS_OK)
		use(t);
	tidevars_close(&t);
	(void)close(fd); // of memory
	return 0;
}
