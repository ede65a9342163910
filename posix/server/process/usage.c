/* SPDX-License-Identifier: MIT */
/* getrusage, times, CPU clocks: what threads and processes have used. */
#include <abi/linux/time.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/usage.h>
#include <posix/server/time/time.h>

constexpr uint64_t NS_PER_TICK = NS_PER_S / LINUX_CLOCK_TICKS;

uint64_t ns_to_ticks(uint64_t ns)
{
	return ns / NS_PER_TICK;
}

static struct linux_timeval timeval_of(uint64_t ns)
{
	return (struct linux_timeval){ (int64_t)(ns / NS_PER_S), (int64_t)(ns % NS_PER_S / 1000) };
}

void usage_encode(const struct usage *usage, struct linux_rusage *out_rusage)
{
	*out_rusage = (struct linux_rusage){
		.user = timeval_of(usage->user_ns),
		.system = timeval_of(usage->kernel_ns),
		.minor_faults = (int64_t)usage->n_faults,
		.voluntary_switches = (int64_t)usage->n_waits,
		.involuntary_switches = (int64_t)usage->n_preempted,
	};
}

int64_t posix_getrusage(struct request *request)
{
	struct linux_rusage *out = request_out(request, 1, NULL);
	struct usage usage;

	switch ((int)request->args[0]) {
	case LINUX_RUSAGE_SELF: process_usage(request->process, &usage); break;
	case LINUX_RUSAGE_CHILDREN: usage = request->process->internal->dead_children; break;
	case LINUX_RUSAGE_THREAD: thread_usage(request->thread, &usage); break;
	default: return -LINUX_EINVAL;
	}
	if (out == NULL) {
		return -LINUX_EFAULT;
	}
	usage_encode(&usage, out);
	return 0;
}

int64_t posix_times(struct request *request)
{
	const struct usage *children = &request->process->internal->dead_children;
	uint64_t *out = request_out(request, 0, NULL);
	struct usage usage;

	if (out != NULL) {
		process_usage(request->process, &usage);
		out[0] = ns_to_ticks(usage.user_ns);
		out[1] = ns_to_ticks(usage.kernel_ns);
		out[2] = ns_to_ticks(children->user_ns);
		out[3] = ns_to_ticks(children->kernel_ns);
	}
	return (int64_t)ns_to_ticks(clock_monotonic_ns());
}
