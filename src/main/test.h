// SPDX-License-Identifier: MIT
// `tidegate test`: runs the self-tests of scripts.
#pragma once

struct options;

// Exit status: 0 when every script loaded, every test passed and enough lines ran, else 1.
int test_run(const struct options *o);
