/* SPDX-License-Identifier: MIT */
/*
 * Events: a set of bits with a sequence number, and operations that await a change of it.
 *
 * The source of events is shared by event objects and interrupts. An await that names an old
 * sequence completes at once; otherwise it waits for the next raise. All that wait at a raise get
 * the same bits, which are cleared with that; if nobody waits they stay until somebody asks.
 */
#ifndef THOR_IPC_EVENT_H
#define THOR_IPC_EVENT_H

#include <base/list.h>
#include <thor/ipc/operation.h>
#include <thor/object/object.h>
#include <thor/spinlock.h>

struct thread;

struct event_source {
	struct spinlock lock;
	uint64_t sequence; /* guarded by lock, as all below */
	uint32_t bits;
	struct list waiters; /* operations by wait_node */
};

struct event {
	struct object object;
	struct event_source source;
};

/** event_source_init() - nothing raised yet; with @bits: once */
void event_source_init(struct event_source *source, uint32_t bits);

/**
 * event_source_raise() - set bits, move the sequence on and complete what waits; no lock above
 * EVENT's rank held
 */
void event_source_raise(struct event_source *source, uint32_t bits);

/** event_of() - the event around its object */
static inline struct event *event_of(struct object *object)
{
	return container_of(object, struct event, object);
}

/** event_create() - the caller gets the one reference; -ERR_NO_MEMORY */
MUST_USE int event_create(uint32_t bits, struct event **out_event);

/**
 * event_submit() - HEL_SUBMIT_AWAIT_EVENT, for events and interrupts; submit lock held;
 * -ERR_NO_MEMORY only
 */
MUST_USE int event_submit(
	struct queue *queue, struct thread *submitter, const struct hel_record *record);

#endif
