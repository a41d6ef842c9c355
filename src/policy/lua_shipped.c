// SPDX-License-Identifier: MIT
// The Lua that ships, as bytes of the program: lua/*.lua, taken in by the assembler, since the
// daemon is one file.
#include "policy/lua_shipped.h"

__asm__(".section .rodata\n"
	".global policy_lua_haproxy\n"
	".global policy_lua_haproxy_end\n"
	"policy_lua_haproxy:\n"
	".incbin \"lua/haproxy.lua\"\n"
	"policy_lua_haproxy_end:\n"
	".byte 0\n"
	".text\n");

extern const char policy_lua_haproxy[], policy_lua_haproxy_end[];

struct str
policy_shipped_haproxy(void)
{
	return str_of(policy_lua_haproxy, (size_t)(policy_lua_haproxy_end - policy_lua_haproxy));
}
