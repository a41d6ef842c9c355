// SPDX-License-Identifier: MIT
// What this process takes over from those before it, and what it makes for those after it: counters
// and what was set at run time. In files of the state directory, where there is one, so that they
// outlive the service; else in memory that the master holds.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "main/keep_maps.h"
#include "main/keep_numbers.h"
#include "main/service.h"
#include "master/link.h"
#include "metrics/ledger.h"
#include "proxy/kept.h"

#define NAME_BYTES   64
#define PREFIX_BYTES (sizeof(HERITAGE_STATS_PREFIX) - 1)

// --- making --------------------------------------------------------------------------------------

// All of its room now: a full disk is found here, not by a worker that counts.
static bool
has_room(int fd, uint64_t bytes)
{
	errno = posix_fallocate(fd, 0, (off_t)bytes);
	return errno == 0;
}

static int
file_in_dir(int dir, const char *name, uint64_t bytes, const char *instead)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0 && has_room(fd, bytes))
		return fd;
	log_msg(LOG_ALERT, "state-dir: %s: %s: %s", name, strerror(errno), instead);
	if (fd >= 0) {
		(void)close(fd);              // empty
		(void)unlinkat(dir, name, 0); // ours
	}
	return -1;
}

int
keep_new_file(const struct service *s, const char *name, uint64_t bytes, const char *instead,
	      struct err *err)
{
	int dir = keep_dir(s->link);
	int fd = dir >= 0 ? file_in_dir(dir, name, bytes, instead) : -1;
	if (fd >= 0)
		return fd;
	fd = memfd_create(name, MFD_CLOEXEC);
	if (fd >= 0 && has_room(fd, bytes))
		return fd;
	err_set(err, "no memory for %llu bytes: %s", (unsigned long long)bytes, strerror(errno));
	if (fd >= 0)
		(void)close(fd); // empty
	return -1;
}

static bool
is_ledger(const struct heritage_item *it)
{
	return it->kind == HERITAGE_STATS || it->kind == HERITAGE_ENDED;
}

// Names tell who came after whom: the time, unless the clock was set back since.
static unsigned long long
next_stamp(const struct heritage *h)
{
	unsigned long long stamp = clock_real_ns();
	for (size_t i = 0; i < h->n; i++) {
		const char *name = h->items[i].name;
		if (is_ledger(&h->items[i]) &&
		    strncmp(name, HERITAGE_STATS_PREFIX, PREFIX_BYTES) == 0)
			stamp = MAX(stamp, strtoull(name + PREFIX_BYTES, NULL, 16) + 1);
	}
	return stamp;
}

static int
new_file(struct proxy_set *set, uint64_t bytes, struct err *err)
{
	const struct service *s = set->owner;
	char name[NAME_BYTES];
	(void)snprintf(name, sizeof(name), HERITAGE_STATS_PREFIX "%016llx-%x",
		       next_stamp(&s->link->kept), (unsigned)getpid());
	int fd =
	    keep_new_file(s, name, bytes,
			  "counters and states are in memory now; they outlive reloads and "
			  "crashes of this service, but not its stop; the next reload tries again",
			  err);
	if (fd >= 0)
		link_made(s->link, HERITAGE_STATS, s->link->number, str_from_c(name), fd);
	else
		err_wrap(err, "counters");
	return fd;
}

void
keep_begin(struct service *s)
{
	if (s->link == NULL)
		return;
	s->set->kept_file = new_file;
	s->numbers = keep_numbers_new(s);
}

// --- taking over ---------------------------------------------------------------------------------

int
keep_dir(const struct link *l)
{
	for (size_t i = 0; i < l->kept.n; i++)
		if (l->kept.items[i].kind == HERITAGE_DIR)
			return l->kept.items[i].fd;
	return -1;
}

void
keep_put_aside(const struct service *s, const char *file, const char *why)
{
	char aside[NAME_BYTES + sizeof(UNUSABLE)];
	int dir = keep_dir(s->link);
	(void)snprintf(aside, sizeof(aside), UNUSABLE "%s", file);
	bool named = dir >= 0 && file[0] != '\0' && renameat(dir, file, dir, aside) == 0;
	log_msg(LOG_ALERT, "%s%s: %s: it is left out%s%s", dir >= 0 ? "state-dir: " : "", file, why,
		named ? ", and stands as " : "", named ? aside : "");
}

// An earlier process's counters, the eldest's first.
struct earlier {
	const struct heritage_item *item;
	struct ledger *ledger; // NULL: it cannot be read, which was told
};

static size_t
open_earlier(const struct service *s, struct earlier **out)
{
	const struct heritage *h = &s->link->kept;
	struct earlier *all = mem_zalloc((h->n + 1) * sizeof(*all));
	struct err err;
	size_t n = 0;
	for (size_t i = 0; i < h->n; i++) {
		const struct heritage_item *it = &h->items[i];
		if (!is_ledger(it))
			continue;
		all[n].item = it;
		all[n].ledger = ledger_open(it->fd, &err);
		if (all[n++].ledger == NULL)
			keep_put_aside(s, it->name, err.text);
	}
	*out = all;
	return n;
}

// Whose states count: of the last process whose counters can be read.
static size_t
find_last(const struct earlier *all, size_t n)
{
	size_t last = n;
	for (size_t i = 0; i < n; i++)
		if (all[i].ledger != NULL &&
		    (last == n || all[i].item->slot >= all[last].item->slot))
			last = i;
	return last;
}

// The master drops what was added up, and keeps what is read in place.
static void
take(struct service *s, struct earlier *e, bool last)
{
	const struct heritage_item *it = e->item;
	if (e->ledger != NULL && last)
		keep_numbers_take(s->numbers, e->ledger);
	if (e->ledger != NULL)
		kept_take(s->set, &e->ledger, it->kind == HERITAGE_ENDED, last);
	if (it->kind == HERITAGE_STATS)
		(void)link_use(s->link, it->kind, it->slot, str_from_c(it->name)); // it is there
}

void
keep_take_over(struct service *s)
{
	struct earlier *all;
	if (s->link == NULL)
		return;
	s->maps = keep_maps_new(s);
	size_t n = open_earlier(s, &all), last = find_last(all, n);
	for (size_t i = 0; i < n; i++)
		take(s, &all[i], i == last);
	mem_free(all);
}
