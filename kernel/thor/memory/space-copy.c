/* SPDX-License-Identifier: MIT */
/*
 * Copies between the kernel and user memory of any space, and between spaces, through the direct
 * map.
 *
 * A page is copied while the table lock of its space is held and its entry allows the access:
 * then the frame cannot go away and is the one that user mode would reach (space.h). Where the
 * entry is missing a fault is resolved with no lock held and the page tried again. If somebody has
 * to bring the page first the copy ends with -ERR_FAULT and the CPU's note says which
 * (page-wait.h).
 */
#include <thor/memory/space.h>

#include <base/string.h>
#include <thor/cpu.h>
#include <thor/memory/memory-indirect.h>

constexpr unsigned SPACE_COPY_TRIES =
	64; /* a page may vanish again before it is copied, but not for ever */

/* What one page of one side looks like; the table is locked. */
static bool space_find_byte(
	struct space *space, uint64_t address, bool is_write, uint8_t **out_bytes)
{
	struct arch_page_entry entry =
		arch_page_lookup(&space->page_table, align_down(address, FRAME_SIZE));

	if (!entry.is_present || (is_write && (entry.flags & ARCH_PAGE_WRITE) == 0) ||
		(entry.flags & (ARCH_PAGE_UNCACHED | ARCH_PAGE_WRITE_COMBINE)) != 0 ||
		!frame_is_direct(entry.phys)) {
		return false;
	}
	*out_bytes = (uint8_t *)arch_phys_to_virt(entry.phys) + address % FRAME_SIZE;
	return true;
}

/*
 * User mode asked for a copy that it could not make itself: one error for all reasons but
 * memory.
 */
static int space_copy_error(int error)
{
	return error == 0 || error == -ERR_NO_MEMORY ? error : -ERR_FAULT;
}

static bool space_is_user_range(uint64_t address, size_t size)
{
	return address >= ARCH_USER_LOW && address < ARCH_USER_HIGH &&
		size <= ARCH_USER_HIGH - address;
}

/* ---- kernel and user --------------------------------------------------------------- */

static bool space_try_copy(
	struct space *space, uint64_t address, void *buffer, size_t size, bool is_write)
{
	uint8_t *bytes;

	spinlock_acquire(&space->table_lock);
	bool is_there = space_find_byte(space, address, is_write, &bytes);

	if (is_there) {
		memcpy(is_write ? bytes : buffer, is_write ? buffer : bytes, size);
	}
	spinlock_release(&space->table_lock);
	return is_there;
}

/* Copy within one page. */
static int space_copy_page(
	struct space *space, uint64_t address, void *buffer, size_t size, bool is_write)
{
	uint32_t access = is_write ? SPACE_ACCESS_WRITE : SPACE_ACCESS_READ;

	for (unsigned i = 0; i < SPACE_COPY_TRIES; i++) {
		if (space_try_copy(space, address, buffer, size, is_write)) {
			return 0;
		}
		int error = space_fault(space, address, access);

		if (error != 0) {
			return space_copy_error(error);
		}
	}
	return -ERR_FAULT;
}

static int space_copy_all(
	struct space *space, uint64_t address, void *buffer, size_t size, bool is_write)
{
	uint8_t *bytes = buffer;

	if (size != 0 && !space_is_user_range(address, size)) {
		return -ERR_FAULT;
	}
	while (size > 0) {
		size_t part = min_size(size, FRAME_SIZE - address % FRAME_SIZE);
		int error = space_copy_page(space, address, bytes, part, is_write);

		if (error != 0) {
			return error;
		}
		bytes += part;
		address += part;
		size -= part;
	}
	return 0;
}

/** space_copy_in() - copy from user memory into a kernel buffer; 0, -ERR_FAULT, -ERR_NO_MEMORY */
int space_copy_in(struct space *space, void *to, uint64_t from, size_t size)
{
	return space_copy_all(space, from, to, size, false);
}

/** space_copy_out() - copy from a kernel buffer into user memory; 0, -ERR_FAULT, -ERR_NO_MEMORY */
int space_copy_out(struct space *space, uint64_t to, const void *from, size_t size)
{
	return space_copy_all(space, to, (void *)from, size, true);
}

/* ---- user and user ----------------------------------------------------------------- */

struct space_pair {
	struct space *to_space, *from_space;
	uint64_t to, from;
};

static void space_pair_lock(const struct space_pair *pair)
{
	if (pair->to_space == pair->from_space) {
		spinlock_acquire(&pair->to_space->table_lock);
	} else {
		spinlock_acquire_pair(&pair->to_space->table_lock, &pair->from_space->table_lock);
	}
}

static void space_pair_unlock(const struct space_pair *pair)
{
	spinlock_release(&pair->to_space->table_lock);
	if (pair->to_space != pair->from_space) {
		spinlock_release(&pair->from_space->table_lock);
	}
}

/* Copy what does not cross a page on either side. */
static int space_copy_part(const struct space_pair *pair, size_t size)
{
	for (unsigned i = 0; i < SPACE_COPY_TRIES; i++) {
		uint8_t *to, *from;

		space_pair_lock(pair);
		bool has_from = space_find_byte(pair->from_space, pair->from, false, &from);
		bool has_to = space_find_byte(pair->to_space, pair->to, true, &to);

		if (has_from && has_to) {
			arch_copy_much(to, from, size);
		}
		space_pair_unlock(pair);
		if (has_from && has_to) {
			return 0;
		}
		int error =
			has_from ? 0 : space_fault(pair->from_space, pair->from, SPACE_ACCESS_READ);

		if (error == 0 && !has_to) {
			error = space_fault(pair->to_space, pair->to, SPACE_ACCESS_WRITE);
		}
		if (error != 0) {
			return space_copy_error(error);
		}
	}
	return -ERR_FAULT;
}

/**
 * space_copy_between() - copy from user memory to user memory
 *
 * Overlapping ranges of one space have undefined contents afterwards.
 * Return: 0, -ERR_FAULT, -ERR_NO_MEMORY; part of it may have been copied: the note, if there is
 * one, says how much.
 */
int space_copy_between(
	struct space *to_space, uint64_t to, struct space *from_space, uint64_t from, size_t size)
{
	struct space_pair pair = {
		.to_space = to_space,
		.from_space = from_space,
		.to = to,
		.from = from,
	};
	size_t whole = size;

	if (size != 0 && (!space_is_user_range(to, size) || !space_is_user_range(from, size))) {
		return -ERR_FAULT;
	}
	while (size > 0) {
		size_t part = min_size(
			size, FRAME_SIZE - max_u64(pair.to % FRAME_SIZE, pair.from % FRAME_SIZE));
		int error = space_copy_part(&pair, part);

		if (error != 0) {
			arch_this_cpu()->page_note.n_bytes_done = whole - size;
			return error;
		}
		pair.to += part;
		pair.from += part;
		size -= part;
	}
	return 0;
}

/* ---- words ------------------------------------------------------------------------- */

/**
 * space_resolve() - the physical address behind a user address
 * @access: of enum space_access; the page is made present for it
 * @out_phys: with the offset in the page; the caller drops its owner count by frame_unref()
 *
 * A page that is forked and then written gets another frame: for what has to stay the same over
 * that see space_identify().
 * Return: 0, -ERR_FAULT, -ERR_NO_MEMORY.
 */
int space_resolve(struct space *space, uint64_t address, uint32_t access, uint64_t *out_phys)
{
	bool is_write = (access & SPACE_ACCESS_WRITE) != 0;

	if (!space_is_user_range(address, 1)) {
		return -ERR_FAULT;
	}
	for (unsigned i = 0; i < SPACE_COPY_TRIES; i++) {
		uint8_t *bytes;

		spinlock_acquire(&space->table_lock);
		bool is_there = space_find_byte(space, address, is_write, &bytes);

		if (is_there) {
			*out_phys = arch_virt_to_phys(bytes);
			frame_ref(*out_phys);
		}
		spinlock_release(&space->table_lock);
		if (is_there) {
			return 0;
		}
		int error = space_fault(space, address, access);

		if (error != 0) {
			return space_copy_error(error);
		}
	}
	return -ERR_FAULT;
}

/* What has the page that indirect memory, which is referenced, shows at an offset. */
static int space_identify_indirect(struct memory **memory, uint64_t *offset)
{
	struct indirect_path path;

	if (indirect__find(*memory, *offset / FRAME_SIZE, &path) != 0) {
		return -ERR_FAULT;
	}
	object_ref(&path.memory->object);
	object_unref(&(*memory)->object);
	*memory = path.memory;
	*offset = path.index * FRAME_SIZE + *offset % FRAME_SIZE;
	indirect__end(&path);
	return 0;
}

/**
 * space_identify() - what a user address names, however its page moves: a memory object and an
 * offset
 * @out_memory: referenced; the caller drops it
 *
 * Two addresses, in one space or in two, name the same word if and only if both are equal. The
 * key of futexes.
 * Return: 0, -ERR_FAULT.
 */
int space_identify(
	struct space *space, uint64_t address, struct memory **out_memory, uint64_t *out_offset)
{
	struct memory *memory = NULL;
	uint64_t offset = 0;
	int error = 0;

	spinlock_acquire(&space->lock);
	struct mapping *mapping = mapping_set_find(&space->mappings, address);

	if (mapping != NULL && mapping->memory != NULL) {
		memory = mapping->memory;
		offset = mapping_offset_of(mapping, address);
		object_ref(&memory->object);
	}
	spinlock_release(&space->lock);
	if (memory == NULL) {
		return -ERR_FAULT;
	}
	if (unlikely(memory->kind == HEL_MEMORY_INDIRECT)) {
		error = space_identify_indirect(&memory, &offset);
	}
	if (error != 0) {
		object_unref(&memory->object);
		return error;
	}
	*out_memory = memory;
	*out_offset = offset;
	return 0;
}
