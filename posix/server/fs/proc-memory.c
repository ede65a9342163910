/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/mem: the memory of a process as a file, and /proc/PID/pagemap: 64 bits for each of its
 * pages; for whoever may trace it.
 *
 * An open file is of the memory that the process had when it was opened; when that has gone, with
 * an exec or the process, it is empty.
 *
 * Nobody here knows the frames of pages: thor keeps them to itself. So pagemap says 0 for each, as
 * Linux does to all who are not privileged. It does not say either who else maps a page, nor
 * whether it was written.
 */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <posix/server/file/access.h>
#include <posix/server/fs/procfs.h>
#include <posix/server/trace/trace.h>

/* The memory that the file is of, NULL if it has gone. */
static struct mm *proc_memory_of(const struct file *file)
{
	const struct process *process = proc_process(proc_inode_of(file->inode));
	struct mm *mm = process != NULL ? process->internal->mm : NULL;

	return mm != NULL && mm->serial == (uintptr_t)file->data ? mm : NULL;
}

static int64_t proc_memory_read(struct file *file, UNUSED struct request *request, void *buffer,
	size_t size, uint64_t *offset)
{
	struct mm *mm = proc_memory_of(file);
	int64_t result;

	if (mm == NULL || size == 0) {
		return 0;
	}
	result = trace_read(mm, *offset, buffer, size);
	if (result < 0) {
		return -LINUX_EIO;
	}
	*offset += (uint64_t)result;
	return result;
}

static int64_t proc_memory_write(struct file *file, UNUSED struct request *request,
	const void *buffer, size_t size, uint64_t *offset)
{
	struct mm *mm = proc_memory_of(file);
	int64_t result;

	if (mm == NULL || size == 0) {
		return 0;
	}
	result = trace_write(mm, *offset, buffer, size);
	if (result < 0) {
		return -LINUX_EIO;
	}
	*offset += (uint64_t)result;
	return result;
}

/* Any position is one, and there is no end. */
static int64_t proc_memory_seek(struct file *file, int64_t offset, int whence)
{
	switch (whence) {
	case LINUX_SEEK_SET: break;
	case LINUX_SEEK_CUR: offset += (int64_t)file->offset; break;
	default: return -LINUX_EINVAL;
	}
	file->offset = (uint64_t)offset;
	return offset;
}

static const struct file_ops proc_memory_ops = {
	FILE_OPS_DEFAULT,
	.name = "process memory",
	.read = proc_memory_read,
	.write = proc_memory_write,
	.seek = proc_memory_seek,
};

/* ---- pagemap --------------------------------------------------------------------------------- */

enum pagemap : uint64_t {
	PAGEMAP_SHARED = UINT64_C(1) << 61, /* a file's, or shared memory's */
	PAGEMAP_SWAPPED = UINT64_C(1) << 62,
	PAGEMAP_PRESENT = UINT64_C(1) << 63,
};

constexpr uint64_t PAGEMAP_PIECE = 256;
/* Where Linux' programs end, and the file with them. */
constexpr uint64_t PAGEMAP_PAGES = 0x7ffffffff000 / HEL_PAGE_SIZE;

static uint64_t pagemap_entry(uint8_t state)
{
	uint8_t own = HEL_PAGE_RESIDENT | HEL_PAGE_OWN;

	if ((state & HEL_PAGE_OUT) != 0) {
		return PAGEMAP_SWAPPED;
	}
	/* A page of one's own is present, whether a page table has it or not. */
	if ((state & HEL_PAGE_ENTERED) == 0 && (state & own) != own) {
		return 0;
	}
	return PAGEMAP_PRESENT | ((state & HEL_PAGE_OWN) != 0 ? 0 : PAGEMAP_SHARED);
}

/* Entries of the pages from @page on, of which there is none at 0 and above the shim. */
static void pagemap_fill(const struct mm *mm, uint64_t page, uint64_t *entries, uint64_t n_entries)
{
	uint8_t states[PAGEMAP_PIECE];
	uint64_t first = max_u64(page, 1);
	uint64_t end = min_u64(page + n_entries, POSIX_SHIM_REGION / HEL_PAGE_SIZE);

	memset(entries, 0, n_entries * sizeof(entries[0]));
	if (first < end &&
		hel_space_pages(mm->space, first * HEL_PAGE_SIZE, states, end - first) == 0) {
		for (uint64_t i = first; i < end; i++) {
			entries[i - page] = pagemap_entry(states[i - first]);
		}
	}
}

static int64_t pagemap_read(struct file *file, UNUSED struct request *request, void *buffer,
	size_t size, uint64_t *offset)
{
	const struct mm *mm = proc_memory_of(file);
	uint64_t entries[PAGEMAP_PIECE];
	uint64_t page = *offset / sizeof(entries[0]);
	size_t done = 0;

	if (*offset % sizeof(entries[0]) != 0 || size % sizeof(entries[0]) != 0) {
		return mm == NULL ? 0 : -LINUX_EINVAL;
	}
	while (mm != NULL && done < size && page < PAGEMAP_PAGES) {
		uint64_t n_entries = min_u64((size - done) / sizeof(entries[0]),
			min_u64(PAGEMAP_PIECE, PAGEMAP_PAGES - page));

		pagemap_fill(mm, page, entries, n_entries);
		memcpy((uint8_t *)buffer + done, entries, n_entries * sizeof(entries[0]));
		done += n_entries * sizeof(entries[0]);
		page += n_entries;
	}
	*offset += done;
	return (int64_t)done;
}

static const struct file_ops pagemap_ops = {
	FILE_OPS_DEFAULT,
	.name = "page map",
	.read = pagemap_read,
	.seek = proc_memory_seek,
};

/* ---- opening --------------------------------------------------------------------------------- */

/* Lets a file be of the memory that the process has now. */
static int64_t proc_memory_take(struct proc_inode *node, struct file *file, struct request *request)
{
	const struct process *subject = proc_process(node);

	if (subject == NULL || request == NULL) {
		return -LINUX_ESRCH;
	}
	if (!trace_may_access(request->process, subject, true)) {
		return -LINUX_EACCES;
	}
	const struct mm *mm = subject->internal->mm;

	file->data = (void *)(uintptr_t)(mm != NULL ? mm->serial : 0);
	return 0;
}

int64_t proc_open_memory(struct proc_inode *node, struct file *file, struct request *request)
{
	int64_t error = proc_memory_take(node, file, request);

	if (error == 0) {
		file->ops = &proc_memory_ops;
	}
	return error;
}

int64_t proc_open_pagemap(struct proc_inode *node, struct file *file, struct request *request)
{
	int64_t error = proc_memory_take(node, file, request);

	if (error == 0) {
		file->ops = &pagemap_ops;
	}
	return error;
}
