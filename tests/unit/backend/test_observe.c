// SPDX-License-Identifier: MIT
// Rows of errors, met while the keeper has much else to do: each is told once, by its length and
// its last error, whatever comes before the keeper does.
#include "backend/observe.h"

#include "backend/check.h"
#include "net/loop.h"
#include "tap.h"

#define LIMIT 3

static struct loop *keeper;
static struct observed *observed;
static unsigned n_told;
static char told[HEALTH_INFO_BYTES];

static void
ended(void *arg, const struct check *c, bool moved, enum health_status before)
{
	(void)arg, (void)moved, (void)before;
	n_told++;
	memcpy(told, c->health.last.info, sizeof(told));
}

static void
turned(void *arg, const struct check *c, enum health_says to, uint32_t before, const char *why)
{
	(void)arg, (void)c, (void)to, (void)before, (void)why;
}

static void
note(enum observe_what what, unsigned n)
{
	while (n-- > 0)
		observe_note(observed, what, keeper);
}

static void
keeper_comes(void)
{
	n_told = 0;
	told[0] = '\0';
	loop_turn(keeper, 0);
}

static void
test_row(void)
{
	note(OBSERVE_BAD_STATUS, LIMIT - 1);
	note(OBSERVE_GOOD_ANSWER, 1);
	note(OBSERVE_BAD_STATUS, LIMIT - 1);
	keeper_comes();
	IS_INT(n_told, 0);
	note(OBSERVE_BAD_STATUS, 1);
	keeper_comes();
	IS_INT(n_told, 1);
	IS_STR(told, "Detected 3 consecutive errors, last one was: Wrong http response");
}

static void
test_late_keeper(void)
{
	note(OBSERVE_TIMEOUT, LIMIT);
	note(OBSERVE_BAD_STATUS, LIMIT - 1);
	keeper_comes();
	IS_INT(n_told, 1);
	IS_STR(told, "Detected 3 consecutive errors, last one was: Read timeout (http)");
	note(OBSERVE_BAD_STATUS, 1); // with those before
	note(OBSERVE_GOOD_ANSWER, 1);
	keeper_comes();
	OK_MSG(n_told == 1, "a good answer behind a whole row does not undo it");
	note(OBSERVE_CLOSED, 2 * LIMIT);
	keeper_comes();
	OK_MSG(n_told == 2, "two rows are two");
	keeper_comes();
	IS_INT(n_told, 0);
}

int
main(void)
{
	struct check_plan plan = {.kind = CHECK_KIND_CONNECT};
	struct check_conf conf = {.inter_ns = CHECK_INTER_NS};
	struct checks_host host = {.ended = ended, .turned = turned};
	struct net_config config = {.engine = NET_ENGINE_EPOLL};
	struct addr addr;
	struct err err;
	struct backend *b = backend_new(STR("b"), 0);
	OK(addr_parse(&addr, STR("127.0.0.1"), 9, &err));
	struct server *s = backend_add_server(b, STR("s"), &addr, &err);
	OK((keeper = loop_new(&config, &err)) != NULL);
	struct checks *all = checks_new(keeper, &host);
	s->check = check_new(s, &conf, 200, 200, &plan);
	checks_add(all, s->check);
	s->observed = observed = observed_new(s, OBSERVE_LAYER7, OBSERVE_FAIL_CHECK, LIMIT);
	test_row();
	test_late_keeper();
	checks_free(&all);
	loop_free(&keeper);
	backend_free(&b);
	return tap_done();
}
