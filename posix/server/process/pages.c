/* SPDX-License-Identifier: MIT */
/* Which pages of a process are there, for move_pages and migrate_pages. */
#include <base/string.h>
#include <hel/hel-calls.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/trace/trace.h>

/* The memory of a process that the caller may look into. */
static int64_t find_memory(const struct request *request, struct mm **out_mm)
{
	uint32_t pid = (uint32_t)request->args[0];
	const struct thread *thread = pid != 0 ? thread_find(pid) : request->thread;
	struct process *subject = thread != NULL ? thread->process : process_find(pid);
	bool is_capable = process_has(request->process, LINUX_CAP_SYS_NICE);

	if (request->args[1] == POSIX_PAGES_OF_ALL && !is_capable) {
		return -LINUX_EPERM;
	}
	if (subject == NULL) {
		return -LINUX_ESRCH;
	}
	if (!trace_may_access(request->process, subject, false) ||
		(request->args[1] == POSIX_PAGES_ELSEWHERE && !is_capable)) {
		return -LINUX_EPERM;
	}
	*out_mm = subject->internal->mm;
	return *out_mm == NULL ? -LINUX_EINVAL : 0;
}

/* A page of one's own is there, whether a page table has it or not. */
static uint8_t state_of(const struct mm *mm, uint64_t address)
{
	const uint8_t own = HEL_PAGE_RESIDENT | HEL_PAGE_OWN;
	uint64_t page = address & ~(HEL_PAGE_SIZE - 1);
	uint8_t state;

	if (page >= POSIX_SHIM_REGION || hel_space_pages(mm->space, page, &state, 1) != 0 ||
		(state & HEL_PAGE_COVERED) == 0) {
		return 0;
	}
	return (state & HEL_PAGE_ENTERED) != 0 || (state & own) == own
		? HEL_PAGE_COVERED | HEL_PAGE_RESIDENT
		: HEL_PAGE_COVERED;
}

int64_t posix_pages(struct request *request)
{
	size_t in_size, n_states = 0;
	const uint8_t *addresses = request_in(request, 0, &in_size);
	uint8_t *states = request_out(request, 0, &n_states);
	struct mm *mm;
	int64_t error = find_memory(request, &mm);

	if (error == 0 && in_size != n_states * sizeof(uint64_t)) {
		error = -LINUX_EINVAL;
	}
	for (size_t i = 0; i < n_states && error == 0; i++) {
		uint64_t address;

		memcpy(&address, addresses + i * sizeof(address), sizeof(address));
		states[i] = state_of(mm, address);
	}
	return error;
}
