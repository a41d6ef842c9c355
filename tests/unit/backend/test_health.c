// SPDX-License-Identifier: MIT
// The counting of health, against tables noted from haproxy 2.6 (health and status columns of `show
// stat`, and the log's "status: 2/3 UP", while an origin changed its answers).
#include "backend/health.h"

#include "base/sbuf.h"
#include "tap.h"

static struct health_finding
finding(enum health_status status)
{
	return (struct health_finding){.status = status, .code = 200, .duration_ms = 3};
}

// '+' passes, '-' fails, '~' passes with a condition. Behind each: points, and what it makes of the
// server: U up, D down, S stopping, '.' nothing.
struct walk {
	uint32_t rise, fall;
	const char *found, *points, *says;
};

static const struct walk walks[] = {
    // first check passes, three failures, two successes, 404, good again
    {2, 3, "+---++~~+", "432014444", "U..D.USSU"},
    // the first failure of all takes it down
    {2, 3, "-", "0", "D"},
    {2, 3, "-+-+++", "010144", "D.D.UU"},
    {1, 1, "+-+-+", "10101", "UDUDU"},
    {1, 3, "--+-+--", "0032321", "DDU.U.."},
    {3, 1, "-++-+++", "0120123", "D..D..U"},
    // one failure less than `fall`, over and over
    {2, 2, "+-+-+--+", "32323201", "U.U.U.D."},
    // a condition counts as a success on the way up
    {2, 3, "-~~", "014", "D.S"},
};

static void
test_walks(void)
{
	for (size_t i = 0; i < sizeof(walks) / sizeof(walks[0]); i++) {
		const struct walk *w = &walks[i];
		char points[32] = "", says[32] = "";
		struct health h;
		health_init(&h, w->rise, w->fall);
		for (size_t j = 0; w->found[j] != '\0'; j++) {
			struct health_finding f = finding(w->found[j] == '+'   ? HEALTH_L7OK
							  : w->found[j] == '~' ? HEALTH_L7OKC
									       : HEALTH_L7STS);
			uint32_t before = h.points;
			bool moved = health_take(&h, &f);
			OK(moved == (before != h.points));
			points[j] = (char)('0' + h.points);
			says[j] = ".DUS"[health_says(&h)];
		}
		IS_STR(points, w->points);
		IS_STR(says, w->says);
	}
}

static void
test_parts(void)
{
	struct health h;
	uint32_t part, of;
	health_init(&h, 2, 3);
	OK(health_is_up(&h) && !health_is_full(&h));
	health_part(&h, &part, &of);
	OK(part == 1 && of == 3);
	health_force(&h, HEALTH_SAYS_UP);
	health_part(&h, &part, &of);
	OK(part == 3 && of == 3 && health_is_full(&h));
	health_force(&h, HEALTH_SAYS_DOWN);
	health_part(&h, &part, &of);
	OK(part == 0 && of == 2 && !health_is_up(&h));
	health_force(&h, HEALTH_SAYS_STOPPING);
	OK(health_is_full(&h));
}

static const char *
explained(const struct health_finding *f)
{
	static char text[512];
	struct health h;
	struct sbuf out;
	health_init(&h, 2, 3);
	(void)health_take(&h, f);
	sbuf_init(&out, sizeof(text) - 1);
	health_explain(&h, &out);
	(void)snprintf(text, sizeof(text), "%s", out.p);
	sbuf_fini(&out);
	return text;
}

static void
test_explained(void)
{
	struct health_finding f = {.status = HEALTH_L7STS,
				   .code = 503,
				   .duration_ms = 4,
				   .info = "Service Unavailable"};
	IS_STR(explained(&f), ", reason: Layer7 wrong status, code: 503, info: \"Service "
			      "Unavailable\", check duration: 4ms");
	f = (struct health_finding){.status = HEALTH_L4CON,
				    .code = 503,
				    .duration_ms = -1,
				    .info = "a\"b\n\x80;"};
	IS_STR(explained(&f), ", reason: Layer4 connection problem, info: \"a<22>b<0A><80>;\"");
	f = (struct health_finding){.status = HEALTH_L4OK, .duration_ms = 0};
	IS_STR(explained(&f), ", reason: Layer4 check passed, check duration: 0ms");
}

static void
test_words(void)
{
	enum health_status s;
	OK(health_status_parse(STR("L7OKC"), &s) && s == HEALTH_L7OKC);
	OK(!health_status_parse(STR("L7"), &s) && !health_status_parse(STR(""), &s));
}

int
main(void)
{
	test_walks();
	test_parts();
	test_explained();
	test_words();
	return tap_done();
}
