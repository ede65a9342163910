/* SPDX-License-Identifier: MIT */
/*
 * Observation: telling one observer per thread what stopped or ended it.
 *
 * Every observation has a number; an observer names the last one it knows and gets the next, at
 * once if it has already happened. At most one is outstanding, for a thread that stopped does
 * nothing until it is resumed or killed.
 */
#ifndef THOR_SCHED_OBSERVE_H
#define THOR_SCHED_OBSERVE_H

#include <thor/ipc/operation.h>
#include <thor/sched/thread.h>

/**
 * observe_record() - the thread enters @state (STOPPED, TERMINATED) because of @kind
 * @fault: NULL unless @kind is HEL_OBSERVE_FAULT
 *
 * The state changes together with the record, so that whoever sees it can read the observation
 * and observations of a thread that is killed at once are still in order. Context: no locks.
 */
void observe_record(struct thread *thread, enum thread_state state, enum hel_observation kind,
	const struct hel_fault *fault);

/**
 * observe_submit() - HEL_SUBMIT_OBSERVE; the completion carries every error. Context: submit
 * lock. -ERR_NO_MEMORY only
 */
MUST_USE int observe_submit(
	struct queue *queue, struct thread *submitter, const struct hel_record *record);

#endif
