/* SPDX-License-Identifier: MIT */
/*
 * Manifests: what svrctl knows about a server before it starts it.
 *
 * A manifest is a text file `boot/hati/manifests/<anything>.server` of the initrd, one `key value`
 * per line; empty lines and lines that begin with `#` do not count.
 *
 *	name NAME         unique, at most 23 bytes; names the server in logs (required)
 *	binary PATH       the program, a path in the initrd (required)
 *	argument TEXT     one more argument for main(), after the path; may repeat
 *	need CAPABILITY   one more handle in the start page, named like the capability; may repeat:
 *	                  log         write to the kernel's log, nothing else
 *	                  statistics  read the kernel's log and counters, nothing else
 *	                  clock       set the wall clock, nothing else
 *	                  authority   make descriptors of physical memory, ports, interrupts
 *	                  initrd      the boot archive as memory, readable
 *	                  boot-info   struct boot_info as memory, readable
 *	                  SERVICE     a lane to the server that provides it, which is started first
 *	provide SERVICE   the server gets the handle "control": a lane on which svrctl pushes one
 *	                  lane per client (protocols/svrctl)
 *	serve N=V N=V ... it is a driver: start it when an object appears on mbus that has all
 *	                  these properties, hand it a lane to each such object on "control", and
 *	                  start it again with the same ones when it dies; may repeat; not with
 *	                  `provide`
 *	each PROPERTY     of a driver: it has a process of its own for each value of that
 *	                  property among the objects that it serves, which gets the value as its
 *	                  last argument
 *	when NAME=VALUE   start it only if the kernel's command line has this option
 *	on-demand         start it when a client asks for what it provides, and again after its end
 *	critical          when it dies, the system cannot go on: svrctl ends the machine
 *	final             when it ends, svrctl ends the machine
 */
#ifndef SVRCTL_MANIFEST_H
#define SVRCTL_MANIFEST_H

#include <abi/hel/start.h>
#include <base/types.h>

#define MANIFEST_NEEDS_MAX     8
#define MANIFEST_ARGUMENTS_MAX 8
#define MANIFEST_PATH_MAX      128
#define MANIFEST_SERVES_MAX    8
#define MANIFEST_MATCHES_MAX   6
#define MANIFEST_TEXT_MAX      32

/* A property that an object has to have. */
struct manifest_match {
	char name[MANIFEST_TEXT_MAX];
	char value[MANIFEST_TEXT_MAX];
};

/* A kind of object that a driver serves: one that has all of these. */
struct manifest_serve {
	struct manifest_match matches[MANIFEST_MATCHES_MAX];
	size_t n_matches; /* at least 1 */
};

struct manifest {
	char name[HEL_START_NAME_MAX];
	char binary[MANIFEST_PATH_MAX];
	char arguments[MANIFEST_ARGUMENTS_MAX][MANIFEST_PATH_MAX];
	size_t n_arguments;
	char needs[MANIFEST_NEEDS_MAX][HEL_START_NAME_MAX];
	size_t n_needs;
	char provides[HEL_START_NAME_MAX];  /* "": nothing */
	struct manifest_serve serves[MANIFEST_SERVES_MAX];
	char each[MANIFEST_TEXT_MAX]; /* "": one process for all */
	size_t n_serves; /* not 0: it is a driver, and neither provides anything nor is on demand */
	char when_name[HEL_START_NAME_MAX]; /* "": always */
	char when_value[HEL_START_NAME_MAX];
	bool is_on_demand; /* then it provides something, and is neither critical nor final */
	bool is_critical;
	bool is_final;
};

/**
 * manifest_parse() - read a manifest
 * @text: @size bytes, not terminated
 * @out_line: number of the offending line, with an error
 *
 * Return: 0; -ERR_PROTOCOL (unknown key, missing or repeated value, on-demand without a service or
 * with an end of the machine, a driver with a service, `each` without `serve`), -ERR_NO_SPACE (a
 * text is too long, or there are too many).
 */
MUST_USE int manifest_parse(
	const char *text, size_t size, struct manifest *out_manifest, unsigned *out_line);

/** manifest_is_driver() - whether it serves devices */
static inline bool manifest_is_driver(const struct manifest *manifest)
{
	return manifest->n_serves > 0;
}

/**
 * manifest_serves() - whether it is a driver for an object
 * @property: the value of the object's property @name, NULL if it has none
 */
bool manifest_serves(const struct manifest *manifest,
	const char *(*property)(const void *object, const char *name), const void *object);

/** manifest_needs() - whether @manifest names @capability as needed */
bool manifest_needs(const struct manifest *manifest, const char *capability);

#endif
