/* SPDX-License-Identifier: MIT */
/* Offsets that the entry code uses; thread.h asserts that they are those of the structures. */
#ifndef POSIX_SHIM_OFFSETS_H
#define POSIX_SHIM_OFFSETS_H

/* struct posix_thread_page, at gs:0 */
#define TP_SELF       0
#define TP_STACK      8
#define TP_USER_SP    16
#define TP_USER_IP    24
#define TP_USER_FLAGS 32
#define TP_PENDING    40
#define TP_CALLS_END  48 /* calls_end: numbers from here on go the long way */
#define TP_SKIP       56 /* steps_to_skip */
#define TP_FRAME      64
#define TP_STUB_ENTRY 304 /* stub_entry */
#define TP_TRACE      372 /* trace_flags */
#define TP_FULL_FRAME 488 /* shim_private[0] */
#define TP_ALLOWED    1048 /* calls_allowed */
#define TP_RESTRICTED 1112 /* is_restricted */

/* struct hel_registers */
#define R_RAX    0
#define R_RBX    8
#define R_RCX    16
#define R_RDX    24
#define R_RSI    32
#define R_RDI    40
#define R_RBP    48
#define R_RSP    56
#define R_R8     64
#define R_R9     72
#define R_R10    80
#define R_R11    88
#define R_R12    96
#define R_R13    104
#define R_R14    112
#define R_R15    120
#define R_RIP    128
#define R_RFLAGS 136
#define R_SIZE   160

/* The call frame that shim_entry_syscall builds at the top of the shim stack */
#define CF_NUMBER_ARG 0  /* the seventh argument of handlers; theirs to spoil */
#define CF_RDI        8
#define CF_RSI        16
#define CF_RDX        24
#define CF_R10        32
#define CF_R8         40
#define CF_R9         48
#define CF_NUMBER     56  /* the number as it came */
#define CF_SIZE       64

#define FLAGS_TF    0x100   /* the trap flag */
#define FLAGS_PLAIN 0x202
#define FLAGS_BAD   0x44500 /* TF, DF, NT and AC: not while the shim runs */

#define SHIM_NUMBER_MAX 456

#endif
