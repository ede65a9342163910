/* SPDX-License-Identifier: MIT */
/* Between arch/ and start.c. */
#ifndef HELIX_START_INTERNAL_H
#define HELIX_START_INTERNAL_H

#include <helix/start.h>

/** helix_start_main() - continue from the first instruction, on the first stack */
NORETURN void helix_start_main(const struct hel_start *start);

#endif
