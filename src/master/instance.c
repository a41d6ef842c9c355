// SPDX-License-Identifier: MIT
// The lock, the socket, and both sides of a handing over.
#include "master/instance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/channel.h"

#define INSTANCE_MAGIC 0x74c40006u
#define BACKLOG        128
// For the predecessor's answer; many may wait for him, one after the other.
#define PATIENCE_NS (120 * NS_PER_S)
#define SEND_S      5
// In the names of files that get their own when they are whole.
#define HALF_WRITTEN "new-"

struct instance {
	uint32_t magic;
	char *path;
	int dir, lock;
	int control;     // -1: nobody can take over
	int his_lock;    // while the predecessor hands over; -1
	int before;      // connection to the predecessor; -1
	int after;       // to the successor that asks; -1
	bool serving;    // our first worker is ready
	bool given_away; // the successor has it all
	struct loop *loop;
	struct watch on_control, on_before, on_after;
	struct heritage *kept;
	struct instance_hooks hooks;
};

// --- the directory -------------------------------------------------------------------------------

static bool
open_dir(struct instance *in, struct err *err)
{
	if (mkdir(in->path, 0750) != 0 && errno != EEXIST)
		return err_set(err, "state-dir %s: mkdir: %s", in->path, strerror(errno));
	in->dir = open(in->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (in->dir < 0)
		return err_set(err, "state-dir %s: %s", in->path, strerror(errno));
	return true;
}

static bool
open_lock(struct instance *in, struct err *err)
{
	in->lock = openat(in->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (in->lock < 0 && errno == EROFS)
		in->lock = openat(in->dir, "lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return in->lock >= 0 || err_set(err, "state-dir %s: lock: %s", in->path, strerror(errno));
}

// Beneath the open directory, however long its path is.
static void
control_address(const struct instance *in, struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	(void)snprintf(a->sun_path, sizeof(a->sun_path), "/proc/self/fd/%d/control", in->dir);
}

// We hold the lock: what stands there is a dead one's.
static bool
make_control(struct instance *in, struct err *err)
{
	struct sockaddr_un a;
	struct statvfs fs;
	if (fstatvfs(in->dir, &fs) == 0 && (fs.f_flag & ST_RDONLY) != 0) {
		log_msg(LOG_ALERT,
			"state-dir %s is read-only: nothing of this service outlives "
			"its stop, and -sf cannot take its place",
			in->path);
		return true;
	}
	control_address(in, &a);
	in->control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (in->control < 0)
		return err_set(err, "state-dir %s: socket: %s", in->path, strerror(errno));
	if (unlinkat(in->dir, "control", 0) != 0 && errno != ENOENT)
		return err_set(err, "state-dir %s: control: %s", in->path, strerror(errno));
	mode_t mask = umask(0177);
	int r = bind(in->control, (struct sockaddr *)&a, sizeof(a));
	int why = errno;
	(void)umask(mask); // always succeeds
	if (r != 0)
		return err_set(err, "state-dir %s: control: %s", in->path, strerror(why));
	return true;
}

// Also of a socket that was handed over: the kernel then names us as who listens.
static bool
listen_on_control(struct instance *in, struct err *err)
{
	return in->control < 0 || listen(in->control, BACKLOG) == 0 ||
	       err_set(err, "state-dir %s: control: listen: %s", in->path, strerror(errno));
}

// --- the successor's side ------------------------------------------------------------------------

static bool
peer_of(int fd, struct ucred *cred)
{
	socklen_t n = sizeof(*cred);
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, cred, &n) == 0;
}

static void
name_strangers(const struct instance_spec *spec, const char *path, int64_t holder)
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
	control_address(in, &a);
	in->before = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (in->before < 0)
		return err_set(err, "socket: %s", strerror(errno));
	// Others may queue before us; without the bound we would wait longer for one that hangs.
	(void)setsockopt(in->before, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound));
	if (connect(in->before, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    !peer_of(in->before, &cred))
		return err_set(err, "control: %s", strerror(errno));
	if (cred.uid != geteuid() && cred.uid != 0)
		return err_set(err, "control belongs to user %u", (unsigned)cred.uid);
	name_strangers(spec, in->path, cred.pid);
	struct channel_msg m = {.type = CHANNEL_TAKE, .kind = spec->end_at_once, .fd = -1};
	return channel_send(in->before, &m, true) || err_set(err, "control: it went away");
}

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

// Either the lock is free or somebody hands it over; who is about to end does neither for a moment.
static bool
take_lock(struct instance *in, const struct instance_spec *spec, struct heritage *kept,
	  struct err *err)
{
	static const struct timespec pause = {.tv_nsec = 10 * NS_PER_MS};
	uint64_t begin_ns = clock_mono_ns(), end_ns = begin_ns + PATIENCE_NS;
	bool told = false;
	for (;;) {
		if (flock(in->lock, LOCK_EX | LOCK_NB) == 0)
			return make_control(in, err);
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_set(err, "state-dir %s: lock: %s", in->path, strerror(errno));
		struct err why = {{0}};
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

static const struct {
	struct str prefix;
	enum heritage_kind kind;
	bool whole_name; // the item is named like its file
} files[] = {
    {{HERITAGE_STATS_PREFIX, sizeof(HERITAGE_STATS_PREFIX) - 1}, HERITAGE_ENDED, true},
    {{HERITAGE_MAP_PREFIX, sizeof(HERITAGE_MAP_PREFIX) - 1}, HERITAGE_MAP, false},
};

static void
add_file(struct instance *in, struct heritage *kept, const char *name, unsigned number)
{
	struct str item = str_from_c(name);
	size_t k = 0;
	if (str_starts(item, STR(HALF_WRITTEN)))
		(void)unlinkat(in->dir, name, 0); // nobody writes it any more
	while (k < ARRAY_LEN(files) && !str_starts(item, files[k].prefix))
		k++;
	if (k == ARRAY_LEN(files))
		return; // the lock, the socket
	if (!files[k].whole_name)
		item = str_slice(item, files[k].prefix.n, item.n);
	unsigned slot = files[k].kind == HERITAGE_ENDED ? number : 0;
	struct stat st;
	// A pipe of that name shall not hold us up.
	int fd = openat(in->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	bool is_file = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	if (!is_file)
		log_msg(LOG_WARNING, "state-dir %s: %s is left out: %s", in->path, name,
			fd < 0 ? strerror(errno) : "not a regular file");
	if (fd >= 0 &&
	    (!is_file || !heritage_add(kept, files[k].kind, slot, item, fd, HERITAGE_KEPT)))
		(void)close(fd); // or a name that is none of ours
}

// What the last service here left: nobody counts in it any more.
static void
find_files(struct instance *in, struct heritage *kept)
{
	struct dirent **entries = NULL;
	int n = scandirat(in->dir, ".", &entries, NULL, alphasort); // counters by age
	for (int i = 0; i < n; i++) {
		add_file(in, kept, entries[i]->d_name, (unsigned)i);
		mem_free(entries[i]);
	}
	mem_free(entries);
}

static bool
write_whole(int fd, struct str text)
{
	while (text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text = str_slice(text, (size_t)n, text.n);
	}
	return true;
}

bool
instance_save(struct instance *in, const char *name, struct str text, struct err *err)
{
	char tmp[32];
	(void)snprintf(tmp, sizeof(tmp), HALF_WRITTEN "%08x", (unsigned)getpid());
	int fd = openat(in->dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool good = fd >= 0 && write_whole(fd, text);
	int why = errno;
	if (fd >= 0 && close(fd) != 0 && good) {
		why = errno;
		good = false;
	}
	if (good && renameat(in->dir, tmp, in->dir, name) == 0)
		return true;
	why = good ? errno : why;
	(void)unlinkat(in->dir, tmp, 0); // may not be there
	return err_set(err, "state-dir %s: %s: %s", in->path, name, strerror(why));
}

static void
add_dir(struct instance *in, struct heritage *kept)
{
	int fd = fcntl(in->dir, F_DUPFD_CLOEXEC, 0);
	if (fd >= 0)
		(void)heritage_add(kept, HERITAGE_DIR, 0, STR_NULL, fd, HERITAGE_KEPT); // no name
}

struct instance *
instance_enter(const struct instance_spec *spec, struct heritage *kept, struct err *err)
{
	struct instance *in = MEM_NEW(struct instance);
	in->magic = INSTANCE_MAGIC;
	in->path = mem_strdup(spec->path);
	in->dir = in->lock = in->his_lock = in->control = in->before = in->after = -1;
	if (open_dir(in, err) && open_lock(in, err) && take_lock(in, spec, kept, err) &&
	    listen_on_control(in, err)) {
		if (in->before < 0) {
			name_strangers(spec, in->path, -1);
			find_files(in, kept);
			add_dir(in, kept);
		}
		return in;
	}
	in->given_away = true; // what is there is another's
	instance_leave(&in);
	return NULL;
}

// --- the predecessor's side ----------------------------------------------------------------------

static void accept_next(struct instance *in);

static void
after_stopped(struct watch *w)
{
	struct instance *in = CONTAINER_OF(w, struct instance, on_after);
	(void)close(in->after); // he hung up
	in->after = -1;
	// He had it say that he listens (listen_on_control); we do.
	(void)listen(in->control, BACKLOG);
	accept_next(in);
}

static bool
send_item(const struct instance *in, enum heritage_kind kind, unsigned slot, struct str name,
	  int fd)
{
	struct channel_msg m = {
	    .type = CHANNEL_MADE, .kind = kind, .number = slot, .fd = fd, .text = name};
	return channel_send(in->after, &m, true);
}

static void
hand_over(struct instance *in)
{
	bool good = send_item(in, HERITAGE_LOCK, 0, STR_NULL, in->lock) &&
		    send_item(in, HERITAGE_CONTROL, 0, STR_NULL, in->control);
	for (size_t i = 0; good && i < in->kept->n; i++) {
		const struct heritage_item *it = &in->kept->items[i];
		good = send_item(in, it->kind, it->slot, str_from_c(it->name), it->fd);
	}
	struct channel_msg m = {.type = CHANNEL_READY, .fd = -1};
	if (!good || !channel_send(in->after, &m, true))
		log_msg(LOG_WARNING, "a tidegate that wants to take over does not listen");
}

static void
on_after(struct watch *w)
{
	struct instance *in = CONTAINER_OF(w, struct instance, on_after);
	struct channel_msg m;
	enum channel_status s;
	CHECK_MAGIC(in, INSTANCE_MAGIC);
	while ((s = channel_receive(in->after, &m)) == CHANNEL_GOT || s == CHANNEL_LOST) {
		if (s == CHANNEL_LOST)
			continue; // brings a descriptor, which is none of his business
		if (m.fd >= 0)
			(void)close(m.fd); // not asked for
		if (m.type == CHANNEL_TAKE) {
			hand_over(in);
		} else if (m.type == CHANNEL_RETIRE && !in->given_away) {
			in->given_away = true;
			in->hooks.taken(in->hooks.arg, m.kind != 0);
		}
	}
	if (s == CHANNEL_CLOSED && !in->given_away)
		loop_unwatch(w, after_stopped);
}

// One at a time: the next one takes over from whom this one makes the holder.
static void
accept_next(struct instance *in)
{
	static const struct timeval bound = {.tv_sec = SEND_S};
	struct ucred cred;
	while (in->control >= 0 && in->after < 0 && in->serving && !in->given_away) {
		int fd = accept4(in->control, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			return;
		if (!peer_of(fd, &cred) || (cred.uid != geteuid() && cred.uid != 0)) {
			(void)close(fd); // no business of his
			continue;
		}
		// He could stop reading; a failure only means that we may wait longer for him.
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound));
		in->after = fd;
		loop_watch(in->loop, &in->on_after, fd, on_after);
	}
}

static void
on_control(struct watch *w)
{
	accept_next(CONTAINER_OF(w, struct instance, on_control));
}

// --- both ----------------------------------------------------------------------------------------

static void
on_before(struct watch *w)
{
	struct instance *in = CONTAINER_OF(w, struct instance, on_before);
	struct channel_msg m;
	enum channel_status s;
	while ((s = channel_receive(in->before, &m)) == CHANNEL_GOT || s == CHANNEL_LOST)
		if (s == CHANNEL_GOT && m.fd >= 0)
			(void)close(m.fd); // not asked for
	if (s == CHANNEL_CLOSED)
		in->hooks.gone(in->hooks.arg);
	in->hooks.look(in->hooks.arg);
}

void
instance_serve(struct instance *in, struct loop *loop, struct heritage *kept,
	       const struct instance_hooks *hooks)
{
	CHECK_MAGIC(in, INSTANCE_MAGIC);
	in->loop = loop;
	in->kept = kept;
	in->hooks = *hooks;
	if (in->control >= 0)
		loop_watch(loop, &in->on_control, in->control, on_control);
	if (in->before >= 0)
		loop_watch(loop, &in->on_before, in->before, on_before);
}

void
instance_ready(struct instance *in)
{
	CHECK_MAGIC(in, INSTANCE_MAGIC);
	struct channel_msg m = {.type = CHANNEL_RETIRE, .fd = -1};
	if (in->before >= 0)
		(void)channel_send(in->before, &m, true); // gone: as well
	in->serving = true;
	accept_next(in);
}

void
instance_deaf(struct instance *in)
{
	CHECK_MAGIC(in, INSTANCE_MAGIC);
	struct channel_msg m = {.type = CHANNEL_DEAF, .fd = -1};
	if (in->after >= 0)
		(void)channel_send(in->after, &m, false); // he looks again at our end
}

int
instance_dir(const struct instance *in)
{
	return in->dir;
}

void
instance_leave(struct instance **ip)
{
	struct instance *in = *ip;
	*ip = NULL;
	if (in == NULL)
		return;
	CHECK_MAGIC(in, INSTANCE_MAGIC);
	// Until we serve, it is the predecessor's; later the successor's.
	bool holds = (in->before < 0 || in->serving) && !in->given_away;
	if (holds && in->control >= 0)
		(void)unlinkat(in->dir, "control", 0); // a successor would replace it
	const int fds[] = {in->before, in->after, in->control, in->his_lock, in->lock, in->dir};
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]); // nothing to flush
	in->magic = 0;
	mem_free(in->path);
	mem_free(in);
}
