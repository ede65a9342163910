/* SPDX-License-Identifier: MIT */
/*
 * Whose memory and registers who may see, and the memory of others.
 *
 * A tracer writes where the program may not, as into its text. Private memory is unprotected for
 * the moment of the write. Pages of a program file, which all who run it share, are replaced by a
 * copy; memory that is shared on purpose is not written.
 */
#include <base/errors.h>
#include <base/string.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/mapped-files.h>
#include <posix/server/process/rewriting.h>
#include <posix/server/trace/trace.h>

constexpr uint32_t PROTECTION = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_EXECUTE;

bool trace_may_access(const struct process *process, const struct process *subject, bool uses_fs)
{
	const struct credentials *mine = &process->credentials, *theirs = &subject->credentials;
	uint32_t uid = uses_fs ? mine->fsuid : mine->uid, gid = uses_fs ? mine->fsgid : mine->gid;

	if (process == subject || process_has(process, LINUX_CAP_SYS_PTRACE)) {
		return true;
	}
	return uid == theirs->uid && uid == theirs->euid && uid == theirs->suid &&
		gid == theirs->gid && gid == theirs->egid && gid == theirs->sgid &&
		subject->internal->is_dumpable;
}

/* ---- memory ---------------------------------------------------------------------------------- */

int64_t trace_read(struct mm *mm, uint64_t address, void *to, size_t size)
{
	size_t n_read = 0;
	int error = mm_keep_text(mm);

	if (error != 0) {
		return error;
	}
	(void)!hel_space_read(mm->space, address, to, size, &n_read);
	return n_read != 0 || size == 0 ? (int64_t)n_read : -LINUX_EFAULT;
}

/* A page of a program's or a library's file, which others show as well. */
static bool is_of_file(const struct mm *mm, const struct hel_mapping_info *info)
{
	const struct mapping_note *note = mapped_files_find(mm, info->tag);

	return (info->flags & (HEL_MAP_FORK_COPY | HEL_MAP_FORK_DROP | HEL_MAP_WRITE)) == 0 &&
		((note != NULL && note->is_private) ||
			(info->address >= mm->image_start && info->address < mm->image_end) ||
			(info->address >= mm->interpreter_start &&
				info->address < mm->interpreter_end));
}

static int unprotect_and_write(struct mm *mm, const struct hel_mapping_info *info, uint64_t address,
	const void *from, size_t size)
{
	uint64_t page = align_down(address, HEL_PAGE_SIZE);
	uint32_t flags = info->flags & PROTECTION;
	int error = hel_space_protect(
		mm->space, page, HEL_PAGE_SIZE, flags | HEL_MAP_READ | HEL_MAP_WRITE);

	if (error == 0) {
		error = hel_space_write(mm->space, address, from, size, NULL);
		(void)!hel_space_protect(mm->space, page, HEL_PAGE_SIZE, flags);
	}
	return error;
}

/* The copy is complete when it takes the page's place: threads that run there see no gap. */
static int replace_and_write(struct mm *mm, const struct hel_mapping_info *info, uint64_t address,
	const void *from, size_t size)
{
	static uint8_t bytes[HEL_PAGE_SIZE];
	uint64_t page = align_down(address, HEL_PAGE_SIZE);
	hel_handle memory;
	int error = hel_space_read(mm->space, page, bytes, sizeof(bytes), NULL);

	if (error != 0) {
		return error;
	}
	memcpy(bytes + (address - page), from, size);
	error = hel_memory_copy_on_write(HEL_NULL, 0, HEL_PAGE_SIZE, &memory);
	if (error != 0) {
		return error;
	}
	error = hel_memory_write(memory, 0, bytes, sizeof(bytes));
	if (error == 0) {
		error = mm_map(mm, memory, 0, page, HEL_PAGE_SIZE,
			(info->flags & PROTECTION) | HEL_MAP_FORK_COPY);
	}
	hel_close(HEL_THIS, memory);
	return error;
}

/* Within one page. */
static int write_page(struct mm *mm, uint64_t address, const void *from, size_t size)
{
	struct hel_mapping_info info;
	int error = hel_space_write(mm->space, address, from, size, NULL);

	if (error == 0 || address >= POSIX_SHIM_REGION) {
		return error;
	}
	if (hel_space_query(mm->space, address, &info) != 0 || info.address > address) {
		return -ERR_FAULT;
	}
	if ((info.flags & HEL_MAP_FORK_COPY) != 0) {
		return unprotect_and_write(mm, &info, address, from, size);
	}
	return is_of_file(mm, &info) ? replace_and_write(mm, &info, address, from, size)
				     : -ERR_FAULT;
}

int64_t trace_write(struct mm *mm, uint64_t address, const void *from, size_t size)
{
	size_t n_written = 0;
	int error = mm_keep_text(mm);

	if (error != 0) {
		return error;
	}
	while (n_written < size) {
		uint64_t at = address + n_written;
		size_t n = min_size(size - n_written, HEL_PAGE_SIZE - at % HEL_PAGE_SIZE);

		if (at < address || write_page(mm, at, (const uint8_t *)from + n_written, n) != 0) {
			break;
		}
		n_written += n;
	}
	return n_written != 0 || size == 0 ? (int64_t)n_written : -LINUX_EFAULT;
}

/* ---- process_vm_readv, process_vm_writev: one piece ------------------------------------------ */

static int64_t find_memory(const struct request *request, struct mm **out_mm)
{
	const struct thread *thread = thread_find((uint32_t)request->args[0]);

	if (thread == NULL || thread->process->internal->mm == NULL) {
		return -LINUX_ESRCH;
	}
	if (!trace_may_access(request->process, thread->process, false)) {
		return -LINUX_EPERM;
	}
	*out_mm = thread->process->internal->mm;
	return 0;
}

int64_t posix_process_vm_readv(struct request *request)
{
	struct mm *mm;
	int64_t error = find_memory(request, &mm);
	void *buffer;

	if (error < 0) {
		return error;
	}
	buffer = request_bulk_buffer(request, request->args[2]);
	if (buffer == NULL) {
		return -LINUX_ENOMEM;
	}
	return trace_read(mm, request->args[3], buffer, request->args[2]);
}

int64_t posix_process_vm_writev(struct request *request)
{
	struct mm *mm;
	int64_t error = find_memory(request, &mm);
	size_t size, n_written = 0;
	const void *bytes = request_in(request, 1, &size);

	if (error < 0) {
		return error;
	}
	/* No more than the process itself could write. */
	(void)!hel_space_write(mm->space, request->args[3], bytes, size, &n_written);
	return n_written != 0 || size == 0 ? (int64_t)n_written : -LINUX_EFAULT;
}
