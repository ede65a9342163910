/* SPDX-License-Identifier: MIT */
/* What tests of the file side can ask of the fake machine. */
#ifndef POSIX_TESTS_FILES_MACHINE_H
#define POSIX_TESTS_FILES_MACHINE_H

#include <base/types.h>

/** fake_memory_size - what the machine has */
extern uint64_t fake_memory_size;
/** fake_n_memories - memory objects that were not closed */
extern size_t fake_n_memories;
/** fake_n_mappings - mappings that were not taken back */
extern size_t fake_n_mappings;

#endif
