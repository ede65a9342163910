/* SPDX-License-Identifier: MIT */
/* ptrace, as on Linux (x86-64): requests, options, events and what they carry. */
#ifndef ABI_LINUX_PTRACE_H
#define ABI_LINUX_PTRACE_H

#include <stdint.h>

enum linux_ptrace_request : uint32_t {
	LINUX_PTRACE_TRACEME = 0,
	LINUX_PTRACE_PEEKTEXT = 1,
	LINUX_PTRACE_PEEKDATA = 2,
	LINUX_PTRACE_PEEKUSER = 3,
	LINUX_PTRACE_POKETEXT = 4,
	LINUX_PTRACE_POKEDATA = 5,
	LINUX_PTRACE_POKEUSER = 6,
	LINUX_PTRACE_CONT = 7,
	LINUX_PTRACE_KILL = 8,
	LINUX_PTRACE_SINGLESTEP = 9,
	LINUX_PTRACE_GETREGS = 12,
	LINUX_PTRACE_SETREGS = 13,
	LINUX_PTRACE_GETFPREGS = 14,
	LINUX_PTRACE_SETFPREGS = 15,
	LINUX_PTRACE_ATTACH = 16,
	LINUX_PTRACE_DETACH = 17,
	LINUX_PTRACE_SYSCALL = 24,
	LINUX_PTRACE_SETOPTIONS = 0x4200,
	LINUX_PTRACE_GETEVENTMSG = 0x4201,
	LINUX_PTRACE_GETSIGINFO = 0x4202,
	LINUX_PTRACE_SETSIGINFO = 0x4203,
	LINUX_PTRACE_GETREGSET = 0x4204,
	LINUX_PTRACE_SETREGSET = 0x4205,
	LINUX_PTRACE_SEIZE = 0x4206,
	LINUX_PTRACE_INTERRUPT = 0x4207,
	LINUX_PTRACE_LISTEN = 0x4208,
	LINUX_PTRACE_PEEKSIGINFO = 0x4209,
	LINUX_PTRACE_GETSIGMASK = 0x420a,
	LINUX_PTRACE_SETSIGMASK = 0x420b,
	LINUX_PTRACE_GET_SYSCALL_INFO = 0x420e,
};

enum linux_ptrace_option : uint32_t {
	LINUX_PTRACE_O_TRACESYSGOOD = 1,
	LINUX_PTRACE_O_TRACEFORK = 1u << 1,
	LINUX_PTRACE_O_TRACEVFORK = 1u << 2,
	LINUX_PTRACE_O_TRACECLONE = 1u << 3,
	LINUX_PTRACE_O_TRACEEXEC = 1u << 4,
	LINUX_PTRACE_O_TRACEVFORKDONE = 1u << 5,
	LINUX_PTRACE_O_TRACEEXIT = 1u << 6,
	LINUX_PTRACE_O_TRACESECCOMP = 1u << 7,
	LINUX_PTRACE_O_EXITKILL = 1u << 20,
};

/* The bit of an event's option is its number. */
enum linux_ptrace_event : uint32_t {
	LINUX_PTRACE_EVENT_FORK = 1,
	LINUX_PTRACE_EVENT_VFORK = 2,
	LINUX_PTRACE_EVENT_CLONE = 3,
	LINUX_PTRACE_EVENT_EXEC = 4,
	LINUX_PTRACE_EVENT_VFORK_DONE = 5,
	LINUX_PTRACE_EVENT_EXIT = 6,
	LINUX_PTRACE_EVENT_SECCOMP = 7,
	LINUX_PTRACE_EVENT_STOP = 128,
};

constexpr uint32_t LINUX_PTRACE_PEEKSIGINFO_SHARED = 1;

enum linux_register_set : uint32_t {
	LINUX_NT_PRSTATUS = 1,
	LINUX_NT_PRFPREG = 2,
	LINUX_NT_X86_XSTATE = 0x202,
};

/* struct user_regs_struct */
struct linux_user_registers {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax;
	uint64_t rip, cs, eflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};
static_assert(sizeof(struct linux_user_registers) == 216);

constexpr uint64_t LINUX_USER_SIZE = 912; /* struct user */
constexpr uint64_t LINUX_USER_DEBUG_REGISTERS = 848; /* u_debugreg in it */

enum linux_syscall_info_op : uint8_t {
	LINUX_SYSCALL_INFO_NONE = 0,
	LINUX_SYSCALL_INFO_ENTRY = 1,
	LINUX_SYSCALL_INFO_EXIT = 2,
	LINUX_SYSCALL_INFO_SECCOMP = 3,
};

constexpr uint32_t LINUX_AUDIT_ARCH_X86_64 = 0xc000003e;

struct linux_syscall_info {
	uint8_t op, padding[3];
	uint32_t arch;
	uint64_t instruction_pointer, stack_pointer;
	union {
		struct {
			uint64_t number, arguments[6];
		} entry;
		struct {
			int64_t value;
			uint8_t is_error;
		} exit;
		struct {
			uint64_t number, arguments[6];
			uint32_t value;
		} seccomp;
		uint8_t bytes[64];
	};
};
static_assert(sizeof(struct linux_syscall_info) == 88);

#endif
