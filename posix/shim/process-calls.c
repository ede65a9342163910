/* SPDX-License-Identifier: MIT */
/*
 * Processes: clone, exec and exit are posix' work; the shim sends the context a child starts with.
 */
#include <abi/linux/fcntl.h>
#include <hel/hel-calls.h>

#include "calls.h"
#include "futex.h"
#include "trace.h"

constexpr uint64_t CLONE_VM = 0x100;
constexpr uint64_t CLONE_VFORK = 0x4000;
constexpr uint64_t CLONE_PIDFD = 0x1000;
constexpr uint64_t CLONE_PARENT_SETTID = 0x100000;
constexpr uint64_t SIGCHLD_NUMBER = 17;

/* ---- clone ----------------------------------------------------------------------------------- */

struct clone_request {
	uint64_t number; /* of the call */
	uint64_t flags, stack, pidfd, parent_tid, child_tid, tls;
};

/* The child starts with the caller's registers, rax = 0; posix takes them from our page. */
static int64_t send_clone(
	const struct hel_registers *regs, const struct clone_request *clone, uint64_t state)
{
	struct hel_registers *child = &shim_thread()->start_registers;
	struct shim_call call;
	int64_t tid;

	*child = *regs;
	child->rax = 0;
	if (clone->stack) {
		child->rsp = clone->stack;
	}
	__asm__ volatile("rdfsbase %0" : "=r"(child->fs_base));
	shim_call_init(&call, POSIX_CLONE);
	call.header.args[0] = clone->flags;
	call.header.args[1] = clone->pidfd;
	call.header.args[2] = clone->parent_tid;
	call.header.args[3] = clone->child_tid;
	call.header.args[4] = clone->tls;
	call.header.args[5] = state;
	tid = shim_call_run(&call);
	if (shim_thread()->trace_due & POSIX_TRACE_DUE_CLONED) {
		shim_trace_cloned(regs, clone->number, tid);
	}
	return tid;
}

/* Not inlined: its frame would make every clone need more stack. */
[[gnu::noinline]] static int64_t clone_with_large_state(
	const struct hel_registers *regs, const struct clone_request *clone)
{
	const struct posix_process_page *process = shim_process();
	alignas(64) uint8_t area[POSIX_STATE_MAX];
	bool is_saved =
		process->xsave_size <= sizeof(area) && !shim_fpu_save(area, process->xsave_mask);

	return send_clone(regs, clone, is_saved ? (uint64_t)area : 0);
}

/* Threads that run beside us start with the processor's initial state, others with ours. */
static int64_t run_clone(const struct hel_registers *regs, const struct clone_request *clone)
{
	const struct posix_process_page *process = shim_process();
	uint8_t *area = shim_thread()->mailbox.data;

	if ((clone->flags & CLONE_VM) && !(clone->flags & CLONE_VFORK)) {
		return send_clone(regs, clone, 0);
	}
	if (process->xsave_size > POSIX_MAILBOX_DATA) {
		return clone_with_large_state(regs, clone);
	}
	return send_clone(
		regs, clone, shim_fpu_save(area, process->xsave_mask) ? 0 : POSIX_STATE_IN_MAILBOX);
}

int64_t shim_do_clone(struct hel_registers *regs, uint64_t number);
int64_t shim_do_clone(struct hel_registers *regs, uint64_t number)
{
	const struct clone_request clone = {
		.number = number,
		.flags = regs->rdi & 0xffffffff,
		.stack = regs->rsi,
		.pidfd = regs->rdx,
		.parent_tid = regs->rdx,
		.child_tid = regs->r10,
		.tls = regs->r8,
	};

	/* both would go to the same place */
	if (!(~clone.flags & (CLONE_PIDFD | CLONE_PARENT_SETTID))) {
		return -LINUX_EINVAL;
	}
	return run_clone(regs, &clone);
}

int64_t shim_do_fork(struct hel_registers *regs, uint64_t number);
int64_t shim_do_fork(struct hel_registers *regs, uint64_t number)
{
	const struct clone_request clone = { .number = number, .flags = SIGCHLD_NUMBER };

	return run_clone(regs, &clone);
}

int64_t shim_do_vfork(struct hel_registers *regs, uint64_t number);
int64_t shim_do_vfork(struct hel_registers *regs, uint64_t number)
{
	const struct clone_request clone = {
		.number = number,
		.flags = CLONE_VM | CLONE_VFORK | SIGCHLD_NUMBER,
	};

	return run_clone(regs, &clone);
}

struct linux_clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

int64_t shim_do_clone3(struct hel_registers *regs, uint64_t number);
int64_t shim_do_clone3(struct hel_registers *regs, uint64_t number)
{
	struct linux_clone_args args;
	struct clone_request clone;

	if (regs->rsi < sizeof(args)) {
		return -LINUX_EINVAL;
	}
	if (shim_get(&args, regs->rdi, sizeof(args))) {
		return -LINUX_EFAULT;
	}
	if (args.exit_signal > 64 || (args.flags & 0xff) || args.flags >> 32) {
		return -LINUX_EINVAL;
	}
	clone = (struct clone_request){
		.number = number,
		.flags = args.flags | args.exit_signal,
		.stack = args.stack ? args.stack + args.stack_size : 0,
		.pidfd = args.pidfd,
		.parent_tid = args.parent_tid,
		.child_tid = args.child_tid,
		.tls = args.tls,
	};
	return run_clone(regs, &clone);
}

/* ---- exec ------------------------------------------------------------------------------------ */

constexpr uint64_t EXEC_STRINGS_MAX = POSIX_PAYLOAD_MAX;
constexpr uint64_t EXEC_SMALL = 8192;
static_assert(EXEC_SMALL > POSIX_PATH_MAX);

struct exec_call {
	uint64_t dirfd, flags;
	uint64_t path, arguments, environment; /* the program's pointers */
};

/* Lays out the strings of a NULL-ended vector of pointers at `to`; returns bytes or -errno. */
static int64_t pack_strings(uint64_t vector, uint8_t *to, uint64_t room, uint64_t *out_count)
{
	uint64_t used = 0, count = 0;

	for (; vector; count++) {
		uint64_t string;
		int64_t size;

		if (shim_get(&string, vector + count * sizeof(string), sizeof(string))) {
			return -LINUX_EFAULT;
		}
		if (!string) {
			break;
		}
		size = shim_user_string_size(string, room - used);
		if (size < 0) {
			return size == -LINUX_ENAMETOOLONG ? -LINUX_E2BIG : size;
		}
		if (shim_get(to + used, string, (uint64_t)size)) {
			return -LINUX_EFAULT;
		}
		used += (uint64_t)size;
	}
	*out_count = count;
	return (int64_t)used;
}

/*
 * The strings of one exec, gathered in `room` bytes at `strings`; `mapped` is 0 or where they are
 * mapped.
 */
static int64_t run_exec(
	const struct exec_call *exec, uint8_t *strings, uint64_t room, uint64_t mapped)
{
	struct shim_call call;
	uint64_t argc = 0, envc = 0, at;
	int64_t size = shim_user_string_size(exec->path, POSIX_PATH_MAX);

	if (size < 0) {
		return size;
	}
	if (shim_get(strings, exec->path, (uint64_t)size)) {
		return -LINUX_EFAULT;
	}
	at = (uint64_t)size;
	size = pack_strings(exec->arguments, strings + at, room - at, &argc);
	if (size < 0) {
		return size;
	}
	at += (uint64_t)size;
	size = pack_strings(exec->environment, strings + at, room - at, &envc);
	if (size < 0) {
		return size;
	}
	shim_call_init(&call, POSIX_EXECVE);
	call.header.args[0] = exec->dirfd;
	call.header.args[1] = exec->flags;
	call.header.args[2] = argc;
	call.header.args[3] = envc;
	call.header.args[4] = mapped;
	call.header.args[5] = mapped ? POSIX_PAYLOAD_MAX : 0;
	shim_call_in(&call, strings, at + (uint64_t)size);
	return shim_call_run(&call);
}

static int64_t exec_small(const struct exec_call *exec)
{
	uint8_t strings[EXEC_SMALL];

	return run_exec(exec, strings, sizeof(strings), 0);
}

/*
 * Long argument lists are gathered in memory of their own, which posix unmaps when the exec of a
 * vforked child succeeds.
 */
static int64_t exec_any(const struct exec_call *exec)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = POSIX_PAYLOAD_MAX,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_DROP,
		.tag = ~0ull,
		.limit_low = shim_process()->mmap_low,
		.limit_high = shim_process()->mmap_high,
	};
	uint64_t strings;
	int64_t result = exec_small(exec);
	int error;

	if (result != -LINUX_E2BIG) {
		return result;
	}
	error = hel_space_map(&args, &strings);
	if (error) {
		return shim_errno_of(error);
	}
	result = run_exec(exec, (uint8_t *)strings, EXEC_STRINGS_MAX, strings);
	hel_space_unmap(HEL_THIS, strings, POSIX_PAYLOAD_MAX);
	return result;
}

int64_t shim_execve(SHIM_ARGS)
{
	const struct exec_call exec = {
		.dirfd = (uint64_t)LINUX_AT_FDCWD,
		.path = a0,
		.arguments = a1,
		.environment = a2,
	};

	SHIM_UNUSED;
	return exec_any(&exec);
}

int64_t shim_execveat(SHIM_ARGS)
{
	const struct exec_call exec = {
		.dirfd = a0,
		.path = a1,
		.arguments = a2,
		.environment = a3,
		.flags = a4,
	};

	SHIM_UNUSED;
	return exec_any(&exec);
}

/* ---- exit ------------------------------------------------------------------------------------ */

/* Whoever joins this thread waits on the word. */
static void clear_child_tid(void)
{
	struct posix_thread_page *page = shim_thread();
	uint32_t *word = (uint32_t *)page->clear_child_tid;

	page->clear_child_tid = 0;
	if (word && shim_is_user_range((uint64_t)word, sizeof(*word)) && !shim_store_u32(word, 0)) {
		hel_futex_wake(word, 1, ~0u, nullptr);
	}
}

[[noreturn]] static void exit_thread(uint64_t status, uint64_t signal)
{
	shim_leave_robust_locks();
	clear_child_tid();
	shim_request(POSIX_EXIT_THREAD, status, signal, 0, 0, 0, 0);
	hel_thread_exit();
}

int64_t shim_exit(SHIM_ARGS)
{
	SHIM_UNUSED;
	shim_thread()->exit_status = (a0 & 0xff) << 8 | POSIX_EXIT_STATUS_SET;
	exit_thread(a0 & 0xff, 0);
}

void shim_end_thread(uint64_t signal)
{
	exit_thread(0, signal);
}

int64_t shim_exit_group(SHIM_ARGS)
{
	SHIM_UNUSED;
	shim_leave_robust_locks();
	shim_request(POSIX_EXIT_GROUP, (a0 & 0xff) << 8, 0, 0, 0, 0, 0);
	hel_thread_exit();
}

/* ---- prctl ----------------------------------------------------------------------------------- */

int64_t shim_prctl(SHIM_ARGS)
{
	constexpr uint64_t PR_SET_NAME = 15, PR_GET_NAME = 16, NAME_SIZE = 16;
	constexpr uint64_t PR_GET_PDEATHSIG = 2, PR_GET_CHILD_SUBREAPER = 37;
	struct shim_call call;
	char name[NAME_SIZE] = {};

	SHIM_UNUSED;
	shim_call_init(&call, POSIX_PRCTL);
	call.header.args[0] = a0;
	call.header.args[1] = a1;
	call.header.args[2] = a2;
	call.header.args[3] = a3;
	call.header.args[4] = a4;
	if (a0 == PR_SET_NAME) {
		for (uint64_t i = 0; i < NAME_SIZE - 1; i++) {
			if (shim_get(&name[i], a1 + i, 1)) {
				return -LINUX_EFAULT;
			}
			if (!name[i]) {
				break;
			}
		}
		shim_call_in(&call, name, sizeof(name));
	} else if (a0 == PR_GET_NAME) {
		if (!shim_is_user_range(a1, NAME_SIZE)) {
			return -LINUX_EFAULT;
		}
		shim_call_out_user(&call, a1, NAME_SIZE);
	} else if (a0 == PR_GET_PDEATHSIG || a0 == PR_GET_CHILD_SUBREAPER) {
		shim_call_out(&call, name, sizeof(name));
		int64_t error = shim_call_run(&call);

		return error < 0 ? error : shim_put(a1, name, sizeof(int32_t));
	}
	return shim_call_run(&call);
}

/* ---- the first instruction of a thread ------------------------------------------------------- */

extern const char shim_entry_stub[]; /* entry.S */

void shim_start(struct posix_thread_page *page, struct hel_registers *out_registers);
void shim_start(struct posix_thread_page *page, struct hel_registers *out_registers)
{
	const struct posix_process_page *process = (struct posix_process_page *)page->process_page;

	shim_queue_init(page);
	page->stub_entry = (uint64_t)shim_entry_stub;
	*out_registers = page->start_registers;
	if (page->start_fpu) {
		shim_fpu_load((const void *)page->start_fpu, process->xsave_mask);
		page->start_fpu = 0;
	}
	__asm__ volatile("wrfsbase %0" : : "r"(out_registers->fs_base));
}
