/* SPDX-License-Identifier: MIT */
/* The boot archive: which servers there are and in which order they start. */
#ifndef SVRCTL_BOOT_H
#define SVRCTL_BOOT_H

#include "manifest.h"

#define BOOT_SERVERS_MAX 32

/* What svrctl itself can give; every other need is a service that some server provides. */
struct boot_plan {
	struct manifest *servers; /* in the order of starting */
	size_t n_servers;
};

/**
 * boot_read() - read the manifests of the archive that apply, and order them
 * @archive: cpio archive of @size bytes
 * @has_option: whether the kernel's command line has NAME with this value ("": any)
 * @complain: told about each manifest that is left out, and why
 * @out_plan: its servers are allocated
 *
 * A server comes after those that provide what it needs. Left out are manifests that cannot be
 * read, second ones of the same name or service, and servers that need what nobody provides (or
 * each other).
 *
 * Return: 0, -ERR_NO_MEMORY.
 */
MUST_USE int boot_read(const void *archive, size_t size,
	bool (*has_option)(const char *name, const char *value),
	void (*complain)(const char *name, const char *reason, unsigned line),
	struct boot_plan *out_plan);

/** boot_is_builtin() - whether svrctl itself gives this capability */
bool boot_is_builtin(const char *capability);

#endif
