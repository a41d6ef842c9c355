// SPDX-License-Identifier: MIT
// Converters for values that HTTP defines: preferences (RFC 9110 section 12.4.2).

#include "expr/expr_priv.h"

// ";q=0.5" at the front of `rest`, up to the next comma, in thousandths; 1000 when none is said.
static int
quality(struct str rest)
{
	rest = str_trim(rest);
	while (rest.n > 0 && rest.p[0] == ';') {
		rest = str_trim(str_slice(rest, 1, rest.n));
		if (rest.n > 2 && (rest.p[0] == 'q' || rest.p[0] == 'Q') && rest.p[1] == '=') {
			struct str q = str_slice(rest, 2, rest.n);
			int value = q.p[0] == '1' ? 1000 : 0, unit = 100;
			if (value == 0 && q.n > 1 && q.p[0] == '0' && q.p[1] == '.')
				for (size_t i = 2;
				     i < q.n && unit > 0 && q.p[i] >= '0' && q.p[i] <= '9';
				     i++, unit /= 10)
					value += (q.p[i] - '0') * unit;
			return value;
		}
		size_t next = str_find_byte(rest, ';');
		rest = next == SIZE_MAX ? STR("") : str_slice(rest, next, rest.n);
	}
	return 1000;
}

// The listed language that `wish` names, or whose variety it names: "de-AT" finds "de" (the lookup
// of RFC 4647 section 3.4, one step). HAProxy minds the case here; languages do not.
static struct str
find_listed(struct str list, struct str wish)
{
	struct str one;
	while (str_next(&list, ';', &one)) {
		one = str_trim(one);
		if (one.n > 0 && wish.n >= one.n && str_eq_nocase(str_slice(wish, 0, one.n), one) &&
		    (wish.n == one.n || wish.p[one.n] == '-'))
			return one;
	}
	return STR_NULL;
}

static bool
conv_language(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	struct str wishes = smp->s, wish, best = STR_NULL;
	int best_q = 0;
	while (str_next(&wishes, ',', &wish)) {
		size_t end = MIN(str_find_byte(wish, ';'), wish.n);
		int q = quality(str_slice(wish, end, wish.n));
		struct str found = find_listed(args[0].s, str_trim(str_slice(wish, 0, end)));
		if (found.p != NULL && q > best_q) {
			best = found;
			best_q = q;
		}
	}
	if (best.p == NULL && args[1].given)
		best = args[1].s;
	sample_set_str(smp, best);
	return best.p != NULL;
}

static const struct arg_spec args_language[] = {{ARG_STR, .name = "language[;language...]",
						 .flags = ARG_NOT_EMPTY},
						{ARG_STR, .name = "default", .flags = ARG_OPTIONAL},
						{.type = ARG_END}};

const struct conv_row expr_convs_http[] = {
    {.name = "language",
     .args = args_language,
     .in = SMP_STR,
     .out = SMP_STR,
     .conv = conv_language,
     .help = "of the languages given, the one an Accept-Language value likes most"},
    {.name = NULL},
};
