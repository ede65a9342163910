/* SPDX-License-Identifier: MIT */
/*
 * Memory: mmap and its family. Anonymous memory is thor's and needs no server; only mappings of
 * files ask posix.
 */
#include <hel/hel-calls.h>
#include <protocols/posix/label.h>

#include "calls.h"

enum linux_mmap : uint64_t {
	LINUX_MAP_SHARED = 1,
	LINUX_MAP_PRIVATE = 2,
	LINUX_MAP_SHARED_VALIDATE = 3,
	LINUX_MAP_TYPE = 15,
	LINUX_MAP_FIXED = 0x10,
	LINUX_MAP_ANONYMOUS = 0x20,
	LINUX_MAP_LOCKED = 0x2000,
	LINUX_MAP_POPULATE = 0x8000,
	LINUX_MAP_FIXED_NOREPLACE = 0x100000,
};

enum linux_mremap : uint64_t {
	LINUX_MREMAP_MAYMOVE = 1,
	LINUX_MREMAP_FIXED = 2,
	LINUX_MREMAP_DONTUNMAP = 4
};

enum linux_madvise : uint64_t {
	LINUX_MADV_NORMAL = 0,
	LINUX_MADV_RANDOM = 1,
	LINUX_MADV_SEQUENTIAL = 2,
	LINUX_MADV_WILLNEED = 3,
	LINUX_MADV_DONTNEED = 4,
	LINUX_MADV_FREE = 8,
	LINUX_MADV_HUGEPAGE = 14,
	LINUX_MADV_NOHUGEPAGE = 15,
	LINUX_MADV_DONTDUMP = 16,
	LINUX_MADV_DODUMP = 17,
	LINUX_MADV_COLLAPSE = 25,
};

constexpr uint64_t LINUX_PROT_WRITE = 2;
constexpr uint64_t LINUX_MS_INVALIDATE = 2;
constexpr uint64_t LINUX_MS_SYNC = 4;
/* Where Linux' programs end, so that a range up to here is a range to them. */
constexpr uint64_t LINUX_TASK_END = 0x7ffffffff000;

constexpr uint64_t TAG_ANONYMOUS = 0;
constexpr uint64_t TAG_HEAP = 1;

static uint64_t page_align_up(uint64_t size)
{
	return (size + HEL_PAGE_SIZE - 1) & ~(HEL_PAGE_SIZE - 1);
}

constexpr uint64_t LARGE_SIZE = 2ull << 20;

static uint32_t map_flags_of(uint64_t prot)
{
	uint32_t flags = 0;

	/* On x86 what can be written or executed can be read. */
	if (prot & 1 || prot & 2 || prot & 4) {
		flags |= HEL_MAP_READ;
	}
	if (prot & 2) {
		flags |= HEL_MAP_WRITE;
	}
	if (prot & 4) {
		flags |= HEL_MAP_EXECUTE;
	}
	return flags;
}

static void set_placement(struct hel_map_args *args, uint64_t address, uint64_t flags)
{
	const struct posix_process_page *process = shim_process();

	args->address = address;
	if (flags & LINUX_MAP_FIXED_NOREPLACE) {
		args->flags |= HEL_MAP_FIXED_NOREPLACE;
	} else if (flags & LINUX_MAP_FIXED) {
		args->flags |= HEL_MAP_FIXED;
	} else {
		args->address &= ~(HEL_PAGE_SIZE - 1);
		args->limit_low = process->mmap_low;
		args->limit_high = process->mmap_high;
		if (args->address < process->mmap_low ||
			!shim_is_user_range(args->address, args->size_bytes)) {
			args->address = 0;
		}
	}
}

static int64_t map_anonymous(uint64_t address, uint64_t size, uint64_t prot, uint64_t flags)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = size,
		.flags = map_flags_of(prot),
		.tag = TAG_ANONYMOUS,
	};
	uint64_t result;
	int error;

	if ((flags & LINUX_MAP_TYPE) == LINUX_MAP_SHARED) {
		error = hel_memory_allocate(size, 0, &args.memory);
		if (error) {
			return shim_errno_of(error);
		}
	} else {
		args.flags |= HEL_MAP_FORK_COPY;
	}
	set_placement(&args, address, flags);
	error = hel_space_map(&args, &result);
	if (args.memory) {
		hel_close(HEL_THIS, args.memory);
	}
	return error ? shim_errno_of(error) : (int64_t)result;
}

int64_t shim_mmap(SHIM_ARGS)
{
	uint64_t size = page_align_up(a1), type = a3 & LINUX_MAP_TYPE;
	bool is_fixed = a3 & (LINUX_MAP_FIXED | LINUX_MAP_FIXED_NOREPLACE);

	(void)number;
	if (a1 == 0 || (a5 & (HEL_PAGE_SIZE - 1)) ||
		(type != LINUX_MAP_SHARED && type != LINUX_MAP_PRIVATE &&
			type != LINUX_MAP_SHARED_VALIDATE)) {
		return -LINUX_EINVAL;
	}
	if (size < a1 || size > POSIX_SHIM_REGION) {
		return -LINUX_ENOMEM;
	}
	if (is_fixed) {
		if (a0 & (HEL_PAGE_SIZE - 1)) {
			return -LINUX_EINVAL;
		}
		if (!shim_is_user_range(a0, size)) {
			return -LINUX_ENOMEM;
		}
		if (a0 < HEL_PAGE_SIZE) {
			return -LINUX_EPERM;
		}
	}
	if (!shim_may_map(a3 & LINUX_MAP_FIXED ? a0 : 0, size,
		    type == LINUX_MAP_PRIVATE && a2 & LINUX_PROT_WRITE)) {
		return -LINUX_ENOMEM;
	}
	if (a3 & LINUX_MAP_LOCKED && shim_process()->limit_locked == 0) {
		return -LINUX_EPERM;
	}
	if (!shim_may_lock_new(size, a3 & LINUX_MAP_LOCKED)) {
		return -LINUX_EAGAIN;
	}
	int64_t result = a3 & LINUX_MAP_ANONYMOUS
		? map_anonymous(a0, size, a2, a3)
		: shim_request(POSIX_MMAP_FILE, a4, a5, size, a2, a3, a0);
	if (result > 0) {
		shim_settle_new(
			(uint64_t)result, size, a3 & LINUX_MAP_POPULATE, a3 & LINUX_MAP_LOCKED);
	}
	return result;
}

int64_t shim_munmap(SHIM_ARGS)
{
	uint64_t size = page_align_up(a1);

	SHIM_UNUSED;
	if ((a0 & (HEL_PAGE_SIZE - 1)) || a1 == 0 || size < a1 || size > LINUX_TASK_END ||
		a0 > LINUX_TASK_END - size) {
		return -LINUX_EINVAL;
	}
	/* The first page, and what is the shim's, are not to be had: nothing is mapped there. */
	uint64_t start = a0 < HEL_PAGE_SIZE ? HEL_PAGE_SIZE : a0, end = a0 + size;

	if (end > POSIX_SHIM_REGION) {
		end = POSIX_SHIM_REGION;
	}
	return start < end ? shim_errno_of(hel_space_unmap(HEL_THIS, start, end - start)) : 0;
}

static bool make_private(uint64_t address, uint64_t size)
{
	while (size) {
		uint64_t n = size < POSIX_MAKE_PRIVATE_MAX ? size : POSIX_MAKE_PRIVATE_MAX;

		if (shim_request(POSIX_MAKE_PRIVATE, address, n, 0, 0, 0, 0) < 0) {
			return false;
		}
		address += n;
		size -= n;
	}
	return true;
}

int64_t shim_mprotect(SHIM_ARGS)
{
	uint64_t size = page_align_up(a1);

	SHIM_UNUSED;
	if (a0 & (HEL_PAGE_SIZE - 1)) {
		return -LINUX_EINVAL;
	}
	if (a1 == 0) {
		return 0;
	}
	if (size < a1 || !shim_is_user_range(a0, size)) {
		return -LINUX_ENOMEM;
	}
	if (a2 & ~7ull & ~0x03000000ull) {
		return -LINUX_EINVAL;
	}
	int error = hel_space_protect(HEL_THIS, a0, size, map_flags_of(a2));

	/* Text that is to be changed is a program's own from then on. */
	if (error == -ERR_NO_RIGHTS && a2 & LINUX_PROT_WRITE && make_private(a0, size)) {
		error = hel_space_protect(HEL_THIS, a0, size, map_flags_of(a2));
	}
	return shim_errno_of(error);
}

/*
 * Protection keys, as on a processor that has none: no key but -1, which is none, can be had or
 * used. (Linux on x86-64 refuses with EINVAL, not with the ENOSPC of the manual.)
 */
int64_t shim_pkey_alloc(SHIM_ARGS)
{
	SHIM_UNUSED;
	return -LINUX_EINVAL;
}

int64_t shim_pkey_free(SHIM_ARGS)
{
	SHIM_UNUSED;
	return -LINUX_EINVAL;
}

int64_t shim_pkey_mprotect(SHIM_ARGS)
{
	if ((int32_t)a3 == -1 || a1 == 0) {
		return shim_mprotect(a0, a1, a2, a3, a4, a5, number);
	}
	return !(a0 & (HEL_PAGE_SIZE - 1)) && a0 + page_align_up(a1) <= a0 ? -LINUX_ENOMEM
									   : -LINUX_EINVAL;
}

static int64_t change_break(struct posix_process_page *process, uint64_t to)
{
	uint64_t old_end = page_align_up(process->brk_now), new_end = page_align_up(to);
	struct hel_map_args args = {
		.space = HEL_THIS,
		.address = old_end,
		.size_bytes = new_end - old_end,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_COPY | HEL_MAP_FIXED_NOREPLACE,
		.tag = TAG_HEAP,
	};
	uint64_t address;

	if (to < process->brk_start || to > process->brk_limit) {
		return (int64_t)process->brk_now;
	}
	if (new_end > old_end) {
		if (!shim_may_map(0, new_end - old_end, true) ||
			!shim_may_lock_new(new_end - old_end, false) ||
			hel_space_map(&args, &address)) {
			return (int64_t)process->brk_now;
		}
		shim_settle_new(old_end, new_end - old_end, false, false);
	}
	if (new_end < old_end && hel_space_unmap(HEL_THIS, new_end, old_end - new_end)) {
		return (int64_t)process->brk_now;
	}
	process->brk_now = to;
	return (int64_t)to;
}

/* brk never fails as other calls do: it answers where the break is. */
int64_t shim_brk(SHIM_ARGS)
{
	int64_t result;

	SHIM_UNUSED;
	shim_lock();
	result = change_break(shim_process(), a0);
	shim_unlock();
	return result;
}

/* Finds a place, and keeps it until something else is mapped there. */
static int64_t reserve(uint64_t size)
{
	const struct posix_process_page *process = shim_process();
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = size,
		.flags = HEL_MAP_GUARD | HEL_MAP_FORK_COPY,
		.limit_low = process->mmap_low,
		.limit_high = process->mmap_high,
	};
	uint64_t address;
	int error = hel_space_map(&args, &address);

	return error ? shim_errno_of(error) : (int64_t)address;
}

static int64_t move_mapping(
	uint64_t from, uint64_t old_size, uint64_t new_size, uint64_t flags, uint64_t to)
{
	if (new_size > old_size && !shim_may_map(0, new_size - old_size, false)) {
		return -LINUX_ENOMEM;
	}
	if (!(flags & LINUX_MREMAP_FIXED)) {
		int64_t place = reserve(new_size);

		if (place < 0) {
			return place;
		}
		to = (uint64_t)place;
	}
	int error = hel_space_move(HEL_THIS, from, old_size, to, new_size);
	if (error && !(flags & LINUX_MREMAP_FIXED)) {
		hel_space_unmap(HEL_THIS, to, new_size);
	}
	return error ? shim_errno_of(error) : (int64_t)to;
}

/* A second mapping of what is shared at @from: mremap of no bytes. */
static int64_t map_again(const struct hel_mapping_info *info, uint64_t from, uint64_t size,
	uint64_t flags, uint64_t to)
{
	int64_t place = (int64_t)to;

	if (info->flags & (HEL_MAP_FORK_COPY | HEL_MAP_FORK_DROP | HEL_MAP_GUARD)) {
		return -LINUX_EINVAL;
	}
	if (!(flags & LINUX_MREMAP_MAYMOVE)) {
		return -LINUX_ENOMEM;
	}
	if (!shim_may_map(flags & LINUX_MREMAP_FIXED ? to : 0, size, false)) {
		return -LINUX_ENOMEM;
	}
	if (!(flags & LINUX_MREMAP_FIXED)) {
		place = reserve(size);
	}
	if (place < 0) {
		return place;
	}
	int error = hel_space_remap(
		HEL_THIS, (uint64_t)place, size, from, info->offset + from - info->address);

	if (error && !(flags & LINUX_MREMAP_FIXED)) {
		hel_space_unmap(HEL_THIS, (uint64_t)place, size);
	}
	return error ? shim_errno_of(error) : place;
}

/* mremap, with checked arguments. */
static int64_t resize(
	uint64_t from, uint64_t old_size, uint64_t new_size, uint64_t flags, uint64_t to)
{
	if (flags & LINUX_MREMAP_FIXED) {
		return move_mapping(from, old_size, new_size, flags, to);
	}
	if (new_size <= old_size) {
		if (new_size < old_size) {
			hel_space_unmap(HEL_THIS, from + new_size, old_size - new_size);
		}
		return (int64_t)from;
	}
	return flags & LINUX_MREMAP_MAYMOVE ? move_mapping(from, old_size, new_size, flags, 0)
					    : -LINUX_ENOMEM;
}

int64_t shim_mremap(SHIM_ARGS)
{
	uint64_t old_size = page_align_up(a1), new_size = page_align_up(a2);
	struct hel_mapping_info info;

	SHIM_UNUSED;
	if ((a0 & (HEL_PAGE_SIZE - 1)) || a2 == 0 || new_size < a2 || old_size < a1 ||
		(a3 & ~(LINUX_MREMAP_MAYMOVE | LINUX_MREMAP_FIXED)) ||
		((a3 & LINUX_MREMAP_FIXED) && !(a3 & LINUX_MREMAP_MAYMOVE))) {
		return -LINUX_EINVAL;
	}
	if (!shim_is_user_range(a0, old_size) || !shim_is_user_range(a0, new_size) ||
		hel_space_query(HEL_THIS, a0, &info) || info.address > a0) {
		return -LINUX_EFAULT;
	}
	if (a3 & LINUX_MREMAP_FIXED &&
		((a4 & (HEL_PAGE_SIZE - 1)) || !shim_is_user_range(a4, new_size) ||
			(a4 < a0 + old_size && a0 < a4 + new_size))) {
		return -LINUX_EINVAL;
	}
	if (old_size == 0) {
		return map_again(&info, a0, new_size, a3, a4);
	}
	bool grows_locked = info.label & POSIX_LABEL_LOCKED && new_size > old_size;

	if (grows_locked && !shim_may_lock_new(new_size - old_size, true)) {
		return -LINUX_EAGAIN;
	}
	int64_t result = resize(a0, old_size, new_size, a3, a4);

	if (result > 0 && grows_locked) {
		shim_settle_new((uint64_t)result + old_size, new_size - old_size, true, false);
	}
	return result;
}

/* Whether [start, end) is mapped throughout, and shows nothing but the shared memory at @start. */
static bool shows_one_memory(uint64_t start, uint64_t end)
{
	struct hel_mapping_info info;
	uint64_t identity = 0;

	for (uint64_t at = start; at < end; at = info.address + info.size_bytes) {
		if (hel_space_query(HEL_THIS, at, &info) || info.address > at ||
			info.flags & (HEL_MAP_FORK_COPY | HEL_MAP_FORK_DROP | HEL_MAP_GUARD)) {
			return false;
		}
		if (at != start && info.memory_identity != identity) {
			return false;
		}
		identity = info.memory_identity;
	}
	return true;
}

/* As Linux does it since it has no nonlinear mappings: maps the part of the file there. */
int64_t shim_remap_file_pages(SHIM_ARGS)
{
	uint64_t start = a0 & ~(HEL_PAGE_SIZE - 1), size = a1 & ~(HEL_PAGE_SIZE - 1);

	SHIM_UNUSED;
	if (a2 || size == 0 || !shim_is_user_range(start, size) ||
		a3 > (~0ull - size) / HEL_PAGE_SIZE || !shows_one_memory(start, start + size)) {
		return -LINUX_EINVAL;
	}
	int error = hel_space_remap(HEL_THIS, start, size, start, a3 * HEL_PAGE_SIZE);

	if (!error) {
		shim_settle_new(start, size, true, false);
	}
	return error == -ERR_OUT_OF_BOUNDS ? -LINUX_EINVAL : shim_errno_of(error);
}

static uint64_t large_align_down(uint64_t address)
{
	return address & ~(LARGE_SIZE - 1);
}

static uint64_t large_align_up(uint64_t address)
{
	return large_align_down(address + LARGE_SIZE - 1);
}

/* What the part of a mapping that begins at @at answers; as Linux, also if no large page fits. */
static int64_t collapse_part(const struct hel_mapping_info *info, uint64_t at, uint64_t end)
{
	uint64_t mapping_end = info->address + info->size_bytes;
	uint64_t low = large_align_up(info->address), high = large_align_down(mapping_end);
	uint64_t first = large_align_up(at);
	uint64_t last = large_align_down(end < mapping_end ? end : mapping_end);

	if (!(info->flags & HEL_MAP_FORK_COPY) || info->resident_bytes == 0 || low >= high ||
		first > last) {
		return -LINUX_EINVAL;
	}
	return first < last && info->large_bytes < high - low ? -LINUX_ENOMEM : 0;
}

/*
 * Thor makes a large page of what is touched first, and gathers no pages that are there already.
 * So a mapping that is in large pages wherever these fit is as it should be; others get none.
 */
static int64_t collapse(uint64_t at, uint64_t end)
{
	struct hel_mapping_info info;
	bool has_hole = false;

	while (at < end) {
		if (hel_space_query(HEL_THIS, at, &info) || info.address >= end) {
			return -LINUX_ENOMEM;
		}
		if (info.address > at) {
			at = info.address;
			has_hole = true;
		}
		int64_t error = collapse_part(&info, at, end);

		if (error) {
			return error;
		}
		at = info.address + info.size_bytes;
	}
	return has_hole ? -LINUX_ENOMEM : 0;
}

int64_t shim_madvise(SHIM_ARGS)
{
	uint64_t size = page_align_up(a1);

	SHIM_UNUSED;
	if ((a0 & (HEL_PAGE_SIZE - 1)) || size < a1 || !shim_is_user_range(a0, size)) {
		return -LINUX_EINVAL;
	}
	switch (a2) {
	case LINUX_MADV_DONTNEED:
	case LINUX_MADV_FREE:
		if (shim_has_locked(a0, a0 + size)) {
			return -LINUX_EINVAL;
		}
		return size ? shim_errno_of(hel_space_discard(HEL_THIS, a0, size)) : 0;
	case LINUX_MADV_HUGEPAGE:
	case LINUX_MADV_NOHUGEPAGE:
		return size
			? shim_errno_of(hel_space_advise(HEL_THIS, a0, size,
				  a2 == LINUX_MADV_HUGEPAGE ? HEL_SPACE_LARGE : HEL_SPACE_SMALL))
			: 0;
	case LINUX_MADV_COLLAPSE: return collapse(a0, a0 + size);
	/* Advice that there is nothing to do about. */
	case LINUX_MADV_NORMAL:
	case LINUX_MADV_RANDOM:
	case LINUX_MADV_SEQUENTIAL:
	case LINUX_MADV_WILLNEED:
	case LINUX_MADV_DONTDUMP:
	case LINUX_MADV_DODUMP: return 0;
	default: return -LINUX_EINVAL;
	}
}

/*
 * File mappings share the file's own pages, so there is nothing to do but for files on disks, whose
 * pages are managed memory; the range must be mapped.
 */
int64_t shim_msync(SHIM_ARGS)
{
	uint64_t size = page_align_up(a1), at = a0;

	SHIM_UNUSED;
	if ((a0 & (HEL_PAGE_SIZE - 1)) || (a2 & ~7ull) || (a2 & 5) == 5) {
		return -LINUX_EINVAL;
	}
	if (size < a1 || !shim_is_user_range(a0, size)) {
		return -LINUX_ENOMEM;
	}
	while (at < a0 + size) {
		struct hel_mapping_info info;

		if (hel_space_query(HEL_THIS, at, &info) || info.address > at) {
			return -LINUX_ENOMEM;
		}
		if (a2 & LINUX_MS_INVALIDATE && info.label & POSIX_LABEL_LOCKED) {
			return -LINUX_EBUSY;
		}
		if (a2 & LINUX_MS_SYNC && info.kind == HEL_MEMORY_MANAGED) {
			int64_t error = shim_request(POSIX_MSYNC, info.tag, 0, 0, 0, 0, 0);

			if (error < 0) {
				return error;
			}
		}
		at = info.address + info.size_bytes;
	}
	return 0;
}

/* ---- membarrier ------------------------------------------------------------------------------ */

enum linux_membarrier : uint32_t {
	MEMBARRIER_QUERY = 0,
	MEMBARRIER_PRIVATE_EXPEDITED = 8,
	MEMBARRIER_REGISTER_PRIVATE_EXPEDITED = 16,
};

/*
 * Taking away a page that is present makes every processor that runs a thread of this space drop
 * its translation, by an interrupt, which is a barrier on each; threads that do not run pass one
 * when they are switched to.
 */
static int64_t interrupt_all(void)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = HEL_PAGE_SIZE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_DROP,
		.tag = ~0ull,
		.limit_low = shim_process()->mmap_low,
		.limit_high = shim_process()->mmap_high,
	};
	uint64_t page;
	int error = hel_space_map(&args, &page);

	if (!error) {
		error = hel_space_populate(HEL_THIS, page, HEL_PAGE_SIZE, HEL_POPULATE_WRITE);
		hel_space_unmap(HEL_THIS, page, HEL_PAGE_SIZE);
	}
	return error ? -LINUX_ENOMEM : 0;
}

int64_t shim_membarrier(SHIM_ARGS)
{
	struct posix_process_page *process = shim_process();

	SHIM_UNUSED;
	if (a1) {
		return -LINUX_EINVAL;
	}
	switch ((uint32_t)a0) {
	case MEMBARRIER_QUERY:
		return MEMBARRIER_PRIVATE_EXPEDITED | MEMBARRIER_REGISTER_PRIVATE_EXPEDITED;
	case MEMBARRIER_REGISTER_PRIVATE_EXPEDITED:
		process->barriers |= MEMBARRIER_PRIVATE_EXPEDITED;
		return 0;
	case MEMBARRIER_PRIVATE_EXPEDITED:
		return process->barriers & MEMBARRIER_PRIVATE_EXPEDITED ? interrupt_all()
									: -LINUX_EPERM;
	default: return -LINUX_EINVAL;
	}
}

/* ---- mincore --------------------------------------------------------------------------------- */

constexpr size_t MINCORE_PIECE = 512;

/* Makes mincore's bytes of pages' states; returns how many, up to the first hole. */
static size_t make_residence(uint8_t *states, size_t n_pages)
{
	size_t i = 0;

	while (i < n_pages && states[i] & HEL_PAGE_COVERED) {
		states[i] = (states[i] & HEL_PAGE_RESIDENT) != 0;
		i++;
	}
	return i;
}

int64_t shim_mincore(SHIM_ARGS)
{
	uint8_t states[MINCORE_PIECE];
	uint64_t size = page_align_up(a1), n_pages = size / HEL_PAGE_SIZE;

	SHIM_UNUSED;
	if (a0 & (HEL_PAGE_SIZE - 1)) {
		return -LINUX_EINVAL;
	}
	if (size < a1 || !shim_is_user_range(a0, size)) {
		return -LINUX_ENOMEM;
	}
	if (!shim_is_user_range(a2, n_pages)) {
		return -LINUX_EFAULT;
	}
	for (uint64_t done = 0; done < n_pages;) {
		uint64_t left = n_pages - done;
		size_t n = left < MINCORE_PIECE ? (size_t)left : MINCORE_PIECE;

		/* The first page of all is no place for anything. */
		if (hel_space_pages(HEL_THIS, a0 + done * HEL_PAGE_SIZE, states, n)) {
			return -LINUX_ENOMEM;
		}
		size_t n_covered = make_residence(states, n);

		if (shim_put(a2 + done, states, n_covered)) {
			return -LINUX_EFAULT;
		}
		if (n_covered < n) {
			return -LINUX_ENOMEM;
		}
		done += n;
	}
	return 0;
}
