/* SPDX-License-Identifier: MIT */
/* /proc/PID/<name>: a row per file. */
#include <abi/linux/sched.h>
#include <abi/linux/time.h>
#include <base/string.h>
#include <helix/start.h>
#include <posix/server/process/oom.h>
#include <posix/server/process/print.h>
#include <posix/server/process/usage.h>
#include <posix/server/seccomp/seccomp.h>
#include <posix/server/signal/signal.h>
#include <posix/server/trace/trace.h>
#include <posix/server/tty/tty.h>
#include <protocols/posix/label.h>

void print(struct printer *printer, const char *format, ...)
{
	va_list arguments;
	size_t room = printer->size - printer->used;

	va_start(arguments, format);
	size_t length = vformat_to(printer->buffer + printer->used, room, format, arguments);

	/* What was cut off fills the buffer, with a terminator in its last byte. */
	printer->used += min_size(length, room);
	va_end(arguments);
}

/* ---- what several files tell ----------------------------------------------------------------- */

/*
 * Whether a thread is in a call that is not waiting yet: it runs its request, or has sent one that
 * another of our threads is to serve. What its page says of that is its own word.
 */
static bool is_in_call(const struct thread *thread)
{
	const struct posix_thread_page *page = thread->internal->page;
	enum request_phase phase = thread->internal->request_internal.phase;

	if (phase != REQUEST_IDLE) {
		return phase != REQUEST_PARKED;
	}
	return page != NULL &&
		*(const volatile uint32_t *)&page->request_sequence !=
		atomic_load_explicit(&page->mailbox.sequence, memory_order_relaxed);
}

/* A process is in the state of its first thread. */
static char state_of(const struct process *process, const struct thread *thread)
{
	const struct process_internal *internal = process->internal;
	struct hel_thread_stats stats;

	if (thread == NULL) {
		thread = process_first_thread(process);
	}

	if (internal->state == PROCESS_ZOMBIE) {
		return 'Z';
	}
	if (thread != NULL && trace_is_stopped(trace_of(thread))) {
		return 't';
	}
	if (thread != NULL && trace_holds(thread)) {
		return 'T';
	}
	if (thread == NULL || hel_thread_stats(thread->internal->thread, &stats) != 0) {
		return 'X';
	}
	if (is_in_call(thread)) {
		return 'R';
	}
	return stats.state == 1 || stats.state == 2 ? 'R' : 'S';
}

static const char *state_name(char state)
{
	switch (state) {
	case 'Z': return "zombie";
	case 'T': return "stopped";
	case 't': return "tracing stop";
	case 'X': return "dead";
	case 'R': return "running";
	default: return "sleeping";
	}
}

struct memory_size {
	uint64_t total, resident, data, stack, code, locked;
};

static void measure_memory(const struct process *process, struct memory_size *out_size)
{
	const struct mm *mm = process->internal->mm;
	struct hel_mapping_info info;
	uint64_t address = 0;

	*out_size = (struct memory_size){ 0 };
	while (mm != NULL && hel_space_query(mm->space, address, &info) == 0 &&
		info.address < POSIX_SHIM_REGION) {
		out_size->total += info.size_bytes;
		out_size->resident += info.resident_bytes;
		out_size->locked += (info.label & POSIX_LABEL_LOCKED) != 0 ? info.size_bytes : 0;
		if ((info.flags & HEL_MAP_EXECUTE) != 0) {
			out_size->code += info.size_bytes;
		} else if ((info.flags & HEL_MAP_WRITE) != 0) {
			out_size->data += info.size_bytes;
		}
		if (info.address >= mm->stack_low) {
			out_size->stack += info.size_bytes;
		}
		address = info.address + info.size_bytes;
	}
}

struct signal_sets {
	uint64_t thread, process, blocked, ignored, caught;
};

static void collect_signals(
	const struct process *process, const struct thread *thread, struct signal_sets *out_sets)
{
	if (thread == NULL) {
		thread = process_first_thread(process);
	}
	signal_settle(process, thread);
	*out_sets = (struct signal_sets){ .process = process->internal->pending.set };
	if (thread != NULL) {
		out_sets->thread = thread->internal->pending.set;
		out_sets->blocked = signal_mask_of(thread);
	}
	for (int signal = 1; signal <= (int)LINUX_NSIG; signal++) {
		uint64_t handler = signal_handler_of(process, signal);

		if (handler == LINUX_SIG_IGN) {
			out_sets->ignored |= linux_sigmask(signal);
		} else if (handler != LINUX_SIG_DFL) {
			out_sets->caught |= linux_sigmask(signal);
		}
	}
}

static uint32_t parent_pid(const struct process *process)
{
	return process->parent != NULL ? process->parent->pid : 0;
}

static uint32_t tracer_pid(const struct process *process, const struct thread *thread)
{
	const struct trace *trace =
		thread != NULL ? trace_of(thread) : process->internal->leader_trace;

	return trace_is_on(trace) ? trace->tracer_tid : 0;
}

static uint32_t number_of(const struct process *process, const struct thread *thread)
{
	return thread != NULL ? thread->tid : process->pid;
}

static const char *name_of(const struct process *process, const struct thread *thread)
{
	return thread != NULL ? thread->internal->name : process->comm;
}

/* As Linux counts them: what is before others is less. */
static int priority_of(const struct thread_scheduling *scheduling)
{
	if (scheduling->policy == LINUX_SCHED_DEADLINE) {
		return -101;
	}
	return scheduling->priority != 0 ? -1 - scheduling->priority : 20 + scheduling->nice;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* Of one thread, or of them all if @thread is NULL; likewise print_status_of(). */
static void print_stat_of(
	struct process *process, const struct thread *thread, struct printer *printer)
{
	const struct process_internal *internal = process->internal;
	const struct usage *children = &internal->dead_children;
	const struct mm *mm = internal->mm;
	const struct thread_scheduling *scheduling =
		thread != NULL ? &thread->internal->scheduling : process_scheduling(process);
	struct memory_size memory;
	struct signal_sets signals;
	struct usage usage;
	const struct tty *tty = process->group->session->tty;
	uint32_t tty_number = 0, foreground = UINT32_MAX;

	measure_memory(process, &memory);
	collect_signals(process, thread, &signals);
	if (thread != NULL) {
		thread_usage(thread, &usage);
	} else {
		process_usage(process, &usage);
	}
	if (tty != NULL) {
		tty_number = (uint32_t)tty->rdev;
		foreground = tty->foreground;
	}
	print(printer, "%u (%s) %c %u %u %u %u %d 0 %llu %llu 0 0 ", number_of(process, thread),
		name_of(process, thread), state_of(process, thread), parent_pid(process),
		process->group->pgid, process->group->session->sid, tty_number, (int)foreground,
		(unsigned long long)usage.n_faults, (unsigned long long)children->n_faults);
	print(printer, "%llu %llu %llu %llu %d %d %u 0 %llu %llu %llu %llu ",
		(unsigned long long)ns_to_ticks(usage.user_ns),
		(unsigned long long)ns_to_ticks(usage.kernel_ns),
		(unsigned long long)ns_to_ticks(children->user_ns),
		(unsigned long long)ns_to_ticks(children->kernel_ns), priority_of(scheduling),
		scheduling->nice, internal->n_threads != 0 ? internal->n_threads : 1,
		(unsigned long long)ns_to_ticks(
			thread != NULL ? thread->internal->start_ns : internal->start_ns),
		(unsigned long long)memory.total,
		(unsigned long long)(memory.resident / HEL_PAGE_SIZE),
		(unsigned long long)process->limits[LIMIT_RSS][0]);
	print(printer, "%llu %llu %llu 0 0 %llu %llu %llu %llu 0 0 0 %d 0 %u %u 0 0 0 ",
		mm != NULL ? (unsigned long long)mm->code_start : 0,
		mm != NULL ? (unsigned long long)mm->code_end : 0,
		mm != NULL ? (unsigned long long)mm->stack_pointer : 0,
		(unsigned long long)(signals.thread | signals.process) & INT32_MAX,
		(unsigned long long)signals.blocked & INT32_MAX,
		(unsigned long long)signals.ignored & INT32_MAX,
		(unsigned long long)signals.caught & INT32_MAX, internal->exit_signal,
		scheduling->priority, scheduling->policy);
	print(printer, "%llu %llu %llu %llu %llu %llu %llu %u\n",
		mm != NULL ? (unsigned long long)mm->data_start : 0,
		mm != NULL ? (unsigned long long)mm->data_end : 0,
		mm != NULL ? (unsigned long long)mm->brk_start : 0,
		mm != NULL ? (unsigned long long)mm->arguments_start : 0,
		mm != NULL ? (unsigned long long)mm->arguments_end : 0,
		mm != NULL ? (unsigned long long)mm->environment_start : 0,
		mm != NULL ? (unsigned long long)mm->environment_end : 0, internal->status);
}

static void print_ids(
	struct printer *printer, const char *name, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	print(printer, "%s:\t%u\t%u\t%u\t%u\n", name, a, b, c, d);
}

static void print_status_memory(struct process *process, struct printer *printer)
{
	struct memory_size memory;

	if (process->internal->mm == NULL) {
		return;
	}
	measure_memory(process, &memory);
	print(printer, "VmPeak:\t%8llu kB\nVmSize:\t%8llu kB\nVmLck:\t%8llu kB\n",
		(unsigned long long)memory.total / 1024, (unsigned long long)memory.total / 1024,
		(unsigned long long)memory.locked / 1024);
	print(printer, "VmPin:\t%8u kB\nVmHWM:\t%8llu kB\nVmRSS:\t%8llu kB\n", 0,
		(unsigned long long)memory.resident / 1024,
		(unsigned long long)memory.resident / 1024);
	print(printer,
		"VmData:\t%8llu kB\nVmStk:\t%8llu kB\nVmExe:\t%8llu kB\n"
		"VmLib:\t%8u kB\nVmSwap:\t%8u kB\n",
		(unsigned long long)memory.data / 1024, (unsigned long long)memory.stack / 1024,
		(unsigned long long)memory.code / 1024, 0, 0);
}

/* As Linux, of the first thread if it is about the process. */
static void print_switches(
	const struct process *process, const struct thread *thread, struct printer *printer)
{
	const struct thread *shown = thread != NULL ? thread : process_first_thread(process);
	struct usage usage = process->internal->dead_threads;

	if (shown != NULL) {
		thread_usage(shown, &usage);
	}
	print(printer, "voluntary_ctxt_switches:\t%llu\nnonvoluntary_ctxt_switches:\t%llu\n",
		(unsigned long long)usage.n_waits, (unsigned long long)usage.n_preempted);
}

/* Linux has no smaller tables than of 64 descriptors. */
static uint32_t fd_size_of(const struct process *process)
{
	uint32_t capacity = process->files != NULL ? fd_table_capacity(process->files) : 0;

	return capacity != 0 && capacity < 64 ? 64 : capacity;
}

static void print_status_of(
	struct process *process, const struct thread *thread, struct printer *printer)
{
	const struct credentials *c = &process->credentials;
	struct signal_sets signals;
	char state = state_of(process, thread);
	const struct capabilities *sets = &c->capabilities;
	const struct thread *shown = thread != NULL ? thread : process_first_thread(process);

	print(printer,
		"Name:\t%s\nState:\t%c (%s)\nTgid:\t%u\nNgid:\t0\n"
		"Pid:\t%u\nPPid:\t%u\nTracerPid:\t%u\n",
		name_of(process, thread), state, state_name(state), process->pid,
		number_of(process, thread), parent_pid(process), tracer_pid(process, thread));
	print_ids(printer, "Uid", c->uid, c->euid, c->suid, c->fsuid);
	print_ids(printer, "Gid", c->gid, c->egid, c->sgid, c->fsgid);
	print(printer, "FDSize:\t%u\nGroups:\t", fd_size_of(process));
	for (uint32_t i = 0; i < c->n_groups; i++) {
		print(printer, "%u ", c->groups[i]);
	}
	print(printer, "\n");
	print_status_memory(process, printer);
	collect_signals(process, thread, &signals);
	print(printer, "Threads:\t%u\nSigQ:\t%llu/%llu\nSigPnd:\t%016llx\nShdPnd:\t%016llx\n",
		process->internal->n_threads,
		(unsigned long long)process->internal->account->n[ACCOUNT_SIGNALS],
		(unsigned long long)process->limits[LIMIT_SIGPENDING][0],
		(unsigned long long)signals.thread, (unsigned long long)signals.process);
	print(printer, "SigBlk:\t%016llx\nSigIgn:\t%016llx\nSigCgt:\t%016llx\n",
		(unsigned long long)signals.blocked, (unsigned long long)signals.ignored,
		(unsigned long long)signals.caught);
	print(printer,
		"CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\n"
		"CapBnd:\t%016llx\nCapAmb:\t%016llx\n",
		(unsigned long long)sets->inheritable, (unsigned long long)sets->permitted,
		(unsigned long long)sets->effective, (unsigned long long)sets->bounding,
		(unsigned long long)sets->ambient);
	print(printer, "NoNewPrivs:\t%d\nSeccomp:\t%u\nSeccomp_filters:\t%u\nCpus_allowed:\t%llx\n",
		process->internal->has_no_new_privileges,
		shown != NULL ? seccomp_mode_of(shown) : LINUX_SECCOMP_MODE_DISABLED,
		shown != NULL ? seccomp_filters_of(shown) : 0,
		shown != NULL ? (unsigned long long)thread_affinity(shown) : 0);
	print(printer, "Mems_allowed:\t%08x\nMems_allowed_list:\t0\n", 1);
	print_switches(process, thread, printer);
}

static void print_statm(struct process *process, struct printer *printer)
{
	struct memory_size memory;

	measure_memory(process, &memory);
	print(printer, "%llu %llu 0 %llu 0 %llu 0\n",
		(unsigned long long)memory.total / HEL_PAGE_SIZE,
		(unsigned long long)memory.resident / HEL_PAGE_SIZE,
		(unsigned long long)memory.code / HEL_PAGE_SIZE,
		(unsigned long long)memory.data / HEL_PAGE_SIZE);
}

/* Part of the process' memory, as it is. */
static void print_memory(
	struct process *process, struct printer *printer, uint64_t start, uint64_t end)
{
	size_t size = min_size(end > start ? end - start : 0, printer->size - printer->used),
	       n_read = 0;

	if (size != 0) {
		(void)!hel_space_read(process->internal->mm->space, start,
			printer->buffer + printer->used, size, &n_read);
		printer->used += min_size(n_read, size);
	}
}

static void print_command_line(struct process *process, struct printer *printer)
{
	const struct mm *mm = process->internal->mm;

	if (mm != NULL) {
		print_memory(process, printer, mm->arguments_start, mm->arguments_end);
	}
}

static void print_environment(struct process *process, struct printer *printer)
{
	const struct mm *mm = process->internal->mm;

	if (mm != NULL) {
		print_memory(process, printer, mm->environment_start, mm->environment_end);
	}
}

static void print_auxv(struct process *process, struct printer *printer)
{
	const struct mm *mm = process->internal->mm;

	if (mm != NULL) {
		print_memory(process, printer, mm->auxv_address, mm->auxv_address + mm->auxv_size);
	}
}

static void print_comm(struct process *process, struct printer *printer)
{
	print(printer, "%s\n", process->comm);
}

static void print_stat(struct process *process, struct printer *printer)
{
	print_stat_of(process, NULL, printer);
}

static void print_status(struct process *process, struct printer *printer)
{
	print_status_of(process, NULL, printer);
}

static void print_thread_stat(const struct thread *thread, struct printer *printer)
{
	print_stat_of(thread->process, thread, printer);
}

static void print_thread_status(const struct thread *thread, struct printer *printer)
{
	print_status_of(thread->process, thread, printer);
}

static void print_thread_comm(const struct thread *thread, struct printer *printer)
{
	print(printer, "%s\n", thread->internal->name);
}

static const struct {
	const char *name, *unit;
} limit_names[LIMIT_COUNT] = {
	[LIMIT_CPU] = { "Max cpu time", "seconds" },
	[LIMIT_FSIZE] = { "Max file size", "bytes" },
	[LIMIT_DATA] = { "Max data size", "bytes" },
	[LIMIT_STACK] = { "Max stack size", "bytes" },
	[LIMIT_CORE] = { "Max core file size", "bytes" },
	[LIMIT_RSS] = { "Max resident set", "bytes" },
	[LIMIT_NPROC] = { "Max processes", "processes" },
	[LIMIT_NOFILE] = { "Max open files", "files" },
	[LIMIT_MEMLOCK] = { "Max locked memory", "bytes" },
	[LIMIT_AS] = { "Max address space", "bytes" },
	[LIMIT_LOCKS] = { "Max file locks", "locks" },
	[LIMIT_SIGPENDING] = { "Max pending signals", "signals" },
	[LIMIT_MSGQUEUE] = { "Max msgqueue size", "bytes" },
	[LIMIT_NICE] = { "Max nice priority", "" },
	[LIMIT_RTPRIO] = { "Max realtime priority", "" },
	[LIMIT_RTTIME] = { "Max realtime timeout", "us" },
};

static void print_limit(struct printer *printer, uint64_t value)
{
	if (value == ~(uint64_t)0) {
		print(printer, "%-20s ", "unlimited");
	} else {
		print(printer, "%-20llu ", (unsigned long long)value);
	}
}

static void print_limits(struct process *process, struct printer *printer)
{
	print(printer, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (unsigned i = 0; i < LIMIT_COUNT; i++) {
		print(printer, "%-25s ", limit_names[i].name);
		print_limit(printer, process->limits[i][0]);
		print_limit(printer, process->limits[i][1]);
		print(printer, "%-10s\n", limit_names[i].unit);
	}
}

/* The frame that the shim makes at the top of its stack for a call: number and arguments. */
struct call_frame {
	uint64_t number_argument, rdi, rsi, rdx, r10, r8, r9, number;
};

static void print_call_of(const struct thread *thread, struct printer *printer)
{
	const struct trace *trace = trace_of(thread);
	const struct posix_thread_page *page = thread->internal->page;
	uint64_t top = thread->internal->stack_top;
	struct call_frame frame;

	if (trace_is_stopped(trace)) {
		const struct hel_registers *r = &trace->context.registers;

		frame = (struct call_frame){ trace->context.number, r->rdi, r->rsi, r->rdx, r->r10,
			r->r8, r->r9, trace->context.number };
		if (frame.number == ~(uint64_t)0) {
			print(printer, "-1 0x%llx 0x%llx\n", (unsigned long long)r->rsp,
				(unsigned long long)r->rip);
			return;
		}
	} else if (thread->internal->request_internal.phase != REQUEST_PARKED ||
		hel_space_read(thread->internal->mm->space, top - sizeof(frame), &frame,
			sizeof(frame), NULL) != 0) {
		print(printer, "running\n");
		return;
	}
	print(printer, "%llu 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx\n",
		(unsigned long long)frame.number, (unsigned long long)frame.rdi,
		(unsigned long long)frame.rsi, (unsigned long long)frame.rdx,
		(unsigned long long)frame.r10, (unsigned long long)frame.r8,
		(unsigned long long)frame.r9,
		(unsigned long long)(trace_is_stopped(trace) ? trace->context.registers.rsp
							     : page->bounce.user_sp),
		(unsigned long long)(trace_is_stopped(trace) ? trace->context.registers.rip
							     : page->bounce.user_ip));
}

static void print_call(struct process *process, struct printer *printer)
{
	const struct thread *thread = process_first_thread(process);

	if (thread != NULL) {
		print_call_of(thread, printer);
	}
}

static void print_wchan(struct process *process, struct printer *printer)
{
	(void)process;
	print(printer, "0");
}

static void print_oom_score(struct process *process, struct printer *printer)
{
	print(printer, "%u\n", oom_score(process));
}

static void print_oom_adjustment(struct process *process, struct printer *printer)
{
	print(printer, "%d\n", process->internal->oom_adjustment);
}

static void print_login_uid(struct process *process, struct printer *printer)
{
	print(printer, "%u", process->internal->login_uid);
}

static void print_login_session(struct process *process, struct printer *printer)
{
	print(printer, "%u", process->internal->login_session);
}

static const struct {
	const char *name;
	void (*print)(struct process *process, struct printer *printer);
	/* the same file below task/TID; NULL: what the process has */
	void (*print_thread)(const struct thread *thread, struct printer *printer);
} process_files[] = {
	{ "stat", print_stat, print_thread_stat },
	{ "status", print_status, print_thread_status },
	{ "statm", print_statm, NULL },
	{ "cmdline", print_command_line, NULL },
	{ "environ", print_environment, NULL },
	{ "auxv", print_auxv, NULL },
	{ "comm", print_comm, print_thread_comm },
	{ "limits", print_limits, NULL },
	{ "syscall", print_call, print_call_of },
	{ "wchan", print_wchan, NULL },
	{ "loginuid", print_login_uid, NULL },
	{ "sessionid", print_login_session, NULL },
	{ "oom_score", print_oom_score, NULL },
	{ "oom_score_adj", print_oom_adjustment, NULL },
};

int64_t process_print(struct process *process, const struct thread *thread, const char *name,
	char *buffer, size_t size)
{
	struct printer printer = { .buffer = buffer, .size = size };

	for (size_t i = 0; i < ARRAY_SIZE(process_files); i++) {
		if (str_equal(process_files[i].name, name)) {
			if (thread != NULL && process_files[i].print_thread != NULL) {
				process_files[i].print_thread(thread, &printer);
			} else {
				process_files[i].print(process, &printer);
			}
			return (int64_t)printer.used;
		}
	}
	return -LINUX_ENOENT;
}
