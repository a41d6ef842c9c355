// SPDX-License-Identifier: MIT
// What expr/ contributes to the program. Its fetches and converters are several tables, which
// expr_set_new takes by itself.

#include "base/module.h"
#include "expr/vars_conf_priv.h"

const struct module expr_module = {
    .name = "expr",
    .sections = expr_sections,
    .keywords = expr_keywords,
    .commands = expr_commands,
};
