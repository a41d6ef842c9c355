// SPDX-License-Identifier: MIT
// Ends: of a child, asked for or not, and of the service.
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/master_priv.h"

// A worker that served for so long and dies is replaced at once.
#define SETTLED_NS (10 * NS_PER_S)
// After "end at once", until it is killed.
#define ENDING_NS (10 * NS_PER_S)
// A draining process that says nothing hangs; when memory is short, it may only be slow.
#define SILENT_NS     (30 * NS_PER_S)
#define SIGNAL_STATUS 128 // and the signal's number, as shells have it

// --- of a child that is told to end --------------------------------------------------------------

// When a process that has not ended by itself is killed; UINT64_MAX: never. One that drains knows
// its hard-stop-after, so it hangs when it does not keep it; and it says every second what holds
// it, so it hangs when it is silent.
static uint64_t
last_moment(const struct child *c)
{
	if (c->state == CHILD_ENDING)
		return c->state_ns + ENDING_NS;
	if (c->state != CHILD_DRAINING)
		return UINT64_MAX;
	uint64_t silent = c->heard_ns + SILENT_NS, stop = c->terms.hard_stop_ns;
	return stop != 0 ? MIN(silent, c->state_ns + stop + ENDING_NS) : silent;
}

void
master_bound_end(struct child *c)
{
	struct master *m = c->owner;
	uint64_t due = last_moment(c);
	if (due != UINT64_MAX && (m->last_resort.due_ns == 0 || due < m->last_resort.due_ns))
		loop_timer_set(m->loop, &m->last_resort, due);
}

void
master_end_child(struct child *c)
{
	child_signal(c, SIGTERM);
	child_set_state(c, CHILD_ENDING);
	master_bound_end(c);
}

static void
kill_child(struct child *c)
{
	uint64_t stop = c->terms.hard_stop_ns;
	bool overdue = stop != 0 && clock_mono_ns() >= c->state_ns + stop + ENDING_NS;
	log_msg(LOG_WARNING, "worker process %u (%d) does not end%s: it is killed", c->number,
		(int)c->pid,
		c->state != CHILD_DRAINING ? ""
		: overdue                  ? ", though hard-stop-after has passed"
					   : ", and says nothing");
	child_signal(c, SIGKILL);
}

void
master_on_last_resort(struct timer *t)
{
	struct master *m = CONTAINER_OF(t, struct master, last_resort);
	uint64_t now = clock_mono_ns(), next = UINT64_MAX;
	LIST_FOREACH (it, &m->children) {
		struct child *c = LIST_ENTRY(it, struct child, node);
		uint64_t due = last_moment(c);
		if (due <= now) {
			kill_child(c);
			due = now + NS_PER_S; // to see that it worked
		}
		next = MIN(next, due);
	}
	if (next != UINT64_MAX)
		loop_timer_set(m->loop, t, next);
}

// --- of a child ----------------------------------------------------------------------------------

static void
serving_died(struct master *m, struct child *c, const char *how)
{
	m->serving = NULL;
	if (m->end != MASTER_GOES_ON)
		return;
	m->n_deaths++;
	log_msg(LOG_ALERT, "worker process %u (%d) %s while it served: another is started",
		c->number, (int)c->pid, how);
	master_notify("STATUS=The worker process died, another is started");
	if (clock_mono_ns() - c->state_ns > SETTLED_NS)
		m->failures = 0;
	if (m->starting == NULL)
		master_restart_later(m);
	else
		master_hurry(m);
}

// The service's own status says when a worker process did not end as it was asked to.
static void
note_end(struct master *m, const struct child *c)
{
	int status = c->wait_status;
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	bool as_asked = sig != 0 ? sig == SIGTERM : WEXITSTATUS(status) == 0;
	if (m->end != MASTER_GOES_ON && m->exit_status == 0 && !as_asked)
		m->exit_status = sig != 0 ? SIGNAL_STATUS + sig : WEXITSTATUS(status);
}

static void
end_if_alone(struct master *m)
{
	if (m->end != MASTER_GOES_ON && list_empty(&m->children))
		loop_stop(m->loop);
}

void
master_child_ended(struct child *c)
{
	struct master *m = c->owner;
	char how[128];
	bool was_asked = c != m->serving && c != m->starting;
	child_describe_end(c, how, sizeof(how));
	if (c == m->starting)
		master_start_failed(m, c, how);
	else if (c == m->serving)
		serving_died(m, c, how);
	if (was_asked || m->end != MASTER_GOES_ON)
		log_msg(LOG_NOTICE, "worker process %u (%d) %s", c->number, (int)c->pid, how);
	note_end(m, c);
	master_let_go(m, c);
	master_stats_ended(m, c->number, c->number);
	child_free(&c);
	end_if_alone(m);
}

// --- of the service ------------------------------------------------------------------------------

static void
stop_child(struct child *c, enum master_end how)
{
	if (c->state == CHILD_SERVING && how == MASTER_DRAINS) {
		child_signal(c, SIGUSR1); // with grace, unlike RETIRE
		child_set_state(c, CHILD_DRAINING);
		master_bound_end(c);
	} else if (c->state == CHILD_ENDED) {
		return; // its end is why we stop
	} else if (c->state == CHILD_STARTING || how == MASTER_ENDS) {
		master_end_child(c);
	}
}

void
master_stop(struct master *m, enum master_end how)
{
	CHECK_MAGIC(m, MASTER_MAGIC);
	if (m->end >= how)
		return;
	m->end = how;
	master_notify("STOPPING=1\nSTATUS=%s", how == MASTER_DRAINS ? "Draining" : "Stopping");
	loop_timer_stop(m->loop, &m->restart);
	master_reload_refuse(m);
	LIST_FOREACH (it, &m->children)
		stop_child(LIST_ENTRY(it, struct child, node), how);
	end_if_alone(m);
}
