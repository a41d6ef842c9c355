// SPDX-License-Identifier: MIT
// Users by number.
#include "base/user.h"

#include <pwd.h>
#include <stdio.h>

void
user_name(uint32_t uid, char *out, size_t room)
{
	struct passwd pw, *found = NULL;
	char text[4096];
	if (getpwuid_r((uid_t)uid, &pw, text, sizeof(text), &found) == 0 && found != NULL)
		(void)snprintf(out, room, "%s", found->pw_name); // cut where too long
	else
		(void)snprintf(out, room, "uid %u", (unsigned)uid);
}
