/* SPDX-License-Identifier: MIT */
/* From tokens to the syntax tree. */
#ifndef BRAGI_PARSER_H
#define BRAGI_PARSER_H

#include "syntax.h"

/** parse_file() - parse a whole source, or exit with a message */
void parse_file(const struct source *source, struct file *out_file);

#endif
