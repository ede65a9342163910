/* SPDX-License-Identifier: MIT */
/*
 * Page table entries.
 *
 * An entry that points to a table of the user half counts, in bits the processor ignores there,
 * the entries of that table that are not zero.
 */
#ifndef X86_64_PAGE_ENTRY_H
#define X86_64_PAGE_ENTRY_H

#include <base/types.h>

#define PAGE_SIZE_BYTES 4096u
#define PAGE_ENTRIES    512u
#define PAGE_LEVEL_ROOT 3u

#define PAGE_PRESENT       (UINT64_C(1) << 0)
#define PAGE_WRITE         (UINT64_C(1) << 1)
#define PAGE_USER          (UINT64_C(1) << 2)
#define PAGE_WRITE_COMBINE (UINT64_C(1) << 3) /* PAT entry 1 */
#define PAGE_UNCACHED      (UINT64_C(3) << 3) /* PAT entry 3 */
#define PAGE_CACHING       (UINT64_C(3) << 3)
#define PAGE_ACCESSED      (UINT64_C(1) << 5)
#define PAGE_DIRTY         (UINT64_C(1) << 6)
#define PAGE_LARGE         (UINT64_C(1) << 7)
#define PAGE_GLOBAL        (UINT64_C(1) << 8)
#define PAGE_NO_EXECUTE    (UINT64_C(1) << 63)
#define PAGE_ADDRESS       0x000ffffffffff000u

#define PAGE_COUNT_SHIFT 52
#define PAGE_COUNT_ONE   (UINT64_C(1) << PAGE_COUNT_SHIFT)
#define PAGE_COUNT_MAX   UINT64_C(0x3ff)

/** page_index() - the index of @address in a table of @level; level 0 has pages of 4 KiB */
static inline unsigned page_index(uint64_t address, unsigned level)
{
	return address >> (12 + 9 * level) & (PAGE_ENTRIES - 1);
}

/** page_span() - how many bytes an entry of a table of @level covers */
static inline uint64_t page_span(unsigned level)
{
	return UINT64_C(1) << (12 + 9 * level);
}

/** page_count() - how many entries the table that @entry points to has in use */
static inline unsigned page_count(uint64_t entry)
{
	return entry >> PAGE_COUNT_SHIFT & PAGE_COUNT_MAX;
}

#endif
