/* SPDX-License-Identifier: MIT */
/* Pages of files, as their manager: see contents.h. */
#include "contents.h"

#include <async/task.h>
#include <base/errors.h>

struct page_request {
	struct list_node node;       /* of contents->requests */
	struct list_node queue_node; /* of the pager's queue */
	struct contents *contents;
	enum hel_manage_kind kind;
	uint64_t offset, length; /* length 0: of nothing that is there any more */
};

static struct {
	struct list queue; /* struct page_request.queue_node */
	struct wait_queue has_work;
	struct job jobs[PAGER_TASKS];
} pager;

static void contents_listen(struct contents *contents);

/* ---- listening ------------------------------------------------------------------------------- */

static void refuse(const struct contents *contents, const struct hel_manage_result *request)
{
	(void)!hel_memory_update(contents->backing,
		request->kind == HEL_MANAGE_WRITE_BACK ? HEL_UPDATE_WRITE_BACK_FAILED
						       : HEL_UPDATE_INITIALISE_FAILED,
		request->offset, request->length, -ERR_NO_MEMORY);
}

static void request_come(struct op *op)
{
	struct contents *contents = op->owner;
	const struct hel_manage_result *come = &contents->listener.request;

	contents->is_listening = false;
	if (op->error == 0) {
		struct page_request *request = helix_calloc(1, sizeof(*request));

		if (request == NULL) {
			refuse(contents, come);
		} else {
			request->contents = contents;
			request->kind = come->kind;
			request->offset = come->offset;
			request->length = come->length;
			list_push_back(&contents->requests, &request->node);
			list_push_back(&pager.queue, &request->queue_node);
			(void)!wait_queue_wake_one(&pager.has_work, 0);
		}
		contents_listen(contents);
	}
	wait_queue_wake(&contents->changed);
}

static void contents_listen(struct contents *contents)
{
	while (!contents->is_quiet && !contents->is_listening) {
		contents->is_listening = true;
		helix_manage_op_init(&contents->listener, contents->backing);
		if (op_start(&contents->listener.operation.op, contents->loop, request_come,
			    contents) != OP_DONE) {
			return;
		}
		request_come(&contents->listener.operation.op);
		if (contents->listener.operation.op.error != 0) {
			return;
		}
	}
}

/* Until no request can come that was made before. */
static void contents_quieten(struct task *task, struct contents *contents)
{
	contents->is_quiet = true;
	if (contents->is_listening) {
		op_cancel(&contents->listener.operation.op);
	}
	while (contents->is_listening) {
		(void)!wait_on(task, &contents->changed);
	}
}

/* ---- moving pages ---------------------------------------------------------------------------- */

static void request_move(struct task *task, struct page_request *request)
{
	struct contents *contents = request->contents;
	bool is_write = request->kind == HEL_MANAGE_WRITE_BACK;
	int error = contents->ops->move(task, contents, is_write, request->offset, request->length);
	enum hel_update update;

	if (is_write) {
		update = error == 0 ? HEL_UPDATE_WRITTEN_BACK : HEL_UPDATE_WRITE_BACK_FAILED;
		contents->error = error != 0 ? error : contents->error;
	} else {
		update = error == 0 ? HEL_UPDATE_INITIALISED : HEL_UPDATE_INITIALISE_FAILED;
	}
	(void)!hel_memory_update(contents->backing, update, request->offset, request->length,
		error == 0 ? 0 : -ERR_IO);
}

static void request_serve(struct task *task, struct page_request *request)
{
	struct contents *contents = request->contents;

	if (rwlock_read(task, &contents->lock) == 0) {
		if (request->length > 0) {
			request_move(task, request);
		}
		rwlock_read_done(&contents->lock);
	}
	list_remove(&request->node);
	helix_free(request);
	wait_queue_wake(&contents->changed);
}

static int pager_run(struct task *task, UNUSED void *argument)
{
	int error = 0;

	while (error == 0) {
		struct page_request *request =
			LIST_POP_FRONT(&pager.queue, struct page_request, queue_node);

		if (request != NULL) {
			request_serve(task, request);
		} else {
			error = wait_on(task, &pager.has_work);
		}
	}
	return error;
}

void pager_start(struct loop *loop)
{
	list_init(&pager.queue);
	wait_queue_init(&pager.has_work);
	for (size_t i = 0; i < PAGER_TASKS; i++) {
		job_init(&pager.jobs[i], "pager", pager_run, NULL);
		job_submit(loop, &pager.jobs[i]);
	}
}

/* ---- life ------------------------------------------------------------------------------------ */

int contents_init(struct contents *contents, const struct contents_ops *ops, struct loop *loop)
{
	struct hel_managed_handles handles;

	contents->ops = ops;
	contents->loop = loop;
	list_init(&contents->requests);
	wait_queue_init(&contents->changed);
	contents->memory_size = align_up(ops->size(contents), HEL_PAGE_SIZE);
	int error = hel_memory_create_managed(contents->memory_size, 0, &handles);

	if (error == 0) {
		contents->backing = handles.backing;
		contents->frontal = handles.frontal;
		contents_listen(contents);
	}
	return error;
}

void contents_close(struct task *task, struct contents *contents)
{
	hel_close(HEL_THIS, contents->frontal);
	contents_quieten(task, contents);
	while (!list_is_empty(&contents->requests)) {
		(void)!wait_on(task, &contents->changed);
	}
	hel_close(HEL_THIS, contents->backing);
}

/* ---- what users of the file do --------------------------------------------------------------- */

static bool contents_is_empty(const struct contents *contents)
{
	struct hel_memory_info info;

	return hel_memory_info(contents->backing, &info) == 0 && info.resident_bytes == 0;
}

int contents_sync(struct task *task, struct contents *contents, uint64_t offset, uint64_t length)
{
	uint64_t first = align_down(offset, HEL_PAGE_SIZE);
	uint64_t end = contents->memory_size;

	if (length != 0 && length < end - min_u64(offset, end)) {
		end = align_up(offset + length, HEL_PAGE_SIZE);
	}
	if (first >= end || contents_is_empty(contents)) {
		return 0;
	}
	int error = helix_fence(task, contents->frontal, first, end - first);

	if (error != -ERR_CANCELLED && contents->error != 0) {
		error = contents->error; /* which says more */
		contents->error = 0;
	}
	return error;
}

void contents_drop(struct contents *contents, uint64_t offset, uint64_t length)
{
	uint64_t first = align_down(offset, HEL_PAGE_SIZE);
	uint64_t end = contents->memory_size;

	if (length < end - min_u64(offset, end)) {
		end = align_up(offset + length, HEL_PAGE_SIZE);
	}
	if (first < end) {
		(void)!hel_memory_invalidate(contents->backing, first, end - first);
	}
}

static void cut_requests(struct contents *contents)
{
	uint64_t end = contents->memory_size;

	LIST_FOR_EACH(request, &contents->requests, struct page_request, node) {
		request->length = request->offset >= end
			? 0
			: min_u64(request->length, end - request->offset);
	}
}

int contents_resize(struct task *task, struct contents *contents, uint64_t size)
{
	uint64_t memory_size = align_up(size, HEL_PAGE_SIZE);
	bool is_cut = memory_size < contents->memory_size;

	if (memory_size == contents->memory_size) {
		return 0;
	}
	int error = hel_memory_resize(contents->backing, memory_size);

	if (error != 0) {
		return error;
	}
	contents->memory_size = memory_size;
	if (is_cut) {
		contents_quieten(task, contents);
		cut_requests(contents);
		contents->is_quiet = false;
		contents_listen(contents);
	}
	return 0;
}
