/* SPDX-License-Identifier: MIT */
/* Threads that are in a stub of a rewritten system call; see stub.c. */
#ifndef POSIX_SHIM_STUB_H
#define POSIX_SHIM_STUB_H

#include "shim.h"

struct shim_stub {
	uint64_t return_address; /* behind the site's `syscall` */
	uint64_t number;         /* the call's, what rax has or will have */
};

/**
 * shim_find_stub() - whether the program was interrupted in a stub
 * @regs: the program's
 */
bool shim_find_stub(const struct hel_registers *regs, struct shim_stub *out_stub);

/** shim_enter_stub() - make @regs and the page those of the call that begins */
void shim_enter_stub(struct hel_registers *regs, const struct shim_stub *stub);

/**
 * shim_leave_stub() - make @regs those at the site's `syscall`; false: it has none any more, and
 * nothing is changed
 */
bool shim_leave_stub(struct hel_registers *regs, const struct shim_stub *stub);

#endif
