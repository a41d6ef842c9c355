// SPDX-License-Identifier: MIT
// The descriptor of a table by its path. What forbids it is told with whose it is, and who asks.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/user.h"
#include "vars/table_priv.h"

// errno says why the file could not be opened.
static int
refused(const char *path, struct tidevars_error *err)
{
	struct stat st;
	char owner[64], self[64];
	if (errno == EISDIR)
		return vars_fail(err, TIDEVARS_BAD_FILE, "%s is not a regular file", path);
	int saved = errno;
	bool known = saved == EACCES && stat(path, &st) == 0;
	if (known) {
		user_name(st.st_uid, owner, sizeof(owner));
		user_name(geteuid(), self, sizeof(self));
	}
	errno = saved;
	if (!known)
		return vars_fail_sys(err, "%s: cannot open the variable table", path);
	return vars_fail_sys(err,
			     "%s: cannot open the variable table, which is %s's (mode %03o, group "
			     "%u), as %s",
			     path, owner, (unsigned)st.st_mode & 0777, st.st_gid, self);
}

int
vars_cannot_create(const char *path, struct tidevars_error *err)
{
	return vars_fail_sys(err, "%s: cannot create the variable table%s", path,
			     errno == ENOENT   ? ": its folder is missing"
			     : errno == EACCES ? ": its folder is not writable"
					       : "");
}

int
vars_open_path(const struct tidevars_options *o, int *fd, struct tidevars_error *err)
{
	int mode = (o->flags & TIDEVARS_READ_ONLY) != 0 ? O_RDONLY : O_RDWR;
	for (int i = 0; i < 3; i++) {
		*fd = open(o->path, mode | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (*fd >= 0)
			return TIDEVARS_OK;
		if (errno != ENOENT || (o->flags & TIDEVARS_CREATE) == 0)
			break;
		int status = vars_create_file(o, err);
		if (status != TIDEVARS_OK)
			return status;
	}
	return refused(o->path, err);
}
