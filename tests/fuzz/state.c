// SPDX-License-Identifier: MIT
// The files of a state directory, written over. The first byte chooses: a ledger of counters
// ("stats-..."), of which the rest is patches to a good one (where 4 bytes, how many 1, the bytes)
// or the whole file; or a kept map ("map-..."), of which the rest is the text. Asserted: a refusal
// has a text, and what is taken over can be read.
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit/expr/expr_fixture.h"
#include "expr/pattern_kept.h"
#include "expr/pattern_ref_priv.h"
#include "metrics/ledger.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { LEDGER_PATCHED, LEDGER_WHOLE, MAP_TEXT, MAP_RIGHT_HASH, N_WAYS };

struct counters {
	struct metric requests, most;
};
static const struct metric_row rows[] = {
    {.name = "requests", .offset = offsetof(struct counters, requests), .kind = METRIC_COUNTER},
    {.name = "most", .offset = offsetof(struct counters, most), .kind = METRIC_MAX},
    {.name = NULL},
};
static const struct ledger_kind kind = {"frontend", rows, sizeof(struct counters)};

static struct ledger *
own_ledger(int fd, struct metric_blocks b[2])
{
	const struct ledger_object objects[] = {{&kind, STR("a"), &b[0]}, {&kind, STR("b"), &b[1]}};
	struct err err;
	struct ledger *l = ledger_new(fd, objects, 2, 2, &err);
	ASSERT(l != NULL);
	return l;
}

static void
patch(int fd, const uint8_t *p, size_t n)
{
	size_t size = (size_t)lseek(fd, 0, SEEK_END);
	while (n > 5) {
		uint32_t at;
		memcpy(&at, p, sizeof(at));
		size_t len = MIN((size_t)p[4] % 17, n - 5);
		ASSERT(pwrite(fd, p + 5, len, at % (uint32_t)(size - 16)) == (ssize_t)len);
		p += 5 + len;
		n -= 5 + len;
	}
}

static void
note_lost(void *arg, struct str kind_word, struct str name)
{
	size_t *n = arg;
	*n += kind_word.n + name.n;
}

static void
try_ledger(int how, const uint8_t *p, size_t n)
{
	struct metric_blocks mine[2], theirs[2];
	struct err err = {{0}};
	size_t lost = 0;
	uint64_t v;
	int fd = memfd_create("before", MFD_CLOEXEC), own_fd = memfd_create("own", MFD_CLOEXEC);
	ASSERT(fd >= 0 && own_fd >= 0);
	if (how == LEDGER_PATCHED) {
		struct ledger *l = own_ledger(fd, theirs);
		ledger_free(&l);
		patch(fd, p, n);
	} else {
		ASSERT(n == 0 || write(fd, p, n) == (ssize_t)n);
	}
	struct ledger *before = ledger_open(fd, &err);
	ASSERT(before != NULL || err.text[0] != '\0');
	struct ledger *own = own_ledger(own_fd, mine);
	if (before != NULL) {
		(void)ledger_get(before, STR("frontend"), STR("a"), "requests", &v);
		ledger_join(own, before, true, note_lost, &lost);
		ledger_join(own, before, false, note_lost, &lost);
		(void)metrics_read(&mine[0], &rows[0]);
		(void)metrics_read(&mine[1], &rows[1]);
	}
	ledger_free(&own);
	ledger_free(&before);
	(void)close(fd);     // of memory
	(void)close(own_fd); // likewise
}

// "tidegate-map 1", the name, the hash, then the input.
static struct str
with_head(const struct pattern_ref *r, const uint8_t *p, size_t n, struct sbuf *text)
{
	sbuf_init(text, 65536);
	pattern_kept_write(r, text);
	sbuf_add(text, str_of((const char *)p, n));
	return sbuf_str(text);
}

static void
try_map(int how, const uint8_t *p, size_t n)
{
	static const struct module *const modules[] = {&expr_module, NULL};
	struct fixture f;
	struct err err = {{0}};
	struct sbuf text;
	fix_init(&f, modules);
	struct expr_env env = fix_env(&f);
	struct expr *e = expr_parse(&env, STR("str(a),map(virt@m)"), &err);
	ASSERT(e != NULL);
	pattern_kept_begin(f.set);
	struct str in = with_head(f.set->refs->first, p, n, &text);
	if (how == MAP_TEXT)
		in = str_of((const char *)p, n);
	err.text[0] = '\0';
	ASSERT(pattern_kept_read(f.set, in, &err) || err.text[0] != '\0');
	(void)fix_eval(&f, "str(a),map(virt@m)");
	sbuf_fini(&text);
	fix_fini(&f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 1 || n > 8192)
		return 0;
	int how = data[0] % N_WAYS;
	if (how <= LEDGER_WHOLE)
		try_ledger(how, data + 1, n - 1);
	else
		try_map(how, data + 1, n - 1);
	return 0;
}
