// SPDX-License-Identifier: MIT
// The start of a worker process: asked for, ready, come to nothing, tried again.
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/master_priv.h"

#define BACKOFF_NS     (100 * NS_PER_MS)
#define BACKOFF_MAX_NS (30 * NS_PER_S)
// What is left to a start when nobody serves any more: what was in force before is sure to start.
#define LONELY_NS (5 * NS_PER_S)

// --- again ---------------------------------------------------------------------------------------

void
master_on_restart(struct timer *t)
{
	struct master *m = CONTAINER_OF(t, struct master, restart);
	if (m->starting == NULL && m->serving == NULL && m->end == MASTER_GOES_ON)
		master_start(m, MASTER_RESTART);
}

void
master_restart_later(struct master *m)
{
	uint64_t wait = 0;
	if (m->failures > 0)
		wait = MIN(BACKOFF_NS << MIN(m->failures - 1, 16u), BACKOFF_MAX_NS);
	m->failures++;
	if (wait > 0)
		log_msg(LOG_WARNING, "the next worker process is started in %" PRIu64 " ms",
			wait / NS_PER_MS);
	loop_timer_set(m->loop, &m->restart, loop_now_ns(m->loop) + wait);
}

// --- come to nothing -----------------------------------------------------------------------------

// A start of one that is not the first has come to nothing.
static void
give_up_start(struct master *m, enum master_start start, struct str log)
{
	if (start == MASTER_RELOAD)
		m->n_failed_reloads++;
	master_notify("READY=1\nSTATUS=%s", m->serving != NULL
						? "The last reload failed, the configuration "
						  "before it serves"
						: "No worker process serves, another is started");
	master_reload_done(m, false, log);
	if (m->serving == NULL && m->starting == NULL)
		master_restart_later(m);
}

void
master_start_failed(struct master *m, struct child *c, const char *how)
{
	m->starting = NULL;
	loop_timer_stop(m->loop, &m->slow);
	master_forget_made(m, c);
	if (m->end != MASTER_GOES_ON)
		return;
	if (!m->was_ready) {
		m->exit_status = WIFEXITED(c->wait_status) ? WEXITSTATUS(c->wait_status) : 1;
		m->exit_status = MAX(m->exit_status, 1);
		log_msg(LOG_ALERT, "the worker process %s before it served", how);
		master_stop(m, MASTER_ENDS);
		return;
	}
	log_msg(LOG_ALERT, "the new worker process %s before it served%s", how,
		m->serving != NULL ? ": nothing has changed" : "");
	if (sbuf_str(&c->log).n == 0)
		sbuf_printf(&c->log, "the new worker process %s before it served\n", how);
	give_up_start(m, c->start, sbuf_str(&c->log));
}

// --- too slow ------------------------------------------------------------------------------------

void
master_on_slow(struct timer *t)
{
	struct master *m = CONTAINER_OF(t, struct master, slow);
	struct child *c = m->starting;
	char line[512];
	if (c == NULL)
		return;
	struct str doing = sbuf_str(&c->status);
	(void)snprintf(line, sizeof(line),
		       "worker process %u (%d) does not serve after %u s%s: it is killed while "
		       "%.*s%s",
		       c->number, (int)c->pid,
		       (unsigned)((clock_mono_ns() - c->started_ns) / NS_PER_S),
		       m->serving != NULL ? " (mworker-start-timeout)" : ", and no other does",
		       (int)MIN(doing.n, sizeof(line) / 2), doing.p, doing.n > 0 ? "" : "starting");
	log_msg(LOG_ALERT, "%s", line);
	sbuf_printf(&c->log, "[ALERT] %s\n", line);
	child_signal(c, SIGKILL);
}

// The very first start is waited for by a person or by a service manager, who has a bound of his
// own; a later one by who serves, and by who asked.
static void
bound_start(struct master *m)
{
	bool takes_over = heritage_count(&m->kept, HERITAGE_STATS) > 0;
	uint64_t bound = m->terms.start_timeout_ns;
	if (bound != 0) // what starts slowly is no start that hangs
		bound = MAX(bound, 2 * m->longest_start_ns);
	if ((m->was_ready || takes_over) && bound != 0)
		loop_timer_set(m->loop, &m->slow, loop_now_ns(m->loop) + bound);
}

void
master_hurry(struct master *m)
{
	uint64_t then = loop_now_ns(m->loop) + LONELY_NS;
	if (m->starting != NULL && (m->slow.due_ns == 0 || then < m->slow.due_ns))
		loop_timer_set(m->loop, &m->slow, then);
}

// --- ready ---------------------------------------------------------------------------------------

// In the log, and in that of the reload.
static void
tell_succession(struct child *c, const struct child *old)
{
	char line[160];
	if (old != NULL)
		(void)snprintf(line, sizeof(line),
			       "worker process %u (%d) serves, %u (%d) finishes what it has",
			       c->number, (int)c->pid, old->number, (int)old->pid);
	else
		(void)snprintf(line, sizeof(line),
			       "worker process %u (%d) serves in place of one that ended",
			       c->number, (int)c->pid);
	log_msg(LOG_NOTICE, "%s", line);
	sbuf_printf(&c->log, "[NOTICE] %s\n", line);
}

void
master_start_ready(struct child *c, struct str what)
{
	struct master *m = c->owner;
	struct child *old = m->serving;
	if (c->state != CHILD_STARTING)
		return;
	child_set_state(c, CHILD_SERVING);
	m->longest_start_ns = MAX(m->longest_start_ns, c->state_ns - c->started_ns);
	sbuf_clear(&c->status);
	m->terms = c->terms;
	master_take_over(m, c);
	m->starting = NULL;
	loop_timer_stop(m->loop, &m->slow);
	m->serving = c;
	if (c->start == MASTER_RELOAD)
		m->n_reloads++;
	if (c->start != MASTER_FIRST)
		tell_succession(c, old);
	if (old != NULL)
		master_succeed(m, old);
	master_notify("READY=1\nSTATUS=Worker process %u (%d) serves: %.*s", c->number, (int)c->pid,
		      STR_ARG(what));
	if (!m->was_ready && m->instance != NULL)
		instance_ready(m->instance);
	if (!m->was_ready && m->spec->ready != NULL)
		m->spec->ready(m->spec->arg);
	m->was_ready = true;
	if (m->retiring == NULL) {
		master_look(m); // one that ended before may still be let go of
		master_reload_done(m, true, sbuf_str(&c->log));
	}
}

// --- asked for -----------------------------------------------------------------------------------

void
master_start(struct master *m, enum master_start start)
{
	struct err err;
	struct sbuf log;
	struct child_spec spec = {
	    .loop = m->loop,
	    .program = m->spec->program,
	    .program_fd = m->program_fd,
	    .argv = m->spec->argv,
	    .start = start,
	    .number = ++m->last_number,
	    .kept = &m->kept,
	    .owner = m,
	    .message = master_child_says,
	    .ended = master_child_ended,
	};
	for (size_t i = 0; i < m->kept.n; i++)
		m->kept.items[i].mark = HERITAGE_KEPT;
	struct child *c = child_start(&spec, &err);
	if (c != NULL) {
		list_append(&m->children, &c->node);
		m->starting = c;
		bound_start(m);
		return;
	}
	log_msg(LOG_ALERT, "no worker process can be started: %s", err.text);
	if (!m->was_ready) {
		m->exit_status = 1;
		master_stop(m, MASTER_ENDS);
		return;
	}
	sbuf_init(&log, sizeof(err.text) + 2);
	sbuf_printf(&log, "%s\n", err.text);
	give_up_start(m, start, sbuf_str(&log));
	sbuf_fini(&log);
}
