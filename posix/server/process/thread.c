/* SPDX-License-Identifier: MIT */
/*
 * Threads: the kernel's thread, its slot in the address space, its lane, and their end.
 *
 * A dying thread leaves its process' list at once, but keeps its memory until the kernel says that
 * it has terminated and its operations have ended: until then it may still run, and somebody may
 * still write to it.
 */
#include <base/assert.h>
#include <base/string.h>
#include <helix/log.h>
#include <helix/memory.h>
#include <posix/server/file/poll.h>
#include <posix/server/process/oom.h>
#include <posix/server/process/robust.h>
#include <posix/server/seccomp/seccomp.h>
#include <posix/server/signal/signal.h>
#include <posix/server/trace/trace.h>

/* One block per thread. */
struct thread_block {
	struct thread thread;
	struct thread_internal internal;
};

constexpr struct hel_queue_params QUEUE_PARAMS = {
	.n_chunks = POSIX_QUEUE_CHUNKS,
	.chunk_size = POSIX_QUEUE_CHUNK_SIZE,
	.submit_size = POSIX_QUEUE_SUBMIT_SIZE,
};
constexpr uint32_t PAGE_FLAGS = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_DROP;

static void thread_observed(struct op *op);

/* ---- shared pages ---------------------------------------------------------------------------- */

/* A page that posix and the process both see. */
static int shared_page_create(
	struct mm *mm, uint64_t address, hel_handle *out_memory, void **out_page)
{
	int error = hel_memory_allocate(HEL_PAGE_SIZE, 0, out_memory);

	if (error != 0) {
		*out_memory = HEL_NULL;
		return linux_errno_of(error);
	}
	error = helix_map_present(
		*out_memory, 0, HEL_PAGE_SIZE, HEL_MAP_READ | HEL_MAP_WRITE, out_page);
	if (error == 0) {
		error = mm_map(mm, *out_memory, 0, address, HEL_PAGE_SIZE, PAGE_FLAGS);
	}
	return error != 0 ? -LINUX_ENOMEM : 0;
}

static void process_page_unmap(hel_handle *memory, struct posix_process_page *page)
{
	if (page != NULL) {
		helix_unmap((uint8_t *)page - POSIX_PROCESS_PAGE_OFFSET, HEL_PAGE_SIZE);
	}
	if (*memory != HEL_NULL) {
		hel_close(HEL_THIS, *memory);
		*memory = HEL_NULL;
	}
}

int process_page_create(struct mm *mm, uint32_t slot, struct process_page_holder *out_holder)
{
	void *page = NULL;
	int error;

	*out_holder = (struct process_page_holder){
		.address = slot_address(slot) + POSIX_SLOT_PROCESS_PAGE,
		.slot = slot,
	};
	error = shared_page_create(mm, out_holder->address, &out_holder->memory, &page);
	out_holder->address += POSIX_PROCESS_PAGE_OFFSET;
	if (page != NULL) {
		out_holder->page = (void *)((uint8_t *)page + POSIX_PROCESS_PAGE_OFFSET);
	}
	if (error != 0) {
		process_page_discard(out_holder);
	}
	return error;
}

void process_page_discard(struct process_page_holder *holder)
{
	process_page_unmap(&holder->memory, holder->page);
	holder->page = NULL;
}

void process_page_release(struct process *process)
{
	struct process_internal *internal = process->internal;

	process_page_unmap(&internal->page_memory, internal->page);
	internal->page = NULL;
}

void process_page_adopt(struct process *process, struct process_page_holder *holder)
{
	struct process_internal *internal = process->internal;

	process_page_release(process);
	internal->page_memory = holder->memory;
	internal->page = holder->page;
	internal->page_address = holder->address;
	internal->page_slot = holder->slot;
}

/* ---- building -------------------------------------------------------------------------------- */

/* The queue, whose first page has the thread page, too: we see that one as well. */
static int build_queue(struct thread *thread)
{
	struct thread_internal *internal = thread->internal;
	void *first_page;
	int error = hel_queue_create(&QUEUE_PARAMS, &internal->lane.queue);

	if (error != 0) {
		internal->lane.queue = HEL_NULL;
		return linux_errno_of(error);
	}
	error = helix_map_present(
		internal->lane.queue, 0, HEL_PAGE_SIZE, HEL_MAP_READ | HEL_MAP_WRITE, &first_page);
	if (error != 0) {
		return -LINUX_ENOMEM;
	}
	internal->page =
		(struct posix_thread_page *)((uint8_t *)first_page + POSIX_THREAD_PAGE_OFFSET);
	error = mm_map(internal->mm, internal->lane.queue, 0,
		slot_address(internal->slot) + POSIX_SLOT_QUEUE, HEL_PAGE_SIZE, PAGE_FLAGS);
	if (error == 0) {
		error = linux_errno_of(hel_transfer(HEL_THIS, internal->lane.queue,
			internal->universe, 0, &internal->remote_queue));
	}
	return error;
}

static int build_lane(struct thread *thread)
{
	struct thread_internal *internal = thread->internal;
	struct hel_stream_lanes lanes;
	int error = hel_stream_create(&lanes);

	if (error != 0) {
		return linux_errno_of(error);
	}
	internal->lane.handle = lanes.lane[0];
	error = hel_transfer(HEL_THIS, lanes.lane[1], internal->universe, HEL_RIGHT_INVOKE,
		&internal->remote_lane);
	hel_close(HEL_THIS, lanes.lane[1]);
	return linux_errno_of(error);
}

static int build_kernel_thread(struct thread *thread, const struct thread_options *options)
{
	struct thread_internal *internal = thread->internal;
	uint64_t slot = slot_address(internal->slot);
	struct hel_thread_args args = {
		.universe = internal->universe,
		.space = internal->mm->space,
		.ip = shim_entry_child(),
		.sp = options->start_stack != 0 ? options->start_stack : internal->stack_top,
		.argument = slot + POSIX_SLOT_THREAD_PAGE,
		.bounce_page = internal->lane.queue,
		.bounce_address = slot + POSIX_SLOT_THREAD_PAGE,
		.bounce = (uint64_t)shim_bounce(),
	};

	return linux_errno_of(hel_thread_create(&args, &internal->thread));
}

static void fill_page(struct thread *thread, const struct thread_options *options)
{
	struct thread_internal *internal = thread->internal;
	struct posix_thread_page *page = internal->page;
	uint64_t slot = slot_address(internal->slot);

	page->bounce.self = slot + POSIX_SLOT_THREAD_PAGE;
	page->bounce.stack = internal->stack_top;
	page->process_page = options->process_page;
	page->queue_address = slot + POSIX_SLOT_QUEUE;
	page->queue = internal->remote_queue;
	page->lane = internal->remote_lane;
	page->tid = thread->tid;
	page->slot = internal->slot;
	page->bounce.calls_end = POSIX_CALLS_END;
}

static int build(struct thread *thread, const struct thread_options *options)
{
	struct thread_internal *internal = thread->internal;
	uint64_t slot = slot_address(internal->slot);
	int error = build_queue(thread);

	if (error == 0) {
		error = mm_map(internal->mm, HEL_NULL, 0, slot + POSIX_SLOT_STACK_LOW,
			POSIX_SLOT_STACK_TOP - POSIX_SLOT_STACK_LOW, PAGE_FLAGS);
	}
	if (error == 0) {
		error = build_lane(thread);
	}
	if (error == 0) {
		fill_page(thread, options);
		error = build_kernel_thread(thread, options);
	}
	return error;
}

/* That of a process' first thread begins in the page that has the process page at its end. */
static uint64_t stack_top_of(const struct thread_options *options)
{
	uint64_t slot = slot_address(options->slot);
	bool has_process_page =
		options->process_page == slot + POSIX_SLOT_PROCESS_PAGE + POSIX_PROCESS_PAGE_OFFSET;

	return has_process_page ? options->process_page : slot + POSIX_SLOT_STACK_TOP;
}

int thread_create(const struct thread_options *options, struct thread **out_thread)
{
	struct thread_block *block = helix_calloc(1, sizeof(*block));
	struct thread *thread;
	int error;

	if (block == NULL) {
		return -LINUX_ENOMEM;
	}
	thread = &block->thread;
	thread->internal = &block->internal;
	thread->process = options->process;
	thread->tid = options->tid;
	list_node_init(&thread->process_node);
	list_node_init(&block->internal.oom_node);
	memcpy(block->internal.name, options->process->comm, sizeof(block->internal.name));
	block->internal.timer_slack_ns = TIMER_SLACK_NS;
	block->internal.mm = options->mm;
	mm_ref(options->mm);
	block->internal.slot = options->slot;
	block->internal.stack_top = stack_top_of(options);
	block->internal.universe = options->universe;
	signal_pending_init(&block->internal.pending);
	request_init(&block->internal.request, &block->internal.request_internal, thread,
		options->process->internal->loop);
	block->internal.request.process = options->process;
	error = build(thread, options);
	if (error != 0) {
		thread_discard(thread);
		return error;
	}
	*out_thread = thread;
	return 0;
}

/* Everything that is the thread's alone. */
static void release(struct thread *thread)
{
	struct thread_internal *internal = thread->internal;

	if (internal->thread != HEL_NULL) {
		hel_close(HEL_THIS, internal->thread);
	}
	if (internal->page != NULL) {
		helix_unmap((uint8_t *)internal->page - POSIX_THREAD_PAGE_OFFSET, HEL_PAGE_SIZE);
	}
	if (internal->lane.queue != HEL_NULL) {
		hel_close(HEL_THIS, internal->lane.queue);
	}
	signal_pending_clear(&internal->pending);
	poll_forget_parts(thread);
	if (internal->trace != NULL) {
		internal->trace->thread = NULL;
		trace_forget(internal->trace);
	}
	seccomp_release(thread);
	mm_unref(internal->mm);
	helix_free(container_of(thread, struct thread_block, thread));
}

/* What it had in the process' universe; that itself may be gone. */
static void close_remote(const struct thread_internal *internal)
{
	if (internal->remote_queue != HEL_NULL) {
		hel_close(internal->universe, internal->remote_queue);
	}
	if (internal->remote_lane != HEL_NULL) {
		hel_close(internal->universe, internal->remote_lane);
	}
}

void thread_discard(struct thread *thread)
{
	struct thread_internal *internal = thread->internal;

	close_remote(internal);
	if (internal->lane.handle != HEL_NULL) {
		hel_close(HEL_THIS, internal->lane.handle);
	}
	if (internal->thread != HEL_NULL) {
		hel_thread_kill(internal->thread);
	}
	release(thread);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void observe(struct thread *thread, uint64_t sequence)
{
	struct thread_internal *internal = thread->internal;
	struct op *op = &internal->observe.operation.op;

	helix_observe_op_init(&internal->observe, internal->thread, sequence);
	turn_touch(internal->request_internal.loop);
	if (op_start(op, internal->request_internal.loop, thread_observed, thread) == OP_DONE) {
		internal->is_terminated = true;
	}
}

struct thread *process_thread(const struct process *process, uint32_t tid)
{
	struct thread *thread = thread_find(tid);

	return thread != NULL && thread->process == process ? thread : NULL;
}

void thread_set_name(struct thread *thread, const char *name, size_t size)
{
	char *own = thread->internal->name;

	memset(own, 0, sizeof(thread->internal->name));
	memcpy(own, name, min_size(size, sizeof(thread->internal->name) - 1));
	if (thread->tid == thread->process->pid) {
		memcpy(thread->process->comm, own, sizeof(thread->process->comm));
	}
}

static bool thread_logs_names;

void thread_log_names(void)
{
	thread_logs_names = true;
}

static void thread_log_name(const struct thread *thread)
{
	struct hel_descriptor_info info;

	if (hel_descriptor_info(HEL_THIS, thread->internal->thread, &info) == 0) {
		helix_log(HEL_LOG_DEBUG, "thread %llx is %s-%d", (unsigned long long)info.identity,
			thread->process->comm, (int)thread->tid);
	}
}

void thread_start(struct thread *thread)
{
	struct thread_internal *internal = thread->internal;
	struct process *process = thread->process;
	uint64_t affinity = internal->scheduling.affinity;

	list_push_back(&process->threads, &thread->process_node);
	process_add_threads(process, 1);
	thread_count_add(1);
	pid_set_thread(thread->tid, thread);
	internal->start_ns = clock_monotonic_ns();
	internal->is_started = true;
	signal_publish_for(thread);
	(void)!hel_futex_name(internal->thread, thread->tid);
	observe(thread, 0);
	lane_open(thread);
	if (affinity != 0) {
		hel_thread_set_affinity(internal->thread, affinity);
	}
	thread_schedule(thread);
	if (thread_logs_names) {
		thread_log_name(thread);
	}
	(void)!hel_thread_start(internal->thread);
}

bool thread_kick_if_running(struct thread *thread)
{
	constexpr uint32_t STATE_RUNNING = 2;
	const struct thread_internal *internal = thread->internal;
	struct hel_thread_stats stats;

	if (!internal->is_started || internal->is_dying ||
		hel_thread_stats(internal->thread, &stats) != 0 || stats.state != STATE_RUNNING) {
		return false;
	}
	hel_thread_kick(internal->thread);
	return true;
}

void thread_kill(struct thread *thread)
{
	struct thread_internal *internal = thread->internal;

	if (internal->is_dying) {
		return;
	}
	signal_withdraw(thread->process, thread);
	internal->is_dying = true;
	if (thread->process->internal->not_held == thread) {
		thread->process->internal->not_held = NULL;
	}
	list_remove(&thread->process_node);
	if (thread_find(thread->tid) == thread) {
		pid_set_thread(thread->tid, NULL);
	}
	pid_count_ending(thread->tid, 1);
	if (process_is_alive(thread->process)) {
		signal_retarget(thread->process);
	}
	request_abandon(&internal->request);
	thread_schedule_end(thread);
	oom_thread_dies(thread);
	trace_thread_dies(thread);
	hel_thread_kill(internal->thread);
	lane_close(thread);
}

/* The last moments: what the process keeps is decided before the process may go, too. */
static void thread_leave_process(struct thread *thread, bool *out_keeps_page)
{
	struct process *process = thread->process;

	*out_keeps_page = false;
	if (thread->internal->is_replaced) {
		return; /* the process may be long gone */
	}
	if (process_is_alive(process)) {
		close_remote(thread->internal);
		*out_keeps_page = process->internal->mm == thread->internal->mm &&
			process->internal->page_slot == thread->internal->slot;
	}
	process_thread_gone(thread);
}

void thread_check_gone(struct thread *thread)
{
	struct thread_internal *internal = thread->internal;
	struct mm *mm = internal->mm;
	uint32_t slot = internal->slot;
	bool keeps_process_page;

	if (!internal->is_dying || !internal->is_terminated || !lane_is_idle(&internal->lane) ||
		internal->request_internal.phase == REQUEST_IN_TASK) {
		return;
	}
	if (!robust_leave(thread)) {
		return;
	}
	pid_count_ending(thread->tid, -1);
	thread_count_add(-1);
	mm_ref(mm);
	thread_leave_process(thread, &keeps_process_page);
	release(thread);
	/* If others live here what the thread had must go; else the space goes as a whole. */
	if (mm->references > 1) {
		mm_slot_release(mm, slot, keeps_process_page);
	}
	mm_unref(mm);
}

bool request_is_unwanted(const struct thread *thread)
{
	return thread->internal->is_dying;
}

bool request_task_may_begin(struct request *request, struct wait_queue **out_queue)
{
	struct process_internal *internal = request->process->internal;

	*out_queue = &internal->task_wait;
	return internal->exec_caller == NULL || internal->exec_caller == request->thread;
}

void request_task_began(struct thread *thread)
{
	thread->process->internal->n_tasks++;
}

void request_task_ended(struct thread *thread)
{
	struct process_internal *internal = thread->process->internal;

	internal->n_tasks--;
	wait_queue_wake(&internal->task_wait);
	thread_check_gone(thread);
}

/* The thread faulted where the shim cannot help, or is gone. */
static void thread_observed(struct op *op)
{
	struct thread *thread = op->owner;
	struct thread_internal *internal = thread->internal;
	const struct hel_observe_result *result = &internal->observe.result;

	if (op->error != 0 || result->observation == HEL_OBSERVE_TERMINATED) {
		if (!internal->is_dying) {
			helix_log(HEL_LOG_WARNING, "process %u (%s) is killed: a thread has ended",
				thread->process->pid, thread->process->comm);
			process_exit(thread->process, LINUX_SIGKILL);
		}
		internal->is_terminated = true;
		thread_check_gone(thread);
		return;
	}
	switch (result->observation) {
	case HEL_OBSERVE_FAULT:
		if (result->reason == -ERR_NO_MEMORY) {
			oom_thread_stopped(thread);
			break;
		}
		helix_log(HEL_LOG_WARNING,
			"process %u (%s): fault %u in the shim at %llx, address %llx",
			thread->process->pid, thread->process->comm, result->vector,
			(unsigned long long)result->ip, (unsigned long long)result->address);
		process_exit(thread->process, signal_death_status(thread->process, LINUX_SIGSEGV));
		break;
	case HEL_OBSERVE_BAD_CALL:
		process_exit(thread->process, signal_death_status(thread->process, LINUX_SIGSYS));
		break;
	default: (void)!hel_thread_resume(internal->thread); break;
	}
	observe(thread, internal->observe.sequence);
}

/* ---- what it used ---------------------------------------------------------------------------- */

void usage_add(struct usage *to, const struct usage *from)
{
	to->user_ns += from->user_ns;
	to->kernel_ns += from->kernel_ns;
	to->n_faults += from->n_faults;
	to->n_waits += from->n_waits;
	to->n_preempted += from->n_preempted;
}

void thread_usage(const struct thread *thread, struct usage *out_usage)
{
	struct hel_thread_stats stats;

	*out_usage = (struct usage){ 0 };
	if (hel_thread_stats(thread->internal->thread, &stats) == 0) {
		out_usage->user_ns = stats.user_ns;
		out_usage->kernel_ns = stats.kernel_ns;
		out_usage->n_faults = stats.n_faults;
		out_usage->n_waits =
			stats.n_switches - min_u64(stats.n_switches, stats.n_preempted);
		out_usage->n_preempted = stats.n_preempted;
	}
}

void process_usage(const struct process *process, struct usage *out_usage)
{
	*out_usage = process->internal->dead_threads;
	LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
		struct usage usage;

		thread_usage(thread, &usage);
		usage_add(out_usage, &usage);
	}
}
