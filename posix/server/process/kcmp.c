/* SPDX-License-Identifier: MIT */
/*
 * kcmp: whether two threads share something, without telling where it is.
 *
 * The answer orders what differs, so that many can be sorted. It must not give away posix'
 * addresses: they are scrambled first, by an xor and a multiplication with odd random numbers,
 * which keeps different ones different. Every kind has scramblers of its own.
 *
 * What belongs to a process here and to a thread on Linux (descriptors, I/O priority, undone
 * semaphores, handlers) is shared by the threads of a process.
 */
#include <abi/linux/kcmp.h>
#include <posix/server/file/access.h>
#include <posix/server/file/epoll.h>
#include <posix/server/file/handlers.h>
#include <posix/server/trace/trace.h>

struct scrambler {
	uint64_t mask, factor; /* factor 0: not drawn yet */
};

static struct scrambler scramblers[LINUX_KCMP_TYPES];

/* 0: the same, 1: the first is below, 2: above. */
static int64_t compare(enum linux_kcmp_type type, const void *first, const void *second)
{
	struct scrambler *scrambler = &scramblers[type];

	if (scrambler->factor == 0) {
		if (hel_random(scrambler, sizeof(*scrambler)) != 0) {
			return -LINUX_ENOMEM;
		}
		scrambler->factor |= 1;
	}
	uint64_t a = ((uintptr_t)first ^ scrambler->mask) * scrambler->factor;
	uint64_t b = ((uintptr_t)second ^ scrambler->mask) * scrambler->factor;

	return a == b ? 0 : a < b ? 1 : 2;
}

static struct file *file_of(const struct process *process, uint32_t fd)
{
	return process->files == NULL ? NULL : fd_table_get(process->files, (int)fd);
}

/* Who has never used it has none, as on Linux, and all these are alike. */
static const void *io_context_of(struct process *process)
{
	return process_scheduling(process)->io_priority != 0 ? process : NULL;
}

static const void *undo_list_of(const struct process *process)
{
	return tree_is_empty(&process->internal->semaphore_undos) ? NULL : process;
}

static int64_t compare_files(struct process *const processes[2], const uint64_t args[6])
{
	const struct file *first = file_of(processes[0], (uint32_t)args[3]);
	const struct file *second = file_of(processes[1], (uint32_t)args[4]);

	return first == NULL || second == NULL ? -LINUX_EBADF
					       : compare(LINUX_KCMP_FILE, first, second);
}

/* An open file of the first, and one that an epoll of the second watches. */
static int64_t compare_watched(struct process *const processes[2], const uint64_t args[6])
{
	const struct file *first = file_of(processes[0], (uint32_t)args[3]);
	struct file *epoll = file_of(processes[1], (uint32_t)args[4]);
	const struct file *watched = NULL;

	if (first == NULL || epoll == NULL) {
		return -LINUX_EBADF;
	}
	int64_t error = epoll_watched(epoll, (int32_t)(args[4] >> 32), (uint32_t)args[5], &watched);

	return error < 0 ? error : compare(LINUX_KCMP_EPOLL_TFD, first, watched);
}

static int64_t compare_parts(
	uint32_t type, struct process *const processes[2], const uint64_t args[6])
{
	const struct process *a = processes[0], *b = processes[1];

	switch (type) {
	case LINUX_KCMP_FILE: return compare_files(processes, args);
	case LINUX_KCMP_VM: return compare(type, a->internal->mm, b->internal->mm);
	case LINUX_KCMP_FILES: return compare(type, a->files, b->files);
	case LINUX_KCMP_FS: return compare(type, a->fs, b->fs);
	case LINUX_KCMP_SIGHAND: return compare(type, a, b);
	case LINUX_KCMP_IO:
		return compare(type, io_context_of(processes[0]), io_context_of(processes[1]));
	case LINUX_KCMP_SYSVSEM: return compare(type, undo_list_of(a), undo_list_of(b));
	case LINUX_KCMP_EPOLL_TFD: return compare_watched(processes, args);
	default: return -LINUX_EINVAL;
	}
}

/* Also one that has ended and is not reaped. */
static struct process *process_of_tid(uint32_t tid)
{
	const struct thread *thread = thread_find(tid);

	return thread != NULL ? thread->process : process_find(tid);
}

int64_t posix_kcmp(struct request *request)
{
	struct process *processes[2];

	for (size_t i = 0; i < 2; i++) {
		processes[i] = process_of_tid((uint32_t)request->args[i]);
		if (processes[i] == NULL) {
			return -LINUX_ESRCH;
		}
	}
	for (size_t i = 0; i < 2; i++) {
		if (!trace_may_access(request->process, processes[i], false)) {
			return -LINUX_EPERM;
		}
	}
	return compare_parts((uint32_t)request->args[2], processes, request->args);
}
