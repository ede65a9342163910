/* SPDX-License-Identifier: MIT */
/* What tests of the file side can ask of the fake machine. */
#ifndef POSIX_TESTS_FILES_MACHINE_H
#define POSIX_TESTS_FILES_MACHINE_H

#include <abi/hel/types.h>
#include <base/types.h>
#include <protocols/transport/client.h>

/** fake_memory_size - what the machine has */
extern uint64_t fake_memory_size;
/** fake_n_memories - memory objects that were not closed */
extern size_t fake_n_memories;
/** fake_memory_with() - a memory object with these bytes */
hel_handle fake_memory_with(const void *data, size_t size);
/** fake_memory_share() - another handle of it */
hel_handle fake_memory_share(hel_handle memory);
/** fake_memory_clear() - zeroes in a range; fake_memory_read() - what is in it */
void fake_memory_clear(hel_handle memory, uint64_t offset, uint64_t size);
void fake_memory_read(hel_handle memory, void *buffer, uint64_t size);
/** struct fake_range - what fake_memory_read() finds in a loan: the range that it is of */
struct fake_range {
	uint64_t address, size;
};
/** fake_n_mappings - mappings that were not taken back */
extern size_t fake_n_mappings;
/** fake_process_memory() - what a process has at an address of its own, NULL: nothing */
const void *fake_process_memory(uint64_t space, uint64_t address);
/** fake_spaces_end() - the processes are gone, and all that they had mapped */
void fake_spaces_end(void);
/**
 * fake_program_limit - what processes have of memory is fake_program, from FAKE_PROGRAM on; 0: an
 * address is one of the host's
 */
extern size_t fake_program_limit;
constexpr uint64_t FAKE_PROGRAM = 4096;
extern uint8_t fake_program[65536];
/** fake_fail_maps - so many mappings for processes fail */
extern size_t fake_fail_maps;

/** fake_has_loop_driver - loop devices are bound, to volumes that the test has added */
extern bool fake_has_loop_driver;

/** fake_transact - where calls to servers go: to a server in the test */
extern int (*fake_transact)(struct task *, struct bragi_client *, struct bragi_exchange *);

/* ---- of the fake file server: memory whose pages may be absent ------------------------------ */

/** fake_memory_try() - what keeps a copy from being made now, 0: nothing */
int fake_memory_try(hel_handle memory, uint64_t offset, uint64_t size, bool is_write);
/** fake_memory_closed() - a handle of it is gone */
void fake_memory_closed(hel_handle memory);
/** fake_memory_unlock() - a range is locked no more */
void fake_memory_unlock(void);

#endif
