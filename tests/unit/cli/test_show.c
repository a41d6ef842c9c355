// SPDX-License-Identifier: MIT
// tidectl/show: no byte that commands a terminal comes through. tidectl is a program of its own, so
// its source is included here.
#include "tap.h"
#include "tidectl/show.c"

static char text[4096];

static const char *
shown(struct str s)
{
	FILE *f = tmpfile();
	show_text(f, s);
	rewind(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	(void)fclose(f);
	return text;
}

int
main(void)
{
	IS_STR(shown(STR("")), "");
	IS_STR(shown(STR("a\tb\nc \\x1b")), "a\tb\nc \\x1b");
	IS_STR(shown(STR("\x1b[2Jx\r\a\x7f")), "\\x1b[2Jx\\x0d\\x07\\x7f");
	IS_STR(shown(STR("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x98")),
	       "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x98");
	// CSI of ISO 6429 in UTF-8, and alone; cut and wrong sequences.
	IS_STR(shown(STR("\xc2\x9b"
			 "2J\x9b"
			 "2J")),
	       "\\xc2\\x9b2J\\x9b2J");
	IS_STR(shown(STR("\xc2\xa0|\xc2")), "\xc2\xa0|\\xc2");
	IS_STR(shown(STR("\xe2\x82|\xff|\xc0\x9b")), "\\xe2\\x82|\\xff|\\xc0\\x9b");
	IS_STR(shown(str_of("a\0b", 3)), "a\\x00b");
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;
		(void)shown(str_of(&byte, 1));
		bool plain = c == '\n' || c == '\t' || (c >= ' ' && c < 0x7f);
		OK(strlen(text) == (plain ? 1 : 4));
	}
	return tap_done();
}
