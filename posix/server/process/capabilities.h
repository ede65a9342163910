/* SPDX-License-Identifier: MIT */
/*
 * Capabilities: what the user 0 may do, in pieces that can be given up one by one.
 *
 * A process has five sets (struct capabilities, of struct credentials). What it may do now is in
 * `effective`; it can move capabilities between there and `permitted`. `bounding` limits what exec
 * can add, `inheritable` and `ambient` say what exec keeps. The user ids change the sets unless
 * securebits say otherwise: who leaves 0 loses them, who becomes 0 gets the permitted ones. As all
 * credentials here, they are a process' and not a thread's; C libraries change those of all threads
 * at once anyway.
 */
#ifndef POSIX_CAPABILITIES_H
#define POSIX_CAPABILITIES_H

#include <posix/server/process/process-internal.h>

/** capabilities_change_uids() - @credentials has new user ids, those before were @old's */
void capabilities_change_uids(struct credentials *credentials, const struct credentials *old);
/** capabilities_change_fsuid() - the same for the user id of the file system alone */
void capabilities_change_fsuid(struct credentials *credentials, const struct credentials *old);

/**
 * capabilities_exec() - the sets of a program that begins
 * @credentials: with the ids that it will have; those before were @old's
 * @inode: of the program; its capabilities count if it @has_file_rights
 * @out_is_secure: whether the program is to be careful (AT_SECURE); set if so
 *
 * Return: 0; -LINUX_EPERM: the file demands what the bounding set forbids.
 */
int64_t capabilities_exec(struct credentials *credentials, const struct credentials *old,
	const struct inode *inode, bool has_file_rights, bool *out_is_secure);

/* What prctl() does with them. */
int64_t capabilities_read_bounding(const struct credentials *credentials, uint64_t capability);
int64_t capabilities_drop_bounding(struct credentials *credentials, uint64_t capability);
int64_t capabilities_change_ambient(
	struct credentials *credentials, uint64_t operation, uint64_t capability);
int64_t capabilities_set_securebits(struct credentials *credentials, uint64_t bits);

#endif
