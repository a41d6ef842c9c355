// SPDX-License-Identifier: MIT
// The reader and the editor of Cookie fields on any bytes; the first byte says which pieces are
// dropped or cut, and whether there is room. Asserted: pieces lie in the field one behind the other
// and cover it, what is left is no longer than the field, a field whose pieces are all kept without
// a change stays where it is, and so does one for whose edit there is no room.
#include "base/arena.h"
#include "base/mem.h"
#include "http/cookie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_piece(struct str s, const struct http_cookie *c, uint32_t at)
{
	char text[32];
	ASSERT(c->from == at && c->from <= c->name && c->name <= c->name_end &&
	       c->name_end <= c->equal && c->equal <= c->value && c->value <= c->value_end &&
	       c->value_end <= c->to && c->to <= s.n);
	ASSERT(http_cookie_has_value(c) == (c->equal < c->to && s.p[c->equal] == '='));
	size_t k = http_cookie_copy(s, c, text, sizeof(text));
	ASSERT(k <= sizeof(text) && http_cookie_begins(s, c, str_of(text, k)));
}

// Bit 0: every second piece is dropped; bit 1: the first byte of each value is cut; bit 2: the
// pieces before the third are dropped.
static void
edit_piece(struct http_cookie_edit *e, const struct http_cookie *c, unsigned how, unsigned number)
{
	uint32_t cut = how & 2 && c->value < c->value_end;
	if (http_cookie_is_attribute(e->in, c))
		http_cookie_follow(e, c);
	else if (http_cookie_has_value(c) &&
		 ((how & 1 && number % 2 == 0) || (how & 4 && number < 3)))
		http_cookie_drop(e);
	else
		http_cookie_keep(e, c, c->value, c->value + cut);
}

static void
edit(struct str s, unsigned how)
{
	struct arena arena;
	struct http_head h;
	struct http_field f = {.name = "Cookie",
			       .name_n = 6,
			       .value = s.p,
			       .value_n = (uint32_t)s.n,
			       .id = HTTP_FIELD_COOKIE};
	struct http_cookie_edit e;
	struct http_cookie c;
	unsigned number = 0;
	uint32_t at = 0;
	bool loose = false;
	http_head_init(&h, &f, 1);
	h.n_fields = 1;
	arena_init(&arena, how & 8 ? 16 : 1 << 16);
	http_cookie_edit_init(&e, &arena, &f);
	for (bool more = http_cookie_first(s, &c); more; more = http_cookie_next(s, &c)) {
		check_piece(s, &c, at);
		at = c.to;
		loose |= http_cookie_has_value(&c) && http_cookie_is_loose(&c);
		edit_piece(&e, &c, how, number++);
	}
	ASSERT(at == s.n);
	enum http_edit end = http_cookie_edit_end(&e, &h);
	ASSERT(end == HTTP_EDIT_OK || (how & 8 && end == HTTP_EDIT_FULL));
	ASSERT(f.value_n <= s.n);
	if ((how & 7) == 0 && !loose)
		ASSERT(f.value == s.p && f.value_n == s.n && !(f.flags & HTTP_FIELD_DROP));
	if (end == HTTP_EDIT_FULL)
		ASSERT(f.value == s.p);
	else if (f.value != s.p)
		ASSERT(memcmp(f.value + f.value_n, "\r\n", 2) == 0);
	arena_fini(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 1 || n > 4096)
		return 0;
	char *p = mem_alloc(n); // of that very size
	struct http_cookie c;
	memcpy(p, data + 1, n - 1);
	edit(str_of(p, n - 1), data[0] & 15);
	if (http_cookie_set(str_of(p, n - 1), &c))
		check_piece(str_of(p, n - 1), &c, 0);
	mem_free(p);
	return 0;
}
