// SPDX-License-Identifier: MIT
// Numbers that are not counted in blocks of metrics (calls of policies' functions, rates of
// variables), for the process after this one: the keeper copies them into the ledger five times a
// second.
#pragma once

#include "base/base.h"

struct keep_numbers;
struct ledger;
struct loop;
struct service;

// Adds its objects to those of the set, before the ledger is made.
struct keep_numbers *keep_numbers_new(struct service *s);
// Of the process before this one.
void keep_numbers_take(struct keep_numbers *k, const struct ledger *before);
// Keeper.
void keep_numbers_start(struct keep_numbers *k, struct loop *loop);
void keep_numbers_stop(struct keep_numbers *k);
void keep_numbers_free(struct keep_numbers **k);
