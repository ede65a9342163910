/* SPDX-License-Identifier: MIT */
/* Names, types, sizes and defaults: what makes a syntax tree a meaningful one. */
#ifndef BRAGI_CHECK_H
#define BRAGI_CHECK_H

#include "syntax.h"

/** check_file() - resolve names and fill in what syntax.h calls checked, or exit with a message */
void check_file(struct file *file);

/** type_wire_size_min() - the fewest bytes that a value of this type, array included, takes */
uint64_t type_wire_size_min(const struct type *type);

/** type_item_wire_size_min() - the same for one item of an array type */
uint64_t type_item_wire_size_min(const struct type *type);

#endif
