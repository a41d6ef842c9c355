// SPDX-License-Identifier: MIT
// Born with an environment variable that names two descriptors: the channel, and the list of what
// is kept.
#include "master/link.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

#define MAX_HERITAGE_BYTES (64u << 20)

static const char *const start_names[MASTER_STARTS] = {
    [MASTER_FIRST] = "first",
    [MASTER_RELOAD] = "reload",
    [MASTER_RESTART] = "restart",
};

const char *
master_start_name(enum master_start start)
{
	ASSERT(start < MASTER_STARTS);
	return start_names[start];
}

static bool
next_number(struct str *rest, int64_t most, int64_t *out)
{
	struct str word;
	return str_next(rest, ' ', &word) && str_to_int(word, out) && *out >= 0 && *out <= most;
}

static bool
read_env(struct link *l, const char *value, int *list_fd)
{
	struct str rest = str_from_c(value), word;
	int64_t number, channel, list;
	if (!next_number(&rest, UINT32_MAX, &number) || !str_next(&rest, ' ', &word) ||
	    !next_number(&rest, INT32_MAX, &channel) || !next_number(&rest, INT32_MAX, &list))
		return false;
	for (size_t i = 0; i < MASTER_STARTS; i++) {
		if (!str_eq(word, str_from_c(start_names[i])))
			continue;
		l->number = (unsigned)number;
		l->start = (enum master_start)i;
		l->fd = (int)channel;
		*list_fd = (int)list;
		return fcntl(l->fd, F_SETFD, FD_CLOEXEC) == 0;
	}
	return false;
}

static int
find_socket(void *arg, const char *address, unsigned slot)
{
	return link_take(arg, HERITAGE_SOCKET, slot, str_from_c(address));
}

static void
made_socket(void *arg, const char *address, unsigned slot, int fd)
{
	link_made(arg, HERITAGE_SOCKET, slot, str_from_c(address), fd);
}

bool
link_open(struct link **out, struct err *err)
{
	const char *value = getenv(LINK_ENV);
	struct str text = STR_NULL;
	int list_fd = -1;
	*out = NULL;
	if (value == NULL)
		return true;
	struct link *l = MEM_NEW(struct link);
	l->magic = LINK_MAGIC;
	l->fd = -1;
	l->keeper = (struct listener_keeper){.find = find_socket, .made = made_socket, .arg = l};
	heritage_init(&l->kept);
	bool good = read_env(l, value, &list_fd) ||
		    err_set(err, LINK_ENV " is for a master to set, not '%.100s'", value);
	good = good && heritage_text_read(list_fd, MAX_HERITAGE_BYTES, &text, err) &&
	       heritage_read(&l->kept, text, err);
	if (list_fd >= 0)
		(void)close(list_fd); // read through
	mem_free((void *)(uintptr_t)text.p);
	(void)unsetenv(LINK_ENV); // not for scripts to see
	if (!good)
		link_free(&l);
	*out = l;
	return good;
}

void
link_free(struct link **lp)
{
	struct link *l = *lp;
	*lp = NULL;
	if (l == NULL)
		return;
	CHECK_MAGIC(l, LINK_MAGIC);
	log_set_sink(NULL, NULL);
	heritage_fini(&l->kept);
	if (l->fd >= 0)
		(void)close(l->fd); // the master takes it for our end
	l->magic = 0;
	mem_free(l);
}

int
link_use(struct link *l, enum heritage_kind kind, unsigned slot, struct str name)
{
	CHECK_MAGIC(l, LINK_MAGIC);
	struct heritage_item *it = heritage_find(&l->kept, kind, slot, name);
	if (it == NULL)
		return -1;
	it->mark = HERITAGE_TAKEN;
	struct channel_msg m = {
	    .type = CHANNEL_TAKEN, .kind = kind, .number = slot, .fd = -1, .text = name};
	(void)channel_send(l->fd, &m, true); // without a master there is nobody to tell
	return it->fd;
}

int
link_take(struct link *l, enum heritage_kind kind, unsigned slot, struct str name)
{
	struct heritage_item *it = heritage_find(&l->kept, kind, slot, name);
	int fd = link_use(l, kind, slot, name);
	if (it != NULL)
		it->fd = -1;
	return fd;
}

void
link_made(struct link *l, enum heritage_kind kind, unsigned slot, struct str name, int fd)
{
	CHECK_MAGIC(l, LINK_MAGIC);
	struct channel_msg m = {
	    .type = CHANNEL_MADE, .kind = kind, .number = slot, .fd = fd, .text = name};
	(void)channel_send(l->fd, &m, true); // as above
}

bool
link_made_text(struct link *l, enum heritage_kind kind, unsigned slot, struct str name,
	       struct str text, struct err *err)
{
	int fd = heritage_text_new(heritage_kind_name(kind), text, err);
	if (fd < 0)
		return err_wrap(err, "%s '%.*s' cannot be kept", heritage_kind_name(kind),
				STR_ARG(name));
	link_made(l, kind, slot, name, fd);
	(void)close(fd); // the master has it
	return true;
}

void
link_tell(struct link *l, enum channel_type type, uint32_t number, struct str text)
{
	CHECK_MAGIC(l, LINK_MAGIC);
	struct channel_msg m = {.type = type, .number = number, .fd = -1, .text = text};
	(void)channel_send(l->fd, &m, true); // as above
}

static void
log_sink(enum log_level level, const char *line, void *arg)
{
	struct link *l = arg;
	if (level != LOG_DOING)
		log_write(level, line);
	if (atomic_load_explicit(&l->telling, memory_order_relaxed))
		link_tell(l, level == LOG_DOING ? CHANNEL_STATUS : CHANNEL_LOG, level,
			  str_from_c(line));
}

void
link_log_begin(struct link *l)
{
	atomic_store_explicit(&l->telling, true, memory_order_relaxed);
	log_set_sink(log_sink, l);
}

void
link_ready(struct link *l, const struct link_terms *terms, struct str text)
{
	atomic_store_explicit(&l->telling, false, memory_order_relaxed);
	link_tell(l, CHANNEL_TERMS, 0, str_of((const char *)terms, sizeof(*terms)));
	link_tell(l, CHANNEL_READY, 0, text);
}
