/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a dead process' memory.
 *
 * The kernel takes a space apart in slices, a while after posix has closed it. Of a small process
 * nothing is left to be taken apart by the time its parent looks. A large one becomes a zombie, of
 * which its parent is told, when the kernel says that what has ended is gone: so what wait() has
 * reported does not use memory any more. Nothing else waits for that.
 */
#include <helix/await.h>
#include <posix/server/process/process-internal.h>

constexpr uint64_t LARGE_PAGES = 256; /* asking costs 0.6 % of a fork and exit */

bool process_is_large(const struct process *process)
{
	const struct process_internal *internal = process->internal;
	struct hel_account_info info;

	/* Beside the process' reference there are two of the thread that is going: not shared. */
	return process->parent != NULL && internal->mm != NULL && internal->mm->references <= 3 &&
		internal->universe != HEL_NULL &&
		hel_universe_account(internal->universe, &info) == 0 &&
		info.used.n_pages >= LARGE_PAGES;
}

static void memory_is_back(struct op *op)
{
	process_memory_is_back(op->owner);
}

void process_await_memory(struct process *process)
{
	struct helix_ends_op *wait = &process->internal->memory_back;

	helix_ends_op_init(wait);
	if (op_start(&wait->operation.op, posix_loop(), memory_is_back, process) == OP_DONE) {
		process_memory_is_back(process);
	}
}
