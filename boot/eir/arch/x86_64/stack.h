/* SPDX-License-Identifier: MIT */
/* Also for assembly: no C here. */
#ifndef EIR_ARCH_X86_64_STACK_H
#define EIR_ARCH_X86_64_STACK_H

/* EIR_STACK_SIZE - bytes of the stack that eir runs on, and thor at first */
#define EIR_STACK_SIZE 16384

#endif
