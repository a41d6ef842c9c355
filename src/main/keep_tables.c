// SPDX-License-Identifier: MIT
// Stick tables from process to process: each has a file of its own, in the state directory or in
// memory that the master holds, and whoever serves next maps the same. A table whose definition
// changed, or whose file is damaged, begins empty in a new one; processes that drain go on with the
// old one, which the master then forgets.
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "main/service.h"
#include "proxy/stick.h"

#define NAME_BYTES 64

// "stick-", a hash of the section's name, and when it was made: of two for one table, as a kill at
// the wrong moment leaves them, the newer one is found first.
static void
prefix_of(const struct proxy_table *t, char out[NAME_BYTES])
{
	(void)snprintf(out, NAME_BYTES, HERITAGE_STICK_PREFIX "%016" PRIx64 "-", hash_str(t->name));
}

static const struct heritage_item *
find_kept(const struct heritage *h, const char *prefix)
{
	const struct heritage_item *newest = NULL;
	for (size_t i = 0; i < h->n; i++) {
		const struct heritage_item *it = &h->items[i];
		if (it->kind == HERITAGE_STICK && it->mark == HERITAGE_KEPT &&
		    strncmp(it->name, prefix, strlen(prefix)) == 0 &&
		    (newest == NULL || strcmp(it->name, newest->name) > 0))
			newest = it;
	}
	return newest;
}

static bool
open_kept(struct service *s, struct proxy_table *t, const char *prefix)
{
	const struct heritage_item *it = find_kept(&s->link->kept, prefix);
	struct err err;
	bool fresh;
	if (it == NULL)
		return false;
	t->table = stick_table_open(&t->def, it->fd, &fresh, &err);
	if (t->table == NULL) {
		log_msg(LOG_WARNING, "stick-table of '%.*s' begins empty: what was kept is %s",
			STR_ARG(t->name), err.text);
		return false;
	}
	(void)link_use(s->link, it->kind, it->slot, str_from_c(it->name)); // it is there
	return true;
}

static bool
open_new(struct service *s, struct proxy_table *t, const char *prefix, struct err *err)
{
	char name[2 * NAME_BYTES];
	uint64_t bytes = stick_table_bytes(&t->def);
	bool fresh;
	(void)snprintf(name, sizeof(name), "%s%016" PRIx64, prefix, clock_real_ns());
	int fd =
	    keep_new_file(s, name, bytes,
			  "this stick table is in memory now; it outlives reloads and crashes of "
			  "this service, but not its stop",
			  err);
	if (fd < 0)
		return false;
	t->table = stick_table_open(&t->def, fd, &fresh, err);
	if (t->table != NULL)
		link_made(s->link, HERITAGE_STICK, 0, str_from_c(name), fd);
	(void)close(fd); // the table has its own
	return t->table != NULL;
}

bool
keep_tables_open(struct service *s, struct err *err)
{
	char prefix[NAME_BYTES];
	for (struct proxy_table *t = s->set->tables; s->link != NULL && t != NULL; t = t->next) {
		prefix_of(t, prefix);
		if (!open_kept(s, t, prefix) && !open_new(s, t, prefix, err))
			return err_wrap(err, "stick-table of '%.*s'", STR_ARG(t->name));
	}
	return proxy_tables_open_rest(s->set, err);
}
