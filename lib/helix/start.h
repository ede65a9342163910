/* SPDX-License-Identifier: MIT */
/*
 * What a native program was started with: arguments, the kernel's command line, named handles.
 *
 * The start-up code (start.c and arch/) calls the program's main() with all of helix but the loop
 * ready; what main() returns is logged if it is not 0, then the program ends.
 */
#ifndef HELIX_START_H
#define HELIX_START_H

#include <abi/hel/start.h>
#include <base/types.h>

/** main() - the program; supplied by it */
int main(int n_arguments, char **arguments);

/** helix_start() - everything the starter gave us; valid for ever */
const struct hel_start *helix_start(void);

/** helix_start_handle() - the handle that the starter named @name, HEL_NULL if there is none */
hel_handle helix_start_handle(const char *name);

/**
 * helix_start_value() - the value that came with the handle @name (a memory's size), 0 if there
 * is none
 */
uint64_t helix_start_value(const char *name);

/**
 * helix_command_line_option() - the value of `name=value` on the kernel's command line
 * @out_value: the text after the equals sign, up to the next space, cut to fit; "" for a bare
 * `name`
 *
 * Return: whether @name is there; the last one counts.
 */
bool helix_command_line_option(const char *name, char *out_value, size_t size);

/** helix_exit() - end the program: its main thread ends, and with it the universe's handles */
NORETURN void helix_exit(void);

#endif
