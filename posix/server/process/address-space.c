/* SPDX-License-Identifier: MIT */
/*
 * Address spaces of Linux processes: the shim's image, the clock page, and slots for threads.
 *
 *      0x7fff00040000  slot 0, slot 1, ...: guard, shim stack, process page, queue and thread page
 *      0x7fff00001000  shim image: read-only data and text, one copy for all
 *      0x7fff00000000  clock page, read-only
 *      below           the program's
 *
 * One page table has all of this for the first threads of a process.
 *
 * An mm may belong to several processes (vfork, CLONE_VM). What a slot holds is unmapped when its
 * thread is gone, unless the whole space goes with it.
 */
#include <abi/linux/mman.h>
#include <base/cpio.h>
#include <base/errors.h>
#include <base/string.h>
#include <elf/elf-read.h>
#include <helix/log.h>
#include <helix/memory.h>
#include <posix/server/fs/direct-view.h>
#include <posix/server/ipc/ipc.h>
#include <posix/server/process/mapped-files.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/vfs/dentry.h>
#include <posix/shim/shim-header.h>

constexpr uint32_t SHIM_SEGMENTS_MAX = 4;
constexpr uint32_t SHIM_RIGHTS =
	HEL_RIGHT_READ | HEL_RIGHT_EXECUTE | HEL_RIGHT_MAP | HEL_RIGHT_DERIVE;

static struct {
	hel_handle memory; /* of the whole image, not writable */
	struct hel_bounce bounce;
	uint64_t entry_child, vdso; /* in memory, an offset */
	struct {
		uint64_t offset, size;
		uint32_t flags;
	} segments[SHIM_SEGMENTS_MAX];
	uint32_t n_segments;
	hel_handle clock_page;
} shim;

int linux_errno_of(int error)
{
	switch (-error) {
	case ERR_NONE: return 0;
	case ERR_NO_MEMORY:
	case ERR_NO_SPACE: return -LINUX_ENOMEM;
	case ERR_NO_RIGHTS: return -LINUX_EACCES;
	case ERR_FAULT: return -LINUX_EFAULT;
	case ERR_EXISTS: return -LINUX_EEXIST;
	case ERR_OUT_OF_BOUNDS:
	case ERR_ILLEGAL_ARGS: return -LINUX_EINVAL;
	default: return -LINUX_EIO;
	}
}

/* ---- the shim's image ------------------------------------------------------------------------ */

static int shim_read_header(const void *image, uint64_t size)
{
	struct shim_header header;
	uint64_t base = POSIX_SHIM_IMAGE;

	if (size < sizeof(header)) {
		return -ERR_PROTOCOL;
	}
	memcpy(&header, image, sizeof(header));
	if (header.magic != SHIM_HEADER_MAGIC || header.version != SHIM_HEADER_VERSION ||
		header.image_size > POSIX_VDSO - POSIX_SHIM_IMAGE) {
		return -ERR_PROTOCOL;
	}
	shim.bounce = (struct hel_bounce){
		.shim_low = base,
		.shim_high = base + header.image_size,
		.entry_syscall = base + header.entry_syscall,
		.entry_kick = base + header.entry_kick,
		.entry_fault = base + header.entry_fault,
		.entry_shim_fault = base + header.entry_shim_fault,
		.fault_low = base + header.fault_low,
		.fault_high = base + header.fault_high,
	};
	for (unsigned i = 0; i < ARRAY_SIZE(shim.bounce.critical); i++) {
		if (header.critical[i].low != header.critical[i].high) {
			shim.bounce.critical[i] = (struct hel_bounce_range){
				.low = base + header.critical[i].low,
				.high = base + header.critical[i].high,
				.restart = base + header.critical[i].restart,
			};
		}
	}
	shim.entry_child = base + header.entry_child;
	shim.vdso = header.vdso;
	return 0;
}

static uint32_t map_flags_of_segment(uint32_t elf_flags)
{
	uint32_t flags = 0;

	flags |= (elf_flags & ELF_FLAG_READ) != 0 ? HEL_MAP_READ : 0;
	flags |= (elf_flags & ELF_FLAG_EXECUTE) != 0 ? HEL_MAP_READ | HEL_MAP_EXECUTE : 0;
	return flags;
}

static int shim_load_segments(const uint8_t *file, const struct elf_info *info, hel_handle memory)
{
	for (size_t i = 0; i < info->n_segments; i++) {
		const struct elf_segment *segment = &info->segments[i];
		uint64_t start = align_down(segment->vaddr, HEL_PAGE_SIZE);
		uint64_t end = align_up(segment->vaddr + segment->memory_size, HEL_PAGE_SIZE);
		int error;

		if (shim.n_segments == SHIM_SEGMENTS_MAX ||
			(segment->flags & ELF_FLAG_WRITE) != 0) {
			return -ERR_UNSUPPORTED;
		}
		error = hel_memory_write(
			memory, segment->vaddr, file + segment->offset, segment->file_size);
		if (error != 0) {
			return error;
		}
		shim.segments[shim.n_segments].offset = start;
		shim.segments[shim.n_segments].size = end - start;
		shim.segments[shim.n_segments].flags = map_flags_of_segment(segment->flags);
		shim.n_segments++;
	}
	return 0;
}

int shim_load(const void *initrd, size_t initrd_size)
{
	static struct elf_info info;
	struct cpio_entry entry;
	hel_handle memory;
	int error;

	if (!cpio_find(initrd, initrd_size, "boot/hati/shim", &entry)) {
		return -ERR_NOT_FOUND;
	}
	error = elf_parse(entry.data, entry.size, &info);
	if (error == 0 && (info.vaddr_start != 0 || info.segments[0].offset > entry.size)) {
		error = -ERR_PROTOCOL;
	}
	if (error != 0) {
		return error;
	}
	error = shim_read_header(
		(const uint8_t *)entry.data + info.segments[0].offset, info.segments[0].file_size);
	if (error == 0) {
		error = hel_memory_allocate(info.vaddr_end, 0, &memory);
	}
	if (error != 0) {
		return error;
	}
	error = shim_load_segments(entry.data, &info, memory);
	if (error == 0) {
		error = hel_transfer(HEL_THIS, memory, HEL_THIS, SHIM_RIGHTS, &shim.memory);
	}
	hel_close(HEL_THIS, memory);
	return error != 0 ? error : hel_clock_page(&shim.clock_page);
}

const struct hel_bounce *shim_bounce(void)
{
	return &shim.bounce;
}

uint64_t shim_entry_child(void)
{
	return shim.entry_child;
}

uint64_t shim_vdso(void)
{
	return POSIX_VDSO;
}

/* ---- spaces ---------------------------------------------------------------------------------- */

int mm_map_tagged(struct mm *mm, hel_handle memory, uint64_t offset, uint64_t address,
	uint64_t size, uint32_t flags, uint64_t tag)
{
	struct hel_map_args args = {
		.space = mm->space,
		.memory = memory,
		.address = address,
		.size_bytes = size,
		.offset = offset,
		.flags = flags | HEL_MAP_FIXED,
		.tag = tag,
	};

	return linux_errno_of(hel_space_map(&args, &address));
}

int mm_map(struct mm *mm, hel_handle memory, uint64_t offset, uint64_t address, uint64_t size,
	uint32_t flags)
{
	return mm_map_tagged(mm, memory, offset, address, size, flags, 0);
}

static int mm_map_shim(struct mm *mm)
{
	int error = mm_map(mm, shim.clock_page, 0, POSIX_CLOCK_PAGE, HEL_PAGE_SIZE, HEL_MAP_READ);

	if (error == 0) {
		error = mm_map(mm, shim.memory, shim.vdso, POSIX_VDSO, HEL_PAGE_SIZE,
			HEL_MAP_READ | HEL_MAP_EXECUTE);
	}
	for (uint32_t i = 0; i < shim.n_segments && error == 0; i++) {
		error = mm_map(mm, shim.memory, shim.segments[i].offset,
			POSIX_SHIM_IMAGE + shim.segments[i].offset, shim.segments[i].size,
			shim.segments[i].flags);
	}
	return error;
}

static void mm_slots_init(struct mm *mm)
{
	mm->first_slots = 0;
	mm->slots = &mm->first_slots;
	mm->n_slots = 64;
}

static void mm_slots_free(struct mm *mm)
{
	if (mm->slots != &mm->first_slots) {
		helix_free(mm->slots);
	}
}

/* Makes the bitmap of slots large enough for @n of them, a power of two. */
static int mm_slots_grow(struct mm *mm, uint32_t n)
{
	uint64_t *slots;

	if (n <= mm->n_slots) {
		return 0;
	}
	slots = n <= MM_SLOTS_MAX ? helix_calloc(BITMAP_WORDS(n), sizeof(*slots)) : NULL;
	if (slots == NULL) {
		return -LINUX_EAGAIN;
	}
	memcpy(slots, mm->slots, BITMAP_WORDS(mm->n_slots) * sizeof(*slots));
	mm_slots_free(mm);
	mm->slots = slots;
	mm->n_slots = n;
	return 0;
}

static uint64_t next_serial(void)
{
	static uint64_t last;

	return ++last;
}

struct mm *mm_create(hel_handle universe)
{
	struct mm *mm = helix_calloc(1, sizeof(*mm));

	if (mm == NULL) {
		return NULL;
	}
	mm->references = 1;
	mm_slots_init(mm);
	tree_init(&mm->attachments);
	mm->serial = next_serial();
	if (hel_space_create(universe, &mm->space) != 0) {
		helix_free(mm);
		return NULL;
	}
	if (mm_map_shim(mm) != 0) {
		mm_unref(mm);
		return NULL;
	}
	return mm;
}

struct mm *mm_fork(struct mm *mm, uint32_t slot, hel_handle universe)
{
	struct mm *copy = helix_malloc(sizeof(*copy));

	if (copy == NULL) {
		return NULL;
	}
	*copy = *mm;
	copy->references = 1;
	copy->serial = next_serial();
	copy->has_views = false;
	copy->direct_places = 0;
	mm_slots_init(copy);
	tree_init(&copy->attachments);
	if (mm_slots_grow(copy, slot < 64 ? 64 : mm->n_slots) != 0 ||
		hel_space_fork(mm->space, universe, &copy->space) != 0) {
		mm_slots_free(copy);
		helix_free(copy);
		return NULL;
	}
	bitmap_set(copy->slots, slot);
	if (copy->exe.dentry != NULL) {
		path_ref(&copy->exe);
		inode_deny_writing_again(copy->exe.dentry->inode);
	}
	mapped_files_share(copy->mapped_files);
	if (shared_memory_forked(mm, copy) != 0) {
		mm_unref(copy);
		return NULL;
	}
	return copy;
}

void mm_ref(struct mm *mm)
{
	mm->references++;
}

void mm_unref(struct mm *mm)
{
	if (--mm->references != 0) {
		return;
	}
	shared_memory_left(mm);
	if (mm->direct_places != 0) {
		directs_left(mm);
	}
	hel_close(HEL_THIS, mm->space);
	if (mm->exe.dentry != NULL) {
		inode_allow_writing(mm->exe.dentry->inode);
		path_unref(&mm->exe);
	}
	mapped_files_unref(mm->mapped_files);
	mm_slots_free(mm);
	helix_free(mm);
}

int mm_slot_allocate(struct mm *mm)
{
	size_t slot = bitmap_find_clear(mm->slots, mm->n_slots, 0);

	if (slot == BITMAP_NONE) {
		slot = mm->n_slots;
		int error = mm_slots_grow(mm, 2 * mm->n_slots);

		if (error != 0) {
			return error;
		}
	}
	bitmap_set(mm->slots, slot);
	return (int)slot;
}

void mm_slot_release(struct mm *mm, uint32_t slot, bool keeps_process_page)
{
	uint64_t address = slot_address(slot);

	if (!keeps_process_page) {
		hel_space_unmap(mm->space, address, POSIX_SLOT_SIZE);
		bitmap_clear(mm->slots, slot);
		return;
	}
	hel_space_unmap(mm->space, address, POSIX_SLOT_PROCESS_PAGE);
	hel_space_unmap(mm->space, address + POSIX_SLOT_QUEUE, POSIX_SLOT_SIZE - POSIX_SLOT_QUEUE);
}
