// SPDX-License-Identifier: MIT
#include "vars/list.h"

#include <inttypes.h>
#include <time.h>

#include "base/clock.h"

#define VALUE_BYTES (TIDEVARS_TEXT_MAX * 6 + 64) // any value as JSON

static void
add_time(struct sbuf *b, uint64_t real_ns)
{
	time_t t = (time_t)(real_ns / NS_PER_S);
	struct tm tm;
	char text[32] = "-";
	if (real_ns != 0 && gmtime_r(&t, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm); // it fits
	sbuf_add(b, str_from_c(text));
}

static void
add_remaining(struct sbuf *b, uint64_t until_boot_ns, uint64_t now)
{
	if (until_boot_ns != TIDEVARS_NEVER && until_boot_ns > now)
		sbuf_printf(b, " for %" PRIu64 "s more", (until_boot_ns - now) / NS_PER_S);
}

static void
add_reason(struct sbuf *b, const char *reason)
{
	if (reason[0] != '\0')
		sbuf_printf(b, " reason %s", reason);
}

static void
add_value_text(struct sbuf *b, const struct tidevars_value *v)
{
	char text[VALUE_BYTES];
	(void)tidevars_format(v, text, sizeof(text)); // fits any value
	str_tame(text, "");
	sbuf_add(b, str_from_c(text));
}

static void
add_value_json(struct sbuf *b, const char *key, const struct tidevars_value *v)
{
	char text[VALUE_BYTES];
	(void)tidevars_format_json(v, text, sizeof(text)); // the same
	sbuf_printf(b, ",\"%s\":%s", key, text);
}

static void
add_member(struct sbuf *b, const char *key, const char *text)
{
	sbuf_printf(b, ",\"%s\":", key);
	sbuf_add_json(b, str_from_c(text));
}

static void
add_left_json(struct sbuf *b, uint64_t until_boot_ns, uint64_t now)
{
	if (until_boot_ns != TIDEVARS_NEVER)
		sbuf_printf(b, ",\"left_ms\":%" PRIu64,
			    until_boot_ns > now ? (until_boot_ns - now) / NS_PER_MS : 0);
}

static void
add_hold_members(struct sbuf *b, const struct tidevars_hold *h, uint64_t now)
{
	sbuf_add(b, STR("\"owner\":"));
	sbuf_add_json(b, str_from_c(h->owner));
	add_member(b, "reason", h->reason);
	sbuf_printf(b, ",\"taken_ms\":%" PRIu64, h->taken_real_ns / NS_PER_MS);
	add_left_json(b, h->until_boot_ns, now);
	sbuf_add(b, STR("}"));
}

void
vars_list_hold(struct sbuf *b, const char *name, const struct tidevars_hold *h, uint64_t now,
	       bool json)
{
	if (json) {
		sbuf_printf(b, "{\"name\":\"%s\",", name);
		add_hold_members(b, h, now);
		return;
	}
	sbuf_printf(b, "%s held by %s", name, h->owner);
	add_remaining(b, h->until_boot_ns, now);
	sbuf_add(b, STR(" since "));
	add_time(b, h->taken_real_ns);
	add_reason(b, h->reason);
	sbuf_add(b, STR("\n"));
}

static void
add_holds(struct sbuf *b, struct tidevars *t, uint32_t handle, uint64_t now, bool json)
{
	struct tidevars_hold holds[TIDEVARS_HOLDS_MAX];
	size_t n = 0;
	(void)tidevars_read_holds(t, handle, now, holds, &n); // none of another type
	if (json)
		sbuf_add(b, STR(",\"holds\":["));
	for (size_t i = 0; i < n; i++) {
		if (!json) {
			vars_list_hold(b, " ", &holds[i], now, false);
			continue;
		}
		sbuf_add(b, i > 0 ? STR(",{") : STR("{"));
		add_hold_members(b, &holds[i], now);
	}
	if (json)
		sbuf_add(b, STR("]"));
}

static void
add_info_text(struct sbuf *b, const struct tidevars_info *i, uint64_t now)
{
	sbuf_printf(b, "%s %s ", i->name, tidevars_type_name(i->type));
	add_value_text(b, &i->value);
	sbuf_add(b, STR(" default "));
	add_value_text(b, &i->initial);
	if (i->type == TIDEVARS_GAUGE && i->half_life_ns > 0)
		sbuf_printf(b, " smooth %g", i->value.smooth);
	if (i->value.flags & TIDEVARS_IS_STALE)
		sbuf_add(b, STR(" stale"));
	if (i->value.flags & TIDEVARS_IS_DAMAGED)
		sbuf_add(b, STR(" damaged")); // cut short: this is the default
	add_remaining(b, i->deadline_boot_ns, now);
	if (i->written_real_ns != 0) {
		sbuf_add(b, STR(" written "));
		add_time(b, i->written_real_ns);
		if (i->who[0] != '\0')
			sbuf_printf(b, " by %s (%s)", i->who, tidevars_source_name(i->source));
		else
			sbuf_add(b, STR(" by an add"));
	}
	add_reason(b, i->reason);
	if (i->expired > 0)
		sbuf_printf(b, " expired %" PRIu64, i->expired);
	if (i->refused > 0)
		sbuf_printf(b, " refused %" PRIu64, i->refused);
	sbuf_add(b, STR("\n"));
}

static void
add_info_json(struct sbuf *b, const struct tidevars_info *i, uint64_t now)
{
	sbuf_printf(b, "{\"name\":\"%s\",\"type\":\"%s\"", i->name, tidevars_type_name(i->type));
	add_value_json(b, "value", &i->value);
	add_value_json(b, "default", &i->initial);
	sbuf_printf(b, ",\"stale\":%s,\"written_ms\":%" PRIu64 ",\"source\":\"%s\"",
		    i->value.flags & TIDEVARS_IS_STALE ? "true" : "false",
		    i->written_real_ns / NS_PER_MS, tidevars_source_name(i->source));
	add_member(b, "who", i->who);
	add_member(b, "reason", i->reason);
	add_member(b, "description", i->description);
	sbuf_printf(b, ",\"expired\":%" PRIu64 ",\"refused\":%" PRIu64, i->expired, i->refused);
	if (i->type == TIDEVARS_GAUGE)
		add_value_json(b, "smooth",
			       &(struct tidevars_value){.type = TIDEVARS_GAUGE,
							.u.f = i->value.smooth});
	add_left_json(b, i->deadline_boot_ns, now);
	if (i->value.flags & TIDEVARS_IS_DAMAGED)
		sbuf_add(b, STR(",\"damaged\":true"));
}

void
vars_list_info(struct sbuf *b, struct tidevars *t, uint32_t handle, const struct tidevars_info *i,
	       uint64_t now, bool json)
{
	if (json)
		add_info_json(b, i, now);
	else
		add_info_text(b, i, now);
	if (i->type == TIDEVARS_HOLD)
		add_holds(b, t, handle, now, json);
	if (json)
		sbuf_add(b, STR("}"));
}

// What was done, where the value alone does not say: "unset", "release deploy".
static void
add_deed(struct sbuf *b, const struct tidevars_log_entry *e)
{
	char owner[sizeof(e->text)];
	if (e->kind != TIDEVARS_SET || e->type == TIDEVARS_HOLD)
		sbuf_printf(b, " %s", tidevars_kind_name(e->kind));
	if (e->type != TIDEVARS_HOLD || e->kind == TIDEVARS_UNSET || e->text[0] == '\0')
		return;
	memcpy(owner, e->text, sizeof(owner));
	str_tame(owner, "");
	sbuf_printf(b, " %s", owner);
}

static void
add_entry_json(struct sbuf *b, const char *name, const struct tidevars_log_entry *e)
{
	sbuf_printf(b, "{\"seq\":%" PRIu64 ",\"written_ms\":%" PRIu64 ",\"name\":\"%s\"", e->seq,
		    e->real_ns / NS_PER_MS, name);
	add_value_json(b, "value", &e->after);
	sbuf_printf(b, ",\"kind\":\"%s\"", tidevars_kind_name(e->kind));
	if (e->type == TIDEVARS_HOLD && e->kind != TIDEVARS_UNSET)
		add_member(b, "owner", e->text);
	sbuf_printf(b, ",\"source\":\"%s\",\"uid\":%u,\"pid\":%u", tidevars_source_name(e->source),
		    e->uid, e->pid);
	add_member(b, "who", e->who);
	add_member(b, "reason", e->reason);
	sbuf_add(b, STR("}"));
}

void
vars_list_entry(struct sbuf *b, struct tidevars *t, const struct tidevars_log_entry *e, bool json)
{
	const char *name = tidevars_name(t, e->handle);
	if (json) {
		add_entry_json(b, name != NULL ? name : "", e);
		return;
	}
	sbuf_printf(b, "%" PRIu64 " ", e->seq);
	add_time(b, e->real_ns);
	sbuf_printf(b, " %s ", name != NULL ? name : "?");
	add_value_text(b, &e->after);
	add_deed(b, e);
	sbuf_printf(b, " by %s (%s uid %u pid %u)", e->who, tidevars_source_name(e->source), e->uid,
		    e->pid);
	add_reason(b, e->reason);
	sbuf_add(b, STR("\n"));
}

void
vars_list_value(struct sbuf *b, const char *name, const struct tidevars_value *v)
{
	sbuf_printf(b, "{\"name\":\"%s\"", name);
	add_value_json(b, "value", v);
	sbuf_add(b, STR("}\n"));
}
