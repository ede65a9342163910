/* SPDX-License-Identifier: MIT */
/*
 * Operations: the kernel's only form of waiting on behalf of a queue.
 *
 *   operation_init -> ARMED (linked by its provider) -> taken, by provider or cancel
 *        -> operation_complete -> in the queue's memory
 *
 * An operation is allocated when its record is consumed, embedded in a typed structure; from then
 * on completing and cancelling allocate nothing. It completes exactly once: the provider's lock
 * decides who takes it (by unlinking `wait_node` or an equivalent mark), and only who took it
 * calls operation_complete(), with no lock of the provider held.
 *
 * References: one is held from init to completion ("armed"), given up by operation_complete()
 * when the element is written; a cancel holds one more while it asks the provider.
 */
#ifndef THOR_IPC_OPERATION_H
#define THOR_IPC_OPERATION_H

#include <abi/hel/errors.h>
#include <abi/hel/queue.h>
#include <base/list.h>
#include <base/types.h>

struct account;
struct grant;
struct grant_use;
struct object;
struct operation;
struct queue;
struct universe;

struct operation_class {
	const char *name;
	/*
	 * Take the operation back from its provider and complete it with
	 * operation_cancel_error(), unless somebody else took it.
	 * Context: the queue's submit lock is held, so at most one cancel of one operation at a
	 * time and never during its submission; no other lock.
	 */
	void (*cancel)(struct operation *operation);
	/* Size of what follows struct hel_element now that it is complete; at most result_max. */
	uint32_t (*result_size)(const struct operation *operation);
	/*
	 * Write exactly that, into memory that user mode may be changing: never read it back.
	 * Queue lock held.
	 */
	void (*write_result)(const struct operation *operation, void *out_result);
	/*
	 * An element with HEL_ELEMENT_MORE has been written: go on. It has the armed reference
	 * still, and its tag. No locks of rank QUEUE or STREAM held. NULL: never completes so.
	 */
	void (*go_on)(struct operation *operation);
	/*
	 * The last reference is gone: release what the operation holds and free it. No locks
	 * held.
	 */
	void (*destroy)(struct operation *operation);
};

struct operation {
	const struct operation_class *class;
	struct account *account; /* immutable: of the universe that has submitted it */
	struct queue *queue; /* referenced */
	struct grant_use *use; /* of the grant of the descriptor that it names; or NULL */
	uint64_t context;
	uint32_t opcode;
	int32_t error; /* of the whole submission; written by who completes */
	uint16_t n_results;
	uint16_t flags; /* enum hel_element_flags; written by who completes */
	_Atomic uint32_t references;
	uint32_t n_bytes; /* immutable: of the structure around it */
	_Atomic bool is_revoked; /* cut off: before it is cancelled for that */
	struct list_node
		tag_node; /* guarded by the queue's lock: bucket of pending operations by context */
	struct list_node
		/* guarded by the provider's lock; after completion by the queue's: stalled */
		wait_node;
};

/**
 * operation_allocate() - a zeroed structure of @size bytes that begins with an operation
 *
 * Charged to the current thread's universe as one operation, whatever its size; buffers that hang
 * on it are charged apart. Return: NULL: no memory, or too many operations.
 */
void *operation_allocate(size_t size);

/** operation_allocate_dirty() - the same for @account, and not zeroed, for who writes all of it */
void *operation_allocate_dirty(struct account *account, size_t size);

/** operation_free() - the end of a destroy hook, or of an operation that was never initialised */
void operation_free(struct operation *operation);

/** operation_ref() / operation_unref() - any context without locks above the destroy hook's */
void operation_ref(struct operation *operation);
void operation_unref(struct operation *operation);

/**
 * operation_complete() - report the end of the operation to its queue
 *
 * Context: no provider lock held; ranks below QUEUE are fine. Any CPU. Allocates nothing. Gives
 * up the armed reference.
 */
void operation_complete(struct operation *operation, int error);

/**
 * operation_begin_completion() - operation_complete() for who writes the result himself
 * @result_size: bytes
 *
 * Return: where the result goes; then operation_end_completion() has to be called soon, for the
 * queue is locked until then. NULL: all is done, perhaps by the hooks later.
 */
void *operation_begin_completion(struct operation *operation, int error, uint32_t result_size);
void operation_end_completion(struct operation *operation, uint32_t result_size);

/** operation_try_ref() - false: it is being destroyed; the memory must still be there */
bool operation_try_ref(struct operation *operation);

/* ---- operation-grant.c */

/**
 * operation_use_grant() - cut the operation off when @grant is revoked
 * @grant: reference taken, also on errors; NULL: of no grant
 *
 * Context: after operation_init(), the submit lock is held. Return: 0, -ERR_REVOKED,
 * -ERR_NO_MEMORY: the caller completes the operation with it.
 */
MUST_USE int operation_use_grant(struct operation *operation, struct grant *grant);

/**
 * operation_lookup() - universe_lookup() for an operation, which is cut off when the grant of that
 * descriptor is revoked; as operation_use_grant()
 */
MUST_USE int operation_lookup(struct operation *operation, struct universe *universe,
	hel_handle handle, enum hel_type type, uint32_t rights, struct object **out_object);

/** operation_cancel_error() - what an operation ends with in its cancel hook */
static inline int operation_cancel_error(const struct operation *operation)
{
	return operation->is_revoked ? -ERR_REVOKED : -ERR_CANCELLED;
}

/** operation_no_result() - a result_size hook for operations that report only their error */
uint32_t operation_no_result(const struct operation *operation);

/** operation_write_nothing() - the write_result hook that goes with it */
void operation_write_nothing(const struct operation *operation, void *out_result);

#endif
