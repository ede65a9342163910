/* SPDX-License-Identifier: MIT */
/*
 * A QEMU plugin that counts how often each translated block of the guest is executed.
 *
 *     -plugin file=plugin.so,out=FILE[,from=N,to=M]
 *
 * FILE gets a line per block: address, instructions, executions, first bytes (in hexadecimal;
 * they tell programs at the same address apart).  With from and to only what runs between the Nth
 * and the Mth mark counts; the mark is `xchg %rcx, %rcx` in user mode, which osbench executes as
 * each benchmark begins.
 *
 * The declarations stand in for QEMU's qemu-plugin.h (version 1 of the interface), which Debian
 * leaves out.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT    __attribute__((visibility("default")))
#define BUCKETS   (1 << 16)
#define BYTES_MAX 16

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t plugin_id;
enum { PLUGIN_NO_REGISTERS = 0, PLUGIN_ADD_U64 = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(
	plugin_id id, void (*translated)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(
	struct qemu_plugin_tb *block, int operation, void *counter, uint64_t value);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction,
	void (*executed)(unsigned cpu, void *data), int flags, void *data);
void qemu_plugin_register_atexit_cb(plugin_id id, void (*finish)(plugin_id, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

struct block {
	struct block *next;
	uint64_t address;
	uint64_t n_instructions;
	uint64_t n_executions; /* counted by QEMU */
	uint8_t bytes[BYTES_MAX];
	size_t n_bytes;
};

static struct block *blocks[BUCKETS];
static FILE *output;
static long n_marks;
static long mark_from = -1;
static long mark_to = -1;

static void counts_reset(void)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct block *block = blocks[i]; block != NULL; block = block->next) {
			block->n_executions = 0;
		}
	}
}

static void counts_write(void)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct block *block = blocks[i]; block != NULL; block = block->next) {
			if (block->n_executions == 0) {
				continue;
			}
			fprintf(output, "%lx %lu %lu ", block->address, block->n_instructions,
				block->n_executions);
			for (size_t byte = 0; byte < block->n_bytes; byte++) {
				fprintf(output, "%02x", block->bytes[byte]);
			}
			fputc('\n', output);
		}
	}
	fclose(output);
	output = NULL;
}

static void mark_reached(unsigned cpu, void *data)
{
	(void)cpu;
	(void)data;
	n_marks++;
	if (n_marks == mark_from) {
		counts_reset();
	} else if (n_marks == mark_to && output != NULL) {
		counts_write();
	}
}

static struct block *block_find(const struct block *key)
{
	struct block **bucket = &blocks[(key->address * 0x9e3779b97f4a7c15u) >> 48];

	for (struct block *block = *bucket; block != NULL; block = block->next) {
		if (block->address == key->address &&
			block->n_instructions == key->n_instructions &&
			block->n_bytes == key->n_bytes &&
			memcmp(block->bytes, key->bytes, key->n_bytes) == 0) {
			return block;
		}
	}
	struct block *block = malloc(sizeof(*block));

	*block = *key;
	block->next = *bucket;
	*bucket = block;
	return block;
}

static void block_translated(plugin_id id, struct qemu_plugin_tb *translated)
{
	static const uint8_t mark[3] = { 0x48, 0x87, 0xc9 };
	struct block key = {
		.address = qemu_plugin_tb_vaddr(translated),
		.n_instructions = qemu_plugin_tb_n_insns(translated),
	};

	(void)id;
	for (size_t i = 0; i < key.n_instructions; i++) {
		struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(translated, i);
		const uint8_t *data = qemu_plugin_insn_data(instruction);
		size_t size = qemu_plugin_insn_size(instruction);

		for (size_t byte = 0; byte < size && key.n_bytes < BYTES_MAX; byte++) {
			key.bytes[key.n_bytes++] = data[byte];
		}
		if (size == sizeof(mark) && memcmp(data, mark, size) == 0 &&
			key.address >> 63 == 0) {
			qemu_plugin_register_vcpu_insn_exec_cb(
				instruction, mark_reached, PLUGIN_NO_REGISTERS, NULL);
		}
	}
	qemu_plugin_register_vcpu_tb_exec_inline(
		translated, PLUGIN_ADD_U64, &block_find(&key)->n_executions, 1);
}

static void machine_stopped(plugin_id id, void *data)
{
	(void)id;
	(void)data;
	if (output != NULL) {
		counts_write();
	}
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "out=", 4) == 0) {
			output = fopen(argv[i] + 4, "w");
		} else if (strncmp(argv[i], "from=", 5) == 0) {
			mark_from = atol(argv[i] + 5);
		} else if (strncmp(argv[i], "to=", 3) == 0) {
			mark_to = atol(argv[i] + 3);
		}
	}
	if (output == NULL) {
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
	qemu_plugin_register_atexit_cb(id, machine_stopped, NULL);
	return 0;
}
