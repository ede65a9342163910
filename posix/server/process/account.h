/* SPDX-License-Identifier: MIT */
/*
 * What one user has of the things that Linux limits for each user.
 *
 * An account belongs to a real user id. Whoever makes something that counts takes a reference to
 * the account of its maker, counts there, and keeps the reference until that is gone: so what a
 * process made stays counted where it was made, whatever becomes of the process' ids. Accounts are
 * found by a hash, and are there only while something refers to them.
 */
#ifndef POSIX_ACCOUNT_H
#define POSIX_ACCOUNT_H

#include <base/hash-table.h>

enum account_kind : uint32_t {
	ACCOUNT_THREADS,           /* of processes that have this real user id now */
	ACCOUNT_RIGHTS,            /* descriptors in messages */
	ACCOUNT_PIPE_PAGES,        /* that pipes may fill */
	ACCOUNT_INOTIFY_INSTANCES,
	ACCOUNT_INOTIFY_WATCHES,
	ACCOUNT_EPOLL_WATCHES,
	ACCOUNT_SIGNALS,           /* that are queued */
	ACCOUNT_MESSAGE_QUEUES,    /* bytes that POSIX message queues may take */
	ACCOUNT_SOCKET_BYTES,      /* in queues of sockets */
	ACCOUNT_FILTER_BYTES,      /* of seccomp filters */
	ACCOUNT_KINDS,
};

struct account {
	struct hash_node node;
	uint32_t references;
	uint32_t uid;
	uint64_t n[ACCOUNT_KINDS];
};

/** account_get() - the account of @uid with a reference for the caller; NULL: no memory */
struct account *account_get(uint32_t uid);
void account_ref(struct account *account);
/** account_unref() - NULL is nobody's */
void account_unref(struct account *account);

/** account_count() - how many of @kind the user has */
uint64_t account_count(uint32_t uid, enum account_kind kind);

/**
 * account_charge() - count @n things that the user has made
 * @limit: how many the user may have then
 * @out_account: with a reference for the caller; on failure untouched
 *
 * Return: 0, -LINUX_ENOMEM, -LINUX_EDQUOT: the limit, for which each call has an error of its own.
 */
int64_t account_charge(uint32_t uid, enum account_kind kind, uint64_t n, uint64_t limit,
	struct account **out_account);

/** account_discharge() - they are gone; takes the reference */
void account_discharge(struct account *account, enum account_kind kind, uint64_t n);

#endif
