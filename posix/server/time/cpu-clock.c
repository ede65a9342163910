/* SPDX-License-Identifier: MIT */
/* Clocks that count the processor time of a process or thread: which there are, what they say. */
#include <abi/linux/time.h>
#include <helix/memory.h>
#include <posix/server/file/handlers.h>
#include <posix/server/time/cpu-timer.h>

/*
 * Clocks of processes and threads have the number in theirs: ~number << 3 | 4 for a thread | kind.
 * Number 0 is the caller.
 */
constexpr uint32_t THREAD_BIT = 4, KIND_MASK = 3;

enum cpu_clock_kind : uint32_t {
	KIND_ALL = 0, /* in user mode and in the kernel */
	KIND_USER = 1,
	KIND_SCHEDULER = 2, /* the same as KIND_ALL, and not by ticks */
	KIND_DESCRIPTOR = 3, /* no processor time: a clock that is a device */
};

static void of_thread(const struct thread *thread, bool is_user, struct cpu_clock *out_clock)
{
	*out_clock = (struct cpu_clock){
		.id = thread->tid,
		.start_ns = thread->internal->start_ns,
		.is_thread = true,
		.is_user = is_user,
	};
}

void cpu_clock_of_process(const struct process *process, bool is_user, struct cpu_clock *out_clock)
{
	*out_clock = (struct cpu_clock){
		.id = process->pid,
		.start_ns = process->internal->start_ns,
		.is_user = is_user,
	};
}

bool cpu_clock_find(struct thread *caller, int32_t clock, struct cpu_clock *out_clock)
{
	if (clock == LINUX_CLOCK_PROCESS_CPUTIME_ID) {
		cpu_clock_of_process(caller->process, false, out_clock);
		return true;
	}
	if (clock == LINUX_CLOCK_THREAD_CPUTIME_ID) {
		of_thread(caller, false, out_clock);
		return true;
	}
	if (clock >= 0 || ((uint32_t)clock & KIND_MASK) == KIND_DESCRIPTOR) {
		return false;
	}
	uint32_t number = ~(uint32_t)(clock >> 3);
	bool is_user = ((uint32_t)clock & KIND_MASK) == KIND_USER;

	if (((uint32_t)clock & THREAD_BIT) != 0) {
		struct thread *thread = number == 0 ? caller : thread_find(number);

		if (thread == NULL || thread->process != caller->process) {
			return false;
		}
		of_thread(thread, is_user, out_clock);
	} else {
		struct process *process = number == 0 ? caller->process : process_find(number);

		if (process == NULL) {
			return false;
		}
		cpu_clock_of_process(process, is_user, out_clock);
	}
	return true;
}

struct thread *cpu_clock_thread(const struct cpu_clock *clock)
{
	struct thread *thread = clock->is_thread ? thread_find(clock->id) : NULL;

	return thread != NULL && thread->internal->start_ns == clock->start_ns ? thread : NULL;
}

struct process *cpu_clock_process(const struct cpu_clock *clock)
{
	struct process *process = clock->is_thread ? NULL : process_find(clock->id);

	return process != NULL && process->internal->start_ns == clock->start_ns ? process : NULL;
}

bool cpu_clock_read(const struct cpu_clock *clock, uint64_t *out_ns)
{
	const struct thread *thread = cpu_clock_thread(clock);
	const struct process *process = cpu_clock_process(clock);
	struct usage usage;

	if (thread != NULL) {
		thread_usage(thread, &usage);
	} else if (process != NULL) {
		process_usage(process, &usage);
	} else {
		return false;
	}
	*out_ns = usage.user_ns + (clock->is_user ? 0 : usage.kernel_ns);
	return true;
}

int64_t posix_cpu_clock(struct request *request)
{
	struct cpu_clock clock;
	uint64_t ns;

	return cpu_clock_find(request->thread, (int32_t)request->args[0], &clock) &&
			cpu_clock_read(&clock, &ns)
		? (int64_t)ns
		: -LINUX_EINVAL;
}

/* ---- sleeping -------------------------------------------------------------------------------- */

struct cpu_sleep {
	struct cpu_timer timer;
	struct wait_queue is_over;
};

static void end_sleep(struct cpu_timer *timer, UNUSED uint64_t n_expired)
{
	wait_queue_wake(&container_of(timer, struct cpu_sleep, timer)->is_over);
}

static void release_sleep(struct request *request)
{
	struct cpu_sleep *sleep = (struct cpu_sleep *)request->state[0];

	cpu_timer_stop(&sleep->timer);
	wait_queue_deinit(&sleep->is_over);
	helix_free(sleep);
}

/* Sleeps until the clock has come to a moment, for ever if its process ends before. */
int64_t posix_cpu_sleep(struct request *request)
{
	struct cpu_sleep *sleep = (struct cpu_sleep *)request->state[0];
	struct cpu_clock clock;

	if (sleep != NULL && !cpu_timer_is_set(&sleep->timer)) {
		return 0;
	}
	if (sleep == NULL) {
		if (!cpu_clock_find(request->thread, (int32_t)request->args[0], &clock)) {
			return -LINUX_EINVAL;
		}
		if (clock.is_thread && clock.id == request->thread->tid) {
			return -LINUX_EINVAL; /* it would never come to that */
		}
		sleep = helix_calloc(1, sizeof(*sleep));
		if (sleep == NULL) {
			return -LINUX_ENOMEM;
		}
		cpu_timer_init(&sleep->timer, end_sleep);
		wait_queue_init(&sleep->is_over);
		request->state[0] = (uint64_t)sleep;
		request->release = release_sleep;
		if (!cpu_timer_set(&sleep->timer, &clock, max_u64(request->args[1], 1), 0)) {
			return -LINUX_ESRCH;
		}
	}
	int64_t error = request_wait_on(request, &sleep->is_over);

	return error != 0 ? error : REQUEST_PARK;
}
