// SPDX-License-Identifier: MIT
// Declaring in a table in use changes what others read: bounds and defaults count at once. So what
// was declared before is kept until this process serves; one that does not come to it puts it back.
// Names that were new stay: a slot given up would be lost to the table.

#include "base/log.h"
#include "base/mem.h"
#include "expr/vars_settle.h"
#include "tidegate/vars_admin.h"

struct vars_was {
	struct vars_was *next;
	struct tidevars_info info;
};

static struct tidevars_decl
decl_of(const struct tidevars_info *i)
{
	return (struct tidevars_decl){.name = i->name,
				      .type = i->type,
				      .flags = i->flags,
				      .initial = i->initial,
				      .min = i->min,
				      .max = i->max,
				      .stale_use = i->stale_use,
				      .stale_after_ns = i->stale_after_ns,
				      .ttl_ns = i->ttl_ns,
				      .half_life_ns = i->half_life_ns,
				      .writable_by = i->writable_by,
				      .writable_uid = i->writable_uid,
				      .writable_gid = i->writable_gid,
				      .description = i->description};
}

static bool
find(struct tidevars *t, struct str name, struct tidevars_info *out)
{
	uint32_t h;
	return tidevars_find(t, name.p, name.n, &h, NULL) == TIDEVARS_OK &&
	       tidevars_info(t, h, tidevars_now_boot_ns(), out, NULL) == TIDEVARS_OK;
}

void
vars_note(struct vars_was **list, struct tidevars *t, struct str name)
{
	struct vars_was *w = mem_zalloc(sizeof(*w));
	if (!find(t, name, &w->info)) {
		mem_free(w);
		return;
	}
	w->next = *list;
	*list = w;
}

void
vars_settle(struct vars_was **list, struct tidevars *t, bool serves)
{
	struct vars_was *w = *list;
	*list = NULL;
	for (struct vars_was *next; w != NULL; w = next) {
		struct tidevars_error why;
		uint32_t h;
		const struct tidevars_decl d = decl_of(&w->info);
		// No change where it is declared as before.
		if (!serves && t != NULL && tidevars_declare(t, &d, &h, &why) != TIDEVARS_OK)
			log_msg(LOG_WARNING, "a declaration could not be put back: %s", why.text);
		next = w->next;
		mem_free(w);
	}
}

bool
vars_take(struct tidevars *t, struct tidevars *file, struct str name, struct tidevars_error *why)
{
	static const struct tidevars_writer nobody = {.who = "check",
						      .source = TIDEVARS_FROM_CONFIG};
	struct tidevars_info i;
	uint32_t h;
	if (!find(file, name, &i))
		return true;
	const struct tidevars_decl d = decl_of(&i);
	if (tidevars_declare(t, &d, &h, why) != TIDEVARS_OK)
		return false;
	bool bounded =
	    i.type == TIDEVARS_INT || i.type == TIDEVARS_FLOAT || i.type == TIDEVARS_GAUGE;
	if (!bounded || (i.value.flags & (TIDEVARS_IS_DEFAULT | TIDEVARS_IS_STALE)) != 0)
		return true;
	return tidevars_set(t, h, &i.value, TIDEVARS_NEVER, &nobody, why) == TIDEVARS_OK;
}
