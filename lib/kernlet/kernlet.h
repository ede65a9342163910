/* SPDX-License-Identifier: MIT */
/*
 * The compiler of kernlets: from the ELF file of `clang -target bpf` to what hel_kernlet_create
 * takes (<abi/hel/kernlet.h>).
 *
 *	ELF file --read.c--> program --verify.c--> annotated program --compile.c--> native code
 *
 * The file is data of somebody else: any bytes are fine. What is refused is said in words, with the
 * source's line if the file has it (clang -g). The kernel does not rely on the verifier: authors
 * do.
 *
 * Nothing is allocated, no state is kept.
 */
#ifndef KERNLET_KERNLET_H
#define KERNLET_KERNLET_H

#include <abi/hel/kernlet.h>
#include <kernlet/program.h>

/** KERNLET_MESSAGE_MAX - bytes of a message, with its terminator */
#define KERNLET_MESSAGE_MAX 256

/** KERNLET_CONTAINER_MAX - bytes of the largest result */
#define KERNLET_CONTAINER_MAX \
	(sizeof(struct hel_kernlet_header) + \
		HEL_KERNLET_BINDINGS_MAX * sizeof(struct hel_kernlet_slot) + HEL_KERNLET_CODE_MAX)

/* What a compilation works in; large. */
struct kernlet_workspace {
	struct kernlet_program program;
	struct kernlet_states states;
	uint32_t native_offsets[KERNLET_INSTRUCTIONS_MAX + 1];
};

/**
 * kernlet_compile() - make native code for x86-64
 * @elf: the whole file, any alignment
 * @workspace: contents do not matter; afterwards .program.slots and .names tell about bindings
 * @out_container: KERNLET_CONTAINER_MAX bytes
 * @out_message: KERNLET_MESSAGE_MAX bytes: with an error why, as "file:line: what" or "what"
 *
 * Return: 0, -ERR_PROTOCOL (not such an ELF file), -ERR_ILLEGAL_ARGS (no valid kernlet).
 */
MUST_USE int kernlet_compile(const void *elf, size_t size, struct kernlet_workspace *workspace,
	void *out_container, size_t *out_size, char *out_message);

#endif
