/* SPDX-License-Identifier: MIT */
/* For tests and fuzzing: whether a plan keeps what plan.h promises, whatever the file is. */
#ifndef POSIX_REWRITE_CHECK_PLAN_H
#define POSIX_REWRITE_CHECK_PLAN_H

#include <base/string.h>
#include <posix/server/rewrite/instruction.h>
#include <posix/server/rewrite/plan.h>
#include <protocols/posix/stub.h>

/* One instruction of the same size as before; it may be a jump. */
static inline bool check_is_one_instruction(const uint8_t *bytes, uint32_t size)
{
	struct instruction instruction;

	return instruction_decode(bytes, size, &instruction) && instruction.size == size;
}

/* Whether @text leads from @site to the shim, with all that a system call at @syscall has. */
static inline bool check_way(const uint8_t *text, uint64_t size, uint32_t site, uint32_t syscall,
	const uint8_t *original)
{
	struct posix_stub stub = { .ip = site };
	unsigned steps = 0;

	for (; !stub.has_left && steps < POSIX_STUB_STEPS_MAX; steps++) {
		unsigned n = stub.ip < size ? posix_stub_size(text[stub.ip]) : 0;

		if (n == 0 || n > size - stub.ip || !posix_stub_step(&stub, text + stub.ip)) {
			return false;
		}
	}
	if (!stub.has_left || !stub.has_return_address || stub.return_address != syscall + 2) {
		return false;
	}
	return site == syscall ? !stub.has_number
			       : stub.has_number && original[0] == 0xb8 &&
			(uint32_t)posix_stub_field(original + 1) == stub.number;
}

/**
 * check_plan() - NULL, or what is wrong
 * @original, @rewritten: the text, plan->text_size bytes each
 * @marks: as many zeros
 */
static inline const char *check_plan(const struct rewrite_plan *plan, const uint8_t *original,
	const uint8_t *rewritten, uint8_t *marks)
{
	for (uint32_t i = 0; i < plan->n_edits; i++) {
		const struct rewrite_edit *edit = &plan->edits[i];
		const uint8_t *before = original + edit->offset;
		uint32_t syscall = edit->offset + (edit->size == 5 ? 5 : 0);

		if (edit->size == 0 || edit->offset >= plan->text_size ||
			edit->size > plan->text_size - edit->offset) {
			return "an edit is not in the text";
		}
		for (uint32_t j = 0; j < edit->size; j++) {
			if (marks[edit->offset + j]++ != 0) {
				return "edits overlap";
			}
		}
		if (edit->kind != REWRITE_SITE) {
			continue;
		}
		if (!check_is_one_instruction(before, edit->size) ||
			!check_is_one_instruction(edit->bytes, edit->size)) {
			return "a site has other instructions than before";
		}
		if (syscall + 2 > plan->text_size || original[syscall] != 0x0f ||
			original[syscall + 1] != 0x05) {
			return "a site is no system call";
		}
		if (!check_way(rewritten, plan->text_size, edit->offset, syscall, before)) {
			return "a site does not lead to the shim";
		}
	}
	return NULL;
}

#endif
