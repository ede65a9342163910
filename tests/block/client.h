/* SPDX-License-Identifier: MIT */
/* A client of a block device with one memory, for the tests here. */
#ifndef TESTS_BLOCK_CLIENT_H
#define TESTS_BLOCK_CLIENT_H

#include <protocols/block/block-client.h>
#include <tests/native/task-tests.h>

#define MEMORY_BYTES MIB(4)
#define DEPTH        32

extern struct block_disk disk;
extern uint32_t memory_id;
extern uint8_t *bytes; /* of the memory */

/** client_option() - a number of the kernel's command line; @otherwise: there is none */
uint64_t client_option(const char *name, uint64_t otherwise);

/** client_open() - the device that block.name says, and MEMORY_BYTES for its requests */
MUST_USE int client_open(struct task *task);

/** transfer() - between @position of the device and @offset of the memory */
MUST_USE int transfer(struct task *task, enum block_operation operation, uint64_t position,
	uint64_t offset, uint32_t length);

/** transfer_of() - the same with another memory that was attached */
MUST_USE int transfer_of(struct task *task, uint32_t id, enum block_operation operation,
	uint64_t position, uint64_t offset, uint32_t length);

/** act() - an operation without data */
MUST_USE int act(
	struct task *task, enum block_operation operation, uint64_t position, uint64_t length);

/** pattern() - byte @at of what fill() fills with; @salt: makes another one */
uint8_t pattern(uint64_t at, uint64_t salt);

/** fill(), is_filled() - @length bytes of the memory with a pattern that begins at @offset */
void fill(uint64_t offset, uint64_t length, uint64_t salt);
bool is_filled(uint64_t offset, uint64_t length, uint64_t salt);

/** test_space_is_lent(), ... - tests of loans, with the device open: loans.c */
void test_space_is_lent(struct task *task);
void test_what_is_not_there_fails(struct task *task);
void test_lent_memory_goes(struct task *task);

/** errors_main() - the tests of a device with bad places; as task_tests_main() */
int errors_main(void);

/** media_main() - the tests of a drive whose disc changes */
int media_main(void);

/** read_only_main() - the tests of one that cannot be written */
int read_only_main(void);

#endif
