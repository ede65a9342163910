/* SPDX-License-Identifier: MIT */
/*
 * The signal frame of Linux x86-64 (struct rt_sigframe) and what the shim's parts need of signals.
 */
#ifndef POSIX_SHIM_SIGNAL_H
#define POSIX_SHIM_SIGNAL_H

#include "shim.h"

constexpr uint64_t SA_NOCLDSTOP_FLAG = 1;
constexpr uint64_t SA_NOCLDWAIT_FLAG = 2;
constexpr uint64_t SA_SIGINFO_FLAG = 4;
constexpr uint64_t SA_RESTORER_FLAG = 0x04000000;
constexpr uint64_t SA_ONSTACK_FLAG = 0x08000000;
constexpr uint64_t SA_RESTART_FLAG = 0x10000000;
constexpr uint64_t SA_NODEFER_FLAG = 0x40000000;
constexpr uint64_t SA_RESETHAND_FLAG = 0x80000000;

constexpr uint32_t SS_ONSTACK_FLAG = 1;
constexpr uint32_t SS_DISABLE_FLAG = 2;
constexpr uint32_t SS_AUTODISARM_FLAG = 1u << 31;

struct linux_stack {
	uint64_t sp;
	uint32_t flags, reserved;
	uint64_t size;
};

struct linux_sigcontext {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2;
	uint64_t fpstate;
	uint64_t reserved[8];
};

struct linux_ucontext {
	uint64_t flags;
	uint64_t link;
	struct linux_stack stack;
	struct linux_sigcontext context;
	uint64_t mask;
};
static_assert(sizeof(struct linux_ucontext) == 304);

struct linux_sigframe {
	uint64_t return_address;
	struct linux_ucontext ucontext;
	uint8_t siginfo[128];
};
static_assert(sizeof(struct linux_sigframe) == 440);

/* The head of siginfo_t and the members that faults use. */
struct linux_siginfo_fault {
	int32_t signal, error, code, reserved;
	uint64_t address;
	uint8_t rest[104];
};
static_assert(sizeof(struct linux_siginfo_fault) == 128);

/* The head of siginfo_t and the members that say who sent it. */
struct linux_siginfo_sender {
	int32_t signal, error, code, reserved;
	uint32_t pid, uid;
	uint64_t value;
	uint8_t rest[96];
};
static_assert(sizeof(struct linux_siginfo_sender) == 128);

/* Never blocked: SIGKILL and SIGSTOP. */
constexpr uint64_t SIGNALS_UNBLOCKABLE = 1ull << (9 - 1) | 1ull << (19 - 1);

/*
 * Makes `regs` those with which `signal`'s handler begins, or has its default action taken; true if
 * a handler will run. `siginfo` is a siginfo_t.
 */
bool shim_deliver(struct hel_registers *regs, int signal, const void *siginfo);

/* Sets the mask; the exit looks if that lets a pending signal through. */
void shim_set_mask(uint64_t mask);
/*
 * For ppoll, pselect, sigsuspend, epoll_pwait: a mask for the length of one call; the handler's
 * frame carries the old one.
 */
int shim_set_temporary_mask(uint64_t user_mask, uint64_t size);
/* The call ended without a signal: the old mask comes back. */
void shim_end_temporary_mask(int64_t result);

#endif
