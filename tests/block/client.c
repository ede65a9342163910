/* SPDX-License-Identifier: MIT */
/* The device, and memory for requests: see client.h. */
#include "client.h"

#include <base/errors.h>

struct block_disk disk;
static hel_handle memory;
uint32_t memory_id;
uint8_t *bytes;

uint64_t client_option(const char *name, uint64_t otherwise)
{
	char text[24];
	uint64_t value = 0;

	if (!helix_command_line_option(name, text, sizeof(text))) {
		return otherwise;
	}
	for (const char *digit = text; *digit >= '0' && *digit <= '9'; digit++) {
		value = value * 10 + (uint64_t)(*digit - '0');
	}
	return value;
}

int client_open(struct task *task)
{
	char name[BLOCK_NAME_MAX];
	void *pointer;

	if (!helix_command_line_option("block.name", name, sizeof(name))) {
		return -ERR_NOT_FOUND;
	}
	int error =
		block_disk_open(task, &disk, task->loop, helix_start_handle("mbus"), name, DEPTH);

	if (error == 0) {
		error = hel_memory_allocate(MEMORY_BYTES, 0, &memory);
	}
	if (error == 0) {
		error = helix_map(memory, 0, MEMORY_BYTES, HEL_MAP_READ | HEL_MAP_WRITE, &pointer);
	}
	if (error == 0) {
		bytes = pointer;
		error = block_disk_attach(task, &disk, memory, &memory_id);
	}
	return error;
}

int transfer_of(struct task *task, uint32_t id, enum block_operation operation, uint64_t position,
	uint64_t offset, uint32_t length)
{
	struct block_segment segment = { .offset = offset, .memory = id, .length = length };
	struct block_op request;

	block_op_init(&request, &disk, operation, position, &segment, 1);
	int error = await(task, &request.op);

	return error == 0 && request.n_bytes != length ? -ERR_PROTOCOL : error;
}

int transfer(struct task *task, enum block_operation operation, uint64_t position, uint64_t offset,
	uint32_t length)
{
	return transfer_of(task, memory_id, operation, position, offset, length);
}

int act(struct task *task, enum block_operation operation, uint64_t position, uint64_t length)
{
	struct block_op request;

	block_op_init_range(&request, &disk, operation, position, length);
	return await(task, &request.op);
}

uint8_t pattern(uint64_t at, uint64_t salt)
{
	return (uint8_t)(at * 7 + at / 512 * 13 + salt * 31);
}

void fill(uint64_t offset, uint64_t length, uint64_t salt)
{
	for (uint64_t i = 0; i < length; i++) {
		bytes[offset + i] = pattern(i, salt);
	}
}

bool is_filled(uint64_t offset, uint64_t length, uint64_t salt)
{
	for (uint64_t i = 0; i < length; i++) {
		if (bytes[offset + i] != pattern(i, salt)) {
			return false;
		}
	}
	return true;
}
