/* SPDX-License-Identifier: MIT */
/* Wait queues, mutexes, semaphores: see sync.h. */
#include <async/sync.h>
#include <async/task.h>
#include <base/assert.h>
#include <base/errors.h>

static enum op_result wait_start(struct op *op)
{
	list_push_back(&container_of(op, struct wait_op, op)->queue->ops, &op->node);
	return OP_PENDING;
}

static void wait_cancel(struct op *op)
{
	list_remove(&op->node);
	op_complete(op, -ERR_CANCELLED);
}

static const struct op_class wait_class = {
	.name = "wait queue",
	.start = wait_start,
	.cancel = wait_cancel,
};

void wait_op_init(struct wait_op *wait, struct wait_queue *queue)
{
	op_init(&wait->op, &wait_class);
	wait->queue = queue;
}

int wait_on(struct task *task, struct wait_queue *queue)
{
	struct wait_op wait;

	wait_op_init(&wait, queue);
	return await(task, &wait.op);
}

bool wait_queue_wake_one(struct wait_queue *queue, int error)
{
	struct op *op = LIST_POP_FRONT(&queue->ops, struct op, node);

	if (op != NULL) {
		op_complete(op, error);
	}
	return op != NULL;
}

void wait_queue_wake_all(struct wait_queue *queue, int error)
{
	while (wait_queue_wake_one(queue, error)) {
	}
}

void mutex_init(struct mutex *mutex)
{
	mutex->is_locked = false;
	wait_queue_init(&mutex->waiters);
}

bool mutex_try_lock(struct mutex *mutex)
{
	bool is_free = !mutex->is_locked;

	mutex->is_locked = true;
	return is_free;
}

int mutex_lock(struct task *task, struct mutex *mutex)
{
	if (task_check(task) != 0) {
		return task_check(task);
	}
	return mutex_try_lock(mutex) ? 0 : wait_on(task, &mutex->waiters);
}

void mutex_unlock(struct mutex *mutex)
{
	ASSERT(mutex->is_locked);
	if (!wait_queue_wake_one(&mutex->waiters, 0)) {
		mutex->is_locked = false;
	}
}

void semaphore_init(struct semaphore *semaphore, uint64_t n_units)
{
	semaphore->n_units = n_units;
	wait_queue_init(&semaphore->waiters);
}

bool semaphore_try_down(struct semaphore *semaphore)
{
	if (semaphore->n_units == 0) {
		return false;
	}
	semaphore->n_units--;
	return true;
}

int semaphore_down(struct task *task, struct semaphore *semaphore)
{
	if (task_check(task) != 0) {
		return task_check(task);
	}
	return semaphore_try_down(semaphore) ? 0 : wait_on(task, &semaphore->waiters);
}

void semaphore_up(struct semaphore *semaphore)
{
	if (!wait_queue_wake_one(&semaphore->waiters, 0)) {
		semaphore->n_units++;
	}
}
