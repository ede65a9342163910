/* SPDX-License-Identifier: MIT */
/*
 * Making a native program: a universe with exactly the handles it is given, a space with its ELF
 * file, a stack and a start page (abi/hel/start.h), a thread that is not started yet.
 */
#ifndef SVRCTL_SPAWN_H
#define SVRCTL_SPAWN_H

#include <abi/hel/start.h>
#include <base/types.h>

/* A handle of ours, of which the program gets a copy. */
struct svrctl_grant {
	const char *name;
	hel_handle handle;
	uint32_t rights; /* at most these */
	uint64_t value;
};

struct svrctl_program {
	const void *image; /* ELF file */
	size_t image_size;
	const char *const *arguments; /* the first is the program's path */
	size_t n_arguments;
	const struct svrctl_grant *grants;
	size_t n_grants;
	const char *command_line; /* the kernel's */
	uint32_t n_cpus;
	uint64_t rsdp_phys; /* 0: the program has no business there */
};

/**
 * svrctl_spawn() - make a program
 * @out_thread: its thread, stopped: hel_thread_start() lets it run; all rights. The universe, which
 *	pays for the space, and the space live as long as the thread does.
 *
 * Return: 0; -ERR_PROTOCOL, -ERR_UNSUPPORTED (not such an ELF file); -ERR_NO_SPACE (too many
 * arguments or grants); what the hel calls say. Nothing is left behind after an error.
 */
MUST_USE int svrctl_spawn(const struct svrctl_program *program, hel_handle *out_thread);

#endif
