// SPDX-License-Identifier: MIT
// A vector of rows; there are a few for each address and worker, so a walk finds them.
#include "master/heritage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sbuf.h"

#define VERSION_LINE "tidegate-heritage 1\n"
#define MAX_ITEMS    65536

static const char *const kind_names[HERITAGE_KINDS] = {
    [HERITAGE_SOCKET] = "socket",   [HERITAGE_VARS] = "vars",
    [HERITAGE_STATS] = "stats",     [HERITAGE_ENDED] = "ended",
    [HERITAGE_DIR] = "dir",         [HERITAGE_MAP] = "map",
    [HERITAGE_CONFIG] = "config",   [HERITAGE_POLICY] = "policy",
    [HERITAGE_MASTER] = "master",   [HERITAGE_LOCK] = "lock",
    [HERITAGE_CONTROL] = "control", [HERITAGE_VARS_FILE] = "vars-file",
    [HERITAGE_STICK] = "stick",
};

const char *
heritage_kind_name(enum heritage_kind kind)
{
	ASSERT(kind < HERITAGE_KINDS);
	return kind_names[kind];
}

void
heritage_init(struct heritage *h)
{
	*h = (struct heritage){0};
}

void
heritage_fini(struct heritage *h)
{
	while (h->n > 0)
		heritage_drop(h, h->n - 1, false);
	mem_free(h->items);
	*h = (struct heritage){0};
}

bool
heritage_add(struct heritage *h, enum heritage_kind kind, unsigned slot, struct str name, int fd,
	     enum heritage_mark mark)
{
	ASSERT(kind < HERITAGE_KINDS);
	if (name.n > HERITAGE_NAME_MAX || str_find_byte(name, '\n') != SIZE_MAX ||
	    str_find_byte(name, '\0') != SIZE_MAX || h->n >= MAX_ITEMS)
		return false;
	VEC_GROW(h->items, h->cap, h->n);
	char *copy = mem_alloc(name.n + 1);
	if (name.n > 0)
		memcpy(copy, name.p, name.n);
	copy[name.n] = '\0';
	h->items[h->n++] = (struct heritage_item){
	    .kind = kind, .mark = mark, .slot = slot, .fd = fd, .name = copy};
	return true;
}

struct heritage_item *
heritage_find(struct heritage *h, enum heritage_kind kind, unsigned slot, struct str name)
{
	for (size_t i = 0; i < h->n; i++) {
		struct heritage_item *it = &h->items[i];
		if (it->kind == kind && it->slot == slot && it->mark == HERITAGE_KEPT &&
		    it->fd >= 0 && str_eq(str_from_c(it->name), name))
			return it;
	}
	return NULL;
}

void
heritage_drop(struct heritage *h, size_t i, bool unlink_path)
{
	ASSERT(i < h->n);
	struct heritage_item *it = &h->items[i];
	if (it->fd >= 0)
		(void)close(it->fd); // a listening socket, or memory: nothing to flush
	bool listens = it->kind == HERITAGE_SOCKET || it->kind == HERITAGE_MASTER;
	if (unlink_path && listens && strncmp(it->name, "unix@/", 6) == 0)
		(void)unlink(it->name + 5); // somebody may have been faster
	mem_free(it->name);
	memmove(it, it + 1, (h->n - i - 1) * sizeof(*it));
	h->n--;
}

void
heritage_move(struct heritage *to, struct heritage *from)
{
	for (size_t i = 0; i < from->n; i++) {
		VEC_GROW(to->items, to->cap, to->n);
		to->items[to->n++] = from->items[i];
	}
	from->n = 0;
}

size_t
heritage_count(const struct heritage *h, enum heritage_kind kind)
{
	size_t n = 0;
	for (size_t i = 0; i < h->n; i++)
		n += h->items[i].kind == kind;
	return n;
}

// --- as text -------------------------------------------------------------------------------------

void
heritage_write(const struct heritage *h, struct sbuf *out)
{
	sbuf_add(out, STR(VERSION_LINE));
	for (size_t i = 0; i < h->n; i++) {
		const struct heritage_item *it = &h->items[i];
		sbuf_printf(out, "%s %u %d %s\n", kind_names[it->kind], it->slot, it->fd, it->name);
	}
}

static bool
kind_parse(struct str word, enum heritage_kind *out)
{
	for (size_t i = 0; i < HERITAGE_KINDS; i++) {
		if (str_eq(str_from_c(kind_names[i]), word)) {
			*out = (enum heritage_kind)i;
			return true;
		}
	}
	return false;
}

static bool
read_line(struct heritage *h, struct str line, struct err *err)
{
	struct str rest = line, kind_word, slot_word, fd_word;
	enum heritage_kind kind;
	int64_t slot, fd;
	if (!str_next(&rest, ' ', &kind_word) || !str_next(&rest, ' ', &slot_word) ||
	    !str_next(&rest, ' ', &fd_word) || !kind_parse(kind_word, &kind) ||
	    !str_to_int(slot_word, &slot) || slot < 0 || slot > UINT32_MAX ||
	    !str_to_int(fd_word, &fd) || fd < 0 || fd > INT32_MAX)
		return err_set(err, "'%.*s' is no line of a heritage", STR_ARG(line));
	if (fcntl((int)fd, F_SETFD, FD_CLOEXEC) != 0)
		return err_set(err, "descriptor %d of '%.*s': %s", (int)fd, STR_ARG(line),
			       strerror(errno));
	return heritage_add(h, kind, (unsigned)slot, rest, (int)fd, HERITAGE_KEPT) ||
	       err_set(err, "'%.*s' is too long for a heritage", STR_ARG(rest));
}

bool
heritage_read(struct heritage *h, struct str text, struct err *err)
{
	struct str line;
	if (!str_starts(text, STR(VERSION_LINE)))
		return err_set(err, "the heritage is of another tidegate's version");
	text = str_slice(text, sizeof(VERSION_LINE) - 1, text.n);
	while (text.n > 0 && str_next(&text, '\n', &line))
		if (line.n > 0 && !read_line(h, line, err))
			return false;
	return true;
}

// --- texts ---------------------------------------------------------------------------------------

int
heritage_text_new(const char *name, struct str text, struct err *err)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		err_set(err, "memfd_create: %s", strerror(errno));
		return -1;
	}
	for (size_t at = 0; at < text.n;) {
		ssize_t n = write(fd, text.p + at, text.n - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			err_set(err, "%s: %s", name, n < 0 ? strerror(errno) : "no memory");
			(void)close(fd); // of no use
			return -1;
		}
		at += (size_t)n;
	}
	// A wish only: who gets it reads a text that stands.
	(void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	return fd;
}

bool
heritage_text_read(int fd, size_t most, struct str *out, struct err *err)
{
	struct stat st;
	*out = STR_NULL;
	if (fstat(fd, &st) != 0)
		return err_set(err, "a kept text: %s", strerror(errno));
	if (st.st_size < 0 || (size_t)st.st_size > most)
		return err_set(err, "a kept text has %lld bytes, at most %zu",
			       (long long)st.st_size, most);
	size_t n = (size_t)st.st_size, at = 0;
	char *p = mem_alloc(n + 1);
	while (at < n) {
		ssize_t got = pread(fd, p + at, n - at, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			mem_free(p);
			return err_set(err, "a kept text: %s",
				       got < 0 ? strerror(errno) : "it is cut short");
		}
		at += (size_t)got;
	}
	p[n] = '\0';
	*out = str_of(p, n);
	return true;
}
