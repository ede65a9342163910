/* SPDX-License-Identifier: MIT */
/*
 * Threads on their way from a rewritten system call to the shim (protocols/posix/stub.h).
 *
 * Program text may have been rewritten so that a site, which was
 *
 *	mov $number, %eax		or only		syscall
 *	syscall
 *
 * jumps to a stub, and that to shim_entry_stub. A signal never shows a program counter in a stub:
 *
 *   at the site             it is where the program would be; the signal comes there
 *   in the stub, kick       the call is made: the signal comes as if it had arrived in it
 *   in the stub, step       the trap comes behind the `mov`, or, where there is none, with the call
 *
 * Where a thread is follows from the instructions at its program counter, which are followed until
 * they leave for the shim. They do nothing but load eax and rcx; so even a program that had such
 * instructions itself could not tell whether they were executed or followed.
 */
#include "stub.h"

#include <protocols/posix/stub.h>

constexpr unsigned SITE_NUMBER_SIZE = 5, SITE_CALL_SIZE = 2;

bool shim_find_stub(const struct hel_registers *regs, struct shim_stub *out_stub)
{
	struct posix_stub stub = { .ip = regs->rip };
	uint8_t bytes[POSIX_STUB_INSTRUCTION_MAX];
	uint64_t site;

	for (unsigned steps = 0; !stub.has_left; steps++) {
		if (steps == POSIX_STUB_STEPS_MAX || shim_get(bytes, stub.ip, 1) ||
			!posix_stub_size(bytes[0]) ||
			shim_get(bytes, stub.ip, posix_stub_size(bytes[0])) ||
			!posix_stub_step(&stub, bytes)) {
			return false;
		}
	}
	*out_stub = (struct shim_stub){
		.return_address = stub.has_return_address ? stub.return_address : regs->rcx,
		.number = stub.has_number ? stub.number : regs->rax,
	};
	site = out_stub->return_address - SITE_CALL_SIZE;
	return shim_is_program_ip(site) && regs->rip != site &&
		regs->rip != site - SITE_NUMBER_SIZE;
}

void shim_enter_stub(struct hel_registers *regs, const struct shim_stub *stub)
{
	struct hel_bounce_page *page = &shim_thread()->bounce;

	regs->rax = stub->number;
	page->user_sp = regs->rsp;
	page->user_ip = stub->return_address;
	page->user_flags = regs->rflags;
}

bool shim_leave_stub(struct hel_registers *regs, const struct shim_stub *stub)
{
	uint64_t site = stub->return_address - SITE_CALL_SIZE;
	uint8_t bytes[SITE_CALL_SIZE];

	if (shim_get(bytes, site, sizeof(bytes)) || bytes[0] != 0x0f || bytes[1] != 0x05) {
		return false;
	}
	regs->rax = stub->number;
	regs->rip = site;
	return true;
}
