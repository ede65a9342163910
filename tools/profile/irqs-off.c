/* SPDX-License-Identifier: MIT */
/*
 * A QEMU plugin that finds the longest stretches with interrupts off in thor, in instructions.
 *
 *     -plugin file=irqs-off.so,out=FILE[,min=N]
 *
 * The interface shows no flags, but it need not: thor runs with interrupts off, from the entry to
 * the exit, except where it says so in its code. So a stretch is what runs at kernel addresses from
 * one of these instructions to the next: `sysret` and the `iret` behind a `swapgs`, which are the
 * exits to user mode; `sti`, `hlt` and `cli`, which stand around each place where interrupts are
 * taken. What runs with interrupts on between `sti` and `cli` is counted for a stretch, too, but
 * that is next to nothing. A page fault in the kernel belongs to the stretch in which it happens.
 * Blocks with a `pause` do not count: they wait for another processor, for as long as the host lets
 * that one wait.
 *
 * FILE gets a line for each stretch of at least N instructions that is longer than all those before
 * that began with the same few blocks:
 *
 *     run|boot COUNT END FIRST,FIRST... MARK,MARK...
 *
 * END is the address at which interrupts came on again, FIRSTs are the addresses of the blocks that
 * ran first, a MARK is the address of the block after each MARK_STEP instructions. `boot` is what
 * runs before the first entry of user mode.
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

#define EXPORT       __attribute__((visibility("default")))
#define CPUS_MAX     64
#define N_FIRST      64
#define N_KEY        24 /* of the first blocks, which tell stretches apart */
#define N_MARKS      64
#define MARK_STEP    2500
#define KEYS         (1 << 14)
#define LINE_ALIGNED __attribute__((aligned(64)))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t plugin_id;
enum { PLUGIN_NO_REGISTERS = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(
	plugin_id id, void (*translated)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block,
	void (*executed)(unsigned cpu, void *data), int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction,
	void (*executed)(unsigned cpu, void *data), int flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

/* A block of kernel code, or an instruction at which a stretch ends. Never freed. */
struct place {
	uint64_t address;
	uint64_t n_instructions; /* of the block; or from the instruction to the block's end */
};

/* The stretch that a virtual CPU is in; only that CPU's thread touches it. */
static struct LINE_ALIGNED stretch {
	uint64_t n_instructions;
	uint64_t first[N_FIRST];
	uint64_t marks[N_MARKS];
	uint32_t n_first, n_marks;
} stretches[CPUS_MAX];

static FILE *output; /* its lock is also that of the following two */
static uint64_t keys[KEYS], longest[KEYS];
static uint64_t n_instructions_min = 2500;
static _Atomic bool has_booted;

/* Whether the stretch is the longest of those that began like it. */
static bool is_longest(const struct stretch *stretch)
{
	uint64_t key = 1;

	for (uint32_t i = 0; i < stretch->n_first && i < N_KEY; i++) {
		key = (key ^ stretch->first[i]) * 0x9e3779b97f4a7c15u;
		key ^= key >> 29;
	}
	size_t slot = key >> 50;

	if (keys[slot] == key && longest[slot] >= stretch->n_instructions) {
		return false;
	}
	keys[slot] = key;
	longest[slot] = stretch->n_instructions;
	return true;
}

static void addresses_write(const uint64_t *addresses, uint32_t n_addresses)
{
	for (uint32_t i = 0; i < n_addresses; i++) {
		fprintf(output, "%c%lx", i == 0 ? ' ' : ',', addresses[i]);
	}
}

static void stretch_write(const struct stretch *stretch, uint64_t end)
{
	flockfile(output);
	if (is_longest(stretch)) {
		fprintf(output, "%s %lu %lx", has_booted ? "run" : "boot", stretch->n_instructions,
			end);
		addresses_write(stretch->first, stretch->n_first);
		addresses_write(stretch->marks, stretch->n_marks);
		fputc('\n', output);
		fflush(output);
	}
	funlockfile(output);
}

static void block_executed(unsigned cpu, void *data)
{
	struct stretch *stretch = &stretches[cpu % CPUS_MAX];
	const struct place *block = data;

	if (stretch->n_first < N_FIRST) {
		stretch->first[stretch->n_first++] = block->address;
	}
	stretch->n_instructions += block->n_instructions;
	if (stretch->n_instructions >= (uint64_t)(stretch->n_marks + 1) * MARK_STEP &&
		stretch->n_marks < N_MARKS) {
		stretch->marks[stretch->n_marks++] = block->address;
	}
}

/* The rest of its block belongs to the next stretch. */
static void border_executed(unsigned cpu, void *data)
{
	struct stretch *stretch = &stretches[cpu % CPUS_MAX];
	const struct place *border = data;

	stretch->n_instructions -= border->n_instructions;
	if (stretch->n_instructions >= n_instructions_min && (int64_t)stretch->n_instructions > 0) {
		stretch_write(stretch, border->address);
	}
	stretch->n_instructions = border->n_instructions;
	stretch->first[0] = border->address;
	stretch->n_first = 1;
	stretch->n_marks = 0;
}

static void exit_executed(unsigned cpu, void *data)
{
	border_executed(cpu, data);
	has_booted = true;
}

static bool instruction_is(const struct qemu_plugin_insn *instruction, const char *code)
{
	return qemu_plugin_insn_size(instruction) == strlen(code) &&
		memcmp(qemu_plugin_insn_data(instruction), code, strlen(code)) == 0;
}

static bool is_exit_at(const struct qemu_plugin_tb *block, size_t index)
{
	const struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, index);

	return instruction_is(instruction, "\x48\x0f\x07") ||
		(index > 0 && instruction_is(instruction, "\x48\xcf") &&
			instruction_is(qemu_plugin_tb_get_insn(block, index - 1), "\x0f\x01\xf8"));
}

static struct place *place_make(uint64_t address, uint64_t n_instructions)
{
	struct place *place = malloc(sizeof(*place));

	*place = (struct place){ .address = address, .n_instructions = n_instructions };
	return place;
}

static void block_translated(plugin_id id, struct qemu_plugin_tb *block)
{
	size_t n_instructions = qemu_plugin_tb_n_insns(block);
	bool is_waiting = false;

	(void)id;
	if (qemu_plugin_tb_vaddr(block) >> 63 == 0) {
		return;
	}
	for (size_t i = 0; i < n_instructions; i++) {
		is_waiting |= instruction_is(qemu_plugin_tb_get_insn(block, i), "\xf3\x90");
	}
	for (size_t i = 0; i < n_instructions; i++) {
		struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
		bool is_exit = is_exit_at(block, i);

		if (is_exit || instruction_is(instruction, "\xfb") ||
			instruction_is(instruction, "\xfa") ||
			instruction_is(instruction, "\xf4")) {
			qemu_plugin_register_vcpu_insn_exec_cb(instruction,
				is_exit ? exit_executed : border_executed, PLUGIN_NO_REGISTERS,
				place_make(qemu_plugin_insn_vaddr(instruction),
					is_waiting ? 0 : n_instructions - i));
		}
	}
	if (!is_waiting) {
		qemu_plugin_register_vcpu_tb_exec_cb(block, block_executed, PLUGIN_NO_REGISTERS,
			place_make(qemu_plugin_tb_vaddr(block), n_instructions));
	}
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "out=", 4) == 0) {
			output = fopen(argv[i] + 4, "w");
		} else if (strncmp(argv[i], "min=", 4) == 0) {
			n_instructions_min = strtoull(argv[i] + 4, NULL, 10);
		}
	}
	if (output == NULL) {
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
	return 0;
}
