// SPDX-License-Identifier: MIT
// Lines of a backend about health checks and balancing, made of anything, over the program's own
// rows: tests/fuzz/conf.c has the language with invented ones. Asserted besides not crashing: a
// load fails exactly when an error was collected; what a load says, the next one says as well; of a
// configuration that is in order, each checked server has a plan that begins with connecting.
#include <netdb.h>

#include "backend/check.h"
#include "base/mem.h"
#include "base/sbuf.h"
#include "conf/conf.h"
#include "main/modules.h"
#include "proxy/setup.h"
#include "proxy/txn.h"

#define MOST_BYTES 8192
#define HEAD                                                                                  \
	"defaults\n mode http\n timeout client 1s\n timeout server 1s\n timeout connect 1s\n" \
	"backend b\n"

// What lines may begin with; of others the program's tests are elsewhere, and some read files.
static const char *const beginnings[] = {
    "option httpchk", "option tcp-check", "option log-health-checks", "http-check", "tcp-check",
    "balance",        "hash-type",        "default-server",           "mode tcp",   "timeout check",
    "server",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

// Nobody is asked for names.
int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
	    struct addrinfo **res)
{
	(void)node, (void)service, (void)hints;
	*res = NULL;
	return EAI_NONAME;
}

static bool
is_wanted(struct str line)
{
	if (str_find(line, STR("map")) != SIZE_MAX || str_find(line, STR("/dev")) != SIZE_MAX)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(beginnings); i++)
		if (str_starts(line, str_from_c(beginnings[i])))
			return true;
	return false;
}

static void
write_text(struct str in, struct sbuf *out)
{
	struct str line;
	sbuf_add(out, STR(HEAD));
	while (in.n > 0 && str_next(&in, '\n', &line)) {
		if (!is_wanted(line))
			continue;
		sbuf_add_byte(out, ' ');
		sbuf_add(out, line);
		sbuf_add_byte(out, '\n');
	}
	sbuf_add(out, STR(" server last 127.0.0.1:80 check\n"));
}

static void
look_at(const struct proxy_set *set)
{
	for (size_t i = 0; i < set->n_all; i++) {
		const struct backend *b = set->all[i]->backend;
		for (size_t j = 0; b != NULL && j < b->n_servers; j++) {
			const struct check *c = b->servers[j]->check;
			ASSERT(c == NULL || c->plan->first->action == CHECK_CONNECT);
			ASSERT(c == NULL || (c->health.rise >= 1 && c->health.fall >= 1));
		}
	}
}

static void
load(struct str text, struct sbuf *said)
{
	struct conf *conf = conf_new(main_modules, NULL);
	struct expr_set *exprs = expr_set_new(main_modules);
	struct proxy_set *set = proxy_setup_new(conf, exprs, main_modules)->set;
	conf_add_text(conf, "fuzz", text);
	bool good = conf_load(conf);
	ASSERT(good == (conf_n_errors(conf) == 0));
	for (const struct conf_message *m = conf_messages(conf); m != NULL; m = m->next)
		conf_render_message(m, said);
	ASSERT(good || said->n > 0);
	if (good)
		look_at(set);
	proxy_set_fini(set);
	expr_set_free(&exprs);
	conf_free(&conf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sbuf text, once, again;
	if (n > MOST_BYTES)
		return 0;
	sbuf_init(&text, 4 * MOST_BYTES);
	sbuf_init(&once, 16u << 20);
	sbuf_init(&again, 16u << 20);
	write_text(str_of((const char *)data, n), &text);
	load(sbuf_str(&text), &once);
	load(sbuf_str(&text), &again);
	ASSERT(str_eq(sbuf_str(&once), sbuf_str(&again)));
	sbuf_fini(&text);
	sbuf_fini(&once);
	sbuf_fini(&again);
	return 0;
}
