// SPDX-License-Identifier: MIT
// One table, one thread: definitions, keys, eviction, expiry, what is kept, rates against a model,
// and files that are none.
#include "stick/table.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stick_test.h"

#define NOW 3000000000u // ms: beyond 2^31

static struct stick_def
def_of(enum stick_key_type type, uint32_t bytes, uint32_t size, const char *store)
{
	struct stick_def d = {.type = type, .key_bytes = bytes, .size = size};
	struct str rest = str_from_c(store), one;
	struct err err;
	while (str_next(&rest, ';', &one))
		if (!stick_def_store(&d, one, &err))
			abort();
	return d;
}

static struct stick_table *
open_private(const struct stick_def *d)
{
	struct err err;
	bool fresh;
	struct stick_table *t = stick_table_open(d, -1, &fresh, &err);
	if (t == NULL || !fresh)
		abort();
	return t;
}

static bool
has(struct stick_table *t, uint32_t n, uint64_t now)
{
	struct stick_key k = number(t, n);
	uint64_t v;
	return stick_value_of(t, &k, STICK_IDLE, 0, now, &v);
}

static bool
use(struct stick_table *t, uint32_t n, uint64_t now)
{
	struct stick_key k = number(t, n);
	struct stick_ref r;
	if (!stick_keep(t, &k, now, &r))
		return false;
	stick_let_go(&r, now);
	return true;
}

// --- definitions ---------------------------------------------------------------------------------

static void
test_store(void)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
	    {"gpc0", true},
	    {"http_req_rate(10s)", true},
	    {"gpc(3)", true},
	    {"gpc_rate(2,10s)", true},
	    {"gpc(100)", true},
	    {"server_key", true},
	    {"gpc", false},
	    {"gpc(0)", false},
	    {"gpc(101)", false},
	    {"gpc(3", false},
	    {"gpc0(3)", false},
	    {"http_req_rate", false},
	    {"http_req_rate(0)", false},
	    {"http_req_rate(x)", false},
	    {"gpc_rate(2)", false},
	    {"gpc_rate(2,1s,3)", false},
	    {"", false},
	    {"nix", false},
	    {"conn_rate(9999999999s)", false},
	};
	struct err err;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct stick_def d = {0};
		OK_MSG(stick_def_store(&d, str_from_c(cases[i].text), &err) == cases[i].good,
		       cases[i].text);
	}
	struct stick_def d = {0};
	OK(stick_def_store(&d, STR("gpc0"), &err) && !stick_def_store(&d, STR("gpc0"), &err));
	OK(stick_def_check(&d, &err));
	OK(stick_def_store(&d, STR("gpc(2)"), &err) && !stick_def_check(&d, &err));
	IS_STR(err.text, "'gpc0' is a part of 'gpc': store one of them");
	d = def_of(STICK_INT, 4, 1, "gpc(2)");
	enum stick_data data = STICK_GPC1;
	unsigned at = 0;
	OK(stick_def_has(&d, &data, &at) && data == STICK_GPC && at == 1);
	at = 2;
	OK(!stick_def_has(&d, &data, &at));
}

// --- keys ----------------------------------------------------------------------------------------

static void
test_strings(void)
{
	struct stick_def d = def_of(STICK_STRING, 9, 10, "gpc0");
	struct stick_table *t = open_private(&d);
	static const char *const texts[] = {"", "a", "a\0", "12345678", "123456789", "1234567890"};
	static const size_t lengths[] = {0, 1, 2, 8, 9, 10};
	struct stick_key k;
	struct stick_ref r;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		stick_key_make(t, str_of(texts[i], lengths[i]), &k);
		OK(stick_pin(t, &k, true, NOW, &r));
		stick_add(&r, STICK_GPC0, 0, 1, NOW);
		struct stick_key back;
		char buf[STICK_KEY_BYTES];
		stick_ref_key(&r, &back);
		OK(back.hash == k.hash);
		struct str s = stick_key_bytes(t, back.words, buf);
		OK(str_eq(s, str_of(texts[i], MIN(lengths[i], 9u))));
		stick_unpin(&r);
	}
	IS_INT(stick_used(t), 5); // the last is the one before, cut
	uint64_t v;
	OK(stick_value_of(t, &k, STICK_GPC0, 0, NOW, &v) && v == 2);
	stick_table_close(&t);
	d = def_of(STICK_BINARY, 9, 10, "gpc0");
	t = open_private(&d);
	struct stick_key a, b;
	stick_key_make(t, STR("abc"), &a);
	stick_key_make(t, str_of("abc\0\0\0\0\0\0", 9), &b);
	OK(a.hash == b.hash);
	stick_table_close(&t);
}

// --- room ----------------------------------------------------------------------------------------

static void
test_eviction(void)
{
	for (uint32_t size = 1; size <= 16; size++) {
		struct stick_def d = def_of(STICK_INT, 4, size, "gpc0");
		struct stick_table *t = open_private(&d);
		bool good = true;
		for (uint32_t i = 0; i < 3 * size; i++)
			good &= use(t, i, NOW + i);
		// Exactly the last ones are there.
		for (uint32_t i = 0; i < 3 * size; i++)
			good &= has(t, i, NOW + 100) == (i >= 2 * size);
		OK(good && stick_used(t) == size);
		stick_table_close(&t);
	}
	struct stick_def d = def_of(STICK_INT, 4, 3, "gpc0");
	struct stick_table *t = open_private(&d);
	struct stick_key k = number(t, 0);
	struct stick_ref r;
	OK(stick_keep(t, &k, NOW, &r)); // the oldest, yet kept
	for (uint32_t i = 1; i < 10; i++)
		OK(use(t, i, NOW + i));
	OK(has(t, 0, NOW + 10) && has(t, 9, NOW + 10) && has(t, 8, NOW + 10) &&
	   !has(t, 7, NOW + 10));
	struct stick_key more[] = {number(t, 8), number(t, 9), number(t, 10)};
	struct stick_ref refs[3];
	OK(stick_keep(t, &more[0], NOW, &refs[0]) && stick_keep(t, &more[1], NOW, &refs[1]));
	OK(!stick_keep(t, &more[2], NOW, &refs[2])); // all are kept
	bool kept;
	OK(!stick_remove(t, &k, NOW, &kept) && kept);
	stick_let_go(&r, NOW);
	OK(stick_remove(t, &k, NOW, &kept) && !has(t, 0, NOW));
	OK(!stick_remove(t, &k, NOW, &kept) && !kept);
	OK(stick_keep(t, &more[2], NOW, &refs[2]));
	stick_table_close(&t);
}

static void
test_nopurge(void)
{
	struct stick_def d = def_of(STICK_INT, 4, 1000, "gpc0");
	d.nopurge = true;
	d.expire_ms = 1000;
	struct stick_table *t = open_private(&d);
	unsigned took = 0;
	for (uint32_t i = 0; i < 2000; i++)
		took += use(t, i, NOW);
	printf("# took %u of 1000\n", took);
	OK(took >= 970 && took <= 1000 && stick_used(t) == took);
	for (uint32_t i = 5000; i < 5100; i++)
		took += use(t, i, NOW + 1000); // in the places of expired ones
	OK(took >= 1060);
	uint64_t place = 0;
	stick_sweep(t, NOW + 1000, &place, 10);
	OK(place == 10 && stick_used(t) > 100);
	stick_sweep(t, NOW + 1000, &place, UINT64_MAX);
	OK(stick_used(t) >= 95 && stick_used(t) <= 100);
	stick_sweep(t, NOW + 2000, &place, UINT64_MAX);
	IS_INT(stick_used(t), 0);
	stick_table_close(&t);
	// Without nopurge there is room for all that come, and for most that stay.
	d.nopurge = false;
	t = open_private(&d);
	bool good = true;
	for (uint32_t i = 0; i < 1000; i++)
		good &= use(t, i, NOW);
	unsigned there = 0;
	for (uint32_t i = 0; i < 1000; i++)
		there += has(t, i, NOW);
	printf("# %u of 1000 stay\n", there);
	OK(good && there >= 970);
	stick_table_close(&t);
}

static void
test_expiry(void)
{
	struct stick_def d = def_of(STICK_INT, 4, 100, "gpc0;conn_cur");
	d.expire_ms = 1000;
	struct stick_table *t = open_private(&d);
	struct stick_key k = number(t, 7);
	struct stick_ref r;
	uint64_t v;
	bool kept;
	OK(stick_keep(t, &k, NOW, &r));
	stick_add(&r, STICK_GPC0, 0, 5, NOW);
	OK(has(t, 7, NOW + 5000)); // in use
	OK(stick_value_of(t, &k, STICK_CONN_CUR, 0, NOW, &v) && v == 1);
	stick_let_go(&r, NOW + 5000);
	OK(stick_value_of(t, &k, STICK_CONN_CUR, 0, NOW, &v) && v == 0);
	OK(stick_value_of(t, &k, STICK_LEFT, 0, NOW + 5400, &v) && v == 600);
	OK(stick_value_of(t, &k, STICK_IDLE, 0, NOW + 5400, &v) && v == 400);
	OK(has(t, 7, NOW + 5999) && !has(t, 7, NOW + 6000));
	OK(!stick_pin(t, &k, false, NOW + 6000, &r));
	OK(stick_keep(t, &k, NOW + 6000, &r) && stick_value(&r, STICK_GPC0, 0, NOW + 6000) == 0);
	stick_set(&r, STICK_CONN_CUR, 0, 5, NOW + 6000);
	IS_INT(stick_value(&r, STICK_CONN_CUR, 0, NOW + 6000), 5);
	stick_let_go(&r, NOW + 6000);
	OK(stick_value_of(t, &k, STICK_CONN_CUR, 0, NOW + 6000, &v) && v == 4);
	IS_INT(stick_used(t), 1);
	OK(stick_remove(t, &k, NOW + 6000, &kept));
	IS_INT(stick_used(t), 0);
	stick_table_close(&t);
}

// --- rates ---------------------------------------------------------------------------------------

// HAProxy's freq_ctr as its manual and source have it, in plain words.
struct model {
	uint32_t tick, now, before;
};

static void
model_add(struct model *m, uint32_t period, uint32_t n, uint32_t t)
{
	if (t - m->tick >= period) {
		m->before = m->now;
		m->now = 0;
		m->tick += period;
		if (t - m->tick >= period) {
			m->before = 0;
			m->tick = t;
		}
	}
	m->now += n;
}

static uint64_t
model_get(const struct model *m, uint32_t period, uint32_t t)
{
	uint64_t now = m->now, past = m->before;
	int32_t left = (int32_t)(m->tick + period - t);
	if (left < 0) {
		left += (int32_t)period;
		past = left >= 0 ? now : 0;
		now = 0;
	}
	if (now == 0 && past <= 1)
		return past;
	return now + past * (uint64_t)MAX(left, 0) / period;
}

static void
test_rates(void)
{
	static const uint32_t periods[] = {1, 10, 1000, 10000, 86400000};
	srandom(1);
	for (size_t p = 0; p < ARRAY_LEN(periods); p++) {
		struct stick_def d = def_of(STICK_INT, 4, 10, "gpc0");
		d.data[STICK_HTTP_REQ_RATE] = (struct stick_stored){1, periods[p]};
		struct stick_table *t = open_private(&d);
		struct stick_key k = number(t, 1);
		struct stick_ref r;
		struct model m = {0};
		uint64_t now = UINT32_MAX - 2000 - 50 * (uint64_t)periods[p] % 1000000000;
		bool same = stick_keep(t, &k, now, &r);
		for (unsigned i = 0; i < 20000 && same; i++) {
			now += (uint64_t)random() %
			       (random() % 50 == 0 ? 3 * periods[p] : periods[p] / 3 + 2);
			uint32_t n = (uint32_t)random() % 4;
			stick_add(&r, STICK_HTTP_REQ_RATE, 0, n, now);
			model_add(&m, periods[p], n, (uint32_t)now);
			uint64_t later = now + (uint64_t)random() % (2 * periods[p] + 1);
			uint64_t want = model_get(&m, periods[p], (uint32_t)later);
			uint64_t got = stick_value(&r, STICK_HTTP_REQ_RATE, 0, later);
			same = got == want;
			if (!same)
				printf("# period %u, step %u: %llu, not %llu\n", periods[p], i,
				       (unsigned long long)got, (unsigned long long)want);
		}
		OK(same);
		stick_set(&r, STICK_HTTP_REQ_RATE, 0, 40, now);
		IS_INT(stick_value(&r, STICK_HTTP_REQ_RATE, 0, now), 40);
		// A clock that is a moment behind counts, too.
		stick_add(&r, STICK_HTTP_REQ_RATE, 0, 2, now - 1);
		IS_INT(stick_value(&r, STICK_HTTP_REQ_RATE, 0, now - 1), 42);
		stick_let_go(&r, now);
		stick_table_close(&t);
	}
}

// --- files ---------------------------------------------------------------------------------------

static int
file_of(uint64_t bytes)
{
	int fd = memfd_create("stick", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0)
		abort();
	return fd;
}

static bool
opens(const struct stick_def *d, int fd)
{
	struct err err;
	bool fresh;
	struct stick_table *t = stick_table_open(d, fd, &fresh, &err);
	bool good = t != NULL;
	stick_table_close(&t);
	return good;
}

static void
fill_file(const struct stick_def *d, int fd)
{
	struct err err;
	bool fresh;
	struct stick_table *t = stick_table_open(d, fd, &fresh, &err);
	if (t == NULL || !fresh)
		abort();
	for (uint32_t i = 0; i < d->size; i++) {
		struct stick_key k = number(t, i);
		struct stick_ref r;
		if (!stick_keep(t, &k, NOW, &r))
			abort();
		stick_add(&r, STICK_GPC0, 0, i, NOW);
		stick_let_go(&r, NOW);
	}
	stick_table_close(&t);
}

static void
test_files(void)
{
	struct stick_def d = def_of(STICK_INT, 4, 8, "gpc0;conn_rate(1s)");
	uint64_t bytes = stick_table_bytes(&d);
	int fd = file_of(bytes);
	fill_file(&d, fd);
	struct err err;
	bool fresh;
	struct stick_table *t = stick_table_open(&d, fd, &fresh, &err);
	OK(t != NULL && !fresh && stick_used(t) == 8);
	struct stick_key k = number(t, 5);
	uint64_t v;
	OK(stick_value_of(t, &k, STICK_GPC0, 0, NOW, &v) && v == 5);
	stick_table_close(&t);
	struct stick_def other = d;
	other.expire_ms = 5;
	OK(opens(&other, fd)); // says nothing of what stands there
	other = d;
	other.size = 7;
	OK(!opens(&other, fd));
	other = d;
	other.data[STICK_CONN_RATE].period_ms = 2000;
	OK(!opens(&other, fd));
	other = d;
	other.type = STICK_IP;
	OK(!opens(&other, fd));
	other = def_of(STICK_INT, 4, 8, "gpc1;conn_rate(1s)");
	OK(!opens(&other, fd));
	// Each word of the header and the index, and each key, damaged; whatever comes of it, it is
	// either refused or a table that works.
	char *whole = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *copy = malloc(bytes);
	memcpy(copy, whole, bytes);
	bool refused = true;
	for (size_t i = 0; i < 256 && refused; i += 4) {
		whole[i] ^= 1;
		refused = !opens(&d, fd);
		memcpy(whole, copy, bytes);
	}
	OK(refused);
	srandom(2);
	unsigned n_refused = 0;
	for (unsigned i = 0; i < 20000; i++) {
		for (long n = random() % 8 + 1; n > 0; n--)
			whole[(uint64_t)random() % bytes] = (char)random();
		t = stick_table_open(&d, fd, &fresh, &err);
		n_refused += t == NULL;
		for (uint32_t key = 0; t != NULL && key < 20; key++)
			(void)use(t, key, NOW);
		struct stick_view view = {0};
		while (t != NULL && stick_next(t, NOW, &view))
			;
		stick_table_close(&t);
		memcpy(whole, copy, bytes);
	}
	printf("# %u of 20000 damaged ones refused\n", n_refused);
	OK(n_refused > 1000 && n_refused < 20000);
	OK(opens(&d, fd));
	(void)munmap(whole, bytes);
	bool all = true;
	for (uint64_t cut = 0; cut < bytes; cut += 97)
		all &= ftruncate(fd, (off_t)cut) == 0 && !opens(&d, fd);
	OK(all);
	free(copy);
	close(fd);
}

static void
test_walk(void)
{
	struct stick_def d = def_of(STICK_INT, 4, 50, "gpc0;gpt(2)");
	struct stick_table *t = open_private(&d);
	uint64_t sum = 0, n = 0;
	for (uint32_t i = 1; i <= 40; i++) {
		struct stick_key k = number(t, i);
		struct stick_ref r;
		OK(stick_pin(t, &k, true, NOW, &r));
		stick_set(&r, STICK_GPT, 1, i, NOW);
		stick_unpin(&r);
	}
	struct stick_view v = {0};
	for (; stick_next(t, NOW, &v); n++)
		sum += v.values[2];
	OK(n == 40 && sum == 820);
	struct stick_key k = number(t, 30);
	OK(stick_look(t, &k, NOW, &v) && v.values[2] == 30 && v.trackers == 0);
	// A piece at a time, however few keys there are.
	uint64_t pieces = 0;
	struct stick_view w = {.until = 3};
	for (n = 0; stick_next(t, NOW, &w) || w.more;) {
		n += !w.more;
		OK(w.place <= w.until);
		pieces += w.more;
		if (w.more)
			w = (struct stick_view){.place = w.place, .until = w.until + 3};
	}
	OK(pieces >= 50 / 3);
	IS_INT(n, 40);
	stick_table_close(&t);
}

int
main(void)
{
	test_store();
	test_strings();
	test_eviction();
	test_nopurge();
	test_expiry();
	test_rates();
	test_files();
	test_walk();
	return tap_done();
}
