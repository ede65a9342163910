/* SPDX-License-Identifier: MIT */
/* Numbers that assembly and C share; layout.c asserts that they are right. */
#ifndef THOR_ARCH_OFFSETS_H
#define THOR_ARCH_OFFSETS_H

/* struct arch_context */
#define CONTEXT_R15        0
#define CONTEXT_R14        8
#define CONTEXT_R13        16
#define CONTEXT_R12        24
#define CONTEXT_RBP        32
#define CONTEXT_RBX        40
#define CONTEXT_R11        48
#define CONTEXT_R10        56
#define CONTEXT_R9         64
#define CONTEXT_R8         72
#define CONTEXT_RAX        80
#define CONTEXT_RCX        88
#define CONTEXT_RDX        96
#define CONTEXT_RSI        104
#define CONTEXT_RDI        112
#define CONTEXT_VECTOR     120
#define CONTEXT_ERROR_CODE 128
#define CONTEXT_RIP        136
#define CONTEXT_CS         144
#define CONTEXT_RFLAGS     152
#define CONTEXT_RSP        160
#define CONTEXT_SS         168
#define CONTEXT_FRAME_SIZE 176

/* struct cpu, through gs */
#define CPU_SELF         0
#define CPU_CURRENT      16
#define CPU_N_CALLS      32
#define CPU_ARCH         48
#define CPU_CONTEXT      (CPU_ARCH + 0)
#define CPU_SCRATCH      (CPU_ARCH + 8)
#define CPU_STACK_TOP    (CPU_ARCH + 16)
#define CPU_BOUNCE_PAGE  (CPU_ARCH + 24)
#define CPU_BOUNCE_ENTRY (CPU_ARCH + 32)

/* struct hel_bounce_page */
#define BOUNCE_USER_IP    24
#define BOUNCE_USER_FLAGS 32

/* Selectors: the user ones are Linux's, which programs can see. */
#define KERNEL_CS    0x10
#define KERNEL_SS    0x18
#define USER_SS      0x2b
#define USER_CS      0x33
#define TSS_SELECTOR 0x38

#define RFLAGS_FIXED         0x2
#define RFLAGS_TF            0x100
#define RFLAGS_IF            0x200
#define RFLAGS_DF            0x400
#define RFLAGS_NT            0x4000
#define RFLAGS_RF            0x10000
#define RFLAGS_AC            0x40000
/* What user mode may change: CF PF AF ZF SF TF DF OF NT RF AC ID. */
#define RFLAGS_USER          0x254dd5
/* Cleared on the way into the kernel, and on a bounce. */
#define RFLAGS_ENTRY_CLEARED (RFLAGS_TF | RFLAGS_DF | RFLAGS_NT | RFLAGS_AC)

/* arch_context.vector of an entry by `syscall`. */
#define ARCH_VECTOR_SYSCALL 0x100

/* The page below 1 MiB where further CPUs start; eir keeps it free. */
#define TRAMPOLINE_PHYS 0x8000

/* -ERR_FAULT */
#define USER_COPY_FAULT -6

/* struct boot_info */
#define BOOT_INFO_PAGE_TABLE 56

#define MSR_EFER           0xc0000080
#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_SFMASK         0xc0000084
#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

#endif
