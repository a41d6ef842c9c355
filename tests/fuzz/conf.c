// SPDX-License-Identifier: MIT
// Configurations made of anything, over the invented daemon's rows of the unit tests. Besides not
// crashing: a load fails exactly when an error was collected, each section that began ends, words
// written as escapes are cut into the same words, and a comma list agrees with its pieces.
#include "../unit/conf/rows.h"

#include "base/mem.h"
#include "conf/conf_priv.h"

#define HEX "0123456789abcdef"

static const char *
fuzz_env(void *arg, const char *name)
{
	(void)arg;
	return name[0] == 'L' ? " a  'b' " : name[0] == 'S' ? "x#\"$S" : NULL;
}

static const char *const features[] = {"THREAD", NULL};
static const struct conf_options options = {.env = fuzz_env, .features = features, .diag = true};

static void
load(struct str text)
{
	struct demo d = {0};
	struct sbuf out;
	struct conf *c = conf_new(demo_modules, &options);
	sbuf_init(&out, 64u << 20);
	c->user = &d;
	conf_add_text(c, "fuzz", text);
	bool good = conf_load(c);
	ASSERT(good == (conf_n_errors(c) == 0));
	ASSERT(d.n_begun == d.n_ended);
	for (const struct conf_message *m = conf_messages(c); m != NULL; m = m->next)
		conf_render_message(m, &out);
	ASSERT(good || out.n > 0);
	sbuf_fini(&out);
	conf_free(&c);
}

static void
write_escaped(const struct conf_cut *cut, struct sbuf *out)
{
	for (unsigned i = 0; i < cut->n; i++) {
		sbuf_add(out, STR(" \"\""));
		for (const char *p = cut->text.p + cut->at[i]; *p != '\0'; p++) {
			unsigned char b = (unsigned char)*p;
			char escape[4] = {'\\', 'x', HEX[b >> 4], HEX[b & 15]};
			sbuf_add(out, str_of(escape, sizeof(escape)));
		}
	}
}

static void
cut_again(struct str line)
{
	struct conf_cut *one = MEM_NEW(struct conf_cut), *two = MEM_NEW(struct conf_cut);
	struct sbuf escaped;
	sbuf_init(&escaped, 64u << 20);
	conf_cut_init(one, &options);
	conf_cut_init(two, &options);
	enum conf_cut_status status = conf_cut_line(one, line);
	ASSERT(status == CONF_CUT_OK || one->err_at <= line.n);
	if (status == CONF_CUT_OK) {
		write_escaped(one, &escaped);
		ASSERT(conf_cut_line(two, sbuf_str(&escaped)) == CONF_CUT_OK);
		ASSERT(one->n == two->n);
		ASSERT(str_eq(sbuf_str(&one->text), sbuf_str(&two->text)));
	}
	sbuf_fini(&escaped);
	conf_cut_fini(one);
	conf_cut_fini(two);
	mem_free(one);
	mem_free(two);
}

static void
addresses(struct str text)
{
	unsigned flags = CONF_ADDR_FOR_BIND & ~(unsigned)CONF_ADDR_RESOLVE;
	struct conf *c = conf_new(demo_modules, &options);
	struct conf_addr *list, one;
	struct str rest = text, piece;
	struct err err;
	char shown[300];
	size_t n, total = 0;
	if (conf_addr_parse_list(c, text, flags, &list, &n, &err)) {
		while (str_next(&rest, ',', &piece)) {
			ASSERT(conf_addr_parse(piece, flags, &one, &err));
			conf_addr_format(&one, shown, sizeof(shown));
			total += (size_t)(one.port_high - one.port_low) + 1;
		}
		ASSERT(total == n);
	}
	(void)conf_addr_parse(text, 0, &one, &err); // either answer is right
	conf_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str text = str_of((const char *)data, n), line = text;
	struct err err;
	bool result;
	if (n > 65536)
		return 0;
	load(text);
	line.n = MIN(text.n, str_find_byte(text, '\n'));
	if (line.n > 0 && memchr(line.p, '\0', line.n) == NULL) {
		cut_again(line);
		(void)conf_eval_condition(&options, line, &result, &err); // either is right
	}
	addresses(line);
	return 0;
}
