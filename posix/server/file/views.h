/* SPDX-License-Identifier: MIT */
/*
 * Views: what processes may look at instead of asking; protocols/posix/views.h is the contract with
 * the shim, docs/internals/views.md the reasons.
 *
 * A descriptor table that belongs to one process has a struct views once that process has asked
 * often enough for what a view would tell. A view is of one descriptor:
 *
 *	none --- view_note(), several times ---> fresh <--- view_note() --- stale
 *	  ^                                      |  |                        ^
 *	  |  closed, replaced, or pushed out     |  |  anything changes      |
 *	  +--------------------------------------+  +------------------------+
 *
 * A fresh view is on its inode's list, and only then is its entry in the table not 0. Whoever
 * changes what a view tells (contents, size, attributes, times, who is told of reads) calls
 * views_inode_changed() before posix answers anybody, and before bytes vanish; that is all there is
 * to coherence, since the shim goes to posix when there is no entry.
 *
 * A fresh view of a regular file may borrow the file's position, if the file has no other
 * reference: it is then in the process' page, and file->offset means nothing. fd_table_get() and
 * file_ref() take it back: every way to a file leads through them.
 *
 * A fresh view of a regular file may also be written to; it is then the only one of its inode, and
 * the inode's times may be old. Who tells them, or compares them, calls views_settle() before.
 */
#ifndef POSIX_FILE_VIEWS_H
#define POSIX_FILE_VIEWS_H

#include <posix/server/file/file.h>
#include <posix/server/vfs/inode.h>

struct view;
struct views;

/* ---- what a request shows -------------------------------------------------------------------- */

struct view_use {
	uint64_t offset, size; /* what was read or written; 0, 0: something else */
	bool is_write;
};

void view__note(struct request *request, struct file *file, const struct view_use *use);

/**
 * view_note() - args[0] of @request is the descriptor of @file, and a view would have answered it:
 * make one, or bring it up to date
 */
static inline void view_note(struct request *request, struct file *file, const struct view_use *use)
{
	if (file->ops->view_kind != POSIX_VIEW_NONE) {
		view__note(request, file, use);
	}
}

/** view_can_write() - whether a view may answer writes, which need not end where the file does */
bool view_can_write(const struct file *file);

/* ---- changes --------------------------------------------------------------------------------- */

void views__inode_changed(struct inode *inode);

/** views_inode_changed() - what views tell of @inode is no longer so, or is about to change */
static inline void views_inode_changed(struct inode *inode)
{
	if (!list_is_empty(&inode->views)) {
		views__inode_changed(inode);
	}
}

void views__inode_touched(struct inode *inode);

/** views_inode_touched() - the same of its times, of which not all views tell */
static inline void views_inode_touched(struct inode *inode)
{
	if (!list_is_empty(&inode->views)) {
		views__inode_touched(inode);
	}
}

void views__settle(struct inode *inode);

/** views_settle() - the times of @inode are those of its last uses */
static inline void views_settle(struct inode *inode)
{
	if (!list_is_empty(&inode->views)) {
		views__settle(inode);
	}
}

/** views_directory_watched() - the same for all files opened through names in @directory */
void views_directory_watched(struct inode *directory);

/** views_all_changed() - the same for all inodes: rare changes of clocks and mounts */
void views_all_changed(void);

/* ---- positions ------------------------------------------------------------------------------- */

void view__take_position(struct file *file);

/** file_take_position() - file->offset is the position again */
static inline void file_take_position(struct file *file)
{
	if (file->borrower != NULL) {
		view__take_position(file);
	}
}

void views__lend(struct views *views, uint32_t fd);

/** views_lend() - a task has ended that held the file of @fd: nobody else may have it any more */
static inline void views_lend(struct fd_table *table, uint64_t fd)
{
	if (table != NULL && *fd_table_views(table) != NULL) {
		views__lend(*fd_table_views(table), (uint32_t)fd);
	}
}

/* ---- direct transfers: fs/direct-view.h ------------------------------------------------------ */

/** view_direct_ready() - what it has made is served now */
void view_direct_ready(struct view *view);

/** view_direct_ended() - it is so no more; @is_refused: and is not to be tried again */
void view_direct_ended(struct view *view, bool is_refused);

/* ---- descriptor tables ----------------------------------------------------------------------- */

/** views_close() - the descriptor no longer means what it did */
void views_close(struct views *views, uint32_t fd);

/** views_hide() - somebody else gets the table, too: no views until it is one process' again */
void views_hide(struct views *views);

/** views_leave() - @process gives its table up, or its memory: it has no views any more */
void views_leave(struct fd_table *table, struct process *process);

#endif
