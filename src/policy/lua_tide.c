// SPDX-License-Identifier: MIT
// `tide`: what a predicate may know and use besides the request and the variables.
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "policy/effects.h"
#include "policy/lua_priv.h"

#define PICK_MAX 64

// splitmix64: small, fast, good enough for spreading requests; not for secrets.
uint64_t
policy_rand(struct policy_state *s)
{
	uint64_t *state = s->worker != NULL ? &s->worker->rand : &s->rand;
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

// tide.now(): seconds since 1970, of the call. [-0, +1, e]
static int
tide_now(lua_State *L)
{
	policy_lua_memo_forbid(L, "the time");
	lua_pushnumber(L, (lua_Number)state_of(L)->call->now_real_ns / (lua_Number)NS_PER_S);
	return 1;
}

// tide.hash(text): 63 bits, the same on every machine and in every version. [-1, +1, e]
static int
tide_hash(lua_State *L)
{
	size_t n;
	const char *p = luaL_checklstring(L, 1, &n);
	lua_pushinteger(L, (lua_Integer)(hash_bytes(p, n, 0) & INT64_MAX));
	return 1;
}

struct choice {
	struct str name;
	lua_Integer weight;
};

// The weighted names of the table at 1, sorted by name, so that equal tables choose equally.
// [-0, +0, e]
static unsigned
read_choices(lua_State *L, struct choice *out, lua_Integer *total)
{
	unsigned n = 0;
	if (policy_lua_frozen(L, 1))
		lua_replace(L, 1);
	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
		struct choice c;
		int is_int;
		if (lua_type(L, -2) != LUA_TSTRING)
			luaL_error(L, "pick: names to weights expected");
		c.name.p = lua_tolstring(L, -2, &c.name.n);
		c.weight = lua_tointegerx(L, -1, &is_int);
		if (!is_int || c.weight < 0 || c.weight > 1000000 || n == PICK_MAX)
			luaL_error(L, "pick: weights are integers of 0 to 1000000, at most %d",
				   PICK_MAX);
		unsigned i = n++;
		for (; i > 0 && str_cmp(out[i - 1].name, c.name) > 0; i--)
			out[i] = out[i - 1];
		out[i] = c;
		*total += c.weight;
	}
	return n;
}

// By chance. total is above 0. [-0, +0, -]
static unsigned
pick_by_chance(struct policy_state *s, const struct choice *c, lua_Integer total)
{
	uint64_t r = policy_rand(s) % (uint64_t)total;
	unsigned i = 0;
	for (; r >= (uint64_t)c[i].weight; i++)
		r -= (uint64_t)c[i].weight;
	return i;
}

// By the key: weighted rendezvous hashing (Schindelhauer and Schomaker, "Weighted Distributed Hash
// Tables", 2005). Each choice draws an exponential variate of its own from the key, at a rate of
// its weight; the smallest wins. So the share of a choice is its weight's share, and a weight that
// changes moves only keys from or to that choice. total is above 0. [-0, +0, -]
static unsigned
pick_by_key(const struct choice *c, unsigned n, uint64_t key)
{
	unsigned best = 0;
	double least = INFINITY;
	for (unsigned i = 0; i < n; i++) {
		if (c[i].weight == 0)
			continue;
		uint64_t h = hash_bytes(c[i].name.p, c[i].name.n, key);
		double u = ((double)(h >> 11) + 0.5) * 0x1p-53; // in (0, 1)
		double wait = -log(u) / (double)c[i].weight;
		if (wait < least) {
			least = wait;
			best = i;
		}
	}
	return best;
}

// tide.pick({a = 1, b = 3} [, key]): a name by weight; by chance, or the same for the same key;
// nil when all weights are 0. [-2, +1, e]
static int
tide_pick(lua_State *L)
{
	struct choice choice[PICK_MAX];
	lua_Integer total = 0;
	size_t key_n;
	luaL_checktype(L, 1, LUA_TTABLE);
	const char *key = luaL_optlstring(L, 2, NULL, &key_n);
	if (key == NULL)
		policy_lua_memo_forbid(L, "random numbers");
	lua_settop(L, 2);
	unsigned n = read_choices(L, choice, &total);
	if (total == 0) {
		lua_pushnil(L);
		return 1;
	}
	unsigned i = key != NULL ? pick_by_key(choice, n, hash_bytes(key, key_n, 0))
				 : pick_by_chance(state_of(L), choice, total);
	lua_pushlstring(L, choice[i].name.p, choice[i].name.n);
	return 1;
}

static bool
log_level_of(const char *name, enum log_level *level)
{
	static const struct {
		const char *name;
		enum log_level level;
	} levels[] = {{"alert", LOG_ALERT},
		      {"warning", LOG_WARNING},
		      {"notice", LOG_NOTICE},
		      {"info", LOG_INFO},
		      {"debug", LOG_DEBUG}};
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		if (strcmp(levels[i].name, name) == 0) {
			*level = levels[i].level;
			return true;
		}
	}
	return false;
}

void
policy_lua_log(lua_State *L, enum log_level level, const char *text)
{
	struct policy_state *s = state_of(L);
	struct log_rate *rate = s->worker != NULL    ? &s->worker->log_rate
				: s->effects != NULL ? &s->effects->log_rate
						     : NULL;
	guard_postpone(s->guard);
	if (rate == NULL || (s->worker != NULL && !s->ready) ||
	    log_rate_ok(rate, s->call->now_real_ns, 20))
		log_line(level, "policy %s: %.1000s", s->policy->name, text);
	guard_resume(s->guard);
}

// tide.log([level,] text): at most 20 lines a second and worker. [-2, +0, e]
static int
tide_log(lua_State *L)
{
	enum log_level level = LOG_INFO;
	int at = lua_gettop(L) > 1 ? 2 : 1;
	if (at == 2 && !log_level_of(luaL_checkstring(L, 1), &level))
		return luaL_argerror(L, 1, "alert, warning, notice, info or debug expected");
	const char *text = luaL_tolstring(L, at, NULL);
	// What a self-test makes up has not happened; print is for those who look for a fault.
	if (!state_of(L)->testing || state_of(L)->phase == POLICY_LOADING)
		policy_lua_log(L, level, text);
	return 0;
}

void
policy_lua_tide_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
	    {"now", tide_now},
	    {"log", tide_log},
	    {"ip", policy_lua_tide_ip},
	    {"cidr_set", policy_lua_tide_cidr_set},
	    {"hash", tide_hash},
	    {"pick", tide_pick},
	    {"memo", policy_lua_memo},
	    {"ewma", policy_lua_ewma},
	    {"hysteresis", policy_lua_hysteresis},
	    {NULL, NULL},
	};
	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	policy_lua_write_open(L);
	lua_getglobal(L, "math");
	lua_getfield(L, -1, "random");
	lua_setfield(L, -3, "rand");
	lua_pop(L, 1);
	lua_pushinteger(L, state_of(L)->gen->info.number);
	lua_setfield(L, -2, "generation");
}
