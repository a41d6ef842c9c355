// SPDX-License-Identifier: MIT
// host/lua: one script, run by lua5.3 and lua5.4 with the module built for each, and its writes
// seen from C. The modules stand beside this program: OUT/lua5.N/tidevars.so.
#include <libgen.h>
#include <limits.h>
#include <sys/wait.h>

#include "table.h"

static const char script[] =
    "local v = require 'tidevars'\n"
    "local t = assert(v.open(arg[1], { create = true, size = 16 }))\n"
    "assert(t:declare { name = 'load.app1', type = 'gauge', min = 0, max = 100, default = 7 })\n"
    "assert(t:declare { name = 'maint', type = 'hold' })\n"
    "assert(t:declare { name = 'note', type = 'string', default = 'calm' })\n"
    "assert(t:declare { name = 'hits', type = 'counter' })\n"
    "assert(t:get('load.app1') == 7 and t:get('note') == 'calm')\n"
    "assert(t:set('load.app1', 80.5, { ttl = 3600, reason = 'r', who = 'monitor' }))\n"
    "assert(t:get('load.app1') == 80.5 and t:smooth('load.app1') == 80.5)\n"
    "assert(t:age('load.app1') < 60)\n"
    "local ok, err, status = t:set('load.app1', 101)\n"
    "assert(ok == nil and status == 'bounds' and err:find('above max 100', 1, true), err)\n"
    "ok, err, status = t:get('load.app2')\n"
    "assert(ok == nil and status == 'unknown' and err:find(\"'load.app1'\", 1, true), err)\n"
    "assert(t:take('maint', 'deploy', { ttl = 60, reason = 'db' }))\n"
    "assert(t:set('maint', true, { who = 'ops' }) and t:get('maint') == 2)\n"
    "assert(t:release('maint', 'ops') and t:get('maint') == 1)\n"
    "assert(t:extend('maint', 'deploy', { ttl = 600 }))\n"
    "local h = t:holds('maint')\n"
    "assert(#h == 1 and h[1].owner == 'deploy' and h[1].reason == 'db' and h[1].left > 500)\n"
    "assert(select(3, t:holds('note')) == 'type')\n"
    "ok, err, status = t:release('maint', 'ops')\n"
    "assert(status == 'not-held')\n"
    "assert(t:add('hits', 3) and t:add('hits', 4) and t:get('hits') == 7)\n"
    "assert(t:set('note', 'storm') and t:unset('note') and t:get('note') == 'calm')\n"
    "assert(t:set('note', 'a') and t:cas('note', 'a', 'b'))\n"
    "assert(select(3, t:cas('note', 'a', 'c')) == 'conflict' and t:get('note') == 'b')\n"
    "assert(t:commit({ { 'cas', 'note', 'both', expect = 'b' }, { 'set', 'load.app1', 80.5,\n"
    "    ttl = 3600 } }, { reason = 'r', who = 'monitor' }))\n"
    "assert(t:get('note') == 'both')\n"
    "_, _, status = t:commit { { 'set', 'load.app1', 1 }, { 'cas', 'note', 'x', expect = 'b' } }\n"
    "assert(status == 'conflict' and t:get('load.app1') == 80.5)\n"
    "assert(not pcall(t.commit, t, {}) and not pcall(t.commit, t, { { 'frob', 'note' } }))\n"
    "local n = t:version('note')\n"
    "assert(t:wait('note', n, 0.01) == false)\n"
    "assert(t:set('note', 'x') and t:wait('note', n, 60) == true)\n"
    "assert(t:set('note', 'brief', { ttl = 0.05 }))\n"
    "assert(t:wait('note', t:version('note'), 60) == true and t:get('note') == 'calm')\n"
    "local u = assert(v.open(arg[1]))\n"
    "assert(u:get('hits') == 7 and u:get('hits') == 7 and not u:get('late'))\n"
    "assert(t:declare { name = 'late', type = 'int', default = 5 })\n"
    "assert(u:get('late') == 5 and u:get('hits') == 7 and u:get('note') == 'calm')\n"
    "assert(not pcall(t.get, 'x', 'note') and not pcall(t.get, io.stdout, 'note'))\n"
    "assert(not pcall(t.get, t, nil) and not pcall(t.get, t, {}))\n"
    "assert(#t:names() == 5 and t:names()[2] == 'maint')\n"
    "assert(not pcall(t.get, t) and not pcall(t.set, t, 'note'))\n"
    "t:close()\n"
    "assert(not pcall(t.get, t, 'note'))\n"
    "assert(select(3, v.open('/nonexistent/x')) == 'system')\n";

static void
test_one(const char *lua, const struct test_dir *dir, const char *script_file, const char *out)
{
	char command[PATH_MAX * 2];
	(void)unlink(dir->file);
	(void)snprintf(command, sizeof(command), "LUA_CPATH='%s/%s/?.so' %s %s %s 2>&1", out, lua,
		       lua, script_file, dir->file);
	fflush(stdout);
	int status = system(command);
	if (!OK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 0, lua))
		return;
	struct tidevars *t = test_open(dir->file, 0);
	struct tidevars_error err;
	struct tidevars_info info;
	IS_INT(tidevars_info(t, 0, tidevars_now_boot_ns(), &info, &err), TIDEVARS_OK);
	OK(info.value.u.f == 80.5 && info.deadline_boot_ns != TIDEVARS_NEVER);
	IS_STR(info.who, "monitor");
	IS_STR(info.reason, "r");
	tidevars_close(&t);
}

int
main(int argc, char **argv)
{
	struct test_dir dir;
	char self[PATH_MAX], script_file[128];
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	printf("1..0 # skipped: Debian's lua cannot load a module built for a sanitizer\n");
	return 0;
#endif
	if (argc < 1 || realpath(argv[0], self) == NULL)
		return 1;
	// OUT/tests/unit/vars/test_lua
	const char *out = dirname(dirname(dirname(dirname(self))));
	test_dir_make(&dir);
	(void)snprintf(script_file, sizeof(script_file), "%s/test.lua", dir.path);
	FILE *f = fopen(script_file, "w");
	if (f == NULL || fputs(script, f) < 0 || fclose(f) != 0)
		return 1;
	test_one("lua5.3", &dir, script_file, out);
	test_one("lua5.4", &dir, script_file, out);
	(void)unlink(script_file);
	test_dir_remove(&dir);
	return tap_done();
}
