// SPDX-License-Identifier: MIT
// vars/lock, vars/write: writers killed at random points (kill -9). No reader ever sees half of a
// commit or half of a string, nobody waits for the dead, nothing confirmed is lost.
// For three seconds; TIDEVARS_KILL_ROUNDS names a number of kills instead (make soak: 100,000).
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "table.h"

enum { WRITERS = 2, FILLER = 200, PATIENCE = 30 };

struct names {
	uint32_t left, right, text, hold, mine;
};

static uint64_t
mono_ns(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

// Until killed: the same number left and right, and a text of one letter that belongs to it.
static void
write_for_ever(struct tidevars *t, const struct names *n, unsigned seed)
{
	struct tidevars_writer w = {.who = "victim", .reason = "to be killed", .wait_ms = 60000};
	for (;;) {
		seed = seed * 1103515245 + 12345;
		int64_t v = seed >> 8;
		struct tidevars_op ops[4] = {
		    {.handle = n->left, .kind = TIDEVARS_SET, .value = test_int(v)},
		    {.handle = n->right, .kind = TIDEVARS_SET, .value = test_int(v)},
		    {.handle = n->text, .kind = TIDEVARS_SET},
		    {.handle = n->hold, .kind = TIDEVARS_SET}};
		ops[2].value.type = TIDEVARS_STRING;
		ops[2].value.text_n = FILLER;
		memset(ops[2].value.text, 'a' + (int)(v % 26), FILLER);
		ops[3].value = test_typed(TIDEVARS_HOLD, 1);
		struct tidevars_error err;
		if (tidevars_commit(t, ops, 4, &w, &err) != TIDEVARS_OK) {
			printf("# victim: %s\n", err.text);
			_exit(3);
		}
	}
}

static pid_t
start_writer(struct tidevars *t, const struct names *n, unsigned seed)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		write_for_ever(t, n, seed);
	return pid;
}

// True when what was read can only have been written by one commit.
static bool
whole(struct tidevars *t, const struct names *n)
{
	const uint32_t handles[3] = {n->left, n->right, n->text};
	struct tidevars_value v[3];
	if (tidevars_read_many(t, handles, 3, 1, v) != TIDEVARS_OK ||
	    ((v[0].flags | v[1].flags | v[2].flags) & TIDEVARS_IS_DAMAGED) != 0)
		return false;
	if (v[2].text_n == 0) // the first commit is still to come
		return v[0].u.i == 0 && v[1].u.i == 0;
	char letter = (char)('a' + v[0].u.i % 26);
	bool good = v[0].u.i == v[1].u.i && v[2].text_n == FILLER;
	for (uint32_t i = 0; i < FILLER && good; i++)
		good = v[2].text[i] == letter;
	// One by one: of that commit or a later one, never of a writer that died before its epoch.
	uint64_t version = v[0].version;
	for (int i = 0; i < 2 && good; i++) {
		struct tidevars_value one = test_read(t, handles[i], 1);
		good = one.version >= version && one.version <= tidevars_epoch(t);
		version = one.version;
	}
	return good;
}

// The log's entries of one moment are whole too.
static bool
log_whole(struct tidevars *t)
{
	struct tidevars_log_entry e;
	uint64_t seq = 0;
	while (tidevars_log_next(t, seq, &e) == 1) {
		if (e.seq <= seq || e.handle > 8 || e.kind < TIDEVARS_SET ||
		    (strcmp(e.who, "victim") != 0 && strcmp(e.who, "killer") != 0))
			return false;
		seq = e.seq;
	}
	return true;
}

struct counts {
	unsigned rounds, torn, late, stuck, lost, odd;
	uint64_t slowest;
};

static void
print_counts(const struct counts *c)
{
	printf("# after %u kills: %u torn, %u stuck, %u lost, %u ended by themselves, %u late\n",
	       c->rounds, c->torn, c->stuck, c->lost, c->odd, c->late);
	(void)fflush(stdout); // a long run is watched
}

// Who a refusal names has been killed and waited for: the lock stood in a dead writer's hands.
static bool
names_dead(const char *text)
{
	const char *pid = strstr(text, "as pid ");
	return pid == NULL || kill((pid_t)atoi(pid + 7), 0) != 0;
}

// A write that has to be confirmed. Refused as busy it is late: a holder that lives may get no CPU
// for a second, and the writer is told so. It is stuck when the holder is dead, or when PATIENCE
// tries do not help. What was not confirmed is not lost.
static void
write_mine(struct tidevars *t, uint32_t mine, struct counts *c)
{
	struct tidevars_value v = test_int(c->rounds);
	// Named, or the log would hold the name of the binary.
	struct tidevars_writer w = {.who = "killer"};
	struct tidevars_error err;
	uint64_t before = mono_ns();
	int status, tries = 0;
	while ((status = tidevars_set(t, mine, &v, 0, &w, &err)) == TIDEVARS_BUSY &&
	       !names_dead(err.text) && ++tries < PATIENCE)
		printf("# late at kill %u: %s\n", c->rounds, err.text);
	uint64_t took = mono_ns() - before;
	c->slowest = took > c->slowest ? took : c->slowest;
	c->late += tries > 0;
	c->stuck += status != TIDEVARS_OK;
	c->lost += status == TIDEVARS_OK && test_read(t, mine, 1).u.i != (int64_t)c->rounds;
	if (status != TIDEVARS_OK)
		printf("# stuck at kill %u: %s\n", c->rounds, err.text);
}

int
main(void)
{
	const char *s = getenv("TIDEVARS_KILL_ROUNDS");
	unsigned wanted = s != NULL ? (unsigned)atoi(s) : 0;
	uint64_t end = mono_ns() + 3 * SECOND;
	struct tidevars *t = test_open(NULL, 0);
	if (t == NULL)
		return 1;
	struct names n = {test_declare(t, "left", TIDEVARS_INT),
			  test_declare(t, "right", TIDEVARS_INT),
			  test_declare(t, "text", TIDEVARS_STRING),
			  test_declare(t, "hold", TIDEVARS_HOLD),
			  test_declare(t, "mine", TIDEVARS_INT)};
	pid_t pids[WRITERS];
	unsigned seed = (unsigned)getpid();
	struct counts c = {0};
	unsigned long reads = 0;
	uint64_t epoch = tidevars_epoch(t);
	for (int i = 0; i < WRITERS; i++)
		pids[i] = start_writer(t, &n, seed + (unsigned)i);
	for (; wanted > 0 ? c.rounds < wanted : mono_ns() < end; c.rounds++) {
		seed = seed * 1103515245 + 12345;
		uint64_t until = mono_ns() + (seed >> 8) % 2000000;
		do {
			for (int i = 0; i < 32; i++, reads++)
				c.torn += !whole(t, &n);
		} while (mono_ns() < until);
		int victim = (int)(c.rounds % WRITERS), status;
		(void)kill(pids[victim], SIGKILL);
		(void)waitpid(pids[victim], &status, 0);
		c.odd += !WIFSIGNALED(status); // it ended by itself: its write failed
		c.torn += !whole(t, &n) || !log_whole(t);
		write_mine(t, n.mine, &c);
		pids[victim] = start_writer(t, &n, seed);
		if (c.rounds > 0 && c.rounds % 5000 == 0)
			print_counts(&c);
	}
	for (int i = 0; i < WRITERS; i++) {
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
	}
	printf("# %u kills, %lu reads, %llu commits, slowest write %llu us\n", c.rounds, reads,
	       (unsigned long long)(tidevars_epoch(t) - epoch),
	       (unsigned long long)c.slowest / 1000);
	print_counts(&c);
	OK(c.rounds > 10 && reads > 1000 && tidevars_epoch(t) > 1000);
	IS_INT(c.torn, 0);
	IS_INT(c.stuck, 0);
	IS_INT(c.lost, 0);
	IS_INT(c.odd, 0);
	tidevars_close(&t);
	return tap_done();
}
