/* SPDX-License-Identifier: MIT */
/*
 * Loading ELF files into an address space.
 *
 * Pages that nobody may write are the file's own pages, shared by all processes; they are mapped
 * through a descriptor without the right to write, so no mprotect makes them writable. Writable
 * ones are a private copy-on-write view of the file, zeroed from the end of the file's bytes to the
 * end of the page; what is beyond is fresh memory.
 */
#include <abi/linux/fcntl.h>
#include <base/errors.h>
#include <base/string.h>
#include <posix/server/process/exec.h>
#include <posix/server/process/mapped-files.h>
#include <posix/server/process/rewriting.h>
#include <posix/server/rewrite/text.h>
#include <posix/server/task.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/mount.h>

constexpr uint32_t CONTENTS_RIGHTS =
	HEL_RIGHT_READ | HEL_RIGHT_EXECUTE | HEL_RIGHT_MAP | HEL_RIGHT_DERIVE;

static int64_t check_executable(const struct process *process, const struct path *path)
{
	struct inode *inode = path->dentry->inode;
	struct inode_stat stat;

	inode_get_stat(inode, &stat);
	if (linux_is_type(stat.mode, LINUX_S_IFLNK)) {
		return -LINUX_ELOOP;
	}
	if (!linux_is_type(stat.mode, LINUX_S_IFREG) ||
		(path->mount->flags & MOUNT_NO_EXECUTE) != 0) {
		return -LINUX_EACCES;
	}
	return inode_permission(&process->credentials, inode, LINUX_X_OK);
}

static int64_t read_head(struct exec_image *image)
{
	hel_handle memory;
	int64_t result;

	/* what follows may wait at many places */
	if ((image->inode->super->flags & SUPER_WAITS) != 0 && request_task() == NULL) {
		return REQUEST_TASK;
	}
	result = inode_contents(image->inode, &memory, &image->file_size);
	if (result < 0) {
		return result;
	}
	image->head_size = min_size(image->file_size, EXEC_HEAD_SIZE);
	result = inode_read(image->inode, image->head, image->head_size, 0);
	if (result < 0) {
		return result;
	}
	image->head_size = (size_t)result;
	if (image->file_size == 0) {
		return 0; /* ENOEXEC follows */
	}
	result = rewritten_text_prepare(image->inode);
	return result < 0 ? result
			  : linux_errno_of(hel_transfer(
				    HEL_THIS, memory, HEL_THIS, CONTENTS_RIGHTS, &image->memory));
}

int64_t exec_image_open(struct process *process, int dirfd, const char *path, uint32_t at_flags,
	struct exec_image *out_image)
{
	uint32_t lookup = ((at_flags & LINUX_AT_SYMLINK_NOFOLLOW) == 0 ? VFS_FOLLOW : 0) |
		((at_flags & LINUX_AT_EMPTY_PATH) != 0 ? VFS_EMPTY_PATH : 0);
	int64_t result;

	out_image->memory = HEL_NULL;
	out_image->path.dentry = NULL;
	out_image->path.mount = NULL;
	out_image->denies_writing = false;
	out_image->base = 0;
	out_image->name = NULL;
	result = vfs_lookup(process, dirfd, path, lookup, &out_image->path);
	if (result < 0) {
		return result;
	}
	out_image->inode = out_image->path.dentry->inode;
	result = check_executable(process, &out_image->path);
	if (result == 0) {
		result = inode_deny_writing(out_image->inode);
		out_image->denies_writing = result == 0;
	}
	if (result == 0) {
		result = read_head(out_image);
	}
	if (result < 0) {
		exec_image_close(out_image);
	}
	return result;
}

void exec_image_close(struct exec_image *image)
{
	if (image->memory != HEL_NULL) {
		hel_close(HEL_THIS, image->memory);
		image->memory = HEL_NULL;
	}
	if (image->denies_writing) {
		inode_allow_writing(image->inode);
		image->denies_writing = false;
	}
	mapped_file_unref(image->name);
	image->name = NULL;
	if (image->path.dentry != NULL) {
		path_unref(&image->path);
		image->path.dentry = NULL;
	}
}

int exec_image_parse(struct exec_image *image)
{
	const struct elf_options options = {
		.machine = ELF_MACHINE_NATIVE,
		.file_size = image->file_size,
		.vaddr_start = 0,
		.vaddr_end = POSIX_SHIM_REGION,
	};

	return elf_parse_with(image->head, image->head_size, &options, &image->elf) == 0
		? 0
		: -LINUX_ENOEXEC;
}

static uint32_t map_flags_of(uint32_t elf_flags)
{
	uint32_t flags = 0;

	/* On x86 what can be written or executed can be read. */
	if ((elf_flags & (ELF_FLAG_READ | ELF_FLAG_WRITE | ELF_FLAG_EXECUTE)) != 0) {
		flags |= HEL_MAP_READ;
	}
	if ((elf_flags & ELF_FLAG_WRITE) != 0) {
		flags |= HEL_MAP_WRITE;
	}
	if ((elf_flags & ELF_FLAG_EXECUTE) != 0) {
		flags |= HEL_MAP_EXECUTE;
	}
	return flags;
}

/* Clears the end of a view, without a wait for its last page, which may be on a disk still. */
static int64_t clear_end(const struct exec_image *image, hel_handle view, uint64_t view_offset,
	uint64_t from, uint64_t to)
{
	static const uint8_t zeros[HEL_PAGE_SIZE];

	for (;;) {
		uint8_t byte;
		int error = hel_memory_try_write(view, from, zeros, to - from);

		if (error != -ERR_AGAIN) {
			return linux_errno_of(error);
		}
		int64_t result = inode_read(image->inode, &byte, 1, view_offset + from - 1);

		if (result < 1) {
			return result < 0 ? result : -LINUX_ENOEXEC;
		}
	}
}

/* A private view of the segment's part of the file, zero behind that. */
static int64_t map_private(struct exec_image *image, struct mm *mm,
	const struct elf_segment *segment, uint64_t address, uint64_t size)
{
	uint64_t offset = align_down(segment->offset, HEL_PAGE_SIZE);
	uint64_t file_end = segment->offset - offset + segment->file_size;
	hel_handle view;
	int64_t error = hel_memory_copy_on_write(image->memory, offset, size, &view);

	if (error != 0) {
		return error == -ERR_NO_MEMORY ? -LINUX_ENOMEM : -LINUX_ENOEXEC;
	}
	if (size > file_end) {
		error = clear_end(image, view, offset, file_end, size);
	}
	if (error == 0) {
		error = mm_map_tagged(mm, view, 0, address, size,
			map_flags_of(segment->flags) | HEL_MAP_FORK_COPY,
			mapped_files_add(mm, image->name, offset, true));
	}
	hel_close(HEL_THIS, view);
	return error;
}

/* The file's own pages, which all who run it share, or its text as it is rewritten. */
static int map_shared(struct exec_image *image, struct mm *mm, const struct elf_segment *segment,
	uint64_t address, uint64_t size)
{
	uint64_t offset = align_down(segment->offset, HEL_PAGE_SIZE);
	const struct text_mapping text = { image->inode, image->memory, image->name, offset, size };
	struct text_view view;

	if ((segment->flags & ELF_FLAG_EXECUTE) != 0 && mm_rewritten_view(mm, &text, &view)) {
		offset = 0;
	} else {
		view = (struct text_view){ image->memory,
			mapped_files_add(mm, image->name, 0, true) };
	}
	return mm_map_tagged(
		mm, view.memory, offset, address, size, map_flags_of(segment->flags), view.tag);
}

static int64_t load_segment(
	struct exec_image *image, struct mm *mm, const struct elf_segment *segment)
{
	uint64_t vaddr = image->base + segment->vaddr;
	uint64_t start = align_down(vaddr, HEL_PAGE_SIZE);
	uint64_t file_end = segment->file_size != 0
		? align_up(vaddr + segment->file_size, HEL_PAGE_SIZE)
		: start;
	uint64_t end = align_up(vaddr + segment->memory_size, HEL_PAGE_SIZE);
	bool is_private =
		(segment->flags & ELF_FLAG_WRITE) != 0 || segment->memory_size > segment->file_size;
	int64_t error = 0;

	if (file_end > start && is_private) {
		error = map_private(image, mm, segment, start, file_end - start);
	} else if (file_end > start) {
		error = map_shared(image, mm, segment, start, file_end - start);
	}
	if (error == 0 && end > file_end) {
		error = mm_map(mm, HEL_NULL, 0, file_end, end - file_end,
			map_flags_of(segment->flags) | HEL_MAP_FORK_COPY);
	}
	return error;
}

static void note_areas(const struct exec_image *image, struct mm *mm)
{
	for (size_t i = 0; i < image->elf.n_segments; i++) {
		const struct elf_segment *segment = &image->elf.segments[i];
		uint64_t start = image->base + segment->vaddr;

		if ((segment->flags & ELF_FLAG_EXECUTE) != 0 && mm->code_start == 0) {
			mm->code_start = start;
			mm->code_end = start + segment->file_size;
		}
		if ((segment->flags & ELF_FLAG_WRITE) != 0 && mm->data_start == 0) {
			mm->data_start = start;
			mm->data_end = start + segment->file_size;
		}
	}
}

int64_t exec_image_load(struct process *process, struct exec_image *image, struct mm *mm)
{
	image->name = mapped_file_create(process, &image->path, image->inode);
	if (image->name == NULL && (image->inode->super->flags & SUPER_WAITS) != 0) {
		return -LINUX_ENOMEM;
	}
	for (size_t i = 0; i < image->elf.n_segments; i++) {
		int64_t error = load_segment(image, mm, &image->elf.segments[i]);

		if (error != 0) {
			return error == -LINUX_ENOMEM || error == REQUEST_TASK ? error
									       : -LINUX_ENOEXEC;
		}
	}
	note_areas(image, mm);
	return 0;
}
