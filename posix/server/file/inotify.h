/* SPDX-License-Identifier: MIT */
/*
 * inotify: files that tell what happens to inodes.
 *
 * A watch binds an instance to an inode. Who changes or uses files calls notify_...() after the
 * fact; while there are no watches at all that costs one comparison. What happens to a file that
 * was reached by a name is told to the watches of the file and, with the name, to those of the
 * folder that has the name.
 *
 *	instance ---- watches, by number ----> watch <---- watches ---- inode
 *	    |                                    |___________ref___________^
 *	    +-- events that nobody has read yet
 *
 * A watch references its inode. It ends when the inode loses its last name and user
 * (IN_DELETE_SELF), or its file system (IN_UNMOUNT), by inotify_rm_watch(), after its first event
 * (IN_ONESHOT), or with the instance. Instances per user, watches, and events per instance are
 * limited.
 */
#ifndef POSIX_FILE_INOTIFY_H
#define POSIX_FILE_INOTIFY_H

#include <abi/linux/inotify.h>
#include <posix/server/vfs/dentry.h>

/** inotify_n_watches - how many watches there are */
extern uint32_t inotify_n_watches;

/* The same as the functions below without the underscore, when there are watches. */
void notify__inode(struct inode *inode, uint32_t mask);
void notify__file(struct file *file, uint32_t mask);
void notify__dentry(struct dentry *dentry, uint32_t mask);
struct name_event;
void notify__name(const struct name_event *event);

/** notify_inode() - something happened to it that has nothing to do with a name */
static inline void notify_inode(struct inode *inode, uint32_t mask)
{
	if (inotify_n_watches != 0) {
		notify__inode(inode, mask);
	}
}

/** notify_file() - something was done through an open file */
static inline void notify_file(struct file *file, uint32_t mask)
{
	if (inotify_n_watches != 0) {
		notify__file(file, mask);
	}
}

/** notify_dentry() - something was done to a file by its name */
static inline void notify_dentry(struct dentry *dentry, uint32_t mask)
{
	if (inotify_n_watches != 0) {
		notify__dentry(dentry, mask);
	}
}

/* A name came to a folder or went from it. */
struct name_event {
	struct inode *directory;
	const struct inode *child;
	const char *name;
	size_t name_size;
	uint32_t mask;
	uint32_t cookie; /* of a move, the same at both ends, else 0 */
};

/** notify_name() - tell the folder about a name */
static inline void notify_name(const struct name_event *event)
{
	if (inotify_n_watches != 0) {
		notify__name(event);
	}
}

/** notify_child() - the same for the name of a dentry where it is now */
static inline void notify_child(const struct dentry *dentry, uint32_t mask)
{
	if (inotify_n_watches != 0) {
		notify__name(&(struct name_event){
			.directory = dentry->parent->inode,
			.child = dentry->inode,
			.name = dentry->name,
			.name_size = dentry->name_size,
			.mask = mask,
		});
	}
}

/** notify_cookie() - a new number for a move */
uint32_t notify_cookie(void);

/** notify_gone() - nobody will find @inode again, because of @mask: its watches end */
void notify_gone(struct inode *inode, uint32_t mask);

#endif
