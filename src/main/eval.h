// SPDX-License-Identifier: MIT
// `tidegate eval`: which rules would decide a request, and why.
#pragma once

struct options;

// Exit status: 0 when the request was judged, 1 when configuration or request is wrong.
int eval_run(const struct options *o);
