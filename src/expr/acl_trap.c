// SPDX-License-Identifier: MIT
// Values that a fetch can never have: HAProxy takes them and the ACL is false for ever. Here the
// configuration is refused, with what to write instead. Only values of the line itself are looked
// at, and only where nothing but the fetch is between them and the comparison.

#include "expr/acl_priv.h"

typedef bool (*possible_f)(struct str value, const struct pattern_opts *o);

static bool
path_possible(struct str value, const struct pattern_opts *o UNUSED)
{
	return value.n == 0 || (value.p[0] == '/' && str_find_byte(value, '?') == SIZE_MAX);
}

static bool
pathq_possible(struct str value, const struct pattern_opts *o UNUSED)
{
	return value.n == 0 || value.p[0] == '/';
}

static bool
version_possible(struct str value, const struct pattern_opts *o UNUSED)
{
	return !str_starts(value, STR("HTTP/"));
}

static bool
method_possible(struct str value, const struct pattern_opts *o)
{
	static const char *const known[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
					    "OPTIONS", "CONNECT", "TRACE", "PATCH"};
	for (size_t i = 0; !o->icase && i < ARRAY_LEN(known); i++)
		if (str_eq_nocase(value, str_from_c(known[i])))
			return str_eq(value, str_from_c(known[i]));
	return true;
}

static bool
script_possible(struct str value, const struct pattern_opts *o UNUSED)
{
	return !str_eq_nocase(value, STR("true")) && !str_eq_nocase(value, STR("false"));
}

static const struct {
	const char *fetch;
	bool beginnings; // looked at with -m beg too
	possible_f possible;
	const char *why;
} traps[] = {
    {"path", true, path_possible, "a path begins with '/' and ends before the '?'"},
    {"pathq", true, pathq_possible, "a path begins with '/'"},
    {"req.ver", false, version_possible, "a version is 1.0 or 1.1, without HTTP/"},
    {"res.ver", false, version_possible, "a version is 1.0 or 1.1, without HTTP/"},
    {"method", false, method_possible, "methods are written in capitals; or say -i"},
    {"lua.*", false, script_possible, "as text a script's boolean is 1 or 0: say -m bool"},
};

bool
acl_check_values(const struct expr *e, const struct pattern_opts *o, int argc,
		 const struct str *argv, struct err *err)
{
	struct str fetch = str_from_c(e->row->name);
	for (size_t i = 0; e->n_steps == 0 && i < ARRAY_LEN(traps); i++) {
		bool looked_at =
		    o->match == PAT_STR || (o->match == PAT_BEG && traps[i].beginnings);
		if (!looked_at || !str_eq(fetch, str_from_c(traps[i].fetch)))
			continue;
		for (int k = 0; k < argc; k++)
			if (!traps[i].possible(argv[k], o))
				return err_set(err, "'%.*s' can never match: %s", STR_ARG(argv[k]),
					       traps[i].why);
	}
	return true;
}
