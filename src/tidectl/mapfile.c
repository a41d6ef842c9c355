// SPDX-License-Identifier: MIT
// tidectl map save, acl save: the entries that the proxy has now, written back to the file they
// came from, so that the next start begins with them. Here and not in the proxy, which may run
// without the right to write its configuration. The file changes as a whole or not at all; comments
// that stood in it are lost. A file that somebody edited since the proxy read it is left alone: the
// proxy is told the hash of its text, and refuses when it knows another.
#include "tidectl/mapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "tidectl/link.h"

#define CAP_BYTES ((size_t)2 << 30)

static int
complain(const char *path, const char *what)
{
	fprintf(stderr, "tidectl: %s: %s\n", path, what);
	return EXIT_REFUSED;
}

// What is to be replaced: a link's target, with its mode and owner.
struct target {
	char path[PATH_MAX];
	bool exists;
	struct stat st;
};

static bool
find_target(const char *path, bool may_be_new, struct target *t)
{
	t->exists = realpath(path, t->path) != NULL;
	if (!t->exists && errno == ENOENT && may_be_new && strlen(path) < sizeof(t->path)) {
		memcpy(t->path, path, strlen(path) + 1);
		return true;
	}
	return t->exists && stat(t->path, &t->st) == 0;
}

// As the proxy hashes what it reads.
static bool
hash_file(const struct target *t, uint64_t *hash)
{
	int fd = open(t->path, O_RDONLY | O_CLOEXEC);
	char *text = mem_alloc((size_t)t->st.st_size + 1);
	size_t n = 0;
	ssize_t more = fd >= 0 ? 1 : -1;
	while (more > 0 && n < (size_t)t->st.st_size) {
		more = read(fd, text + n, (size_t)t->st.st_size - n);
		n += more > 0 ? (size_t)more : 0;
	}
	*hash = hash_bytes(text, n, 0);
	int why = errno;
	mem_free(text);
	if (fd >= 0)
		(void)close(fd); // only read
	errno = why;
	return more >= 0;
}

// Nobody else wrote it since.
static bool
is_unchanged(const struct target *t)
{
	struct stat now;
	if (stat(t->path, &now) != 0)
		return !t->exists && errno == ENOENT;
	return t->exists && now.st_ino == t->st.st_ino && now.st_size == t->st.st_size &&
	       now.st_mtim.tv_sec == t->st.st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == t->st.st_mtim.tv_nsec;
}

// Lines without the empty ones that end an answer.
static struct str
lines_of(struct str text)
{
	while (text.n > 1 && text.p[text.n - 1] == '\n' && text.p[text.n - 2] == '\n')
		text.n--;
	return text.n == 1 && text.p[0] == '\n' ? STR("") : text;
}

static bool
write_lines(int fd, struct str text)
{
	while (text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);
		if (n < 0 && errno != EINTR)
			return false;
		text = str_slice(text, n > 0 ? (size_t)n : 0, text.n);
	}
	return fsync(fd) == 0;
}

// The owner stays where we may give it away: else the file is ours, as with an editor.
static bool
write_fresh(const char *fresh, const struct target *t, struct str text)
{
	mode_t mode = t->exists ? t->st.st_mode & 07777 : 0644;
	int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	if (t->exists && fchown(fd, t->st.st_uid, t->st.st_gid) != 0)
		mode &= 0777;
	bool good = fchmod(fd, mode) == 0 && write_lines(fd, text);
	int why = errno;
	good &= close(fd) == 0 || (why = errno, false);
	errno = why;
	return good;
}

// Beside the file, and in its place once it is on the disk.
static int
save(const struct target *t, struct str text)
{
	char fresh[PATH_MAX + 32];
	(void)snprintf(fresh, sizeof(fresh), "%s.%d.new", t->path, (int)getpid());
	(void)signal(SIGXFSZ, SIG_IGN); // a limit on files is an error as any other
	bool written = write_fresh(fresh, t, text);
	if (written && !is_unchanged(t)) {
		(void)unlink(fresh); // what is left of the attempt
		return complain(t->path,
				"was changed while it was saved, and is left as it is now");
	}
	if (written && rename(fresh, t->path) == 0)
		return EXIT_DONE;
	int status = complain(written ? t->path : fresh, strerror(errno));
	(void)unlink(fresh);
	return status;
}

// The file that a set is named by; NULL: by none.
static const char *
file_of_name(const char *name)
{
	struct str s = str_from_c(name);
	if (str_starts(s, STR("virt@")) || str_starts(s, STR("#")))
		return NULL;
	return str_starts(s, STR("file@"))  ? name + 5
	       : str_starts(s, STR("opt@")) ? name + 4
					    : name;
}

// The target is the file that the set is named by.
static bool
is_own(const struct target *t, const char *name)
{
	char own[PATH_MAX];
	const char *path = file_of_name(name);
	return path != NULL && realpath(path, own) != NULL && strcmp(own, t->path) == 0;
}

// The proxy counts changes from this text on.
static int
tell_saved(const char *socket, const struct request *r, int timeout_ms, struct str text)
{
	char hash[24];
	char *words[] = {(char *)(uintptr_t) "saved", (char *)(uintptr_t)r->verb->name,
			 (char *)(uintptr_t)r->argv[1], hash};
	struct request told;
	struct sbuf answer;
	struct err err;
	(void)snprintf(hash, sizeof(hash), "%lld", (long long)hash_str(text));
	request_init(&told);
	sbuf_init(&answer, 4096);
	int status = EXIT_USAGE;
	if (request_raw(&told, (int)ARRAY_LEN(words), words, &err))
		status = link_collect(socket, &told, timeout_ms, &answer);
	sbuf_fini(&answer);
	request_fini(&told);
	return status;
}

static int
collect(const char *socket, struct request *r, int timeout_ms, const struct target *t,
	struct sbuf *text)
{
	struct err err;
	uint64_t hash;
	if (!request_build(r, &err)) {
		fprintf(stderr, "tidectl: %s\n", err.text);
		return EXIT_USAGE;
	}
	bool checks = t->exists && !r->force && is_own(t, r->argv[1]);
	if (checks && !hash_file(t, &hash))
		return complain(t->path, strerror(errno));
	if (checks)
		sbuf_printf(&r->line, " %lld", (long long)hash);
	int status = link_collect(socket, r, timeout_ms, text);
	if (status == EXIT_REFUSED && checks)
		fprintf(stderr,
			"tidectl: %s is left as it is. If it was edited: `tidectl reload --config` "
			"reads it, --force overwrites it\n",
			t->path);
	return status;
}

// The name of set "#N", as "show map" lists it: "N (NAME) ...". Null: there is none of that number
// (false: nor an answer, *status says why), "" for one without a name.
static bool
name_of_number(const char *socket, const struct request *r, int timeout_ms, struct str *name,
	       struct sbuf *list, int *status)
{
	char *words[] = {(char *)(uintptr_t) "show", (char *)(uintptr_t)r->verb->name};
	struct request ask;
	struct err err;
	struct str line, number = str_from_c(r->argv[1] + 1);
	request_init(&ask);
	*name = STR_NULL;
	*status = request_raw(&ask, (int)ARRAY_LEN(words), words, &err)
		      ? link_collect(socket, &ask, timeout_ms, list)
		      : EXIT_USAGE;
	request_fini(&ask);
	for (struct str rest = sbuf_str(list); rest.n > 0 && str_next(&rest, '\n', &line);) {
		size_t open = str_find(line, STR(" (")), close = str_find(line, STR(") "));
		if (open != SIZE_MAX && close != SIZE_MAX && close > open &&
		    str_eq(str_slice(line, 0, open), number))
			*name = str_slice(line, open + 2, close);
	}
	return *status == EXIT_DONE;
}

// A number becomes the name that it stands for; `buf` keeps it.
static int
resolve_number(const char *socket, struct request *r, int timeout_ms, char buf[PATH_MAX])
{
	struct sbuf list;
	struct str name;
	int status;
	sbuf_init(&list, 1u << 24);
	if (name_of_number(socket, r, timeout_ms, &name, &list, &status)) {
		if (name.p == NULL)
			status = complain(r->argv[1], "no set has that number: 'tidectl cli show "
						      "map' and 'show acl' list them");
		else if (name.n > 0 && name.n < PATH_MAX) {
			(void)snprintf(buf, PATH_MAX, "%.*s", STR_ARG(name));
			r->argv[1] = buf;
		}
	}
	sbuf_fini(&list);
	return status;
}

int
mapfile_perform(const char *socket, struct request *r, int timeout_ms)
{
	if (r->argc < 2 || strcmp(r->argv[0], "save") != 0) {
		fprintf(stderr, "usage: tidectl %s save NAME [FILE] [--force]\n", r->verb->name);
		return EXIT_USAGE;
	}
	bool said = r->argc > 2;
	char named[PATH_MAX];
	if (r->argv[1][0] == '#') {
		int found = resolve_number(socket, r, timeout_ms, named);
		if (found != EXIT_DONE)
			return found;
	}
	const char *path = said ? r->argv[2] : file_of_name(r->argv[1]);
	struct target target;
	if (path == NULL)
		return complain(r->argv[1], "names no file: say which one to write");
	// A name without a folder counts from where the proxy was started: no new file elsewhere.
	if (!find_target(path, said || path[0] == '/', &target))
		return complain(path,
				said || errno != ENOENT
				    ? strerror(errno)
				    : "No such file; a set has the name of its file: 'tidectl "
				      "cli show map' and 'show acl' list them");
	struct sbuf text;
	sbuf_init(&text, CAP_BYTES);
	int status = collect(socket, r, timeout_ms, &target, &text);
	struct str lines = lines_of(sbuf_str(&text));
	if (status == EXIT_DONE)
		status =
		    text.full ? complain(path, "the answer is too large") : save(&target, lines);
	if (status == EXIT_DONE && is_own(&target, r->argv[1]))
		status = tell_saved(socket, r, timeout_ms, lines);
	sbuf_fini(&text);
	return status;
}
