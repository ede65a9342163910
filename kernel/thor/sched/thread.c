/* SPDX-License-Identifier: MIT */
/* Threads: life cycle, waiting and waking. See thread.h for the states and their rules. */
#include <thor/sched/thread.h>

#include <base/assert.h>
#include <thor/ipc/futex.h>
#include <thor/ipc/queue.h>
#include <thor/ipc/transfer.h>
#include <thor/memory/memory.h>
#include <thor/object/token.h>
#include <thor/object/universe.h>
#include <thor/sched/observe.h>
#include <thor/sched/sched-internal.h>

static _Atomic uint32_t thread_n_alive;

uint32_t thread_count(void)
{
	return atomic_load_explicit(&thread_n_alive, memory_order_relaxed);
}

/* ---- creation and end */

void thread_end_long_call(struct thread *thread)
{
	object_unref(thread->long_call.object);
	thread->long_call = (struct thread_long_call){};
	thread->entry &= (uint8_t)~(THREAD_ENTRY_PAUSED | THREAD_ENTRY_SHORT);
}

/* What a thread holds while it lives; also for a half-built one. */
static void thread_release(struct thread *thread)
{
	futex_thread_ends(thread);
	handle_cache_clear(&thread->handles);
	if (thread->universe != NULL) {
		universe_leave(thread->universe);
		thread->universe = NULL;
	}
	thread_end_long_call(thread);
	transfer_put_down(thread);
	if (thread->space != NULL) {
		space_end_use(thread->space);
		thread->space = NULL;
	}
	arch_context_deinit(&thread->arch);
	atomic_fetch_sub_explicit(&thread_n_alive, 1, memory_order_relaxed);
}

static void thread_destroy(struct object *object)
{
	struct thread *thread = thread_of(object);

	/* A started thread refers to itself until it has terminated. */
	if (atomic_load(&thread->state) != THREAD_TERMINATED) {
		ASSERT(!atomic_load(&thread->is_started));
		thread_release(thread);
	}
	ASSERT(thread->observer == NULL);
	/* Not earlier: a kick on another CPU may still write to it. */
	if (thread->bounce.page_phys != 0) {
		frame_unref(thread->bounce.page_phys);
	}
	object_unref(thread->bounce.queue);
	object_free(object);
}

/* Nobody can resume it any more. */
static void thread_abandon(struct object *object)
{
	struct thread *thread = thread_of(object);

	if (atomic_load(&thread->state) == THREAD_STOPPED && atomic_load(&thread->is_started)) {
		thread_kill(thread);
	}
}

static const struct object_class thread_class = {
	.type = HEL_TYPE_THREAD,
	.name = "thread",
	.rights = HEL_RIGHT_READ | HEL_RIGHT_WRITE | HEL_RIGHT_WAIT | HEL_RIGHT_SIGNAL |
		HEL_RIGHT_MANAGE | HEL_RIGHT_DERIVE,
	.destroy = thread_destroy,
	.abandon = thread_abandon,
};

/* The first page of what holds the bounce page, in the direct map and kept there. */
static int thread_hold_page(struct thread *thread, struct object *holder, uint8_t **out_page)
{
	if (holder->class->type == HEL_TYPE_QUEUE) {
		object_ref(holder);
		thread->bounce.queue = holder;
		*out_page = (uint8_t *)queue_of(holder)->header;
		return 0;
	}
	uint64_t phys;
	int error = memory_get_frame((struct memory *)holder, 0, true, &phys);

	if (error == 0) {
		thread->bounce.page_phys = phys;
		*out_page = arch_phys_to_virt(phys);
	}
	return error;
}

static int thread_init_bounce(struct thread *thread, const struct thread_options *options)
{
	uint8_t *page;

	if (options->bounce_page == NULL) {
		return 0;
	}
	int error = thread_hold_page(thread, options->bounce_page, &page);

	if (error != 0) {
		return error;
	}
	space_limit(options->space);
	thread->bounce.page =
		(struct hel_bounce_page *)(page + options->bounce_address % HEL_PAGE_SIZE);
	thread->bounce.address = options->bounce_address;
	thread->bounce.entries = options->bounce;
	arch_context_set_bounce(&thread->arch, thread->bounce.page, &thread->bounce.entries);
	arch_context_set_gs_base(&thread->arch, options->bounce_address);
	return 0;
}

static void thread_init_fields(struct thread *thread)
{
	atomic_init(&thread->state, THREAD_STOPPED);
	atomic_init(&thread->affinity, UINT64_MAX);
	atomic_init(&thread->weight, HEL_WEIGHT_DEFAULT);
	thread->share = run_queue_share(HEL_WEIGHT_DEFAULT);
	thread->last_cpu = arch_this_cpu()->index;
	spinlock_init(&thread->observe_lock, LOCK_RANK_OBSERVE);
	tree_node_init(&thread->ready_node);
	list_node_init(&thread->wait.node);
	timer_init(&thread->wait.timer, NULL, NULL);
	list_init(&thread->transfers);
	fault_init_wait(thread);
	credentials_make(&thread->credentials);
}

int thread_create(const struct thread_options *options, struct thread **out_thread)
{
	struct account *account = options->universe->account;
	struct thread *thread = object_create_in(account, &thread_class, sizeof(*thread));

	if (thread == NULL) {
		return -ERR_NO_MEMORY;
	}
	thread_init_fields(thread);
	int error = arch_context_init(
		&thread->arch, options->ip, options->sp, options->argument, options->tls_base);

	if (error != 0) {
		object_free(&thread->object);
		return error;
	}
	atomic_fetch_add_explicit(&thread_n_alive, 1, memory_order_relaxed);
	if (options->is_timed) {
		thread->entry = THREAD_ENTRY_TIMED;
		atomic_init(&thread->attention, THREAD_ATTENTION_TIMED);
	}
	error = thread_init_bounce(thread, options);
	if (error != 0) {
		object_unref(&thread->object);
		return error;
	}
	if (!universe_enter(options->universe)) {
		object_unref(&thread->object);
		return -ERR_BAD_HANDLE;
	}
	thread->universe = options->universe;
	thread->space = options->space;
	space_begin_use(thread->space);
	*out_thread = thread;
	return 0;
}

void thread_terminate_current(struct cpu *cpu)
{
	struct thread *thread = cpu->current;

	sched_put_current(cpu);
	observe_record(thread, THREAD_TERMINATED, HEL_OBSERVE_TERMINATED, NULL);
	thread_release(thread);
	object_unref(&thread->object);
}

/* ---- transitions by others */

/* STOPPED -> RUNNABLE, unless it is in another state; waits for the end of an examination. */
static bool thread_leave_stopped(struct thread *thread)
{
	enum thread_state state = THREAD_STOPPED;

	while (!atomic_compare_exchange_strong(&thread->state, &state, THREAD_RUNNABLE)) {
		if (state != THREAD_EXAMINED) {
			return false;
		}
		state = THREAD_STOPPED;
		arch_pause();
	}
	return true;
}

/*
 * Whether it was the first to start it: then the thread has a reference until it has terminated.
 * That is taken before anybody sees it started: it may terminate at once then, and its reference
 * would be the caller's.
 */
static bool thread_take_start(struct thread *thread)
{
	object_ref(&thread->object);
	if (atomic_exchange(&thread->is_started, true)) {
		object_unref(&thread->object);
		return false;
	}
	return true;
}

int thread_start(struct thread *thread)
{
	if (!thread_take_start(thread)) {
		return -ERR_ILLEGAL_STATE;
	}
	if (thread_leave_stopped(thread)) {
		sched_wake(thread);
	}
	return 0;
}

int thread_resume(struct thread *thread)
{
	if (!atomic_load(&thread->is_started) || !thread_leave_stopped(thread)) {
		return -ERR_ILLEGAL_STATE;
	}
	sched_wake(thread);
	return 0;
}

int thread_step(struct thread *thread)
{
	int error = atomic_load(&thread->is_started) ? thread_examine(thread) : -ERR_ILLEGAL_STATE;

	if (error != 0) {
		return error;
	}
	thread->is_stepped = true;
	arch_context_set_step(&thread->arch, true);
	thread_examine_end(thread);
	return thread_resume(thread);
}

void thread_kill(struct thread *thread)
{
	atomic_fetch_or(&thread->attention, THREAD_ATTENTION_KILL);
	/* A thread that never ran terminates like all others, on a CPU. */
	(void)thread_take_start(thread);
	if (thread_wake(thread, -ERR_KICKED)) {
		return;
	}
	if (thread_leave_stopped(thread)) {
		sched_wake(thread);
		return;
	}
	sched_hurry(thread);
}

/* It runs elsewhere, or somebody else, if that is so now. */
static void thread_place_again(struct thread *thread)
{
	atomic_fetch_or(&thread->attention, THREAD_ATTENTION_PLACE);
	sched_hurry(thread);
}

void thread_apply_priority(struct thread *thread, int32_t priority)
{
	atomic_store(&thread->priority, priority);
	thread_place_again(thread);
}

void thread_set_weight(struct thread *thread, uint32_t weight)
{
	if (atomic_exchange(&thread->weight, weight) != weight) {
		thread_place_again(thread);
	}
}

void thread_set_affinity(struct thread *thread, uint64_t affinity)
{
	atomic_store(&thread->affinity, affinity);
	thread_place_again(thread);
}

int thread_interrupt(struct thread *thread)
{
	if (atomic_load(&thread->state) == THREAD_TERMINATED) {
		return -ERR_THREAD_TERMINATED;
	}
	atomic_fetch_or(&thread->attention, THREAD_ATTENTION_INTERRUPT);
	if (!thread_wake(thread, THREAD_WAIT_RESTART)) {
		sched_hurry(thread);
	}
	return 0;
}

int thread_kick(struct thread *thread)
{
	if (atomic_load(&thread->state) == THREAD_TERMINATED) {
		return -ERR_THREAD_TERMINATED;
	}
	if (thread->bounce.page != NULL) {
		atomic_store((_Atomic uint32_t *)&thread->bounce.page->pending, 1);
		atomic_fetch_or(&thread->attention, THREAD_ATTENTION_KICK);
	} else {
		atomic_fetch_or(&thread->attention, THREAD_ATTENTION_LATCH);
	}
	/* A wait that this ends takes the latch: thread_take_latch(). */
	if (!thread_wake(thread, -ERR_KICKED) && thread->bounce.page != NULL) {
		sched_poke(thread);
	}
	return 0;
}

int thread_examine(struct thread *thread)
{
	enum thread_state state = THREAD_STOPPED;

	while (!atomic_compare_exchange_strong(&thread->state, &state, THREAD_EXAMINED)) {
		if (state != THREAD_EXAMINED) {
			return -ERR_ILLEGAL_STATE;
		}
		state = THREAD_STOPPED;
		arch_pause();
	}
	return 0;
}

void thread_examine_end(struct thread *thread)
{
	atomic_store(&thread->state, THREAD_STOPPED);
}

/* ---- waiting */

bool thread_is_kicked(struct thread *thread)
{
	if (thread->bounce.page != NULL) {
		return atomic_load((_Atomic uint32_t *)&thread->bounce.page->pending) != 0 ||
			(atomic_load(&thread->attention) & THREAD_ATTENTION_KICK) != 0;
	}
	if ((atomic_load_explicit(&thread->attention, memory_order_relaxed) &
		    THREAD_ATTENTION_LATCH) == 0) {
		return false;
	}
	return (atomic_fetch_and(&thread->attention, ~(uint32_t)THREAD_ATTENTION_LATCH) &
		       THREAD_ATTENTION_LATCH) != 0;
}

static __attribute__((noinline)) bool thread_begin_no_wait(struct thread *thread, int *out_result)
{
	enum thread_state state = THREAD_WAITING;
	int result = 0;

	if (thread_is_kicked(thread)) {
		result = -ERR_KICKED;
	} else if ((atomic_load(&thread->attention) & THREAD_ATTENTION_NO_WAIT) != 0) {
		result = THREAD_WAIT_RESTART;
	} else {
		return true;
	}
	/* Unless somebody has woken it meanwhile, which counts as a wait. */
	if (atomic_compare_exchange_strong(&thread->state, &state, THREAD_RUNNING)) {
		*out_result = result;
		return false;
	}
	return true;
}

bool thread_begin_wait(struct thread *thread, int *out_result)
{
	atomic_store(&thread->state, THREAD_WAITING);
	if (likely(thread->bounce.page == NULL &&
		    (atomic_load(&thread->attention) &
			    (THREAD_ATTENTION_LATCH | THREAD_ATTENTION_NO_WAIT)) == 0)) {
		return true;
	}
	return thread_begin_no_wait(thread, out_result);
}

bool thread_begin_page_wait(struct thread *thread)
{
	enum thread_state state = THREAD_WAITING;

	atomic_store(&thread->state, THREAD_WAITING);
	if ((atomic_load(&thread->attention) & THREAD_ATTENTION_NO_WAIT) == 0) {
		return true;
	}
	return !atomic_compare_exchange_strong(&thread->state, &state, THREAD_RUNNING);
}

void thread_take_latch(struct thread *thread)
{
	atomic_fetch_and(&thread->attention, ~(uint32_t)THREAD_ATTENTION_LATCH);
}

bool thread_wake(struct thread *thread, int result)
{
	enum thread_state state = THREAD_WAITING;

	if (!atomic_compare_exchange_strong(&thread->state, &state, THREAD_RUNNABLE)) {
		return false;
	}
	thread->wait.result = result;
	sched_wake(thread);
	return true;
}

/* ---- stopping */

static void thread_stop(struct cpu *cpu, enum hel_observation kind, const struct hel_fault *fault)
{
	struct thread *thread = cpu->current;

	object_ref(&thread->object);
	if (thread->is_stepped) {
		thread->is_stepped = false;
		arch_context_set_step(&thread->arch, false);
	}
	transfer_put_down(thread);
	sched_put_current(cpu);
	observe_record(thread, THREAD_STOPPED, kind, fault);
	/* A kill that came before we were stopped found no wait and no stop. */
	if ((atomic_load(&thread->attention) & THREAD_ATTENTION_KILL) != 0 &&
		thread_leave_stopped(thread)) {
		sched_wake(thread);
	} else if (object_handles(&thread->object) == 0) {
		thread_kill(thread);
	}
	object_unref(&thread->object);
}

void thread_stop_current(enum hel_observation kind, const struct hel_fault *fault)
{
	thread_stop(arch_this_cpu(), kind, fault);
}

void thread_stop_interrupted(struct cpu *cpu)
{
	thread_stop(cpu, HEL_OBSERVE_INTERRUPTED, NULL);
}

void thread_get_stats(struct thread *thread, struct hel_thread_stats *out_stats)
{
	enum thread_state state = atomic_load_explicit(&thread->state, memory_order_relaxed);
	/* In this order: it is a part of the other one. */
	uint64_t kernel_ns =
		atomic_load_explicit(&thread->statistics.kernel_ns, memory_order_acquire);
	uint64_t run_ns = atomic_load_explicit(&thread->statistics.run_ns, memory_order_acquire);

	*out_stats = (struct hel_thread_stats){
		.user_ns = run_ns - kernel_ns,
		.kernel_ns = kernel_ns,
		.n_switches =
			atomic_load_explicit(&thread->statistics.n_switches, memory_order_relaxed),
		.n_preempted =
			atomic_load_explicit(&thread->statistics.n_preempted, memory_order_relaxed),
		.n_faults =
			atomic_load_explicit(&thread->statistics.n_faults, memory_order_relaxed),
		.state = state == THREAD_EXAMINED ? THREAD_STOPPED : state,
		.cpu = thread->last_cpu,
		.flags = (thread->entry & THREAD_ENTRY_TIMED) != 0 ? HEL_THREAD_TIMED : 0,
		.priority = atomic_load_explicit(&thread->priority, memory_order_relaxed),
		.weight = atomic_load_explicit(&thread->weight, memory_order_relaxed),
	};
}
