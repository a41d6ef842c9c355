// SPDX-License-Identifier: MIT
// HAProxy's rows of statuses, and its counting; seen by watching haproxy 2.6.
#include "backend/health.h"

#include "base/sbuf.h"

const struct health_status_row health_status_rows[HEALTH_STATUSES] = {
    [HEALTH_UNKNOWN] = {"UNK", "Unknown", HEALTH_NOT_KNOWN},
    [HEALTH_INI] = {"INI", "Initializing", HEALTH_NOT_KNOWN},
    [HEALTH_CHECKED] = {"CHECKED", "No status change", HEALTH_NEUTRAL},
    [HEALTH_HANA] = {"HANA", "Health analyze", HEALTH_FAILED},
    [HEALTH_SOCKERR] = {"SOCKERR", "Socket error", HEALTH_FAILED},
    [HEALTH_L4OK] = {"L4OK", "Layer4 check passed", HEALTH_PASSED},
    [HEALTH_L4TOUT] = {"L4TOUT", "Layer4 timeout", HEALTH_FAILED},
    [HEALTH_L4CON] = {"L4CON", "Layer4 connection problem", HEALTH_FAILED},
    [HEALTH_L6OK] = {"L6OK", "Layer6 check passed", HEALTH_PASSED},
    [HEALTH_L6TOUT] = {"L6TOUT", "Layer6 timeout", HEALTH_FAILED},
    [HEALTH_L6RSP] = {"L6RSP", "Layer6 invalid response", HEALTH_FAILED},
    [HEALTH_L7TOUT] = {"L7TOUT", "Layer7 timeout", HEALTH_FAILED},
    [HEALTH_L7RSP] = {"L7RSP", "Layer7 invalid response", HEALTH_FAILED},
    [HEALTH_L7OK] = {"L7OK", "Layer7 check passed", HEALTH_PASSED},
    [HEALTH_L7OKC] = {"L7OKC", "Layer7 check conditionally passed", HEALTH_COND_PASSED},
    [HEALTH_L7STS] = {"L7STS", "Layer7 wrong status", HEALTH_FAILED},
};

bool
health_status_parse(struct str word, enum health_status *out)
{
	for (size_t i = 0; i < HEALTH_STATUSES; i++)
		if (health_status_rows[i].word != NULL &&
		    str_eq(word, str_from_c(health_status_rows[i].word))) {
			*out = (enum health_status)i;
			return true;
		}
	return false;
}

void
health_init(struct health *h, uint32_t rise, uint32_t fall)
{
	ASSERT(rise > 0 && fall > 0);
	*h = (struct health){.rise = rise, .fall = fall, .points = rise};
	h->last = (struct health_finding){.status = HEALTH_INI, .duration_ms = -1};
}

static enum health_result
result_of(const struct health *h)
{
	return health_status_rows[h->last.status].result;
}

// A failure that says nothing of the server.
static bool
is_mute(const struct health *h)
{
	return h->by_agent && !health_has_code(h->last.status);
}

static void
lose_point(struct health *h)
{
	h->points--;
	if (h->points < h->rise)
		h->points = 0;
}

static void
gain_point(struct health *h)
{
	h->points++;
	if (h->points >= h->rise)
		h->points = h->rise + h->fall - 1;
}

bool
health_take(struct health *h, const struct health_finding *f)
{
	uint32_t before = h->points;
	h->last = *f;
	switch (result_of(h)) {
	case HEALTH_FAILED:
		if (h->points > 0 && !is_mute(h))
			lose_point(h);
		break;
	case HEALTH_PASSED:
	case HEALTH_COND_PASSED:
		if (!health_is_full(h))
			gain_point(h);
		break;
	case HEALTH_NEUTRAL:
	case HEALTH_NOT_KNOWN:
		break;
	}
	return h->points != before;
}

enum health_says
health_says(const struct health *h)
{
	switch (result_of(h)) {
	case HEALTH_FAILED:
		return h->points == 0 && !is_mute(h) ? HEALTH_SAYS_DOWN : HEALTH_SAYS_NOTHING;
	case HEALTH_PASSED:
		return health_is_up(h) ? HEALTH_SAYS_UP : HEALTH_SAYS_NOTHING;
	case HEALTH_COND_PASSED:
		return health_is_up(h) ? HEALTH_SAYS_STOPPING : HEALTH_SAYS_NOTHING;
	case HEALTH_NEUTRAL:
	case HEALTH_NOT_KNOWN:
		break;
	}
	return HEALTH_SAYS_NOTHING;
}

void
health_force(struct health *h, enum health_says says)
{
	h->points = says == HEALTH_SAYS_DOWN ? 0 : h->rise + h->fall - 1;
}

void
health_part(const struct health *h, uint32_t *part, uint32_t *of)
{
	bool up = health_is_up(h);
	*part = up ? h->points - h->rise + 1 : h->points;
	*of = up ? h->fall : h->rise;
}

// A server's bytes: one line, whatever they are. As HAProxy writes them.
static void
add_info(struct sbuf *out, const char *info)
{
	sbuf_add(out, STR(", info: \""));
	for (; *info != '\0'; info++) {
		unsigned char c = (unsigned char)*info;
		if (c >= 0x20 && c < 0x7f && c != '"')
			sbuf_add_byte(out, *info);
		else
			sbuf_printf(out, "<%02X>", c);
	}
	sbuf_add_byte(out, '"');
}

void
health_explain(const struct health *h, struct sbuf *out)
{
	const struct health_finding *f = &h->last;
	sbuf_printf(out, ", reason: %s", health_status_rows[f->status].text);
	if (health_has_code(f->status))
		sbuf_printf(out, ", code: %u", f->code);
	if (f->info[0] != '\0')
		add_info(out, f->info);
	if (f->duration_ms >= 0)
		sbuf_printf(out, ", check duration: %lldms", (long long)f->duration_ms);
}
