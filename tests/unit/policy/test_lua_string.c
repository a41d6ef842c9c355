// SPDX-License-Identifier: MIT
// string.sub against what the manual says, byte by byte, for all positions around a string's ends;
// and wrong arguments, which fail in the library's words.
#include "fake.h"

static const char script[] =
    "local function by_hand(s, i, j)\n"
    "  local n, out = #s, {}\n"
    "  if i < 0 then i = math.max(n + i + 1, 1) elseif i == 0 then i = 1 end\n"
    "  if j < 0 then j = n + j + 1 elseif j > n then j = n end\n"
    "  for at = i, j do out[#out + 1] = string.char(s:byte(at)) end\n"
    "  return table.concat(out)\n"
    "end\n"
    "local ends = {math.mininteger, math.mininteger + 1, -2^40 // 1 | 0, 2^40 // 1 | 0,\n"
    "  math.maxinteger - 1, math.maxinteger}\n"
    "for at = -9, 9 do ends[#ends + 1] = at end\n"
    "function same()\n"
    "  for _, s in ipairs({'', 'a', 'ab', 'a\\0c', '/beta/x'}) do\n"
    "    for _, i in ipairs(ends) do\n"
    "      if s:sub(i) ~= by_hand(s, i, -1) then error(s .. ' ' .. i) end\n"
    "      for _, j in ipairs(ends) do\n"
    "        if s:sub(i, j) ~= by_hand(s, i, j) then error(s .. ' ' .. i .. ' ' .. j) end\n"
    "      end\n"
    "    end\n"
    "  end\n"
    "  return true\n"
    "end\n"
    "function kinds() return string.sub(12345, 2.0, '3') ==\n"
    "  '23' and ('abc'):sub(2, nil) == 'bc' and string.sub(12345, 1) == '12345' end\n"
    "function wrong()\n"
    "  local function says(text, ...) local ok, e = pcall(string.sub, ...)\n"
    "    return not ok and e:find(text, 1, true) ~= nil end\n"
    "  return says('bad argument #1') and says('(string expected, got no value)') and\n"
    "    says('(string expected, got table)', {}, 1) and\n"
    "    says('(number expected, got no value)', 'a') and\n"
    "    says('(number has no integer representation)', 'a', 1.5) and\n"
    "    says('(number expected, got boolean)', 'a', 1, true)\n"
    "end\n";

int
main(void)
{
	static const char *const names[] = {"same", "kinds", "wrong"};
	struct fake f;
	struct err err;
	char text[400];
	log_set_level(LOG_ALERT);
	fake_init(&f);
	struct policy_spec spec = {.on_error = POLICY_FALSE, .budget_ns = NS_PER_S};
	struct policy_fn *fns[ARRAY_LEN(names)];
	if (!OK(fake_add(&f, "p", script, spec) != NULL))
		return tap_done();
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		fns[i] = policy_resolve(f.engine, str_from_c(names[i]), &err);
	if (OK(fake_start(&f, "same"))) {
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			(void)fake_ask(&f, fns[i], NULL);
			bool good = f.call.out.type == POLICY_T_BOOL && f.call.out.b;
			if (!OK(good))
				printf("# %s: %s\n", names[i],
				       fake_last_error(&f, text, sizeof(text)));
		}
		fake_stop(&f);
	}
	return tap_done();
}
