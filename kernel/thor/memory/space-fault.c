/* SPDX-License-Identifier: MIT */
/* Page faults. */
#include <thor/memory/space.h>

#include <thor/cpu.h>
#include <thor/memory/managed.h>
#include <thor/memory/memory-indirect.h>
#include <thor/memory/page-cache.h>
#include <thor/sched/sched.h>
#include <thor/sched/shortage.h>

/* Of functions here: a large page is being prepared; as SPACE_PENDING, not an error. */
constexpr int SPACE_LATER = 2;

/* Whether a mapping allows an access. What can be written or executed can be read. */
static int space_check_access(const struct mapping *mapping, uint32_t access)
{
	uint32_t allowed = mapping->flags & MAPPING_ACCESS;

	if (allowed != 0) {
		allowed |= HEL_MAP_READ;
	}
	return mapping->memory == NULL || (access & ~allowed) != 0 ? -ERR_NO_RIGHTS : 0;
}

/*
 * Enter a page. The old entry, if any, is of a page that may not be written, or was refused for
 * a reason that is gone (another CPU was faster): then only this CPU's memory of the refusal
 * needs to go. @memory has the page.
 */
static int space_enter(struct shootdown_batch *batch, const struct mapping *mapping,
	uint64_t address, const struct memory *memory, const struct memory_page *page)
{
	struct arch_page_entry old;
	uint32_t flags = space__entry_flags(mapping) | memory->page_flags;

	if (!page->can_write) {
		flags &= ~(uint32_t)ARCH_PAGE_WRITE;
	}
	int error =
		arch_page_exchange(&mapping->space->page_table, address, page->phys, flags, &old);

	if (error != 0 || !old.is_present) {
		return error;
	}
	if (old.phys != page->phys || (old.flags & ~flags) != 0) {
		shootdown_batch_add(batch, address);
	} else if (arch_this_cpu()->active_space == mapping->space) {
		arch_tlb_flush_page(address);
	}
	return 0;
}

/* Enter a page that @memory, which is locked, has got, instead of the one that was there. */
static int space_enter_locked(struct shootdown_batch *batch, const struct mapping *mapping,
	uint64_t address, const struct memory *memory, const struct memory_page *page)
{
	spinlock_acquire(&mapping->space->table_lock);
	int error = space_enter(batch, mapping, address, memory, page);

	if (error != 0 && page->is_changed) {
		space__clear_entries(batch, address, address + FRAME_SIZE);
	}
	shootdown_batch_flush(batch);
	spinlock_release(&mapping->space->table_lock);
	return error;
}

/* The memory is locked. */
static int space_fault_locked(
	struct shootdown_batch *batch, struct mapping *mapping, uint64_t address, bool for_write)
{
	struct memory *memory = mapping->memory;
	uint64_t index = mapping_offset_of(mapping, address) / FRAME_SIZE;
	struct memory_page page;
	int error = memory__get_page(memory, index, for_write, &page);

	if (error != 0) {
		return error;
	}
	if (page.is_changed && !memory->is_anonymous) {
		memory__hide(memory, index, index + 1, mapping);
	}
	error = space_enter_locked(batch, mapping, address, memory, &page);
	if (page.replaced != 0) {
		frame_unref(page.replaced);
	}
	return error;
}

/* The page has to be waited for: by @wait if there is one, else by whoever asked (page-wait.h). */
static int space_pend(struct memory *memory, uint64_t index, bool for_write, struct page_wait *wait)
{
	if (wait == NULL) {
		page_note_set(memory, index, for_write);
		return SPACE_PENDING;
	}
	return memory__await_page(memory, index, for_write, wait);
}

/* What has the page at the end of a path is locked. */
static int space_fault_at_end(struct shootdown_batch *batch, const struct mapping *mapping,
	uint64_t address, bool for_write, const struct indirect_path *path)
{
	struct memory_page page;
	int error = memory__get_page(path->memory, path->index, for_write, &page);

	if (error != 0) {
		return error;
	}
	if (page.is_changed) {
		memory__hide(path->memory, path->index, path->index + 1, NULL);
	}
	/* If the way has changed the access is tried again, and faults again. */
	if (indirect__lock(path)) {
		error = space_enter_locked(batch, mapping, address, path->memory, &page);
		indirect__unlock(path);
	}
	if (page.replaced != 0) {
		frame_unref(page.replaced);
	}
	return error;
}

/* A fault in a mapping of indirect memory; the space is locked. */
static int space_fault_indirect(struct shootdown_batch *batch, struct mapping *mapping,
	uint64_t address, bool for_write, struct page_wait *wait)
{
	struct indirect_path path;
	int error = indirect__find(
		mapping->memory, mapping_offset_of(mapping, address) / FRAME_SIZE, &path);

	if (error != 0) {
		return error;
	}
	memory__lock(path.memory);
	error = space_fault_at_end(batch, mapping, address, for_write, &path);
	if (error == SPACE_PENDING) {
		error = space_pend(path.memory, path.index, for_write, wait);
	}
	memory__unlock(path.memory);
	indirect__end(&path);
	return error;
}

/* The same in one of other memory. */
static int space_fault_direct(struct shootdown_batch *batch, struct mapping *mapping,
	uint64_t address, bool for_write, struct page_wait *wait)
{
	memory__lock(mapping->memory);
	int error = space_fault_locked(batch, mapping, address, for_write);

	if (unlikely(error == SPACE_PENDING)) {
		error = space_pend(mapping->memory,
			mapping_offset_of(mapping, address) / FRAME_SIZE, for_write, wait);
	}
	memory__unlock(mapping->memory);
	return error;
}

/* The rare ones: of indirect memory, or where large pages may be. */
__attribute__((noinline)) static int space_fault_otherwise(struct shootdown_batch *batch,
	struct mapping *mapping, uint64_t address, uint32_t access, struct page_wait *wait)
{
	bool for_write = (access & SPACE_ACCESS_WRITE) != 0;

	if (mapping->memory->kind == HEL_MEMORY_INDIRECT) {
		return space_fault_indirect(batch, mapping, address, for_write, wait);
	}
	memory__lock(mapping->memory);
	enum space_large large = space__fault_large(batch, mapping, address, access);

	memory__unlock(mapping->memory);
	switch (large) {
	case SPACE_LARGE_NONE: break;
	case SPACE_LARGE_ENTERED: return 0;
	case SPACE_LARGE_LATER: return SPACE_LATER;
	}
	return space_fault_direct(batch, mapping, address, for_write, wait);
}

/*
 * Memory is scarce: whether it is kept from a space, if that has programs. They wait themselves;
 * servers that use their memory do not, and are refused only what will not come.
 */
static bool space_is_refused(const struct space *space)
{
	struct cpu *cpu = arch_this_cpu();
	bool is_own = space == cpu->active_space;

	if (!atomic_load_explicit(&space->is_limited, memory_order_relaxed) ||
		(page_cache_can_help() && !(is_own && frame_is_critical()))) {
		return false;
	}
	cpu->lacks_frames |= is_own;
	sched_look(cpu); /* page_cache_balance() on the way out */
	return true;
}

/**
 * space_fault_wait() - make an access to an address possible, now or later
 * @access: of enum space_access; with SPACE_ACCESS_SLICES, 0 may come back many times before the
 *          access succeeds
 * @wait: idle; armed if SPACE_PENDING is returned. NULL: noted instead
 *
 * Context: any, no memory lock held. @space need not be the active one.
 * Return: 0: the access can be retried. SPACE_PENDING. -ERR_FAULT: nothing is mapped,
 * -ERR_NO_RIGHTS: protection or a guard, -ERR_OUT_OF_BOUNDS: beyond the end of the memory object,
 * or in an empty slot of indirect memory, -ERR_NO_MEMORY, -ERR_IO: the manager failed or is gone.
 */
int space_fault_wait(struct space *space, uint64_t address, uint32_t access, struct page_wait *wait)
{
	struct shootdown_batch batch;

	arch_this_cpu()->n_page_faults++;
	address = align_down(address, FRAME_SIZE);
	shootdown_batch_init(&batch, space);
	spinlock_acquire(&space->lock);
	struct mapping *mapping = mapping_set_find(&space->mappings, address);
	int error = mapping == NULL
		? -ERR_FAULT
		: space_check_access(mapping, access & ~(uint32_t)SPACE_ACCESS_SLICES);

	if (error == 0 && unlikely(frame_is_scarce()) && space_is_refused(space)) {
		error = -ERR_NO_MEMORY;
	}
	if (error == 0) {
		bool is_usual = mapping->memory->kind != HEL_MEMORY_INDIRECT &&
			(mapping->flags & HEL_MAP_LARGE) == 0;

		error = likely(is_usual)
			? space_fault_direct(&batch, mapping, address,
				  (access & SPACE_ACCESS_WRITE) != 0, wait)
			: space_fault_otherwise(&batch, mapping, address, access, wait);
	}
	spinlock_release(&space->lock);
	if (unlikely(error == SPACE_LATER)) {
		frame_large_clear();
		error = 0;
	}
	return error;
}

int space_fault(struct space *space, uint64_t address, uint32_t access)
{
	return space_fault_wait(space, address, access, NULL);
}

/**
 * thor_resolve_user_copy_fault() - upcall: the kernel itself met a missing page of the current
 * space
 */
bool thor_resolve_user_copy_fault(uint64_t address, bool is_write)
{
	struct space *space = arch_this_cpu()->active_space;

	uint32_t access = is_write ? SPACE_ACCESS_WRITE : SPACE_ACCESS_READ;

	if (space == NULL || address < ARCH_USER_LOW || address >= ARCH_USER_HIGH) {
		return false;
	}
	int error = space_fault(space, address, access);

	if (error == -ERR_NO_MEMORY) {
		shortage_note();
	}
	return error == 0;
}
