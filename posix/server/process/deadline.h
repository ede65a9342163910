/* SPDX-License-Identifier: MIT */
/* SCHED_DEADLINE: so much processor time in each period. */
#ifndef POSIX_DEADLINE_H
#define POSIX_DEADLINE_H

#include <abi/linux/sched.h>
#include <posix/server/process/process-internal.h>

/** deadline_check() - 0, or -LINUX_EINVAL if the times contradict each other or are out of range */
int64_t deadline_check(const struct linux_sched_attr *attributes);

/**
 * deadline_set() - reserve time for a thread, instead of what it had reserved
 * @attributes: checked; without a period it is the deadline
 *
 * Return: 0, -LINUX_EBUSY (the processors have not so much left), -LINUX_ENOMEM; then nothing has
 * changed.
 */
int64_t deadline_set(struct thread *thread, const struct linux_sched_attr *attributes);

/** deadline_describe() - the times of what a thread has reserved, zeros if nothing */
void deadline_describe(const struct thread *thread, struct linux_sched_attr *attributes);

/** deadline_move() - exec: the reservation of one thread becomes that of another */
void deadline_move(struct thread *from, struct thread *to);

/** deadline_end() - a thread gives up what it has reserved, if anything */
void deadline_end(struct thread *thread);

/** deadline_is_spent() - whether it has had its time of this period */
bool deadline_is_spent(const struct deadline *deadline);

#endif
