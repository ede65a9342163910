/* SPDX-License-Identifier: MIT */
/*
 * Mapping files: the only part of mmap that needs posix, because only posix has the file's memory.
 *
 * Shared mappings are the file's own pages, through a descriptor that allows writing only if the
 * file is open for it. Private ones are a copy-on-write view, which may be written whatever the
 * file allows.
 */
#include <abi/linux/fcntl.h>
#include <abi/linux/mman.h>
#include <base/errors.h>
#include <posix/server/file/handlers.h>
#include <posix/server/file/access.h>
#include <posix/server/fs/tmpfs.h>
#include <posix/server/process/mapped-files.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/process/rewriting.h>
#include <posix/server/rewrite/text.h>
#include <posix/server/vfs/inode.h>
#include <posix/server/vfs/mount.h>

struct file_mapping {
	uint64_t offset, size, address;
	uint64_t tag;
	uint32_t prot, flags;
	bool is_shared;
};

static bool is_sealed(const struct file *file)
{
	const uint32_t *seals = tmpfs_seals(file->inode);

	return seals != NULL && (*seals & (LINUX_F_SEAL_WRITE | LINUX_F_SEAL_FUTURE_WRITE)) != 0;
}

static int64_t check_access(const struct file *file, const struct file_mapping *mapping)
{
	uint32_t mode = file->flags & LINUX_O_ACCMODE;

	if ((file->flags & LINUX_O_PATH) != 0) {
		return -LINUX_EBADF;
	}
	if (mode == LINUX_O_WRONLY) {
		return -LINUX_EACCES;
	}
	if (mapping->is_shared && (mapping->prot & LINUX_PROT_WRITE) != 0 &&
		(mode != LINUX_O_RDWR || (file->flags & LINUX_O_APPEND) != 0)) {
		return -LINUX_EACCES;
	}
	if ((mapping->prot & LINUX_PROT_EXEC) != 0 && file->path.mount != NULL &&
		(file->path.mount->flags & MOUNT_NO_EXECUTE) != 0) {
		return -LINUX_EPERM;
	}
	if (mapping->is_shared && (mapping->prot & LINUX_PROT_WRITE) != 0 && is_sealed(file)) {
		return -LINUX_EPERM;
	}
	return 0;
}

/* A copy of a range that may end beyond the memory, where it has zeros. */
static int make_copy(hel_handle memory, uint64_t offset, uint64_t size, hel_handle *out_view)
{
	struct hel_memory_info info;
	int error = hel_memory_copy_on_write(memory, offset, size, out_view);

	if (error != -ERR_OUT_OF_BOUNDS) {
		return error;
	}
	error = hel_memory_info(memory, &info);
	if (error != 0) {
		return error;
	}
	error = offset < info.size_bytes
		? hel_memory_copy_on_write(memory, offset, info.size_bytes - offset, out_view)
		: hel_memory_copy_on_write(HEL_NULL, 0, size, out_view);
	if (error == 0) {
		error = hel_memory_resize(*out_view, size);
		if (error != 0) {
			hel_close(HEL_THIS, *out_view);
		}
	}
	return error;
}

/* A descriptor of ours for what is to be mapped, and the offset in it. */
static int make_view(const struct file *file, const struct file_mapping *mapping, uint64_t size,
	hel_handle memory, hel_handle *out_view, uint64_t *out_offset)
{
	uint32_t rights = HEL_RIGHT_READ | HEL_RIGHT_EXECUTE | HEL_RIGHT_MAP | HEL_RIGHT_DERIVE;

	if (!mapping->is_shared) {
		*out_offset = 0;
		return make_copy(memory, mapping->offset, size, out_view);
	}
	if ((file->flags & LINUX_O_ACCMODE) == LINUX_O_RDWR && !is_sealed(file)) {
		rights |= HEL_RIGHT_WRITE;
	}
	*out_offset = mapping->offset;
	return hel_transfer(HEL_THIS, memory, HEL_THIS, rights, out_view);
}

static uint32_t map_flags_of(const struct file_mapping *mapping)
{
	uint32_t flags =
		mapping->is_shared ? HEL_MAP_FORK_SHARE | HEL_MAP_BEYOND : HEL_MAP_FORK_COPY;

	if ((mapping->prot & (LINUX_PROT_READ | LINUX_PROT_WRITE | LINUX_PROT_EXEC)) != 0) {
		flags |= HEL_MAP_READ;
	}
	if ((mapping->prot & LINUX_PROT_WRITE) != 0) {
		flags |= HEL_MAP_WRITE;
	}
	if ((mapping->prot & LINUX_PROT_EXEC) != 0) {
		flags |= HEL_MAP_EXECUTE;
	}
	if ((mapping->flags & LINUX_MAP_FIXED_NOREPLACE) != 0) {
		flags |= HEL_MAP_FIXED_NOREPLACE;
	} else if ((mapping->flags & LINUX_MAP_FIXED) != 0) {
		flags |= HEL_MAP_FIXED;
	}
	return flags;
}

static bool is_user_range(uint64_t address, uint64_t size)
{
	return size <= POSIX_SHIM_REGION && address <= POSIX_SHIM_REGION - size;
}

static int64_t map_at(const struct mm *mm, const struct file_mapping *mapping, hel_handle view,
	uint64_t offset, uint64_t size, uint32_t flags)
{
	struct hel_map_args args = {
		.space = mm->space,
		.memory = view,
		.address = mapping->address,
		.size_bytes = size,
		.offset = offset,
		.flags = flags,
		.limit_low = mm->mmap_low,
		.limit_high = mm->mmap_high,
		.tag = mapping->tag,
	};
	uint64_t address;
	int error = hel_space_map(&args, &address);

	return error != 0 ? linux_errno_of(error) : (int64_t)address;
}

/* The end of the file's last page; that of a device, whose node has no size, is the memory's. */
static uint64_t contents_end(const struct file *file, hel_handle memory)
{
	struct hel_memory_info info;

	if (inode_is_type(file->inode, LINUX_S_IFBLK) && hel_memory_info(memory, &info) == 0) {
		return info.size_bytes;
	}
	return align_up(file->inode->size_bytes, HEL_PAGE_SIZE);
}

/*
 * Makes the mapping, also where it goes beyond @end, that of the file's last page: the memory was
 * made large enough for it and shrinks when the mapping is there, so that access beyond is a
 * SIGBUS.
 */
static int64_t map_view(struct file *file, const struct mm *mm, const struct file_mapping *mapping,
	hel_handle view, uint64_t offset, uint64_t end)
{
	int64_t address = map_at(mm, mapping, view, offset, mapping->size, map_flags_of(mapping));

	if (address >= 0 && !mapping->is_shared && end < mapping->offset + mapping->size) {
		(void)!hel_memory_resize(view, end > mapping->offset ? end - mapping->offset : 0);
	}
	file_contents_mapped(file);
	return address;
}

static int64_t decode(const struct request *request, struct file_mapping *out_mapping)
{
	struct file_mapping mapping = {
		.offset = request->args[1],
		.size = align_up(request->args[2], HEL_PAGE_SIZE),
		.prot = (uint32_t)request->args[3],
		.flags = (uint32_t)request->args[4],
		.address = request->args[5],
	};
	uint32_t type = mapping.flags & LINUX_MAP_TYPE;

	if (mapping.size == 0 || !is_aligned(mapping.offset, HEL_PAGE_SIZE) ||
		(type != LINUX_MAP_SHARED && type != LINUX_MAP_PRIVATE &&
			type != LINUX_MAP_SHARED_VALIDATE)) {
		return -LINUX_EINVAL;
	}
	if (mapping.offset + mapping.size < mapping.offset) {
		return -LINUX_EOVERFLOW;
	}
	if ((mapping.flags & (LINUX_MAP_FIXED | LINUX_MAP_FIXED_NOREPLACE)) != 0) {
		if (!is_aligned(mapping.address, HEL_PAGE_SIZE) ||
			!is_user_range(mapping.address, mapping.size)) {
			return -LINUX_ENOMEM;
		}
	} else if (!is_user_range(mapping.address, mapping.size)) {
		mapping.address = 0;
	}
	mapping.address = align_down(mapping.address, HEL_PAGE_SIZE);
	mapping.is_shared = type != LINUX_MAP_PRIVATE;
	*out_mapping = mapping;
	return 0;
}

static bool is_text(const struct file_mapping *mapping)
{
	return !mapping->is_shared && mapping->prot == (LINUX_PROT_READ | LINUX_PROT_EXEC);
}

/*
 * A private mapping of program text: everybody's, as it is rewritten. @name: NULL: none. False:
 * there is no such text, and nothing was done.
 */
static bool map_text(struct mm *mm, const struct file *file, struct file_mapping *mapping,
	hel_handle memory, struct mapped_file *name, int64_t *out_result)
{
	const struct text_mapping text = { file->inode, memory, name, mapping->offset,
		mapping->size };
	struct text_view view;

	if (!is_text(mapping) || !mm_rewritten_view(mm, &text, &view)) {
		return false;
	}
	mapping->tag = view.tag;
	*out_result = map_at(mm, mapping, view.memory, 0, mapping->size,
		map_flags_of(mapping) & ~(uint32_t)HEL_MAP_FORK_COPY);
	return true;
}

/* @name: so that /proc/PID/maps can tell what is mapped; NULL: it cannot */
static int64_t map_file(struct mm *mm, struct file *file, struct file_mapping *mapping,
	hel_handle memory, struct mapped_file *name)
{
	hel_handle view;
	uint64_t offset;
	int64_t result;

	if (make_view(file, mapping, mapping->size, memory, &view, &offset) != 0) {
		return -LINUX_ENOMEM;
	}
	mapping->tag = mapped_files_add(
		mm, name, mapping->is_shared ? 0 : mapping->offset, !mapping->is_shared);
	if (mapping->tag == 0 && name != NULL && name->path.dentry != NULL) {
		hel_close(HEL_THIS, view);
		return -LINUX_ENOMEM; /* nothing would keep the file */
	}
	file->inode->is_map_shared |=
		mapping->is_shared && (file->flags & LINUX_O_ACCMODE) == LINUX_O_RDWR;
	result = map_view(file, mm, mapping, view, offset, contents_end(file, memory));
	hel_close(HEL_THIS, view);
	return result;
}

int64_t posix_mmap_file(struct request *request)
{
	struct file *file = fd_table_get(request->process->files, (int)request->args[0]);
	struct file_mapping mapping;
	struct mm *mm;
	hel_handle memory;
	int64_t result = decode(request, &mapping);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	if (result == 0) {
		result = check_access(file, &mapping);
	}
	if (result == 0 && is_text(&mapping)) {
		result = rewritten_text_prepare(file->inode);
	}
	if (result == 0) {
		result = file_contents_memory(file, mapping.offset + mapping.size, &memory);
	}
	if (result < 0) {
		return result;
	}
	mm = request->thread->internal->mm; /* as it is now: it may have waited */
	struct mapped_file *name = mapped_file_create(request->process, &file->path, file->inode);

	if (name == NULL && (file->inode->super->flags & SUPER_WAITS) != 0) {
		return -LINUX_ENOMEM;
	}
	if (!map_text(mm, file, &mapping, memory, name, &result)) {
		result = map_file(mm, file, &mapping, memory, name);
	}
	mapped_file_unref(name);
	return result;
}

/* ---- pages of one's own ---------------------------------------------------------------------- */

/* A copy of [start, end), as it is now, in memory of its own. */
static int copy_range(const struct mm *mm, uint64_t start, uint64_t end, hel_handle *out_memory)
{
	static uint8_t buffer[KIB(64)];
	int error = hel_memory_copy_on_write(HEL_NULL, 0, end - start, out_memory);

	for (uint64_t at = start; at < end && error == 0; at += sizeof(buffer)) {
		size_t size = min_size(sizeof(buffer), end - at), n_read = 0;

		error = hel_space_read(mm->space, at, buffer, size, &n_read);
		if (error == 0) {
			error = hel_memory_write(*out_memory, at - start, buffer, size);
		}
		if (error != 0) {
			hel_close(HEL_THIS, *out_memory);
		}
	}
	return linux_errno_of(error);
}

static int make_private(struct mm *mm, const struct hel_mapping_info *info,
	const struct mapping_note *note, uint64_t start, uint64_t end)
{
	hel_handle memory;
	int error = copy_range(mm, start, end, &memory);

	if (error == 0) {
		uint64_t tag = mapped_files_add(
			mm, note->file, note->offset + info->offset + start - info->address, true);

		error = mm_map_tagged(mm, memory, 0, start, end - start,
			(info->flags & (HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_EXECUTE)) |
				HEL_MAP_FORK_COPY,
			tag);
		hel_close(HEL_THIS, memory);
	}
	return error;
}

/* A program's text is mapped without the right to write until somebody wants to: mprotect. */
int64_t posix_make_private(struct request *request)
{
	struct mm *mm = request->thread->internal->mm;
	uint64_t at = request->args[0], end = at + request->args[1];
	struct hel_mapping_info info;
	int error = 0;

	if (request->args[1] > POSIX_MAKE_PRIVATE_MAX || !is_user_range(at, request->args[1]) ||
		!is_aligned(at | end, HEL_PAGE_SIZE)) {
		return -LINUX_EINVAL;
	}
	error = mm_keep_text(mm);
	while (at < end && error == 0 && hel_space_query(mm->space, at, &info) == 0 &&
		info.address < end) {
		const struct mapping_note *note = mapped_files_find(mm, info.tag);
		uint64_t start = max_u64(at, info.address);

		at = min_u64(end, info.address + info.size_bytes);
		if (note != NULL && note->is_private && (info.flags & HEL_MAP_FORK_COPY) == 0) {
			error = make_private(mm, &info, note, start, at);
		}
	}
	return error;
}
