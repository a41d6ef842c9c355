// SPDX-License-Identifier: MIT
// One loop: signals, what the children say, their ends. Each thing that can happen is a function of
// a few lines.
#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/cli_master.h"
#include "master/master_priv.h"

// A worker that served for so long and dies is replaced at once.
#define SETTLED_NS     (10 * NS_PER_S)
#define BACKOFF_NS     (100 * NS_PER_MS)
#define BACKOFF_MAX_NS (30 * NS_PER_S)
// After "end at once", until it is killed.
#define ENDING_NS (10 * NS_PER_S)
// From "another serves" until its listening sockets are let go of, which takes milliseconds.
#define DEAF_NS       (10 * NS_PER_S)
#define MAX_MAP_BYTES (1u << 30)
#define LOOKS         10
#define LOOK_NS       (25 * NS_PER_MS) // then twice that, and so on: 13 s in all
#define SIGNAL_STATUS 128              // and the signal's number, as shells have it

static void start_child(struct master *m, enum master_start start);

// --- reloads -------------------------------------------------------------------------------------

static void
answer(struct reload_waiter **list, bool good, struct str log)
{
	while (*list != NULL) {
		struct reload_waiter *w = *list;
		*list = w->next;
		w->done(w, good, log);
	}
}

static void
add_waiter(struct reload_waiter **list, struct reload_waiter *w)
{
	while (*list != NULL)
		list = &(*list)->next;
	if (w == NULL)
		return;
	w->next = NULL;
	*list = w;
}

void
master_reload(struct master *m, struct reload_waiter *w)
{
	CHECK_MAGIC(m, MASTER_MAGIC);
	if (m->end != MASTER_GOES_ON) {
		add_waiter(&m->waiting, w);
		answer(&m->waiting, false, STR("the service is stopping\n"));
		return;
	}
	if (m->starting != NULL || m->retiring != NULL) {
		m->reload_again = true;
		add_waiter(&m->waiting_next, w);
		return;
	}
	add_waiter(&m->waiting, w);
	loop_timer_stop(m->loop, &m->restart);
	log_msg(LOG_NOTICE, "Reloading the configuration");
	master_notify("RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=Reloading the configuration",
		      clock_mono_ns() / 1000);
	start_child(m, MASTER_RELOAD);
}

// The start that was under way is decided.
static void
finish_start(struct master *m, bool good, struct str log)
{
	answer(&m->waiting, good, log);
	m->waiting = m->waiting_next;
	m->waiting_next = NULL;
	bool again = m->reload_again;
	m->reload_again = false;
	if (again)
		master_reload(m, NULL);
}

// --- sockets that two processes had -----------------------------------------------------------

// Again and again, at longer and longer intervals: what a process has let go of is the kernel's
// business for a moment more, which on a busy machine is seconds. Until then it may take the one
// wake-up that a connection in the queue brings.
static void
on_look(struct timer *t)
{
	struct master *m = CONTAINER_OF(t, struct master, look);
	if (m->serving != NULL)
		(void)child_tell(m->serving, CHANNEL_LOOK, 0, 0, STR_NULL); // dying: another comes
	uint64_t wait_ns = LOOK_NS << m->looks++;
	if (m->looks < LOOKS)
		loop_timer_set(m->loop, t, loop_now_ns(m->loop) + wait_ns);
}

static void
look_at_once(void *arg)
{
	struct master *m = arg;
	m->looks = 0;
	on_look(&m->look);
}

// --- a worker becomes ready ----------------------------------------------------------------------

// Nobody will ask for it again: its name in the file system goes too.
static void
forget(struct master *m, struct heritage *h, size_t i)
{
	const struct heritage_item *it = &h->items[i];
	char file[256];
	bool is_stats = it->kind == HERITAGE_STATS || it->kind == HERITAGE_ENDED;
	(void)snprintf(file, sizeof(file), "%s%s", is_stats ? "" : HERITAGE_MAP_PREFIX, it->name);
	if ((is_stats || it->kind == HERITAGE_MAP) && it->name[0] != '\0' && m->instance != NULL)
		(void)unlinkat(instance_dir(m->instance), file, 0); // may be gone
	heritage_drop(h, i, true);
}

// What the process counted counts no further: the next one adds it up.
static void
stats_ended(struct master *m, unsigned first, unsigned last)
{
	for (size_t i = 0; i < m->kept.n; i++) {
		struct heritage_item *it = &m->kept.items[i];
		if (it->kind == HERITAGE_STATS && it->slot >= first && it->slot <= last)
			it->kind = HERITAGE_ENDED;
	}
}

// What the new one neither took nor made has no place in the configuration any more.
static void
take_over(struct master *m, struct child *c)
{
	for (size_t i = m->kept.n; i-- > 0;) {
		if (m->kept.items[i].kind == HERITAGE_MASTER ||
		    m->kept.items[i].kind == HERITAGE_DIR)
			continue;
		if (m->kept.items[i].mark == HERITAGE_TAKEN)
			m->kept.items[i].mark = HERITAGE_KEPT;
		else
			forget(m, &m->kept, i);
	}
	for (size_t i = 0; i < c->made.n; i++)
		c->made.items[i].mark = HERITAGE_KEPT;
	heritage_move(&m->kept, &c->made);
}

static void
end_child(struct child *c)
{
	struct master *m = c->owner;
	child_signal(c, SIGTERM);
	child_set_state(c, CHILD_ENDING);
	if (m->last_resort.due_ns == 0) // else an earlier one's, which looks again
		loop_timer_set(m->loop, &m->last_resort, loop_now_ns(m->loop) + ENDING_NS);
}

// The oldest first, when there are more than the bound.
static void
bound_draining(struct master *m)
{
	unsigned n = 0;
	LIST_FOREACH (it, &m->children)
		n += LIST_ENTRY(it, struct child, node)->state == CHILD_DRAINING;
	LIST_FOREACH (it, &m->children) {
		struct child *c = LIST_ENTRY(it, struct child, node);
		if (n <= m->spec->most_draining)
			return;
		if (c->state != CHILD_DRAINING)
			continue;
		log_msg(LOG_WARNING, "worker process %u (%d) still drains, but %u do: it is ended",
			c->number, (int)c->pid, n);
		end_child(c);
		n--;
	}
}

static void
retire(struct master *m, struct child *old)
{
	child_set_state(old, CHILD_DRAINING);
	if (!child_tell(old, CHANNEL_RETIRE, 0, 0, STR_NULL))
		end_child(old); // it does not listen
	bound_draining(m);
}

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

static void
child_ready(struct child *c, struct str what)
{
	struct master *m = c->owner;
	struct child *old = m->serving;
	if (c->state != CHILD_STARTING)
		return;
	child_set_state(c, CHILD_SERVING);
	take_over(m, c);
	m->starting = NULL;
	m->serving = c;
	if (c->start == MASTER_RELOAD)
		m->n_reloads++;
	if (c->start != MASTER_FIRST)
		tell_succession(c, old);
	m->retiring = old;
	if (old != NULL) {
		retire(m, old);
		loop_timer_set(m->loop, &m->hangs, loop_now_ns(m->loop) + DEAF_NS);
	}
	master_notify("READY=1\nSTATUS=Worker process %u (%d) serves: %.*s", c->number, (int)c->pid,
		      STR_ARG(what));
	if (!m->was_ready && m->instance != NULL)
		instance_ready(m->instance);
	if (!m->was_ready && m->spec->ready != NULL)
		m->spec->ready(m->spec->arg);
	m->was_ready = true;
	if (m->retiring == NULL) {
		look_at_once(m); // one that ended before may still be let go of
		finish_start(m, true, sbuf_str(&c->log));
	}
}

// `c` accepts no more, or is gone: all that comes is the serving one's, which is what a reload
// promises.
static void
let_go(struct master *m, const struct child *c)
{
	look_at_once(m);
	if (c != m->retiring)
		return;
	m->retiring = NULL;
	loop_timer_set(m->loop, &m->hangs, 0);
	if (m->serving != NULL)
		finish_start(m, true, sbuf_str(&m->serving->log));
	else
		finish_start(m, false, STR("the new worker process ended while it served\n"));
}

// --- what children say ---------------------------------------------------------------------------

// Beyond the service as well.
static void
save_map(struct master *m, int fd, struct str name)
{
	struct str text = STR_NULL;
	struct err err = {{0}};
	char file[64];
	(void)snprintf(file, sizeof(file), HERITAGE_MAP_PREFIX "%.*s", STR_ARG(name));
	if (name.n > 32 || !heritage_text_read(fd, MAX_MAP_BYTES, &text, &err) ||
	    !instance_save(m->instance, file, text, &err))
		log_msg(LOG_WARNING, "a map is not kept: %s", name.n > 32 ? "its name" : err.text);
	mem_free((void *)(uintptr_t)text.p);
}

// What a worker may hand over: everything it makes while it starts, when it has heard no client
// yet; later only what operators change. The master acts on these names with its own rights.
static const struct {
	bool starting, serving, is_file;
} makes[HERITAGE_KINDS] = {
    [HERITAGE_SOCKET] = {.starting = true},
    [HERITAGE_VARS] = {.starting = true},
    [HERITAGE_STATS] = {.starting = true, .is_file = true},
    [HERITAGE_MAP] = {.starting = true, .serving = true, .is_file = true},
    [HERITAGE_CONFIG] = {.starting = true},
    [HERITAGE_POLICY] = {.starting = true, .serving = true},
};

static bool
may_make(const struct master *m, const struct child *c, const struct channel_msg *msg)
{
	if (msg->kind >= HERITAGE_KINDS ||
	    (makes[msg->kind].is_file && str_find_byte(msg->text, '/') != SIZE_MAX))
		return false;
	if (c->state == CHILD_STARTING)
		return makes[msg->kind].starting;
	return c == m->serving && makes[msg->kind].serving;
}

static void
child_made(struct child *c, struct channel_msg *msg)
{
	struct master *m = c->owner;
	bool starting = c->state == CHILD_STARTING;
	int fd = msg->fd;
	msg->fd = -1;
	if (fd < 0 || !may_make(m, c, msg)) {
		if (fd >= 0)
			(void)close(fd); // of one that serves no more
		return;
	}
	enum heritage_kind kind = msg->kind;
	enum heritage_mark mark = HERITAGE_KEPT;
	struct heritage *to = starting ? &c->made : &m->kept;
	// Two sockets may bear one name: both asked for any port.
	for (size_t i = to->n; kind != HERITAGE_SOCKET && i-- > 0;)
		if (to->items[i].kind == kind && to->items[i].slot == msg->number &&
		    str_eq(str_from_c(to->items[i].name), msg->text)) {
			mark = to->items[i].mark; // one that starts may use it already
			heritage_drop(to, i, false);
		}
	if (!heritage_add(to, kind, msg->number, msg->text, fd, mark))
		(void)close(fd); // its name is none
	else if (kind == HERITAGE_MAP && !starting && m->instance != NULL)
		save_map(m, fd, msg->text);
}

struct child_waiter {
	struct reload_waiter waiter;
	struct master *master;
	unsigned child, number;
};

static void
tell_child_how(struct reload_waiter *w, bool good, struct str log)
{
	struct child_waiter *cw = CONTAINER_OF(w, struct child_waiter, waiter);
	LIST_FOREACH (it, &cw->master->children) {
		struct child *c = LIST_ENTRY(it, struct child, node);
		if (c->number == cw->child)
			(void)child_tell(c, CHANNEL_ANSWER, good, cw->number,
					 log); // it may be gone
	}
	mem_free(cw);
}

// Who asks while a reload is under way is answered with the others who do: one message for all.
static struct child_waiter *
find_waiter(const struct master *m, const struct child *c)
{
	for (struct reload_waiter *w = m->waiting_next; w != NULL; w = w->next) {
		struct child_waiter *cw = CONTAINER_OF(w, struct child_waiter, waiter);
		if (w->done == tell_child_how && cw->child == c->number)
			return cw;
	}
	return NULL;
}

static void
child_asks_reload(struct child *c, struct channel_msg *msg)
{
	struct child_waiter *cw = find_waiter(c->owner, c);
	if (cw != NULL) {
		cw->number = msg->number;
		return;
	}
	cw = MEM_NEW(struct child_waiter);
	*cw = (struct child_waiter){.waiter.done = tell_child_how,
				    .master = c->owner,
				    .child = c->number,
				    .number = msg->number};
	master_reload(c->owner, &cw->waiter);
}

// At the end of the service clients shall be refused, not wait in a queue that nobody serves.
static void
nobody_listens(struct child *c)
{
	struct master *m = c->owner;
	let_go(m, c);
	if (m->given_away)
		instance_deaf(m->instance);
	if (m->end == MASTER_GOES_ON || c != m->serving)
		return;
	for (size_t i = m->kept.n; i-- > 0;)
		if (m->kept.items[i].kind == HERITAGE_SOCKET)
			heritage_drop(&m->kept, i, true);
}

// What it made has not arrived: a start is not whole then.
static void
message_lost(struct child *c)
{
	struct rlimit r = {0};
	(void)getrlimit(RLIMIT_NOFILE, &r); // valid arguments
	log_msg(LOG_ALERT,
		"a message of worker process %u (%d) is lost: the limit of %llu file descriptors "
		"is too low for the master (ulimit -n)",
		c->number, (int)c->pid, (unsigned long long)r.rlim_cur);
	if (c->state == CHILD_STARTING)
		end_child(c);
}

static void
on_message(struct child *c, struct channel_msg *msg)
{
	struct master *m = c->owner;
	struct heritage_item *it;
	if (msg == NULL) {
		message_lost(c);
		return;
	}
	switch ((enum channel_type)msg->type) {
	case CHANNEL_LOG:
		sbuf_printf(&c->log, "[%s] %.*s\n",
			    log_level_name(MIN(msg->number, (uint32_t)LOG_DEBUG)),
			    STR_ARG(msg->text));
		break;
	case CHANNEL_MADE:
		child_made(c, msg);
		break;
	case CHANNEL_TAKEN:
		if (c->state == CHILD_STARTING && msg->kind < HERITAGE_KINDS) {
			it = heritage_find(&m->kept, msg->kind, msg->number, msg->text);
			// Its process may have ended since this one was told of it.
			if (it == NULL && msg->kind == HERITAGE_STATS)
				it =
				    heritage_find(&m->kept, HERITAGE_ENDED, msg->number, msg->text);
			if (it != NULL)
				it->mark = HERITAGE_TAKEN;
		}
		break;
	case CHANNEL_READY:
		child_ready(c, msg->text);
		break;
	case CHANNEL_STATUS:
		sbuf_clear(&c->status);
		sbuf_add(&c->status, msg->text);
		break;
	case CHANNEL_DEAF:
		nobody_listens(c);
		break;
	case CHANNEL_ASK_RELOAD:
		child_asks_reload(c, msg);
		break;
	case CHANNEL_ASK_STOP:
		master_stop(m, MASTER_DRAINS);
		break;
	case CHANNEL_RETIRE:
	case CHANNEL_LOOK:
	case CHANNEL_TAKE:
	case CHANNEL_ANSWER:
	case CHANNEL_CLI:
	case CHANNEL_TYPES:
		break; // nothing that a worker says
	}
	if (msg->fd >= 0)
		(void)close(msg->fd); // not asked for
}

// --- ends ----------------------------------------------------------------------------------------

static void
on_restart(struct timer *t)
{
	struct master *m = CONTAINER_OF(t, struct master, restart);
	if (m->starting == NULL && m->serving == NULL && m->end == MASTER_GOES_ON)
		start_child(m, MASTER_RESTART);
}

static void
restart_later(struct master *m)
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
	finish_start(m, false, log);
	if (m->serving == NULL && m->starting == NULL)
		restart_later(m);
}

static void
start_failed(struct master *m, struct child *c, const char *how)
{
	m->starting = NULL;
	for (size_t i = c->made.n; i-- > 0;)
		forget(m, &c->made, i);
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
		restart_later(m);
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

static void
on_ended(struct child *c)
{
	struct master *m = c->owner;
	char how[128];
	bool was_asked = c != m->serving && c != m->starting;
	child_describe_end(c, how, sizeof(how));
	if (c == m->starting)
		start_failed(m, c, how);
	else if (c == m->serving)
		serving_died(m, c, how);
	if (was_asked || m->end != MASTER_GOES_ON)
		log_msg(LOG_NOTICE, "worker process %u (%d) %s", c->number, (int)c->pid, how);
	note_end(m, c);
	let_go(m, c);
	stats_ended(m, c->number, c->number);
	child_free(&c);
	end_if_alone(m);
}

// --- starting ------------------------------------------------------------------------------------

static void
start_child(struct master *m, enum master_start start)
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
	    .message = on_message,
	    .ended = on_ended,
	};
	for (size_t i = 0; i < m->kept.n; i++)
		m->kept.items[i].mark = HERITAGE_KEPT;
	struct child *c = child_start(&spec, &err);
	if (c != NULL) {
		list_append(&m->children, &c->node);
		m->starting = c;
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

// --- stopping ------------------------------------------------------------------------------------

static void
stop_child(struct child *c, enum master_end how)
{
	if (c->state == CHILD_SERVING && how == MASTER_DRAINS) {
		child_signal(c, SIGUSR1); // with grace, unlike RETIRE
		child_set_state(c, CHILD_DRAINING);
	} else if (c->state == CHILD_ENDED) {
		return; // its end is why we stop
	} else if (c->state == CHILD_STARTING || how == MASTER_ENDS) {
		end_child(c);
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
	m->reload_again = false;
	answer(&m->waiting, false, STR("the service is stopping\n"));
	answer(&m->waiting_next, false, STR("the service is stopping\n"));
	LIST_FOREACH (it, &m->children)
		stop_child(LIST_ENTRY(it, struct child, node), how);
	end_if_alone(m);
}

static void
on_last_resort(struct timer *t)
{
	struct master *m = CONTAINER_OF(t, struct master, last_resort);
	LIST_FOREACH (it, &m->children) {
		struct child *c = LIST_ENTRY(it, struct child, node);
		if (c->state != CHILD_ENDING)
			continue;
		if (clock_mono_ns() - c->state_ns >= ENDING_NS) {
			log_msg(LOG_WARNING, "worker process %u (%d) does not end: it is killed",
				c->number, (int)c->pid);
			child_signal(c, SIGKILL);
		}
		loop_timer_set(m->loop, t, loop_now_ns(m->loop) + NS_PER_S);
	}
}

// It accepts connections and answers none of them.
static void
on_hangs(struct timer *t)
{
	struct master *m = CONTAINER_OF(t, struct master, hangs);
	if (m->retiring == NULL)
		return;
	log_msg(LOG_ALERT,
		"worker process %u (%d) does not let go of its listening sockets: it is killed",
		m->retiring->number, (int)m->retiring->pid);
	child_signal(m->retiring, SIGKILL);
}

// --- signals -------------------------------------------------------------------------------------

static void
on_signal(struct watch *w)
{
	struct master *m = CONTAINER_OF(w, struct master, signals);
	struct signalfd_siginfo info;
	while (read(w->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGINT:
		case SIGTERM:
			master_stop(m, MASTER_ENDS);
			break;
		case SIGUSR1:
			master_stop(m, MASTER_DRAINS);
			break;
		case SIGUSR2:
		case SIGHUP:
			master_reload(m, NULL);
			break;
		default:
			break;
		}
	}
}

static bool
watch_signals(struct master *m, struct err *err)
{
	static const int ours[] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGHUP};
	sigset_t set;
	(void)sigemptyset(&set); // cannot fail
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		(void)sigaddset(&set, ours[i]);   // known numbers
	(void)sigprocmask(SIG_BLOCK, &set, NULL); // valid arguments
	// Whoever reads our log may go away.
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	(void)sigaction(SIGPIPE, &ignore, NULL); // likewise
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return err_set(err, "signalfd: %s", strerror(errno));
	loop_watch(m->loop, &m->signals, fd, on_signal);
	return true;
}

// --- the whole -----------------------------------------------------------------------------------

// A successor's worker serves. What was handed over is his to remove.
static void
taken(void *arg, bool end_at_once)
{
	struct master *m = arg;
	CHECK_MAGIC(m, MASTER_MAGIC);
	log_msg(LOG_NOTICE, "Another tidegate has taken over");
	m->given_away = true;
	while (m->kept.n > 0)
		heritage_drop(&m->kept, m->kept.n - 1, false);
	if (m->cli != NULL)
		master_cli_retire(m->cli);
	if (m->serving != NULL && !end_at_once && m->end == MASTER_GOES_ON)
		retire(m, m->serving);
	m->serving = NULL; // what it makes from now on is no heritage
	master_stop(m, end_at_once ? MASTER_ENDS : MASTER_DRAINS);
}

// The predecessor's processes have all ended.
static void
before_gone(void *arg)
{
	struct master *m = arg;
	stats_ended(m, 0, m->last_number_before);
}

static bool
enter_instance(struct master *m, struct err *err)
{
	const struct instance_hooks hooks = {.taken = taken,
					     .look = look_at_once,
					     .gone = before_gone,
					     .arg = m};
	if (m->spec->instance.path == NULL)
		return true;
	m->instance = instance_enter(&m->spec->instance, &m->kept, err);
	if (m->instance == NULL)
		return false;
	// Numbers go on, so that who came first stays first.
	for (size_t i = 0; i < m->kept.n; i++)
		if (m->kept.items[i].kind == HERITAGE_STATS ||
		    m->kept.items[i].kind == HERITAGE_ENDED)
			m->last_number = MAX(m->last_number, m->kept.items[i].slot);
	m->last_number_before = m->last_number;
	instance_serve(m->instance, m->loop, &m->kept, &hooks);
	return true;
}

// Sockets, counters, maps and scripts of several processes are open at a time.
static void
raise_descriptors(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return; // then it stays as it is
	r.rlim_cur = r.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &r); // up to the hard limit everybody may
}

static bool
set_up(struct master *m, struct err *err)
{
	struct net_config net = {.engine = NET_ENGINE_EPOLL, .nbthread = 1};
	raise_descriptors();
	m->program_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	m->loop = loop_new(&net, err);
	if (m->loop == NULL || !watch_signals(m, err) || !enter_instance(m, err))
		return false;
	m->cli = m->spec->cli != NULL ? master_cli_new(m, m->spec->cli, err) : NULL;
	return m->spec->cli == NULL || m->cli != NULL;
}

static void
tear_down(struct master *m)
{
	master_cli_free(&m->cli);
	instance_leave(&m->instance);
	heritage_fini(&m->kept);
	if (m->program_fd >= 0)
		(void)close(m->program_fd); // only a name
	// The loop and its watches end with the process, which is now.
}

int
master_run(const struct master_spec *spec)
{
	struct err err;
	struct master m = {.magic = MASTER_MAGIC,
			   .spec = spec,
			   .started_ns = clock_mono_ns(),
			   .program_fd = -1};
	list_init(&m.children);
	heritage_init(&m.kept);
	timer_init(&m.restart, on_restart);
	timer_init(&m.last_resort, on_last_resort);
	timer_init(&m.look, on_look);
	timer_init(&m.hangs, on_hangs);
	if (!set_up(&m, &err)) {
		log_msg(LOG_ALERT, "%s", err.text);
		tear_down(&m);
		return 1;
	}
	start_child(&m, MASTER_FIRST);
	if (m.end == MASTER_GOES_ON || !list_empty(&m.children))
		loop_run(m.loop);
	for (size_t i = m.kept.n; i-- > 0;)
		heritage_drop(&m.kept, i, m.was_ready && !m.given_away);
	if (m.was_ready && !m.given_away && spec->over != NULL)
		spec->over(spec->arg);
	tear_down(&m);
	return m.exit_status;
}
