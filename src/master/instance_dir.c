// SPDX-License-Identifier: MIT
// The state directory: what stands in it for whoever serves, and what outlives him there.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/user.h"
#include "master/instance_priv.h"

#define BACKLOG 128
// In the names of files that get their own when they are whole.
#define HALF_WRITTEN "new-"

// --- the directory -------------------------------------------------------------------------------

// errno says why; who was refused is half of it.
static bool
refused(const struct instance *in, const char *what, struct err *err)
{
	char self[64];
	int why = errno;
	user_name(geteuid(), self, sizeof(self));
	return err_set(err, "state-dir %s: %s%s%s%s", in->path, what, strerror(why),
		       why == EACCES ? ", as user " : "", why == EACCES ? self : "");
}

bool
instance_open_dir(struct instance *in, struct err *err)
{
	if (mkdir(in->path, 0750) != 0 && errno != EEXIST)
		return refused(in, "mkdir: ", err);
	in->dir = open(in->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return in->dir >= 0 || refused(in, "", err);
}

bool
instance_open_lock(struct instance *in, struct err *err)
{
	in->lock = openat(in->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (in->lock < 0 && errno == EROFS)
		in->lock = openat(in->dir, "lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return in->lock >= 0 || refused(in, "lock: ", err);
}

// --- the control socket --------------------------------------------------------------------------

// Beneath the open directory, however long its path is.
void
instance_control_address(const struct instance *in, struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	(void)snprintf(a->sun_path, sizeof(a->sun_path), "/proc/self/fd/%d/control", in->dir);
}

// We hold the lock: what stands there is a dead one's.
bool
instance_make_control(struct instance *in, struct err *err)
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
	instance_control_address(in, &a);
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
bool
instance_listen(struct instance *in, struct err *err)
{
	return in->control < 0 || listen(in->control, BACKLOG) == 0 ||
	       err_set(err, "state-dir %s: control: listen: %s", in->path, strerror(errno));
}

bool
instance_peer(int fd, struct ucred *cred)
{
	socklen_t n = sizeof(*cred);
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, cred, &n) == 0;
}

// --- what was removed ----------------------------------------------------------------------------

// Is the file of that name the one that we have open?
static bool
is_still_ours(const struct instance *in, const char *name, int fd)
{
	struct stat there, ours;
	return fstatat(in->dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &ours) == 0 &&
	       there.st_dev == ours.st_dev && there.st_ino == ours.st_ino;
}

static bool
lock_again(struct instance *in, struct err *err)
{
	int before = in->lock;
	if (instance_open_lock(in, err) && flock(in->lock, LOCK_EX | LOCK_NB) == 0) {
		(void)close(before); // locks a file that nobody finds
		return true;
	}
	if (in->lock >= 0) {
		err_set(err, "state-dir %s: lock: %s", in->path, strerror(errno));
		(void)close(in->lock); // another's
	}
	in->lock = before;
	return false;
}

static void
before_control(struct watch *w)
{
	struct instance *in = CONTAINER_OF(w, struct instance, on_control);
	struct err err;
	(void)close(in->control); // nobody can reach it
	in->control = -1;
	in->remaking = false;
	if (in->given_away)
		return;
	if (instance_make_control(in, &err) && instance_listen(in, &err))
		loop_watch(in->loop, &in->on_control, in->control, instance_on_control);
	else
		log_msg(LOG_ALERT, "%s", err.text);
}

void
instance_look(struct instance *in)
{
	struct err err;
	struct stat st;
	CHECK_MAGIC(in, INSTANCE_MAGIC);
	if (in->given_away || in->control < 0 || in->remaking)
		return;
	if (!is_still_ours(in, "lock", in->lock))
		log_msg(LOG_ALERT, "%s",
			lock_again(in, &err)
			    ? "state-dir: its lock had been removed: it is there again"
			    : err.text);
	if (fstatat(in->dir, "control", &st, AT_SYMLINK_NOFOLLOW) == 0)
		return;
	log_msg(LOG_ALERT, "state-dir: its control socket had been removed: it is made again");
	in->remaking = true;
	loop_unwatch(&in->on_control, before_control);
}

// --- files ---------------------------------------------------------------------------------------

static const struct {
	struct str prefix;
	enum heritage_kind kind;
	bool whole_name; // the item is named like its file
	bool written;    // by whoever serves
} files[] = {
    {{HERITAGE_STATS_PREFIX, sizeof(HERITAGE_STATS_PREFIX) - 1}, HERITAGE_ENDED, true, false},
    {{HERITAGE_MAP_PREFIX, sizeof(HERITAGE_MAP_PREFIX) - 1}, HERITAGE_MAP, false, false},
    {{HERITAGE_STICK_PREFIX, sizeof(HERITAGE_STICK_PREFIX) - 1}, HERITAGE_STICK, true, true},
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
	int how = files[k].written ? O_RDWR : O_RDONLY;
	int fd = openat(in->dir, name, how | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	bool is_file = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	if (!is_file)
		log_msg(LOG_WARNING, "state-dir %s: %s is left out: %s", in->path, name,
			fd < 0 ? strerror(errno) : "not a regular file");
	if (fd >= 0 &&
	    (!is_file || !heritage_add(kept, files[k].kind, slot, item, fd, HERITAGE_KEPT)))
		(void)close(fd); // or a name that is none of ours
}

// What the last service here left: nobody counts in it any more.
void
instance_find_files(struct instance *in, struct heritage *kept)
{
	struct dirent **entries = NULL;
	int n = scandirat(in->dir, ".", &entries, NULL, alphasort); // counters by age
	for (int i = 0; i < n; i++) {
		add_file(in, kept, entries[i]->d_name, (unsigned)i);
		mem_free(entries[i]);
	}
	mem_free(entries);
}

void
instance_add_dir(struct instance *in, struct heritage *kept)
{
	int fd = fcntl(in->dir, F_DUPFD_CLOEXEC, 0);
	if (fd >= 0)
		(void)heritage_add(kept, HERITAGE_DIR, 0, STR_NULL, fd, HERITAGE_KEPT); // no name
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
