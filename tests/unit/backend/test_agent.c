// SPDX-License-Identifier: MIT
// What agents say, as a table: the words that count, and what is told of those that do not. Noted
// from haproxy 2.6 (`show stat`, last_agt and weight, while an agent said these lines).
#include "backend/agent.h"

#include <string.h>

#include "backend/backend.h"
#include "tap.h"

static const struct said {
	const char *line;
	enum health_status status; // HEALTH_UNKNOWN: no whole line
	const char *state, *info;
	uint32_t weight, maxconn; // of 10; NONE: not said, or not understood
} rows[] = {
#define NONE 9999
    {"up\n", HEALTH_L7OK, "", "via agent : up", NONE, NONE},
    {"up\r\n", HEALTH_L7OK, "", "via agent : up", NONE, NONE},
    {"up\rdown\n", HEALTH_L7OK, "", "via agent : up", NONE, NONE},
    {"up\ndown\n", HEALTH_L7OK, "", "via agent : up", NONE, NONE},
    {",, up\t,\n", HEALTH_L7OK, "", "via agent : up", NONE, NONE},
    {"UP\n", HEALTH_L7OK, "", "via agent : UP", NONE, NONE},
    {"down\n", HEALTH_L7STS, "", "via agent : down", NONE, NONE},
    {"stopped\n", HEALTH_L7STS, "", "via agent : stopped", NONE, NONE},
    {"Fail\n", HEALTH_L7STS, "", "via agent : Fail", NONE, NONE},
    {"up down\n", HEALTH_L7STS, "", "via agent : down", NONE, NONE},
    {"down up\n", HEALTH_L7OK, "", "via agent : up", NONE, NONE},
    {"down # out of disk \n", HEALTH_L7STS, "", "via agent : down (out of disk )", NONE, NONE},
    {"down #\t \n", HEALTH_L7STS, "", "via agent : down", NONE, NONE},
    {"down hello\n", HEALTH_L7STS, "", "via agent : down (hello)", NONE, NONE},
    {"down hello # why\n", HEALTH_L7STS, "", "via agent : down (why)", NONE, NONE},
    {"up hello # why\n", HEALTH_L7OK, "", "via agent : up (hello)", NONE, NONE},
    {"up # why\n", HEALTH_L7OK, "", "via agent : up (why)", NONE, NONE},
    {"#up\n", HEALTH_CHECKED, "", "", NONE, NONE},
    {"up#down\n", HEALTH_CHECKED, "", "agent reports an error : up#down", NONE, NONE},
    {"\n", HEALTH_CHECKED, "", "", NONE, NONE},
    {"ready\n", HEALTH_CHECKED, "ready", "", NONE, NONE},
    {"drain ready\n", HEALTH_CHECKED, "ready", "", NONE, NONE},
    {"MAINT,up\n", HEALTH_L7OK, "MAINT", "via agent : up", NONE, NONE},
    {"one two\n", HEALTH_CHECKED, "", "agent reports an error : one", NONE, NONE},
    {"75%\n", HEALTH_CHECKED, "", "", 7, NONE},
    {"0%\n", HEALTH_CHECKED, "", "", 0, NONE},
    {"500%\n", HEALTH_CHECKED, "", "", 50, NONE},
    {"99999%\n", HEALTH_CHECKED, "", "", 256, NONE},
    {"99999999999999999999999%\n", HEALTH_CHECKED, "", "", 256, NONE},
    {"30%,40%\n", HEALTH_CHECKED, "", "", 4, NONE},
    {"-5%\n", HEALTH_CHECKED, "", "agent reports an error : -5%", NONE, NONE},
    {"+5%\n", HEALTH_CHECKED, "", "agent reports an error : +5%", NONE, NONE},
    {"20 %\n", HEALTH_CHECKED, "", "agent reports an error : 20", NONE, NONE},
    {"5%%\n", HEALTH_CHECKED, "", "agent warns : Trailing garbage in weight string", NONE, NONE},
    {"up 5.5%\n", HEALTH_L7OK, "", "via agent : up (Trailing garbage in weight string)", NONE,
     NONE},
    {"999%x\n", HEALTH_CHECKED, "",
     "agent warns : Absolute weight can only be between 0 and 256 inclusive.", NONE, NONE},
    {"maxconn:30\n", HEALTH_CHECKED, "", "", NONE, 30},
    {"MaxConn:0 up\n", HEALTH_L7OK, "", "via agent : up", NONE, 0},
    {"maxconn:7,maxconn:8\n", HEALTH_CHECKED, "", "", NONE, 8},
    {"maxconn:\n", HEALTH_CHECKED, "", "agent warns : Require <maxconn>.", NONE, NONE},
    {"maxconn:-1\n", HEALTH_CHECKED, "",
     "agent warns : maxconn string empty or preceded by garbage", NONE, NONE},
    {"maxconn:3x\n", HEALTH_CHECKED, "", "agent warns : Trailing garbage in maxconn string", NONE,
     NONE},
    {"maxconn:999999999999\n", HEALTH_CHECKED, "", "agent warns : maxconn is at most 2147483647",
     NONE, NONE},
    {"75% up maxconn:9 drain # text\n", HEALTH_L7OK, "drain", "via agent : up (text)", 7, 9},
    {"up \x01\x1b\n", HEALTH_L7OK, "", "via agent : up (\x01\x1b)", NONE, NONE},
    {"up\vdown\n", HEALTH_CHECKED, "", "agent reports an error : up\vdown", NONE, NONE},
    {"up", HEALTH_UNKNOWN, "", "", NONE, NONE},
    {"", HEALTH_UNKNOWN, "", "", NONE, NONE},
};

static void
test_rows(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct said *r = &rows[i];
		struct agent_line a;
		struct health_finding f = {0};
		uint32_t weight = NONE, maxconn = NONE;
		const char *wrong = NULL;
		OK(agent_read(str_from_c(r->line), &a) == (r->status != HEALTH_UNKNOWN));
		if (r->status == HEALTH_UNKNOWN)
			continue;
		if (a.weight.n > 0)
			wrong = agent_weight(a.weight, 10, &weight);
		if (a.maxconn.p != NULL)
			wrong = agent_maxconn(a.maxconn, &maxconn);
		agent_finding(&a, wrong, &f);
		OK_MSG(f.status == r->status && weight == r->weight && maxconn == r->maxconn,
		       r->line);
		IS_STR(f.info, r->info);
		OK(str_eq(a.state, str_from_c(r->state)));
	}
}

// Bytes that no C string holds, and more of them than a finding has room for.
static void
test_hostile(void)
{
	struct agent_line a;
	struct health_finding f = {0};
	char line[4096] = "down # ";
	OK(!agent_read(str_of("up\0\n", 4), &a));
	OK(!agent_read(str_of("\0", 1), &a));
	memset(line + 7, 'b', sizeof(line) - 8);
	line[sizeof(line) - 1] = '\n';
	OK(agent_read(str_of(line, sizeof(line)), &a));
	agent_finding(&a, NULL, &f);
	OK(strlen(f.info) == HEALTH_INFO_BYTES - 1 &&
	   strncmp(f.info, "via agent : down (bbb", 21) == 0);
	OK(!agent_read(str_of(line, sizeof(line) - 1), &a));
}

// One that cannot be asked is no worse for it; what it said last counts.
static void
test_counting(void)
{
	struct health h;
	struct health_finding f = {.status = HEALTH_L4CON};
	health_init(&h, 1, 1);
	h.by_agent = true;
	OK(!health_take(&h, &f) && h.points == 1 && health_says(&h) == HEALTH_SAYS_NOTHING);
	f.status = HEALTH_L7STS;
	OK(health_take(&h, &f) && h.points == 0 && health_says(&h) == HEALTH_SAYS_DOWN);
	f.status = HEALTH_L7TOUT;
	OK(!health_take(&h, &f) && health_says(&h) == HEALTH_SAYS_NOTHING);
	f.status = HEALTH_CHECKED;
	OK(!health_take(&h, &f) && health_says(&h) == HEALTH_SAYS_NOTHING);
	f.status = HEALTH_L7OK;
	OK(health_take(&h, &f) && h.points == 1 && health_says(&h) == HEALTH_SAYS_UP);
}

static uint32_t
epoch_after(struct server *s, const char *state)
{
	server_set_state_by_agent(s, str_from_c(state));
	return atomic_load_explicit(&s->backend->epoch, memory_order_relaxed);
}

// Workers make their tables anew for each epoch: what is said again is none.
static void
test_said_again(void)
{
	struct err err;
	struct addr addr = {0};
	struct backend *b = backend_new(STR("b"), 0);
	struct server *s = backend_add_server(b, STR("s"), &addr, &err);
	uint32_t first = atomic_load_explicit(&b->epoch, memory_order_relaxed);
	OK(epoch_after(s, "ready") == first);
	uint32_t drained = epoch_after(s, "Drain");
	OK(drained != first && atomic_load(&s->admin) == SERVER_DRAIN);
	OK(epoch_after(s, "drain") == drained && epoch_after(s, "nonsense") == drained);
	OK(epoch_after(s, "maint") != drained && atomic_load(&s->admin) == SERVER_MAINT);
	backend_free(&b);
}

int
main(void)
{
	test_counting();
	test_said_again();
	test_rows();
	test_hostile();
	return tap_done();
}
