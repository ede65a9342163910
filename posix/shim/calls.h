/* SPDX-License-Identifier: MIT */
/*
 * Prototypes of all calls that the shim answers, from calls.def, and helpers that several of them
 * share.
 */
#ifndef POSIX_SHIM_CALLS_H
#define POSIX_SHIM_CALLS_H

#include "shim.h"

#define LINUX_CALL(number, name, where, a0, a1, a2, a3, a4, a5) LINUX_CALL_##where(name)
#define LINUX_CALL_SHIM(name)                                   int64_t shim_##name(SHIM_ARGS);
#define LINUX_CALL_POSIX(name)
#include <protocols/posix/calls.def>
#undef LINUX_CALL

struct linux_timespec {
	int64_t seconds;
	int64_t nanoseconds;
};

/*
 * A relative timespec of the program in nanoseconds (saturating below ~0); -LINUX_EFAULT,
 * -LINUX_EINVAL.
 */
int shim_get_timespec(uint64_t address, uint64_t *out_ns);
int shim_put_timespec(uint64_t address, uint64_t ns);
/* Ends the thread, as if by that signal. */
[[noreturn]] void shim_end_thread(uint64_t signal);
/* now + ns, saturating. */
uint64_t shim_deadline_after(uint64_t ns);

/* ---- transfer-calls.c ------------------------------------------------------------------------ */

/** shim_ask_pread() - pread(), by posix */
int64_t shim_ask_pread(uint64_t fd, uint64_t address, uint64_t size, uint64_t offset);
/** shim_ask_pwrite() - pwrite(), by posix */
int64_t shim_ask_pwrite(uint64_t fd, uint64_t address, uint64_t size, uint64_t offset);

/* ---- scratch.c ------------------------------------------------------------------------------- */

/** shim_scratch_map() - memory of the program's for one call; its address, or a negative errno */
int64_t shim_scratch_map(uint64_t size);
void shim_scratch_unmap(uint64_t address, uint64_t size);
/** shim_scratch_copy() - between places of the program; 0 or -LINUX_EFAULT */
int64_t shim_scratch_copy(uint64_t to, uint64_t from, uint64_t size);

#endif
