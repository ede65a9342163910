/* SPDX-License-Identifier: MIT */
/*
 * Managed memory, as operations and for tasks: requests to its manager, fences, locked pages.
 *
 * A manager keeps some helix_manage_op in flight and starts each again when it has answered the
 * request by hel_memory_update():
 *
 *	while (helix_manage(task, backing, &request) == 0) {
 *		int error = request.kind == HEL_MANAGE_INITIALISE ? fill(...) : store(...);
 *		hel_memory_update(backing, ..., request.offset, request.length, error);
 *	}
 */
#ifndef HELIX_MANAGED_H
#define HELIX_MANAGED_H

#include <helix/loop.h>

struct helix_manage_op {
	struct helix_operation operation;
	hel_handle backing; /* needs MANAGE */
	struct hel_manage_result request; /* valid when finished with 0 */
};

/** helix_manage_op_init() - wait for the next request about pages of @backing */
void helix_manage_op_init(struct helix_manage_op *manage, hel_handle backing);

/** helix_manage() - wait for the next request; @out_request is written on success only */
MUST_USE int helix_manage(
	struct task *task, hel_handle backing, struct hel_manage_result *out_request);

/* A range of a memory object, for fences and locks. */
struct helix_range_op {
	struct helix_operation operation;
	hel_handle memory;
	uint64_t offset, length; /* multiples of the page size */
	uint64_t flags; /* locks: enum hel_lock_flags */
};

/**
 * helix_fence_op_init() - finished when what is dirty in a range of @frontal is written back
 *
 * Finished with the error of a write-back, if one failed since the last fence; -ERR_IO if the
 * manager is gone.
 */
void helix_fence_op_init(
	struct helix_range_op *fence, hel_handle frontal, uint64_t offset, uint64_t length);

/** helix_fence() - wait for that */
MUST_USE int helix_fence(struct task *task, hel_handle frontal, uint64_t offset, uint64_t length);

/**
 * helix_lock_op_init() - finished when a range of @memory is present and stays where it is, until
 * hel_memory_unlock()
 * @memory: needs PIN and READ, or WRITE with HEL_LOCK_WRITE
 */
void helix_lock_op_init(struct helix_range_op *lock, hel_handle memory, uint64_t offset,
	uint64_t length, uint64_t flags);

/** helix_lock() - wait for that */
MUST_USE int helix_lock(
	struct task *task, hel_handle memory, uint64_t offset, uint64_t length, uint64_t flags);

#endif
