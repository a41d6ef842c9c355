// SPDX-License-Identifier: MIT
// Text for a person's eyes.
#pragma once

#include <stdio.h>

#include "base/str.h"

// As it is, but what would command a terminal as \xHH: control characters other than newline and
// tab, those of ISO 6429's second set (in UTF-8: C2 80 to C2 9F) and lone bytes of theirs.
void show_text(FILE *stream, struct str text);
