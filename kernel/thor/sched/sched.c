/* SPDX-License-Identifier: MIT */
/*
 * The way out of the kernel, and the choice of who runs.
 *
 * Where a woken thread goes:
 *   - to the inbox of the CPU it is still on (its context is not saved yet), else
 *   - into this CPU's hand-off slot, until it is known whether the current thread blocks. If it
 *     does, the woken one runs at once and goes on with the rest of the slice: a request and its
 *     answer are two kernel entries, without tree or timer. The slice bounds what two threads that
 *     hand over to each other can take from a third.
 *   - If the current thread goes on, or the slot is taken: to an idle CPU (the last one it ran on
 *   if
 *     possible), else into this CPU's tree.
 *
 * An idle CPU sets its bit in sched_idle_mask, then looks for work elsewhere; who inserts into a
 * tree looks at the mask afterwards. Both are sequentially consistent, so a ready thread and an
 * idle CPU do not miss each other.
 */
#include <thor/sched/sched-internal.h>

#include <base/assert.h>
#include <thor/init/init.h>
#include <thor/ipc/transfer.h>
#include <thor/irq/irq.h>
#include <thor/memory/memory.h>
#include <thor/memory/page-cache.h>
#include <thor/memory/space.h>
#include <thor/object/universe.h>
#include <thor/sched/work.h>
#include <thor/time/random.h>
#include <thor/trace/trace.h>

constexpr unsigned SCHED_ROUNDS_MAX = 16; /* of due work before interrupts get their turn */
constexpr unsigned SCHED_REAP_BATCH = 32;
constexpr unsigned SCHED_EXPIRE_BATCH = 32;
constexpr unsigned SCHED_WORK_BATCH = 32;
constexpr uint64_t SCHED_PAUSE_NS = 8'000;
constexpr uint64_t SCHED_LINGER_NS = 200'000; /* while another CPU is idle */

static _Atomic uint64_t sched_idle_mask;

void sched_init_cpu(struct cpu *cpu)
{
	struct run_queue *queue = &cpu->run_queue;

	spinlock_init(&queue->lock, LOCK_RANK_RUN_QUEUE);
	tree_init(&queue->ready);
	queue->best = NULL;
	queue->ready_weight = 0;
	atomic_init(&queue->n_ready, 0);
	atomic_init(&queue->inbox, NULL);
	atomic_init(&queue->look, RUN_QUEUE_LOOK_NOWHERE);
	queue->handoff = NULL;
	queue->may_linger = false;
	queue->is_lingering = false;
	atomic_init(&queue->virtual_ns, 0);
	atomic_init(&queue->n_schedulable, 0);
	atomic_init(&queue->running_weight, 0);
	queue->is_yielding = false;
	queue->counted_until_ns = arch_clock_ns();
	queue->virtual_until_ns = queue->counted_until_ns;
	queue->slice_end_ns = HEL_DEADLINE_NEVER;
	queue->timer_set_ns = HEL_DEADLINE_NEVER;
	atomic_init(&queue->deferred, NULL);
	atomic_init(&queue->is_reaping, false);
	atomic_init(&queue->reaped_until_ns, 0);
	atomic_init(&queue->must_let_go, false);
	queue->work_first = NULL;
	queue->work_last = NULL;
	timer_heap_init(&cpu->timers);
	transfer_init_cpu(cpu);
	irq_init_cpu(cpu);
}

static void sched_start(UNUSED const struct boot_info *boot)
{
	sched_init_cpu(arch_this_cpu());
}
INIT_TASK(scheduler, "scheduler", .run = sched_start, .needs = { "clock", "random" },
	.provides = { "tasking" }, .each_cpu = true);

static uint64_t sched_bit(const struct cpu *cpu)
{
	return (uint64_t)1 << cpu->index;
}

static bool sched_may_run_on(struct thread *thread, const struct cpu *cpu)
{
	return (atomic_load_explicit(&thread->affinity, memory_order_relaxed) & sched_bit(cpu)) !=
		0;
}

/* ---- placing ready threads */

static void sched_push(struct cpu *target, struct thread *thread)
{
	struct thread *head = atomic_load_explicit(&target->run_queue.inbox, memory_order_relaxed);

	do {
		thread->inbox_next = head;
	} while (!atomic_compare_exchange_weak(&target->run_queue.inbox, &head, thread));
	sched_look(target);
	if (head == NULL && target != arch_this_cpu()) {
		arch_send_reschedule(target);
	}
}

/* An idle CPU out of @allowed, which is then no longer marked idle; NULL: none. */
static struct cpu *sched_claim_idle(uint64_t allowed, uint32_t preferred)
{
	for (;;) {
		uint64_t idle = atomic_load(&sched_idle_mask) & allowed;

		if (idle == 0) {
			return NULL;
		}
		uint32_t index =
			(idle >> preferred & 1) != 0 ? preferred : (uint32_t)__builtin_ctzll(idle);
		uint64_t bit = (uint64_t)1 << index;

		if ((atomic_fetch_and(&sched_idle_mask, ~bit) & bit) != 0) {
			return cpu_table[index];
		}
	}
}

/* A thread has become ready here that an idle CPU might run. */
static void sched_wake_idle(struct cpu *cpu, uint64_t affinity)
{
	struct cpu *idle = sched_claim_idle(affinity & ~sched_bit(cpu), cpu->index);

	if (idle != NULL) {
		sched_look(idle);
		arch_send_reschedule(idle);
	}
}

static void sched_insert_here(struct cpu *cpu, struct thread *thread)
{
	run_queue_account(cpu, arch_clock_ns());
	run_queue_enter(&cpu->run_queue, thread);
	uint64_t affinity = atomic_load_explicit(&thread->affinity, memory_order_relaxed);

	/* From here on another CPU may run it. */
	run_queue_insert(&cpu->run_queue, thread);
	sched_look(cpu);
	atomic_thread_fence(memory_order_seq_cst);
	sched_wake_idle(cpu, affinity);
}

/* The thread is RUNNABLE, on no CPU and in no queue. */
static void sched_place(struct cpu *cpu, struct thread *thread)
{
	uint64_t affinity = atomic_load_explicit(&thread->affinity, memory_order_relaxed);
	struct cpu *idle = sched_claim_idle(affinity & ~sched_bit(cpu), thread->last_cpu);

	if (idle != NULL) {
		sched_push(idle, thread);
	} else if (sched_may_run_on(thread, cpu)) {
		sched_insert_here(cpu, thread);
	} else {
		/* set_affinity makes sure that there is one */
		for (uint32_t i = 0; i < cpu_count; i++) {
			if (sched_may_run_on(thread, cpu_table[i])) {
				sched_push(cpu_table[i], thread);
				return;
			}
		}
		sched_insert_here(cpu, thread);
	}
}

void sched_wake(struct thread *thread)
{
	struct cpu *cpu = arch_this_cpu();
	struct cpu *on_cpu = atomic_load_explicit(&thread->on_cpu, memory_order_acquire);

	TRACE(SCHEDULING, WAKE, thread->object.identity, on_cpu != NULL ? on_cpu->index + 1 : 0, 0);

	if (on_cpu != NULL) {
		sched_push(on_cpu, thread);
	} else if (cpu->run_queue.handoff == NULL && sched_may_run_on(thread, cpu)) {
		cpu->run_queue.handoff = thread;
		if (sched_goes_on(cpu)) {
			atomic_store_explicit(
				&cpu->run_queue.look, RUN_QUEUE_LOOK_HANDOFF, memory_order_relaxed);
		}
	} else {
		sched_place(cpu, thread);
	}
}

/* Let any CPU look at what is due. */
static void sched_stir(struct cpu *cpu)
{
	sched_look(cpu);
	if (cpu != arch_this_cpu()) {
		arch_send_reschedule(cpu);
	}
}

void sched_poke(struct thread *thread)
{
	struct cpu *on_cpu = atomic_load(&thread->on_cpu);

	if (on_cpu != NULL) {
		sched_stir(on_cpu);
	}
}

void sched_hurry(struct thread *thread)
{
	sched_poke(thread);
	struct run_queue *queue = run_queue_promote(thread);

	if (queue != NULL) {
		sched_stir(container_of(queue, struct cpu, run_queue));
	}
}

void sched_let_go(uint64_t cpus)
{
	for (uint32_t i = 0; i < cpu_count; i++) {
		if ((cpus >> i & 1) != 0) {
			atomic_store(&cpu_table[i]->run_queue.must_let_go, true);
			sched_stir(cpu_table[i]);
		}
	}
}

void sched_yield_current(struct cpu *cpu)
{
	cpu->run_queue.is_yielding = true;
	sched_look(cpu);
}

bool sched_should_pause(uint64_t since_ns)
{
	return arch_clock_ns() - since_ns > SCHED_PAUSE_NS;
}

static void sched_drain_inbox(struct cpu *cpu)
{
	struct thread *in_order = NULL;
	struct thread *thread;

	if (atomic_load_explicit(&cpu->run_queue.inbox, memory_order_relaxed) == NULL) {
		return;
	}
	thread = atomic_exchange(&cpu->run_queue.inbox, NULL);
	while (thread != NULL) {
		struct thread *next = thread->inbox_next;

		thread->inbox_next = in_order;
		in_order = thread;
		thread = next;
	}
	while (in_order != NULL) {
		thread = in_order;
		in_order = thread->inbox_next;
		if (cpu->run_queue.handoff == NULL && sched_may_run_on(thread, cpu)) {
			cpu->run_queue.handoff = thread;
		} else {
			sched_place(cpu, thread);
		}
	}
}

/* ---- leaving */

/* Off the CPU; it goes on competing here, or that has been seen to. */
static inline void sched_take_off(struct cpu *cpu)
{
	struct thread *thread = cpu->current;

	TRACE(SCHEDULING, LEAVE,
		atomic_load_explicit(&thread->state, memory_order_relaxed) != THREAD_RUNNING,
		thread->universe->object.identity, 0);
	arch_context_leave(thread);
	cpu->current = NULL;
	atomic_store(&thread->on_cpu, NULL);
}

void sched_put_current(struct cpu *cpu)
{
	run_queue_exit(&cpu->run_queue, cpu->current);
	sched_take_off(cpu);
}

static ALWAYS_INLINE void sched_switch_to(struct cpu *cpu, struct thread *thread)
{
	ASSERT(atomic_load_explicit(&thread->state, memory_order_relaxed) == THREAD_RUNNABLE);
	if (thread->last_cpu != cpu->index) {
		TRACE(SCHEDULING, MIGRATE, thread->last_cpu, cpu->index, thread->object.identity);
	}
	thread->last_cpu = cpu->index;
	atomic_store_explicit(&thread->statistics.n_switches,
		atomic_load_explicit(&thread->statistics.n_switches, memory_order_relaxed) + 1,
		memory_order_relaxed);
	cpu->statistics.n_switches++;
	cpu->current = thread;
	TRACE(SCHEDULING, SWITCH, thread->universe->object.identity, arch_context_ip(&thread->arch),
		atomic_load_explicit(&cpu->run_queue.n_ready, memory_order_relaxed));
	atomic_store_explicit(&thread->on_cpu, cpu, memory_order_relaxed);
	atomic_store(&thread->state, THREAD_RUNNING);
	if (thread->wait.finish != NULL) {
		void (*finish)(struct thread *thread) = thread->wait.finish;

		thread->wait.finish = NULL;
		finish(thread);
	}
}

/* A thread that could run on loses its CPU. */
static inline void sched_count_preempted(struct thread *thread)
{
	atomic_store_explicit(&thread->statistics.n_preempted,
		atomic_load_explicit(&thread->statistics.n_preempted, memory_order_relaxed) + 1,
		memory_order_relaxed);
}

static void sched_place_current(struct cpu *cpu)
{
	struct thread *thread = cpu->current;

	thread->ready_priority = atomic_load_explicit(&thread->priority, memory_order_relaxed);
	run_queue_reweigh(&cpu->run_queue, thread);
	if (sched_may_run_on(thread, cpu)) {
		return;
	}
	sched_put_current(cpu);
	sched_count_preempted(thread);
	atomic_store(&thread->state, THREAD_RUNNABLE);
	sched_place(cpu, thread);
}

/* What others want of the current thread. It may not be current any more afterwards. */
static void sched_attend(struct cpu *cpu)
{
	struct thread *thread = cpu->current;
	uint32_t attention = atomic_load(&thread->attention);

	if ((attention & THREAD_ATTENTION_KILL) != 0) {
		thread_terminate_current(cpu);
		return;
	}
	atomic_fetch_and(&thread->attention, ~(attention & THREAD_ATTENTION_EXIT));
	if ((attention & THREAD_ATTENTION_KICK) != 0) {
		transfer_put_down(thread);
		bounce_deliver_kick(thread);
	}
	if ((attention & THREAD_ATTENTION_INTERRUPT) != 0) {
		thread_stop_interrupted(cpu);
	} else if ((attention & THREAD_ATTENTION_PLACE) != 0) {
		sched_place_current(cpu);
	}
}

static void sched_do_due(struct cpu *cpu, uint64_t now_ns)
{
	if (unlikely(atomic_load_explicit(&cpu->run_queue.must_let_go, memory_order_relaxed))) {
		space_let_go();
		atomic_store_explicit(&cpu->run_queue.must_let_go, false, memory_order_release);
	}
	if (object_reap(cpu, SCHED_REAP_BATCH, now_ns)) {
		sched_look(cpu);
	}
	if (work_do(cpu, SCHED_WORK_BATCH, now_ns)) {
		sched_look(cpu);
	}
	timer_heap_expire(&cpu->timers, now_ns, SCHED_EXPIRE_BATCH);
	if (atomic_load_explicit(&cpu->timers.first_ns, memory_order_relaxed) <= now_ns) {
		sched_look(cpu);
	}
	sched_drain_inbox(cpu);
}

static struct thread *sched_steal(struct cpu *cpu)
{
	for (uint32_t i = 1; i < cpu_count; i++) {
		struct cpu *victim = cpu_table[(cpu->index + i) % cpu_count];

		if (victim == NULL || atomic_load(&victim->run_queue.n_ready) == 0) {
			continue;
		}
		struct thread *thread = run_queue_steal(&victim->run_queue, cpu->index);

		if (thread != NULL) {
			run_queue_enter(&cpu->run_queue, thread);
			return thread;
		}
	}
	return NULL;
}

/* The thread in the hand-off slot, which enters; nobody else is ready but one it goes before. */
static inline struct thread *sched_take_handoff(struct run_queue *queue)
{
	struct thread *handoff = queue->handoff;

	queue->handoff = NULL;
	if (!queue->is_lingering) {
		run_queue_enter(queue, handoff);
	}
	queue->is_yielding = false;
	queue->is_lingering = false;
	queue->may_linger = false;
	return handoff;
}

/*
 * No thread is current: the hand-off within the slice, else the best, else somebody else's. Never
 * NULL if there is a hand-off: it is ready for thieves only once another one is taken instead.
 */
static struct thread *sched_choose_next(struct cpu *cpu, uint64_t now_ns)
{
	struct run_queue *queue = &cpu->run_queue;
	struct thread *handoff = queue->handoff;
	bool has_entered = queue->is_lingering;

	queue->is_yielding = false;
	queue->is_lingering = false;
	queue->may_linger = false;
	if (handoff != NULL) {
		enum run_queue_demand demand = RUN_QUEUE_MUCH_BETTER;

		queue->handoff = NULL;
		if (!has_entered) {
			run_queue_enter(queue, handoff);
		}
		if (atomic_load_explicit(&queue->n_ready, memory_order_relaxed) != 0 &&
			now_ns >= queue->slice_end_ns) {
			demand = RUN_QUEUE_BETTER;
			queue->slice_end_ns = HEL_DEADLINE_NEVER;
		}
		struct thread *other = run_queue_take_instead(queue, handoff, demand);

		if (other == NULL) {
			return handoff;
		}
		run_queue_insert(queue, handoff);
		queue->slice_end_ns = HEL_DEADLINE_NEVER;
		return other;
	}
	queue->slice_end_ns = HEL_DEADLINE_NEVER;
	struct thread *best = run_queue_take_best(queue);

	return best != NULL ? best : sched_steal(cpu);
}

/*
 * Whether the thread in the hand-off slot stays there while the current one goes on. A server that
 * has answered tidies up, takes the next request or waits for it; then the client runs, without
 * tree or another CPU. It stays for a slice, or only for a short time if another CPU is idle.
 */
static bool sched_try_linger(struct cpu *cpu, uint64_t now_ns)
{
	struct run_queue *queue = &cpu->run_queue;
	struct thread *handoff = queue->handoff;

	if (now_ns >= queue->slice_end_ns || queue->is_yielding) {
		return false;
	}
	if (queue->is_lingering || !queue->may_linger) {
		return queue->is_lingering;
	}
	run_queue_enter(queue, handoff);
	if (handoff->ready_priority > cpu->current->ready_priority ||
		run_queue_is_due(handoff, cpu->current)) {
		run_queue_exit(queue, handoff);
		return false;
	}
	uint64_t own_ns = run_queue_own_ns(&cpu->current->share, SCHED_GRANULARITY_NS);
	uint64_t limit_ns = min_u64(SCHED_GRANULARITY_NS, own_ns);

	if (atomic_load_explicit(&sched_idle_mask, memory_order_relaxed) != 0) {
		limit_ns = min_u64(SCHED_LINGER_NS, own_ns);
	}
	queue->slice_end_ns = min_u64(queue->slice_end_ns, now_ns + limit_ns);
	queue->is_lingering = true;
	return true;
}

static void sched_place_handoff(struct cpu *cpu)
{
	struct run_queue *queue = &cpu->run_queue;
	struct thread *handoff = queue->handoff;

	queue->handoff = NULL;
	if (queue->is_lingering) {
		queue->is_lingering = false;
		run_queue_exit(queue, handoff);
	}
	sched_place(cpu, handoff);
}

/* The current thread can go on: does it? */
static void sched_reconsider(struct cpu *cpu, uint64_t now_ns)
{
	struct run_queue *queue = &cpu->run_queue;
	struct thread *current = cpu->current;
	enum run_queue_demand demand = RUN_QUEUE_MUCH_BETTER;

	if (queue->handoff != NULL) {
		if (sched_try_linger(cpu, now_ns)) {
			queue->may_linger = false;
			return;
		}
		sched_place_handoff(cpu);
	}
	queue->may_linger = false;
	if (queue->is_yielding) {
		demand = RUN_QUEUE_ANY;
	} else if (now_ns >= queue->slice_end_ns) {
		demand = RUN_QUEUE_BETTER;
		queue->slice_end_ns = HEL_DEADLINE_NEVER;
	}
	queue->is_yielding = false;
	struct thread *next = run_queue_take_instead(queue, current, demand);

	if (next == NULL) {
		return;
	}
	sched_put_current(cpu);
	sched_count_preempted(current);
	atomic_store(&current->state, THREAD_RUNNABLE);
	sched_place(cpu, current);
	queue->slice_end_ns = HEL_DEADLINE_NEVER;
	sched_switch_to(cpu, next);
}

/*
 * The current thread is not alone: until when it may run. It may have gone while others linger, and
 * interrupts come before the next one.
 */
static __attribute__((noinline)) uint64_t sched_limit_slice(struct cpu *cpu, uint64_t now_ns)
{
	struct run_queue *queue = &cpu->run_queue;
	uint64_t weight = cpu->current != NULL ? cpu->current->share.weight : 0;

	if (queue->is_lingering) {
		weight += queue->handoff->share.weight;
	} else {
		uint64_t slice_ns = run_queue_slice_ns(queue, cpu->current);

		if (slice_ns != HEL_DEADLINE_NEVER) {
			queue->slice_end_ns = min_u64(queue->slice_end_ns, now_ns + slice_ns);
		}
	}
	atomic_store_explicit(&queue->running_weight, weight, memory_order_relaxed);
	return queue->slice_end_ns;
}

static ALWAYS_INLINE void sched_set_timer(struct cpu *cpu, uint64_t now_ns)
{
	struct run_queue *queue = &cpu->run_queue;
	uint32_t n_ready = atomic_load_explicit(&queue->n_ready, memory_order_relaxed);
	uint64_t wanted_ns = atomic_load_explicit(&cpu->timers.first_ns, memory_order_relaxed);

	atomic_store_explicit(&queue->n_schedulable,
		n_ready + (cpu->current != NULL) + queue->is_lingering, memory_order_relaxed);
	if (queue->is_lingering || (n_ready != 0 && cpu->current != NULL)) {
		wanted_ns = min_u64(wanted_ns, sched_limit_slice(cpu, now_ns));
	} else {
		queue->slice_end_ns = HEL_DEADLINE_NEVER;
	}
	/* Work is left that had to make room for interrupts. */
	if (unlikely(!sched_goes_on(cpu))) {
		wanted_ns = now_ns;
	}
	if (wanted_ns < queue->timer_set_ns) {
		queue->timer_set_ns = wanted_ns;
		arch_timer_set(wanted_ns);
	}
}

/* One round of what is due; true: the current thread (or none) may be left to. */
static bool sched_round(struct cpu *cpu, uint64_t now_ns)
{
	struct run_queue *queue = &cpu->run_queue;

	run_queue_account(cpu, now_ns);
	if (cpu->current != NULL && atomic_load(&cpu->current->state) != THREAD_RUNNING) {
		sched_put_current(cpu);
	}
	if (atomic_exchange(&queue->look, RUN_QUEUE_LOOK_NOWHERE) != RUN_QUEUE_LOOK_NOWHERE) {
		sched_do_due(cpu, now_ns);
	}
	if (cpu->current != NULL) {
		sched_reconsider(cpu, now_ns);
	} else {
		struct thread *next = sched_choose_next(cpu, now_ns);

		if (next != NULL) {
			sched_switch_to(cpu, next);
		}
	}
	if (cpu->current != NULL &&
		(atomic_load(&cpu->current->attention) & THREAD_ATTENTION_EXIT) != 0) {
		sched_attend(cpu);
		return false;
	}
	return sched_goes_on(cpu);
}

/* Whether the current thread, once it is settled, may enter user mode. */
static bool sched_may_enter(struct thread *thread)
{
	uint32_t attention = atomic_load_explicit(&thread->attention, memory_order_relaxed) &
		THREAD_ATTENTION_NO_WAIT;

	if (likely(attention == 0)) {
		return true;
	}
	return attention == THREAD_ATTENTION_TRANSFER && transfer_carry_on(thread);
}

/* Nothing to run: returns if something turned up on the way. */
static void sched_idle(struct cpu *cpu, uint64_t now_ns)
{
	atomic_fetch_or(&sched_idle_mask, sched_bit(cpu));
	struct thread *thread = sched_steal(cpu);

	if (thread != NULL) {
		atomic_fetch_and(&sched_idle_mask, ~sched_bit(cpu));
		sched_switch_to(cpu, thread);
		return;
	}
	/* Do not keep a dead process's memory until something else runs here. */
	space_let_go();
	sched_set_timer(cpu, now_ns);
	TRACE(SCHEDULING, IDLE, 0, 0, 0);
	shootdown_enter_idle();
	arch_idle();
}

/* Whether the current thread, which can go on, has to make room for the one handed to. */
static inline bool sched_is_preempted(const struct cpu *cpu)
{
	struct thread *current = cpu->current;

	return atomic_load_explicit(&cpu->run_queue.handoff->priority, memory_order_relaxed) >
		current->ready_priority &&
		atomic_load_explicit(&sched_idle_mask, memory_order_relaxed) == 0 &&
		sched_may_run_on(current, cpu);
}

/* The current thread becomes ready, and stays here unless a CPU has become idle just now. */
static inline void sched_preempt(struct cpu *cpu, struct thread *current)
{
	sched_take_off(cpu);
	sched_count_preempted(current);
	current->ready_priority = atomic_load_explicit(&current->priority, memory_order_relaxed);
	atomic_store(&current->state, THREAD_RUNNABLE);
	uint64_t affinity = atomic_load_explicit(&current->affinity, memory_order_relaxed);

	/* From here on another CPU may run it. */
	run_queue_insert(&cpu->run_queue, current);
	atomic_thread_fence(memory_order_seq_cst);
	if (unlikely(atomic_load_explicit(&sched_idle_mask, memory_order_relaxed) != 0)) {
		sched_wake_idle(cpu, affinity);
	}
}

/*
 * The usual switch: nothing is due but a hand-off, and the current thread waits, or is of lower
 * priority than the other one while no CPU is idle. False: nothing happened.
 */
static inline bool sched_hand_over(struct cpu *cpu, struct thread *current)
{
	struct run_queue *queue = &cpu->run_queue;
	bool is_alone = atomic_load_explicit(&queue->n_ready, memory_order_relaxed) == 0;
	bool is_running =
		atomic_load_explicit(&current->state, memory_order_relaxed) == THREAD_RUNNING;

	if (is_running && !sched_is_preempted(cpu)) {
		return false;
	}
	uint64_t now_ns = arch_clock_ns();

	run_queue_account(cpu, now_ns);
	if (is_running) {
		sched_preempt(cpu, current);
	} else {
		sched_put_current(cpu);
	}
	atomic_store_explicit(&queue->look, RUN_QUEUE_LOOK_NOWHERE, memory_order_relaxed);
	sched_switch_to(
		cpu, likely(is_alone) ? sched_take_handoff(queue) : sched_choose_next(cpu, now_ns));
	sched_set_timer(cpu, now_ns);
	return true;
}

static NORETURN void sched_leave_slowly(struct cpu *cpu)
{
	for (;;) {
		uint64_t start_ns = arch_clock_ns();
		uint64_t now_ns = start_ns;
		bool must_balance = page_cache_balance();
		bool is_settled = sched_round(cpu, now_ns);

		for (unsigned i = 1;
			!is_settled && i < SCHED_ROUNDS_MAX && !sched_should_pause(start_ns); i++) {
			now_ns = arch_clock_ns();
			is_settled = sched_round(cpu, now_ns);
		}
		/* Soon, but interrupts go first; threads may be ready even if none is current. */
		if (must_balance || !is_settled) {
			sched_look(cpu);
		}
		struct thread *thread = cpu->current;

		if (thread == NULL) {
			sched_idle(cpu, now_ns);
		} else if (atomic_load(&thread->state) == THREAD_RUNNING &&
			sched_may_enter(thread)) {
			sched_set_timer(cpu, now_ns);
			space_activate(thread->space);
			if (unlikely((thread->entry & THREAD_ENTRY_TIMED) != 0)) {
				thread_time_leave(thread);
			}
			arch_enter_user(thread);
		}
	}
}

NORETURN void sched_leave(void)
{
	struct cpu *cpu = arch_this_cpu();
	struct thread *thread = cpu->current;

	spinlock_check_none_held();
	if (thread != NULL &&
		atomic_load_explicit(&thread->state, memory_order_relaxed) == THREAD_RUNNING &&
		sched_goes_on(cpu)) {
		arch_enter_user(thread);
	}
	if (thread != NULL &&
		atomic_load_explicit(&cpu->run_queue.look, memory_order_relaxed) ==
			RUN_QUEUE_LOOK_HANDOFF &&
		sched_hand_over(cpu, thread)) {
		thread = cpu->current;
		/* The woken one may have been told something, or have had something to free. */
		if (likely(sched_goes_on(cpu) &&
			    (atomic_load(&thread->attention) & THREAD_ATTENTION_NO_SHORT_WAY) ==
				    0)) {
			space_activate(thread->space);
			arch_enter_user(thread);
		}
	}
	sched_leave_slowly(cpu);
}

NORETURN void thor_enter_interrupt(uint32_t kinds, uint32_t device_vector)
{
	struct cpu *cpu = arch_this_cpu();

	cpu->statistics.n_interrupts++;
	TRACE(INTERRUPTS, INTERRUPT, kinds, device_vector, 0);
	if (cpu->current == NULL) {
		atomic_fetch_and(&sched_idle_mask, ~sched_bit(cpu));
	} else if (unlikely((cpu->current->entry & THREAD_ENTRY_TIMED) != 0)) {
		thread_time_enter(cpu->current);
	}
	if ((kinds & ARCH_INTERRUPT_TIMER) != 0) {
		cpu->run_queue.timer_set_ns = HEL_DEADLINE_NEVER;
	}
	if ((kinds & ARCH_INTERRUPT_DEVICE) != 0) {
		random_stir(arch_clock_ns());
		irq_dispatch(cpu, device_vector);
	}
	sched_look(cpu);
	sched_leave();
}
