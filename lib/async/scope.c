/* SPDX-License-Identifier: MIT */
/*
 * Scopes: the tree of what belongs together, for joining and cancelling: see task.h.
 *
 * A scope belongs to the one task that began it. The task's current wait is under its innermost
 * scope, so cancelling a subtree means: mark each scope, and where a scope is the innermost one of
 * its task, cancel what that task waits for.
 */
#include <async/loop-internal.h>
#include <base/assert.h>
#include <base/errors.h>

static void scope_deadline_fire(struct timer *timer)
{
	scope_cancel(container_of(timer, struct scope, deadline), -ERR_TIMED_OUT);
}

void scope__init(struct scope *scope, struct task *task, struct scope *parent, bool is_shield)
{
	*scope = (struct scope){
		.task = task,
		.parent = parent,
		.is_shield = is_shield,
	};
	list_init(&scope->children);
	list_node_init(&scope->sibling);
	timer_init(&scope->deadline, scope_deadline_fire);
	if (parent != NULL) {
		list_push_back(&parent->children, &scope->sibling);
		scope->error = is_shield ? 0 : parent->error;
	}
}

void scope_begin(struct task *task, struct scope *scope)
{
	scope__init(scope, task, task->scope, false);
	task->scope = scope;
}

void scope_begin_shield(struct task *task, struct scope *scope)
{
	scope__init(scope, task, task->scope, true);
	task->scope = scope;
}

void scope_set_deadline(struct scope *scope, uint64_t deadline_ns)
{
	struct loop *loop = scope->task->loop;

	timer_disarm(loop, &scope->deadline);
	timer_arm(loop, &scope->deadline, deadline_ns);
}

void scope_spawn(struct scope *scope, const char *name, task_fn run, void *argument)
{
	struct task *task = task__create(scope->task->loop, name, run, argument);

	if (task == NULL) {
		scope_cancel(scope, -ERR_NO_MEMORY);
		return;
	}
	task->trace_id = scope->task->trace_id;
	scope__init(&task->root, task, scope, false);
	task->scope = &task->root;
	scope->n_tasks++;
	task__wake(task);
}

/*
 * The next scope below @top in a walk, parents first; @is_descending says whether to enter @scope.
 */
static struct scope *scope_next(struct scope *scope, const struct scope *top, bool is_descending)
{
	if (is_descending && !list_is_empty(&scope->children)) {
		return LIST_FIRST(&scope->children, struct scope, sibling);
	}
	while (scope != top) {
		struct list_node *sibling = list_next(&scope->parent->children, &scope->sibling);

		if (sibling != NULL) {
			return container_of(sibling, struct scope, sibling);
		}
		scope = scope->parent;
	}
	return NULL;
}

void scope_cancel(struct scope *top, int reason)
{
	struct scope *scope = top;

	ASSERT(reason < 0);
	while (scope != NULL) {
		bool is_affected = scope->error == 0 && (scope == top || !scope->is_shield);

		if (is_affected) {
			scope->error = reason;
			if (scope->task->scope == scope) {
				task__cancel_wait(scope->task);
			}
		}
		scope = scope_next(scope, top, is_affected);
	}
}

void scope__task_ended(struct scope *scope, int result)
{
	scope->n_tasks--;
	if (result != 0) {
		scope_cancel(scope, result < 0 ? result : -ERR_ILLEGAL_STATE);
	}
	if (scope->n_tasks == 0 && scope->is_joining) {
		task__wake(scope->task);
	}
}

int scope_join(struct scope *scope)
{
	struct task *task = scope->task;

	ASSERT(task->scope == scope);
	if (scope->n_tasks > 0) {
		scope->is_joining = true;
		task__suspend(task, "join");
	}
	ASSERT(scope->n_tasks == 0 && list_is_empty(&scope->children));
	timer_disarm(task->loop, &scope->deadline);
	list_remove(&scope->sibling);
	task->scope = scope->parent;
	return scope->error;
}
