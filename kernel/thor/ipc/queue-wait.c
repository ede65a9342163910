/* SPDX-License-Identifier: MIT */
/*
 * Queues: threads that wait for completions.
 *
 * A thread that waits is on the queue's list and holds a reference to it. Whoever ends the wait
 * (a completion, its deadline, a kick, an alert) marks the thread; what is left to be tidied up is
 * done when it runs again, in queue_finish_wait().
 */
#include <thor/ipc/queue-internal.h>

#include <thor/sched/sched.h>

static inline struct thread *queue_pop_waiter_locked(struct queue *queue)
{
	struct list_node *head = &queue->waiters.head;
	struct list_node *node = head->next;

	head->next = node->next;
	node->next->prev = head;
	list_node_init(node);
	queue->n_waiters--;
	return container_of(node, struct thread, wait.node);
}

__attribute__((noinline)) static void queue_wake_many_locked(struct queue *queue)
{
	while (queue->n_waiters > 0) {
		(void)thread_wake(queue_pop_waiter_locked(queue), 0);
	}
}

__attribute__((noinline)) void queue_wake_locked(struct queue *queue)
{
	if (likely(queue->n_waiters == 1)) {
		(void)thread_wake(queue_pop_waiter_locked(queue), 0);
	} else {
		queue_wake_many_locked(queue);
	}
}

static __attribute__((noinline)) void queue_finish_other_wait(struct thread *thread)
{
	struct queue *queue = thread->wait.queue;
	int result = thread->wait.result;

	if (result == -ERR_KICKED) {
		thread_take_latch(thread);
	}
	if (timer_is_armed(&thread->wait.timer)) {
		(void)timer_cancel(&thread->wait.timer);
	}
	if (list_node_is_linked(&thread->wait.node)) {
		spinlock_acquire(&queue->lock);
		if (list_node_is_linked(&thread->wait.node)) {
			list_remove(&thread->wait.node);
			queue->n_waiters--;
		}
		spinlock_release(&queue->lock);
	}
	if (result == THREAD_WAIT_RESTART) {
		arch_call_restart(&thread->arch);
	} else {
		arch_call_return(&thread->arch, result,
			atomic_load_explicit(&queue->n_completions, memory_order_acquire));
	}
	object_unref(&queue->object);
}

/* Who was woken by a completion is off the list. */
static void queue_finish_wait(struct thread *thread)
{
	struct queue *queue = thread->wait.queue;

	if (unlikely(thread->wait.result != 0 || timer_is_armed(&thread->wait.timer) ||
		    list_node_is_linked(&thread->wait.node))) {
		queue_finish_other_wait(thread);
		return;
	}
	arch_call_return(&thread->arch, 0,
		atomic_load_explicit(&queue->n_completions, memory_order_acquire));
	object_unref(&queue->object);
}

void queue_disturb(struct queue *queue)
{
	struct thread *thread;

	spinlock_acquire(&queue->lock);
	while ((thread = LIST_POP_FRONT(&queue->waiters, struct thread, wait.node)) != NULL) {
		queue->n_waiters--;
		(void)thread_wake(thread, THREAD_WAIT_RESTART);
	}
	spinlock_release(&queue->lock);
}

static void queue_wait_expired(struct timer *timer)
{
	(void)thread_wake(container_of(timer, struct thread, wait.timer), -ERR_TIMED_OUT);
}

void queue_alert(struct queue *queue)
{
	struct thread *thread;
	bool is_told = false;

	spinlock_acquire(&queue->lock);
	/* A thread on the list may have been woken by something else already. */
	while (!is_told &&
		(thread = LIST_POP_FRONT(&queue->waiters, struct thread, wait.node)) != NULL) {
		queue->n_waiters--;
		is_told = thread_wake(thread, -ERR_ALERTED);
	}
	queue->is_alerted = queue->is_alerted || !is_told;
	spinlock_release(&queue->lock);
}

/* A wait whose deadline has passed already: does something else end it? */
static int queue_wait_no_longer(struct queue *queue, struct thread *thread)
{
	if (thread_is_kicked(thread)) {
		return -ERR_KICKED;
	}
	spinlock_acquire(&queue->lock);
	bool was_alerted = queue->is_alerted;

	queue->is_alerted = false;
	spinlock_release(&queue->lock);
	return was_alerted ? -ERR_ALERTED : -ERR_TIMED_OUT;
}

/* -> WAITING, or the reason why not. */
static int queue_wait_locked(
	struct queue *queue, struct thread *thread, uint32_t seen, bool *out_is_blocked)
{
	int result = 0;

	if (atomic_load_explicit(&queue->n_completions, memory_order_relaxed) != seen) {
		return 0;
	}
	if (unlikely(queue->is_alerted)) {
		queue->is_alerted = false;
		return -ERR_ALERTED;
	}
	if (queue->n_waiters == QUEUE_WAITERS_MAX) {
		return -ERR_BUSY;
	}
	list_push_back(&queue->waiters, &thread->wait.node);
	queue->n_waiters++;
	thread->wait.queue = queue;
	thread->wait.finish = queue_finish_wait;
	*out_is_blocked = thread_begin_wait(thread, &result);
	if (!*out_is_blocked) {
		thread->wait.finish = NULL;
		list_remove(&thread->wait.node);
		queue->n_waiters--;
	}
	return result;
}

static inline int queue_wait_now(
	struct queue *queue, struct thread *thread, uint32_t seen, bool *out_is_blocked)
{
	spinlock_acquire(&queue->lock);
	int result = queue_wait_locked(queue, thread, seen, out_is_blocked);

	spinlock_release(&queue->lock);
	return result;
}

static __attribute__((noinline)) int queue_wait_until(struct queue *queue, struct thread *thread,
	uint32_t seen, uint64_t deadline_ns, bool *out_is_blocked)
{
	if (atomic_load_explicit(&queue->n_completions, memory_order_acquire) == seen) {
		if (arch_clock_ns() >= deadline_ns) {
			return queue_wait_no_longer(queue, thread);
		}
		/*
		 * Armed first: a timer that fires before the thread waits would be lost, so it
		 * must not fire by itself.
		 */
		timer_init(&thread->wait.timer, queue_wait_expired, NULL);
		timer_arm(&thread->wait.timer, deadline_ns);
	}
	int result = queue_wait_now(queue, thread, seen, out_is_blocked);

	if (!*out_is_blocked && timer_is_armed(&thread->wait.timer)) {
		(void)timer_cancel(&thread->wait.timer);
	}
	return result;
}

LINK_INLINE int queue_wait(struct queue *queue, struct thread *thread, uint32_t seen,
	uint64_t deadline_ns, bool *out_is_blocked)
{
	*out_is_blocked = false;
	return likely(deadline_ns == HEL_DEADLINE_NEVER)
		? queue_wait_now(queue, thread, seen, out_is_blocked)
		: queue_wait_until(queue, thread, seen, deadline_ns, out_is_blocked);
}
