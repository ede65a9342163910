/* SPDX-License-Identifier: MIT */
/* The numbers in <thor/arch/offsets.h> are right. */
#include <abi/boot/boot-info.h>
#include <abi/hel/bounce.h>
#include <thor/cpu.h>

#define CHECK(type, member, offset) static_assert(offsetof(type, member) == (offset))

CHECK(struct arch_context, r15, CONTEXT_R15);
CHECK(struct arch_context, r14, CONTEXT_R14);
CHECK(struct arch_context, r13, CONTEXT_R13);
CHECK(struct arch_context, r12, CONTEXT_R12);
CHECK(struct arch_context, rbp, CONTEXT_RBP);
CHECK(struct arch_context, rbx, CONTEXT_RBX);
CHECK(struct arch_context, r11, CONTEXT_R11);
CHECK(struct arch_context, r10, CONTEXT_R10);
CHECK(struct arch_context, r9, CONTEXT_R9);
CHECK(struct arch_context, r8, CONTEXT_R8);
CHECK(struct arch_context, rax, CONTEXT_RAX);
CHECK(struct arch_context, rcx, CONTEXT_RCX);
CHECK(struct arch_context, rdx, CONTEXT_RDX);
CHECK(struct arch_context, rsi, CONTEXT_RSI);
CHECK(struct arch_context, rdi, CONTEXT_RDI);
CHECK(struct arch_context, vector, CONTEXT_VECTOR);
CHECK(struct arch_context, error_code, CONTEXT_ERROR_CODE);
CHECK(struct arch_context, rip, CONTEXT_RIP);
CHECK(struct arch_context, cs, CONTEXT_CS);
CHECK(struct arch_context, rflags, CONTEXT_RFLAGS);
CHECK(struct arch_context, rsp, CONTEXT_RSP);
CHECK(struct arch_context, ss, CONTEXT_SS);
CHECK(struct arch_context, fs_base, CONTEXT_FRAME_SIZE);
static_assert(CONTEXT_FRAME_SIZE % 16 == 0, "the processor aligns rsp0 down to 16");

CHECK(struct cpu, self, CPU_SELF);
CHECK(struct cpu, current, CPU_CURRENT);
CHECK(struct cpu, n_calls, CPU_N_CALLS);
CHECK(struct cpu, arch, CPU_ARCH);
CHECK(struct cpu, arch.context, CPU_CONTEXT);
CHECK(struct cpu, arch.scratch, CPU_SCRATCH);
CHECK(struct cpu, arch.stack_top, CPU_STACK_TOP);
CHECK(struct cpu, arch.bounce_page, CPU_BOUNCE_PAGE);
CHECK(struct cpu, arch.bounce_entry, CPU_BOUNCE_ENTRY);
static_assert(offsetof(struct cpu, arch.tss.rsp) % 8 == 0);

CHECK(struct hel_bounce_page, user_ip, BOUNCE_USER_IP);
CHECK(struct hel_bounce_page, user_flags, BOUNCE_USER_FLAGS);
CHECK(struct boot_info, page_table_phys, BOOT_INFO_PAGE_TABLE);
static_assert(USER_COPY_FAULT == -ERR_FAULT);
