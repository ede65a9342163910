/* SPDX-License-Identifier: MIT */
/*
 * clone, fork, vfork: new threads and new processes.
 *
 * Everything that can fail is made first; then the child becomes visible and runs. What was made is
 * undone by the discard functions, which accept half-built objects.
 *
 *      fork            a copy of the address space, the caller's slot in it made afresh
 *      vfork           the caller's address space, a slot of its own, the caller waits
 *      thread          the caller's address space and process page, a slot of its own
 */
#include <abi/linux/sched.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/pidfd.h>
#include <posix/server/seccomp/seccomp.h>
#include <posix/server/signal/signal.h>
#include <posix/server/trace/trace.h>
#include <posix/server/vfs/mount.h>

constexpr uint64_t FLAGS_UNSUPPORTED = LINUX_CLONE_NEWCGROUP | LINUX_CLONE_NEWUTS |
	LINUX_CLONE_NEWIPC | LINUX_CLONE_NEWUSER | LINUX_CLONE_NEWPID | LINUX_CLONE_NEWNET;

struct clone {
	struct request *request;
	uint64_t flags;
	uint64_t pidfd, parent_tid, child_tid, tls, state;
};

static int64_t check_flags(uint64_t flags)
{
	if ((flags & LINUX_CLONE_SIGHAND) != 0 && (flags & LINUX_CLONE_VM) == 0) {
		return -LINUX_EINVAL;
	}
	if ((flags & LINUX_CLONE_THREAD) != 0 && (flags & LINUX_CLONE_SIGHAND) == 0) {
		return -LINUX_EINVAL;
	}
	if ((flags & LINUX_CLONE_PIDFD) != 0 &&
		(flags & (LINUX_CLONE_THREAD | LINUX_CLONE_DETACHED)) != 0) {
		return -LINUX_EINVAL;
	}
	if ((flags & LINUX_CLONE_NEWNS) != 0 && (flags & LINUX_CLONE_FS) != 0) {
		return -LINUX_EINVAL;
	}
	/* a thread has its process' tree */
	bool is_odd_thread = (flags & LINUX_CLONE_THREAD) != 0 && (flags & LINUX_CLONE_NEWNS) != 0;

	if ((flags & FLAGS_UNSUPPORTED) != 0 || is_odd_thread) {
		unimplemented_count(56);
		return -LINUX_EINVAL;
	}
	return (flags & LINUX_CSIGNAL) > LINUX_NSIG ? -LINUX_EINVAL : 0;
}

/* A fork bomb meets these: the system keeps room for root, and a user for others. */
static int64_t check_limits(const struct process *process, bool is_thread)
{
	uint32_t n_threads_max = thread_limit(), n_processes_max = process_limit();

	if (!process_has(process, LINUX_CAP_SYS_RESOURCE) &&
		!process_has(process, LINUX_CAP_SYS_ADMIN)) {
		n_threads_max -= n_threads_max / 16;
		n_processes_max -= n_processes_max / 16;
		if (process->internal->account->n[ACCOUNT_THREADS] >=
			process->limits[LIMIT_NPROC][0]) {
			return -LINUX_EAGAIN;
		}
	}
	if (thread_count() >= n_threads_max || (!is_thread && process_count() >= n_processes_max)) {
		return -LINUX_EAGAIN;
	}
	return 0;
}

/* ---- what a new thread starts with ----------------------------------------------------------- */

/* A processor's state that does not fit the mailbox: at the upper end of the child's stack. */
static uint64_t large_state_address(uint32_t slot)
{
	return slot_address(slot) + POSIX_SLOT_STACK_TOP - POSIX_STATE_MAX;
}

static bool has_large_state(const struct clone *clone)
{
	return clone->state != 0 && clone->state != POSIX_STATE_IN_MAILBOX;
}

static int copy_large_state(const struct clone *clone, const struct thread *thread)
{
	static uint8_t state[POSIX_STATE_MAX];
	const struct mm *from = clone->request->thread->internal->mm;
	const struct thread_internal *to = thread->internal;
	uint64_t size = min_u64(processor_info()->xsave_size, sizeof(state));

	if (hel_space_read(from->space, clone->state, state, size, NULL) != 0) {
		return -LINUX_EFAULT;
	}
	return hel_space_write(to->mm->space, large_state_address(to->slot), state, size, NULL) != 0
		? -LINUX_ENOMEM
		: 0;
}

static void fill_thread_page(const struct clone *clone, struct thread *thread)
{
	const struct posix_thread_page *from = clone->request->thread->internal->page;
	struct posix_thread_page *page = thread->internal->page;

	thread_schedule_as(thread, clone->request->thread, true);
	thread->internal->timer_slack_ns = clone->request->thread->internal->timer_slack_ns;
	page->start_registers = from->start_registers;
	page->memory_policy = from->memory_policy;
	if (clone->state == POSIX_STATE_IN_MAILBOX) {
		memcpy(page->mailbox.data, from->mailbox.data,
			min_u64(processor_info()->xsave_size, POSIX_MAILBOX_DATA));
		page->start_fpu =
			page->bounce.self + offsetof(struct posix_thread_page, mailbox.data);
	} else if (clone->state != 0) {
		page->start_fpu = large_state_address(thread->internal->slot);
	}
	if ((clone->flags & LINUX_CLONE_SETTLS) != 0) {
		page->start_registers.fs_base = clone->tls;
	}
	if ((clone->flags & LINUX_CLONE_CHILD_CLEARTID) != 0) {
		page->clear_child_tid = clone->child_tid;
	}
	atomic_store_explicit(
		&page->signal_mask, atomic_load(&from->signal_mask), memory_order_relaxed);
	if ((clone->flags & (LINUX_CLONE_VM | LINUX_CLONE_VFORK)) != LINUX_CLONE_VM) {
		page->altstack_sp = from->altstack_sp;
		page->altstack_size = from->altstack_size;
		page->altstack_flags = from->altstack_flags;
	}
}

static void write_tids(const struct clone *clone, const struct thread *thread)
{
	const struct mm *mm = clone->request->thread->internal->mm;

	/* As in Linux a bad address is no error. */
	if ((clone->flags & LINUX_CLONE_PARENT_SETTID) != 0) {
		(void)!hel_space_write(
			mm->space, clone->parent_tid, &thread->tid, sizeof(thread->tid), NULL);
	}
	if ((clone->flags & LINUX_CLONE_CHILD_SETTID) != 0) {
		(void)!hel_space_write(thread->internal->mm->space, clone->child_tid, &thread->tid,
			sizeof(thread->tid), NULL);
	}
}

/* What may fail: the tracer, and what seccomp allows. */
static int inherit(const struct clone *clone, struct thread *thread)
{
	struct thread *caller = clone->request->thread;
	int error = seccomp_inherit(caller, thread);

	return error != 0 ? error : trace_clone(caller, thread, clone->flags);
}

/* ---- threads --------------------------------------------------------------------------------- */

static int64_t clone_thread(const struct clone *clone)
{
	struct process *process = clone->request->process;
	struct mm *mm = process->internal->mm;
	struct thread *thread;
	uint32_t tid = pid_allocate();
	int slot = mm_slot_allocate(mm);
	int error;

	if (tid == 0 || slot < 0) {
		if (slot >= 0) {
			bitmap_clear(mm->slots, (size_t)slot);
		}
		return -LINUX_EAGAIN;
	}
	error = thread_create(
		&(struct thread_options){
			.process = process,
			.mm = mm,
			.slot = (uint32_t)slot,
			.tid = tid,
			.universe = process->internal->universe,
			.process_page = process->internal->page_address,
		},
		&thread);
	if (error == 0) {
		error = inherit(clone, thread);
		if (error != 0) {
			thread_discard(thread);
		}
	}
	if (error != 0) {
		mm_slot_release(mm, (uint32_t)slot, false);
		return error;
	}
	fill_thread_page(clone, thread);
	write_tids(clone, thread);
	thread_start(thread);
	return tid;
}

/* ---- processes ------------------------------------------------------------------------------- */

static int share_or_copy_files(const struct clone *clone, struct process *child)
{
	struct process *parent = clone->request->process;

	if ((clone->flags & LINUX_CLONE_FILES) != 0) {
		fd_table_ref(parent->files);
		child->files = parent->files;
		parent->internal->shares_files = true;
		child->internal->shares_files = true;
	} else {
		child->files = fd_table_copy(parent->files);
	}
	if ((clone->flags & LINUX_CLONE_FS) != 0) {
		parent->fs->references++;
		child->fs = parent->fs;
	} else {
		child->fs = fs_context_copy(parent->fs);
	}
	if (child->files == NULL || child->fs == NULL) {
		return -LINUX_ENOMEM;
	}
	return (clone->flags & LINUX_CLONE_NEWNS) != 0 ? (int)mount_tree_copy(child->fs) : 0;
}

/* The child's memory and its place in it. */
static int make_memory(const struct clone *clone, struct process *child, uint32_t *out_slot)
{
	const struct thread *caller = clone->request->thread;
	struct mm *mm = caller->internal->mm;
	int slot;

	if ((clone->flags & LINUX_CLONE_VM) == 0) {
		*out_slot = caller->internal->slot;
		child->internal->mm = mm_fork(mm, *out_slot, child->internal->universe);
		return child->internal->mm != NULL ? 0 : -LINUX_ENOMEM;
	}
	slot = mm_slot_allocate(mm);
	if (slot < 0) {
		return slot;
	}
	*out_slot = (uint32_t)slot;
	child->internal->mm = mm;
	mm_ref(mm);
	return 0;
}

static void release_slot(const struct clone *clone, struct process *child, uint32_t slot)
{
	if ((clone->flags & LINUX_CLONE_VM) != 0) {
		mm_slot_release(child->internal->mm, slot, false);
	}
}

static int make_process_page(const struct clone *clone, struct process *child, uint32_t slot)
{
	const struct posix_process_page *from = clone->request->process->internal->page;
	struct process_page_holder holder;
	int error = process_page_create(child->internal->mm, slot, &holder);

	if (error == 0) {
		*holder.page = *from;
		holder.page->views = 0;
		atomic_store_explicit(&holder.page->lock, 0, memory_order_relaxed);
		atomic_store_explicit(&holder.page->locks, 0, memory_order_relaxed);
		process_page_adopt(child, &holder);
	}
	return error;
}

static int make_child(const struct clone *clone, struct process *child, struct thread **out_thread)
{
	uint32_t slot = 0;
	int error = make_memory(clone, child, &slot);

	if (error != 0) {
		return error;
	}
	error = make_process_page(clone, child, slot);
	if (error == 0) {
		error = thread_create(
			&(struct thread_options){
				.process = child,
				.mm = child->internal->mm,
				.slot = slot,
				.tid = child->pid,
				.universe = child->internal->universe,
				.process_page = child->internal->page_address,
				.start_stack =
					has_large_state(clone) ? large_state_address(slot) : 0,
			},
			out_thread);
	}
	if (error == 0) {
		error = has_large_state(clone) ? copy_large_state(clone, *out_thread) : 0;
		if (error == 0) {
			error = inherit(clone, *out_thread);
		}
		if (error != 0) {
			thread_discard(*out_thread);
		}
	}
	if (error != 0) {
		release_slot(clone, child, slot);
	}
	return error;
}

/* Descriptors of the child, and the parent's descriptor of it, which the child does not inherit. */
static int64_t make_files(const struct clone *clone, struct process *child, int *out_pidfd)
{
	int64_t error = share_or_copy_files(clone, child);
	struct file *file;

	if (error == 0 && (clone->flags & LINUX_CLONE_PIDFD) != 0) {
		error = pidfd_create(clone->request->process, child, 0, &file);
		if (error == 0) {
			*out_pidfd = (int)file_install(clone->request, file, true);
			error = *out_pidfd < 0 ? *out_pidfd : 0;
		}
	}
	return error;
}

static int64_t tell_pidfd(const struct clone *clone, int32_t pidfd)
{
	const struct mm *mm = clone->request->thread->internal->mm;

	return hel_space_write(mm->space, clone->pidfd, &pidfd, sizeof(pidfd), NULL) < 0
		? -LINUX_EFAULT
		: 0;
}

/* All of it, or nothing but what process_discard() gives back. */
static int64_t make_all(
	const struct clone *clone, struct process *child, struct thread **out_thread)
{
	struct process *caller = clone->request->process;
	int pidfd = -1;
	int64_t error = make_files(clone, child, &pidfd);

	if (error == 0) {
		error = make_child(clone, child, out_thread);
	}
	if (error == 0 && pidfd >= 0) {
		error = tell_pidfd(clone, pidfd);
		if (error != 0) {
			thread_discard(*out_thread);
			release_slot(clone, child, child->internal->page_slot);
		}
	}
	if (error != 0 && pidfd >= 0) {
		fd_table_close(caller->files, pidfd, caller);
	}
	return error;
}

static int64_t clone_process(const struct clone *clone)
{
	struct process *caller = clone->request->process;
	bool is_sibling = (clone->flags & LINUX_CLONE_PARENT) != 0;
	struct process *parent = is_sibling && caller->parent != NULL ? caller->parent : caller;
	struct process *child;
	struct thread *thread;
	int64_t error = process_create(caller, NULL, &child);

	if (error != 0) {
		return error;
	}
	error = make_all(clone, child, &thread);
	if (error != 0) {
		process_discard(child);
		return error;
	}
	/* what ends a sibling tells its parent is nothing that the maker may choose */
	child->internal->exit_signal =
		is_sibling ? caller->internal->exit_signal : (int)(clone->flags & LINUX_CSIGNAL);
	child->internal->is_vforked = (clone->flags & LINUX_CLONE_VFORK) != 0;
	child->internal->maker_tid = clone->request->thread->tid;
	process_attach(child, parent, caller->group);
	process_publish(child);
	thread_set_name(thread, clone->request->thread->internal->name, sizeof(child->comm));
	fill_thread_page(clone, thread);
	write_tids(clone, thread);
	thread_start(thread);
	return child->pid;
}

/* The parent of a vforked child sleeps until the child has its own memory; only death ends that. */
static int64_t wait_for_vfork(struct request *request, uint32_t pid)
{
	struct process *child = process_find(pid);

	request->state[0] = pid;
	request_park_as_killable(request);
	if (request_wait_on(request, &child->internal->vfork_wait) != 0) {
		return pid;
	}
	process_check_stopped(request->process);
	return REQUEST_PARK;
}

int64_t posix_clone(struct request *request)
{
	struct clone clone = {
		.request = request,
		.flags = request->args[0],
		.pidfd = request->args[1],
		.parent_tid = request->args[2],
		.child_tid = request->args[3],
		.tls = request->args[4],
		.state = request->args[5],
	};
	int64_t result;

	if (!request->is_first_attempt) {
		return (int64_t)request->state[0];
	}
	result = check_flags(clone.flags);
	if ((clone.flags & LINUX_CLONE_PARENT) != 0 && request->process == process_init()) {
		result = -LINUX_EINVAL;
	}
	if (result == 0 && (clone.flags & LINUX_CLONE_NEWNS) != 0 &&
		!process_has(request->process, LINUX_CAP_SYS_ADMIN)) {
		result = -LINUX_EPERM;
	}
	if (result == 0 && !thread_may_be_copied(request->thread)) {
		result = -LINUX_EAGAIN; /* what it has reserved is its own */
	}
	if (result == 0) {
		result = check_limits(request->process, (clone.flags & LINUX_CLONE_THREAD) != 0);
	}
	if (result != 0) {
		return result;
	}
	if ((clone.flags & LINUX_CLONE_THREAD) != 0) {
		return clone_thread(&clone);
	}
	result = clone_process(&clone);
	/* A traced thread has to tell of the child first, and waits when it does that. */
	return result > 0 && (clone.flags & LINUX_CLONE_VFORK) != 0 &&
			!thread_is_traced(request->thread)
		? wait_for_vfork(request, (uint32_t)result)
		: result;
}
