/* SPDX-License-Identifier: MIT */
/*
 * File locks: POSIX record locks (of a descriptor table), open file description locks and flock (of
 * an open file).
 *
 * All locks of an inode are in one list. Record locks conflict with record locks of other owners,
 * whether of tables or of files; flock locks only with each other. A lock that must wait is tried
 * again whenever something in the list was given up. Who waits for whom is kept for POSIX locks
 * alone, to find circles (-LINUX_EDEADLK).
 */
#ifndef POSIX_FILE_LOCK_H
#define POSIX_FILE_LOCK_H

#include <posix/server/file/file.h>

/** lock_forget_owner() - a descriptor of @table for @inode was closed: its POSIX locks are gone */
void lock_forget_owner(struct inode *inode, const struct fd_table *table);
/** lock_forget_file() - the open file goes: its flock and OFD locks are gone */
void lock_forget_file(struct file *file);
/** lock_list_free() - the inode goes */
void lock_list_free(struct inode *inode);

/**
 * lock_print() - the locks that /proc/PID/fdinfo/FD lists: those of the open file and of the table;
 * returns bytes
 */
size_t lock_print(const struct file *file, const struct fd_table *table, char *buffer, size_t size);

/** lock_control() - F_GETLK, F_SETLK, F_SETLKW and their OFD kind; may park */
int64_t lock_control(struct request *request, struct file *file, uint32_t command);

#endif
