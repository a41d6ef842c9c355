// SPDX-License-Identifier: MIT
// Maps and lists that are changed at run time, for the process after this one.
#pragma once

#include "base/base.h"

struct keep_maps;
struct loop;
struct service;

// Takes over what an earlier process kept. NULL without a master. Before the threads.
struct keep_maps *keep_maps_new(struct service *s);
// Tells the master of each change from now on. Keeper, as is stop.
void keep_maps_start(struct keep_maps *k, struct loop *loop);
void keep_maps_stop(struct keep_maps *k);
void keep_maps_free(struct keep_maps **k);
