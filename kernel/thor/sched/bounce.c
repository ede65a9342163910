/* SPDX-License-Identifier: MIT */
/*
 * Kicks and faults of bounced threads: what abi/hel/bounce.h promises.
 *
 * The bounce page is wired and in the direct map, so nothing here can fault. Its `stack` is read
 * once; a nonsensical value only makes the thread fault at its own entry. The entry addresses
 * were checked when the thread was created.
 */
#include <thor/sched/thread.h>

static bool bounce_is_within(uint64_t ip, uint64_t low, uint64_t high)
{
	return ip >= low && ip < high;
}

void bounce_deliver_kick(struct thread *thread)
{
	const struct hel_bounce *entries = &thread->bounce.entries;
	struct hel_bounce_page *page = thread->bounce.page;
	uint64_t ip = arch_context_ip(&thread->arch);

	if (page == NULL) {
		return;
	}
	for (unsigned i = 0; i < 4; i++) {
		const struct hel_bounce_range *range = &entries->critical[i];

		if (bounce_is_within(ip, range->low, range->high)) {
			struct hel_registers registers;

			thread_end_long_call(thread);
			arch_context_get_registers(thread, &registers);
			arch_context_redirect(&thread->arch, range->restart, registers.rsp);
			return;
		}
	}
	if (bounce_is_within(ip, entries->shim_low, entries->shim_high)) {
		return;
	}
	thread_end_long_call(thread);
	arch_context_get_registers(thread, &page->frame);
	arch_context_redirect(&thread->arch, entries->entry_kick, page->stack);
}

bool bounce_skip_step(struct thread *thread)
{
	struct hel_bounce_page *page = thread->bounce.page;
	uint32_t n = page == NULL ? 0 : __atomic_load_n(&page->steps_to_skip, __ATOMIC_RELAXED);

	if (n == 0) {
		return false;
	}
	__atomic_store_n(&page->steps_to_skip, n - 1, __ATOMIC_RELAXED);
	return true;
}

bool bounce_is_in_shim(const struct thread *thread)
{
	const struct hel_bounce *entries = &thread->bounce.entries;

	return thread->bounce.page != NULL &&
		bounce_is_within(
			arch_context_ip(&thread->arch), entries->shim_low, entries->shim_high);
}

bool bounce_deliver_fault(struct thread *thread, const struct hel_fault *fault)
{
	const struct hel_bounce *entries = &thread->bounce.entries;
	struct hel_bounce_page *page = thread->bounce.page;
	uint64_t ip = arch_context_ip(&thread->arch);

	if (page == NULL || bounce_is_within(ip, entries->fault_low, entries->fault_high)) {
		return false;
	}
	/* Out of memory: the shim would need some itself. Who observes decides what dies. */
	if (fault->reason == -ERR_NO_MEMORY) {
		return false;
	}
	bool is_in_shim = bounce_is_within(ip, entries->shim_low, entries->shim_high);

	if (is_in_shim && entries->entry_shim_fault == 0) {
		return false;
	}
	arch_context_get_registers(thread, &page->frame);
	page->fault = *fault;
	if (is_in_shim) {
		arch_context_redirect(&thread->arch, entries->entry_shim_fault, page->frame.rsp);
	} else {
		arch_context_redirect(&thread->arch, entries->entry_fault, page->stack);
	}
	return true;
}
