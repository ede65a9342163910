/* SPDX-License-Identifier: MIT */
/*
 * Tasks of requests; see task.h.
 *
 * Tasks are of posix_loop(), whichever loop the request arrived on: only that one has stacks for
 * more than a few. A job that finds no free task waits in the loop's inbox.
 */
#include <async/loop.h>
#include <async/task.h>
#include <base/assert.h>
#include <helix/memory.h>
#include <posix/server/file/file.h>
#include <posix/server/file/views.h>
#include <posix/server/process/process.h>
#include <posix/server/request-internal.h>
#include <posix/server/task.h>

constexpr uint32_t HELD_FILES = 6; /* of one block: more than any call names */

struct held_files {
	struct held_files *next;
	uint32_t n_files;
	struct file *files[HELD_FILES];
};

struct request_task {
	struct job job;
	struct request *request;
	struct held_files held;
};

/* ---- waiting --------------------------------------------------------------------------------- */

struct task *request_task(void)
{
	return turn_current()->task;
}

void request_pause(struct request_pause *out_pause)
{
	struct turn *turn = turn_current();

	ASSERT(turn->task != NULL);
	*out_pause = (struct request_pause){ .running = turn->running, .task = turn->task };
	turn->running = NULL;
	turn->task = NULL;
}

void request_resume(const struct request_pause *pause)
{
	struct turn *turn = turn_current();

	ASSERT(turn->task == NULL);
	turn->running = pause->running;
	turn->task = pause->task;
}

struct task_wait {
	struct op op;
	struct wait_entry entry;
};

static enum op_result task_wait_start(struct op *op)
{
	(void)op;
	return OP_PENDING;
}

static const struct op_class task_wait_class = { .name = "posix", .start = task_wait_start };

static void task_woken(struct wait_entry *entry)
{
	struct task_wait *wait = entry->owner;

	wait_entry_remove(entry);
	turn_touch(wait->op.loop);
	op_complete(&wait->op, 0);
}

void task_wait_on(struct wait_queue *queue)
{
	struct task_wait wait = { .entry = { .wake = task_woken } };
	struct request_pause pause;

	request_pause(&pause);
	op_init(&wait.op, &task_wait_class);
	wait.entry.owner = &wait;
	wait_entry_add(&wait.entry, queue);
	(void)await(pause.task, &wait.op);
	wait_entry_remove(&wait.entry);
	request_resume(&pause);
}

int64_t task_run_own(struct task *task, int64_t (*run)(void *context), void *context)
{
	struct turn *turn = turn_current();
	int64_t result;

	ASSERT(turn->task == NULL && turn->running == NULL);
	turn->task = task;
	result = run(context);
	turn_current()->task = NULL;
	return result;
}

/* ---- files that are held --------------------------------------------------------------------- */

bool task_hold_file(struct file *file)
{
	const struct request *request = turn_current()->running;

	if (request == NULL) {
		return true; /* the system's own has no descriptors */
	}
	struct held_files *held = &request->internal->task->held;

	while (held->n_files == HELD_FILES) {
		if (held->next == NULL) {
			held->next = helix_calloc(1, sizeof(*held));
		}
		held = held->next;
		if (held == NULL) {
			return false;
		}
	}
	file_ref(file);
	held->files[held->n_files++] = file;
	return true;
}

static void release_files(struct request_task *task)
{
	struct held_files *held = &task->held;

	while (held != NULL) {
		struct held_files *next = held->next;

		for (uint32_t i = 0; i < held->n_files; i++) {
			file_unref(held->files[i]);
		}
		if (held != &task->held) {
			helix_free(held);
		}
		held = next;
	}
}

/* ---- the task of a request ------------------------------------------------------------------- */

static int run_in_task(struct task *task, void *argument)
{
	struct request_task *own = argument;
	struct request *request = own->request;
	struct turn *turn = turn_current();
	int64_t result;

	ASSERT(turn->task == NULL && turn->running == NULL);
	task->job = NULL; /* the memory is ours to free */
	turn->task = task;
	result = request_call(request);
	turn_current()->task = NULL;
	request->internal->task = NULL;
	release_files(own);
	views_lend(request->process->files, request->args[0]);
	helix_free(own);
	request_end_task(request, result);
	return 0;
}

int64_t request_begin_task(struct request *request)
{
	struct request_task *own = helix_calloc(1, sizeof(*own));

	if (own == NULL || request_keep_payload(request) != 0) {
		helix_free(own);
		return -LINUX_ENOMEM;
	}
	own->request = request;
	request->internal->task = own;
	request->internal->phase = REQUEST_IN_TASK;
	job_init(&own->job, request->internal->row->name, run_in_task, own);
	job_submit(posix_loop(), &own->job);
	return 0;
}
