// SPDX-License-Identifier: MIT
// The successor's side: the lock is free, or whoever holds it hands it over.
#include <errno.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/instance_priv.h"

// For the predecessor's answer; many may wait for him, one after the other.
#define PATIENCE_NS (120 * NS_PER_S)

// --- who holds it --------------------------------------------------------------------------------

void
instance_name_strangers(const struct instance_spec *spec, const char *path, int64_t holder)
{
	for (size_t i = 0; i < spec->n_pids; i++)
		if (spec->pids[i] != holder)
			log_msg(LOG_WARNING,
				"process %lld is not the tidegate of state directory %s: it is "
				"left alone",
				(long long)spec->pids[i], path);
}

static bool
connect_to_holder(struct instance *in, const struct instance_spec *spec, struct err *err)
{
	static const struct timeval bound = {.tv_sec = PATIENCE_NS / NS_PER_S};
	struct sockaddr_un a;
	struct ucred cred;
	instance_control_address(in, &a);
	in->before = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (in->before < 0)
		return err_set(err, "socket: %s", strerror(errno));
	// Others may queue before us; without the bound we would wait longer for one that hangs.
	(void)setsockopt(in->before, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound));
	if (connect(in->before, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    !instance_peer(in->before, &cred))
		return err_set(err, "control: %s", strerror(errno));
	if (cred.uid != geteuid() && cred.uid != 0)
		return err_set(err, "control belongs to user %u", (unsigned)cred.uid);
	instance_name_strangers(spec, in->path, cred.pid);
	struct channel_msg m = {.type = CHANNEL_TAKE, .kind = spec->end_at_once, .fd = -1};
	return channel_send(in->before, &m, true) || err_set(err, "control: it went away");
}

// Though we hold the file that is called `lock` now: the one that he holds was removed.
static bool
somebody_listens(const struct instance *in)
{
	struct sockaddr_un a;
	instance_control_address(in, &a);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool yes = fd >= 0 && (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 ||
			       errno == EAGAIN); // many wait for him
	if (fd >= 0)
		(void)close(fd); // only a question
	return yes;
}

// --- what he hands over --------------------------------------------------------------------------

static bool
keep_received(struct instance *in, struct heritage *kept, struct channel_msg *m)
{
	if (m->fd < 0 || m->kind >= HERITAGE_KINDS)
		return false;
	if (m->kind == HERITAGE_LOCK && in->his_lock < 0) {
		in->his_lock = m->fd;
	} else if (m->kind == HERITAGE_CONTROL && in->control < 0) {
		in->control = m->fd;
	} else if (!heritage_add(kept, m->kind, m->number, m->text, m->fd, HERITAGE_KEPT)) {
		return false;
	}
	m->fd = -1;
	return true;
}

// All was handed over: so is the lock. The file that we opened locks nothing.
static bool
lock_is_ours(struct instance *in)
{
	if (in->his_lock < 0 || in->control < 0)
		return false;
	(void)close(in->lock); // nothing was written
	in->lock = in->his_lock;
	in->his_lock = -1;
	return true;
}

// True: all is here. False: he may have gone, and another may serve by now.
static bool
receive_all(struct instance *in, struct heritage *kept, uint64_t end_ns, struct err *err)
{
	struct channel_msg m;
	for (;;) {
		uint64_t now = clock_mono_ns();
		struct pollfd p = {.fd = in->before, .events = POLLIN};
		if (now >= end_ns)
			return err_set(err, "the tidegate that serves does not answer");
		(void)poll(&p, 1, (int)MIN((end_ns - now) / NS_PER_MS + 1, UINT64_C(1000)));
		enum channel_status s = channel_receive(in->before, &m);
		if (s == CHANNEL_NOTHING)
			continue;
		if (s == CHANNEL_CLOSED)
			return err_set(err, "the tidegate that served is gone");
		if (s == CHANNEL_LOST)
			return err_set(err, "a message of the tidegate that serves is lost: the "
					    "limit of file descriptors is too low (ulimit -n)");
		if (m.type == CHANNEL_READY)
			return lock_is_ours(in) ||
			       err_set(err, "the tidegate that serves hands over no lock");
		bool good = m.type == CHANNEL_MADE && keep_received(in, kept, &m);
		if (m.fd >= 0)
			(void)close(m.fd); // of no kind that we know
		if (!good)
			return err_set(err, "the tidegate that serves speaks another language");
	}
}

static void
forget_attempt(struct instance *in, struct heritage *kept)
{
	heritage_fini(kept);
	if (in->before >= 0)
		(void)close(in->before); // nothing waits in it
	if (in->control >= 0)
		(void)close(in->control); // likewise
	// Not kept a moment longer: who has it passes for the holder of the lock.
	if (in->his_lock >= 0)
		(void)close(in->his_lock); // likewise
	in->before = in->control = in->his_lock = -1;
}

// --- one or the other ----------------------------------------------------------------------------

// Either the lock is free or somebody hands it over; who is about to end does neither for a moment.
bool
instance_take_lock(struct instance *in, const struct instance_spec *spec, struct heritage *kept,
		   struct err *err)
{
	static const struct timespec pause = {.tv_nsec = 10 * NS_PER_MS};
	uint64_t begin_ns = clock_mono_ns(), end_ns = begin_ns + PATIENCE_NS;
	bool told = false;
	for (;;) {
		bool locked = flock(in->lock, LOCK_EX | LOCK_NB) == 0;
		if (locked && !somebody_listens(in))
			return instance_make_control(in, err);
		if (!locked && errno != EWOULDBLOCK && errno != EINTR)
			return err_set(err, "state-dir %s: lock: %s", in->path, strerror(errno));
		struct err why = {{0}};
		// One that is killed lets go of its lock first, and of its socket then.
		bool surely = !locked || clock_mono_ns() - begin_ns >= NS_PER_S;
		if (!spec->take_over && !surely) {
			(void)nanosleep(&pause, NULL); // a signal only makes it shorter
			continue;
		}
		if (!spec->take_over)
			return err_set(
			    err,
			    "state-dir %s: another tidegate serves; 'tidectl reload "
			    "--config' has it read its configuration again, -sf lets this "
			    "one take its place",
			    in->path);
		if (connect_to_holder(in, spec, &why) && receive_all(in, kept, end_ns, &why))
			return true;
		forget_attempt(in, kept);
		if (clock_mono_ns() >= end_ns)
			return err_set(err, "state-dir %s: %s", in->path, why.text);
		if (!told && clock_mono_ns() - begin_ns >= NS_PER_S) {
			log_msg(LOG_WARNING, "state-dir %s: waiting to take over: %s", in->path,
				why.text);
			told = true;
		}
		(void)nanosleep(&pause, NULL); // a signal only makes it shorter
	}
}
