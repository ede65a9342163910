/* SPDX-License-Identifier: MIT */
/* Making pages present before they are touched. */
#include <thor/memory/space.h>

constexpr uint32_t POPULATE_COST = 12; /* a fault may clear or copy a page */
constexpr uint32_t POPULATE_LOOKS = 256;

static bool space_is_populated(struct space *space, uint64_t address, uint32_t access)
{
	spinlock_acquire(&space->table_lock);
	struct arch_page_entry entry = arch_page_lookup(&space->page_table, address);

	spinlock_release(&space->table_lock);
	return entry.is_present &&
		((access & SPACE_ACCESS_WRITE) == 0 || (entry.flags & ARCH_PAGE_WRITE) != 0);
}

/**
 * space_populate_slice() - make the pages of a range present, as if each were accessed
 * @flags: enum hel_populate_flags
 * @position: 0 at first, then as the last slice left it
 *
 * Return: 0, MEMORY_MORE, -ERR_ILLEGAL_ARGS; as space_fault() says: -ERR_FAULT (a hole; or with a
 * page note: a page has to be waited for), -ERR_NO_RIGHTS, -ERR_OUT_OF_BOUNDS, -ERR_NO_MEMORY,
 * -ERR_IO. The pages before the one with the error are present.
 */
int space_populate_slice(struct space *space, uint64_t address, uint64_t size_bytes, uint64_t flags,
	uint64_t *position)
{
	uint32_t access =
		(flags & HEL_POPULATE_WRITE) != 0 ? SPACE_ACCESS_WRITE : SPACE_ACCESS_READ;
	uint32_t n_faults = 0;

	if (!space__is_range(address, size_bytes) || (flags & ~(uint64_t)HEL_POPULATE_WRITE) != 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	for (uint32_t i = 0; *position < size_bytes; i++) {
		if (i == POPULATE_LOOKS || n_faults * POPULATE_COST >= memory__slice_pages) {
			return MEMORY_MORE;
		}
		if (!space_is_populated(space, address + *position, access)) {
			int error = space_fault(
				space, address + *position, access | SPACE_ACCESS_SLICES);

			if (error != 0) {
				return error == SPACE_PENDING ? -ERR_FAULT : error;
			}
			n_faults++;
			if (!space_is_populated(space, address + *position, access)) {
				return MEMORY_MORE; /* a large page is being prepared */
			}
		}
		*position += FRAME_SIZE;
	}
	return 0;
}
