// SPDX-License-Identifier: MIT
// Birth, hearing, end. Between fork and exec the new process only makes descriptors pass on.
#include "master/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define LOG_CAP    65536
#define STATUS_CAP 65536

static const char *const state_names[CHILD_STATES] = {
    [CHILD_STARTING] = "starting", [CHILD_SERVING] = "serving", [CHILD_DRAINING] = "draining",
    [CHILD_ENDING] = "ending",     [CHILD_ENDED] = "ended",
};

const char *
child_state_name(enum child_state state)
{
	ASSERT(state < CHILD_STATES);
	return state_names[state];
}

void
child_set_state(struct child *c, enum child_state state)
{
	c->state = state;
	c->state_ns = c->heard_ns = clock_mono_ns();
}

// --- hearing -------------------------------------------------------------------------------------

static void
hear(struct child *c)
{
	struct channel_msg m;
	enum channel_status s;
	c->heard_ns = clock_mono_ns();
	while ((s = channel_receive(c->channel, &m)) == CHANNEL_GOT || s == CHANNEL_LOST)
		c->message(c, s == CHANNEL_GOT ? &m : NULL);
}

static void
on_message(struct watch *w)
{
	struct child *c = CONTAINER_OF(w, struct child, on_message);
	CHECK_MAGIC(c, CHILD_MAGIC);
	if (c->state != CHILD_ENDED)
		hear(c);
}

static void
on_end(struct watch *w)
{
	struct child *c = CONTAINER_OF(w, struct child, on_end);
	CHECK_MAGIC(c, CHILD_MAGIC);
	if (c->state == CHILD_ENDED || waitpid(c->pid, &c->wait_status, WNOHANG) != c->pid)
		return;
	hear(c); // what it said before its end
	child_set_state(c, CHILD_ENDED);
	c->ended(c);
}

// --- birth ---------------------------------------------------------------------------------------

static int
write_list(const struct heritage *kept, struct err *err)
{
	struct sbuf text;
	sbuf_init(&text, SIZE_MAX / 2);
	heritage_write(kept, &text);
	int fd = heritage_text_new("heritage", sbuf_str(&text), err);
	sbuf_fini(&text);
	return fd;
}

static void
keep_open(int fd)
{
	(void)fcntl(fd, F_SETFD, 0); // a descriptor of ours
}

// In the new process, between fork and exec: no memory is taken, no lock.
NORETURN static void
become_worker(const struct child_spec *s, pid_t master, int channel, int list, char *env)
{
	sigset_t ends;
	// Until it serves (rights.c) it has nothing to finish, and may wait for ever for what it
	// reads.
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); // a known number
	if (getppid() != master)
		_exit(127); // gone already
	keep_open(channel);
	keep_open(list);
	for (size_t i = 0; i < s->kept->n; i++)
		keep_open(s->kept->items[i].fd);
	// The others wait until it hears them: until then they would end it.
	(void)sigemptyset(&ends);                    // cannot fail
	(void)sigaddset(&ends, SIGTERM);             // a known number
	(void)sigaddset(&ends, SIGINT);              // likewise
	(void)sigprocmask(SIG_UNBLOCK, &ends, NULL); // valid arguments
	extern char **environ;
	size_t n = 0;
	while (environ[n] != NULL)
		n++;
	char *envp[4096];
	size_t kept = 0;
	for (size_t i = 0; i < MIN(n, ARRAY_LEN(envp) - 2); i++)
		if (strncmp(environ[i], LINK_ENV "=", sizeof(LINK_ENV)) != 0 &&
		    strncmp(environ[i], "NOTIFY_SOCKET=", 14) != 0)
			envp[kept++] = environ[i];
	envp[kept++] = env;
	envp[kept] = NULL;
	(void)execve(s->program, s->argv, envp); // replaced by an upgrade meanwhile, or gone
	(void)syscall(SYS_execveat, s->program_fd, "", s->argv, envp, AT_EMPTY_PATH);
	_exit(127);
}

static bool
give_birth(struct child *c, const struct child_spec *s, struct err *err)
{
	int ends[2], list = write_list(s->kept, err);
	char env[128];
	if (list < 0)
		return false;
	if (!channel_pair(ends, err)) {
		(void)close(list); // of no use
		return false;
	}
	(void)snprintf(env, sizeof(env), LINK_ENV "=%u %s %d %d", s->number,
		       master_start_name(s->start), ends[1], list);
	pid_t master = getpid();
	c->pid = fork();
	if (c->pid == 0)
		become_worker(s, master, ends[1], list, env);
	int why = errno;
	(void)close(list);    // the child has its own
	(void)close(ends[1]); // likewise
	c->channel = ends[0];
	if (c->pid < 0)
		return err_set(err, "fork: %s", strerror(why));
	// It is our child and nobody has waited for it: the number is its own.
	c->pidfd = pidfd_open(c->pid, 0);
	if (c->pidfd >= 0)
		return true;
	err_set(err, "pidfd_open: %s", strerror(errno));
	(void)kill(c->pid, SIGKILL); // as above
	(void)waitpid(c->pid, NULL, 0);
	return false;
}

struct child *
child_start(const struct child_spec *s, struct err *err)
{
	struct child *c = MEM_NEW(struct child);
	c->magic = CHILD_MAGIC;
	c->start = s->start;
	c->number = s->number;
	c->owner = s->owner;
	c->message = s->message;
	c->ended = s->ended;
	c->pidfd = c->channel = -1;
	list_init(&c->node);
	heritage_init(&c->made);
	sbuf_init(&c->log, LOG_CAP);
	sbuf_init(&c->status, STATUS_CAP);
	c->started_ns = clock_mono_ns();
	child_set_state(c, CHILD_STARTING);
	if (!give_birth(c, s, err)) {
		c->state = CHILD_ENDED;
		child_free(&c);
		return NULL;
	}
	loop_watch(s->loop, &c->on_end, c->pidfd, on_end);
	loop_watch(s->loop, &c->on_message, c->channel, on_message);
	c->watches = 2;
	return c;
}

// --- life and death ------------------------------------------------------------------------------

void
child_signal(struct child *c, int sig)
{
	CHECK_MAGIC(c, CHILD_MAGIC);
	if (c->state != CHILD_ENDED)
		(void)pidfd_send_signal(c->pidfd, sig, NULL, 0); // it may have ended just now
}

bool
child_tell(struct child *c, enum channel_type type, uint32_t kind, uint32_t number, struct str text)
{
	struct channel_msg m = {
	    .type = type, .kind = kind, .number = number, .fd = -1, .text = text};
	CHECK_MAGIC(c, CHILD_MAGIC);
	return c->state != CHILD_ENDED && channel_send(c->channel, &m, false);
}

void
child_describe_end(const struct child *c, char *text, size_t n)
{
	int sig = WIFSIGNALED(c->wait_status) ? WTERMSIG(c->wait_status) : 0;
	if (sig != 0)
		(void)snprintf(text, n, "was ended by signal %d (%s)", sig, strsignal(sig));
	else
		(void)snprintf(text, n, "ended with status %d", WEXITSTATUS(c->wait_status));
}

static void
free_memory(struct child *c)
{
	if (c->pidfd >= 0)
		(void)close(c->pidfd); // nothing to flush
	if (c->channel >= 0)
		(void)close(c->channel); // likewise
	heritage_fini(&c->made);
	sbuf_fini(&c->log);
	sbuf_fini(&c->status);
	c->magic = 0;
	mem_free(c);
}

static void
one_watch_less(struct child *c)
{
	if (--c->watches == 0)
		free_memory(c);
}

static void
end_stopped(struct watch *w)
{
	one_watch_less(CONTAINER_OF(w, struct child, on_end));
}

static void
message_stopped(struct watch *w)
{
	one_watch_less(CONTAINER_OF(w, struct child, on_message));
}

void
child_free(struct child **cp)
{
	struct child *c = *cp;
	*cp = NULL;
	if (c == NULL)
		return;
	CHECK_MAGIC(c, CHILD_MAGIC);
	ASSERT(c->state == CHILD_ENDED);
	list_remove(&c->node);
	if (c->watches == 0) {
		free_memory(c);
		return;
	}
	loop_unwatch(&c->on_end, end_stopped);
	loop_unwatch(&c->on_message, message_stopped);
}
