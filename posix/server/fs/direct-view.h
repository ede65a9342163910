/* SPDX-License-Identifier: MIT */
/*
 * Direct transfers of programs: memory that a process shares with the file server, so that reads
 * and writes with O_DIRECT need not come by here. protocols/fs/direct.h is the contract of the
 * three, docs/internals/direct.md says why it is right.
 *
 *	direct_view_create() --> OPENING --- the server has it ---> SERVED
 *	                            |                                  | direct_view_leave(),
 *	                            | the server has not               | direct_views_end()
 *	                            v                                  v
 *	         (none) <--------- OVER <--- nothing is under way --- CLOSING
 *
 * The view (file/views.h) that it belongs to shows it while it is SERVED. What a process has of the
 * memory says nothing: the server stops when it is told to. The memory stays in the process until
 * no thread uses it, as the process says itself; who lies keeps 2 MiB until it ends.
 *
 * A long transfer that comes by here brings a loan (direct-loans.h), so that the next one need not.
 */
#ifndef POSIX_FS_DIRECT_VIEW_H
#define POSIX_FS_DIRECT_VIEW_H

#include <posix/server/file/file.h>

struct block;
struct direct_view;
struct mm;

struct direct_view_maker {
	struct view *view; /* is told by view_direct_...(), until direct_view_leave() */
	struct file *file; /* a block device that is open with O_DIRECT */
	struct process *process; /* whose it is */
	struct mm *mm; /* and where it is mapped */
};

/** direct_view_create() - begin to make one; NULL: there are too many, or no memory */
struct direct_view *direct_view_create(const struct direct_view_maker *maker);

/** direct_view_may() - what @file might do without asking: enum posix_view_flags */
uint32_t direct_view_may(const struct file *file);

/** direct_view_show() - fill in what is the kind's; what it may do, 0 if it is not SERVED yet */
uint32_t direct_view_show(
	const struct direct_view *direct, const struct file *file, struct posix_view *shared);

/**
 * direct_view_asked() - a transfer was made by posix that the process might have made itself
 * @address: of its memory, where the bytes are, and @size of them: as the process says
 */
void direct_view_asked(struct direct_view *direct, uint64_t address, uint64_t size);

/** direct_view_leave() - the view is gone: it is closed, in a job; @process: that of the maker */
void direct_view_leave(struct direct_view *direct, struct process *process);

/** direct_views_start_end() - all of a device are closed, in jobs */
void direct_views_start_end(struct block *block);

/** direct_views_end() - nobody has one of a device any more; 0 or REQUEST_TASK */
int64_t direct_views_end(struct block *block);

/**
 * direct_views_await() - a process that has left all of its own ends
 *
 * Return: whether the disk may still be transferring for it, because a thread was killed in the
 * middle, or the server has loans of much memory, which is there as long: then
 * process_transfers_are_over() is called when all of that has ended.
 */
bool direct_views_await(struct process *process);

/** directs_left() - the address space is going, with all that is mapped there */
void directs_left(struct mm *mm);

#endif
