/* SPDX-License-Identifier: MIT */
/*
 * open(2).
 *
 * First the walk, which makes the file if it has to, then permissions, then the open hook of the
 * inode, which may park (a FIFO waits for its other end): the file is then in state[0] and only the
 * hook is called again.
 */
#include <base/format.h>
#include <base/string.h>
#include <posix/server/vfs/call.h>
#include <posix/server/vfs/open.h>

constexpr uint32_t OPEN_FLAGS_PATH =
	LINUX_O_PATH | LINUX_O_DIRECTORY | LINUX_O_NOFOLLOW | LINUX_O_CLOEXEC;
/* Flags that act at open and are not kept; the open hook still sees them. */
constexpr uint32_t OPEN_FLAGS_ONCE =
	LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_NOCTTY | LINUX_O_TRUNC | LINUX_O_CLOEXEC;
constexpr uint32_t TMPFILE_BIT = LINUX_O_TMPFILE & ~LINUX_O_DIRECTORY;

struct opening {
	struct process *process;
	uint32_t flags, mode;
	uint32_t limits;  /* enum vfs_lookup_flags: openat2's, on the way */
	struct path path; /* referenced once it was found */
	bool is_created;
};

static bool opening_has(const struct opening *opening, uint32_t flag)
{
	return (opening->flags & flag) != 0;
}

static bool opening_wants_write(const struct opening *opening)
{
	return (opening->flags & LINUX_O_ACCMODE) != LINUX_O_RDONLY;
}

static int64_t opening_check_flags(struct opening *opening)
{
	if (opening_has(opening, LINUX_O_PATH)) {
		opening->flags &= OPEN_FLAGS_PATH;
		return 0;
	}
	if (opening_has(opening, TMPFILE_BIT)) {
		if (!opening_has(opening, LINUX_O_DIRECTORY) || !opening_wants_write(opening) ||
			opening_has(opening, LINUX_O_CREAT)) {
			return -LINUX_EINVAL;
		}
	} else if (opening_has(opening, LINUX_O_CREAT) && opening_has(opening, LINUX_O_DIRECTORY)) {
		return -LINUX_EINVAL;
	}
	opening->mode &= 07777;
	opening->flags |= LINUX_O_LARGEFILE;
	return 0;
}

/* ---- finding or making --------------------------------------------------------------------- */

static int64_t opening_create(struct opening *opening, struct walk *walk, struct dentry *dentry)
{
	struct inode *directory = walk->at.dentry->inode;
	int64_t error = name_may_create(walk->credentials, &walk->at);

	if (error < 0) {
		return error;
	}
	struct node_spec spec =
		name_spec(opening->process, directory, LINUX_S_IFREG | opening->mode, 0);

	error = node_create(directory, dentry, &spec, NULL);
	opening->is_created = error == 0;
	if (error == 0) {
		notify_child(dentry, LINUX_IN_CREATE);
	}
	return error;
}

/*
 * The sysctls protected_regular and protected_fifos: in shared directories only what is one's own.
 */
static int64_t opening_check_shared(const struct walk *walk, const struct inode *inode)
{
	const struct inode *directory = walk->at.dentry->inode;
	bool is_protected =
		inode_is_type(inode, LINUX_S_IFREG) || inode_is_type(inode, LINUX_S_IFIFO);

	if (!(directory->mode & LINUX_S_ISVTX) || !is_protected || inode->uid == directory->uid ||
		inode->uid == walk->credentials->fsuid) {
		return 0;
	}
	return (directory->mode & 0022) ? -LINUX_EACCES : 0;
}

/* The last step of a walk with O_CREAT, in a directory that is locked. */
static int64_t opening_create_locked(struct opening *opening, struct walk *walk)
{
	struct dentry *dentry;
	bool is_there = false;
	int64_t result = walk_find_last(walk, true, &dentry);

	if (result < 0) {
		return result;
	}
	if (dentry->inode == NULL) {
		result = opening_create(opening, walk, dentry);
	} else if (opening_has(opening, LINUX_O_EXCL)) {
		result = -LINUX_EEXIST;
	} else if (inode_is_type(dentry->inode, LINUX_S_IFLNK)) {
		result = -LINUX_ELOOP;
		if (!opening_has(opening, LINUX_O_NOFOLLOW)) {
			result = walk_follow(walk, dentry->inode, &is_there);
			result = result < 0 ? result : 1;
		}
	} else {
		result = inode_is_directory(dentry->inode)
			? -LINUX_EISDIR
			: opening_check_shared(walk, dentry->inode);
	}
	if (result == 0) {
		opening->path = (struct path){ .mount = walk->at.mount, .dentry = dentry };
		path_ref(&opening->path);
		mount_step_down(&opening->path);
		if ((walk->flags & VFS_NO_CROSSING) && opening->path.mount != walk->at.mount) {
			path_unref(&opening->path);
			result = -LINUX_EXDEV;
		}
	} else if (is_there) {
		opening->path = walk->at;
		path_ref(&opening->path);
		result = 0;
	}
	dentry_unref(dentry);
	return result;
}

/* The same: 1 if a link was there and the walk goes on. */
static int64_t opening_create_last(struct opening *opening, struct walk *walk)
{
	struct vfs_lock lock;

	if (walk->last_kind != WALK_LAST_NAME || walk->has_trailing_slash) {
		return -LINUX_EISDIR;
	}
	int64_t result = vfs_lock_directory(&lock, walk->at.dentry->inode);

	if (result == 0) {
		result = opening_create_locked(opening, walk);
		vfs_unlock(&lock);
	}
	return result;
}

static int64_t opening_walk_creating(struct opening *opening, int dirfd, const char *name)
{
	struct walk walk;
	int64_t result = walk_begin_within(&walk, opening->process, &opening->process->credentials,
		dirfd, name, opening->limits);

	if (result < 0) {
		return result;
	}
	do {
		result = walk_to_parent(&walk);
		if (result == 0) {
			result = opening_create_last(opening, &walk);
		}
	} while (result == 1);
	walk_end(&walk);
	return result;
}

static int64_t opening_walk(struct opening *opening, int dirfd, const char *name)
{
	uint32_t flags = opening_has(opening, LINUX_O_NOFOLLOW) ? 0 : VFS_FOLLOW;

	if (opening_has(opening, LINUX_O_CREAT)) {
		return opening_walk_creating(opening, dirfd, name);
	}
	int64_t error =
		vfs_lookup(opening->process, dirfd, name, flags | opening->limits, &opening->path);

	if (error == 0 && opening_has(opening, LINUX_O_DIRECTORY) &&
		!inode_is_directory(opening->path.dentry->inode)) {
		path_unref(&opening->path);
		return -LINUX_ENOTDIR;
	}
	return error;
}

/* Makes a file and takes its name away again; the directory looks as if nothing had been. */
static int64_t opening_create_nameless(
	struct opening *opening, struct inode *directory, struct dentry *dentry)
{
	int64_t mtime_ns = directory->mtime_ns;
	int64_t ctime_ns = directory->ctime_ns;
	struct node_spec spec =
		name_spec(opening->process, directory, LINUX_S_IFREG | opening->mode, 0);

	spec.is_unnamed = (directory->super->flags & SUPER_WAITS) != 0;
	int64_t error = node_create(directory, dentry, &spec, NULL);

	if (error == 0 && spec.is_unnamed) {
		dentry_drop(dentry);
	} else if (error == 0) {
		error = directory->ops->unlink(directory, dentry);
		dentry_drop(dentry);
		directory->mtime_ns = mtime_ns;
		directory->ctime_ns = ctime_ns;
	}
	return error == -LINUX_EPERM ? -LINUX_EOPNOTSUPP : error;
}

/* O_TMPFILE: a file in the directory that was found, which may get a name later but for O_EXCL. */
static int64_t opening_make_temporary(struct opening *opening)
{
	struct path at = opening->path;
	struct inode *directory = at.dentry->inode;
	struct dentry *dentry;
	char name[32];

	if (directory->ops->create == inode_default_create ||
		(directory->super->flags & SUPER_NAMES_ONLY) != 0) {
		return -LINUX_EOPNOTSUPP;
	}
	int64_t error = name_may_create(&opening->process->credentials, &at);

	if (error == 0) {
		format_to(name, sizeof(name), "#%llu",
			(unsigned long long)directory->super->next_ino + 1);
		error = dentry_find(at.dentry, name, strlen(name), true, &dentry);
	}
	if (error < 0) {
		return error;
	}
	error = dentry->inode == NULL ? opening_create_nameless(opening, directory, dentry)
				      : -LINUX_EEXIST;
	if (error < 0) {
		dentry_unref(dentry);
		return error;
	}
	dentry->inode->is_linkable = !opening_has(opening, LINUX_O_EXCL);
	opening->path.dentry = dentry;
	dentry_unref(at.dentry);
	opening->is_created = true;
	return 0;
}

/* ---- permission ---------------------------------------------------------------------------- */

static uint32_t opening_access(const struct opening *opening)
{
	static const uint32_t by_mode[] = {
		[LINUX_O_RDONLY] = ACCESS_READ,
		[LINUX_O_WRONLY] = ACCESS_WRITE,
		[LINUX_O_RDWR] = ACCESS_READ | ACCESS_WRITE,
		[LINUX_O_ACCMODE] = ACCESS_READ | ACCESS_WRITE,
	};
	uint32_t access = by_mode[opening->flags & LINUX_O_ACCMODE];

	return opening_has(opening, LINUX_O_TRUNC) ? access | ACCESS_WRITE : access;
}

static int64_t opening_check(const struct opening *opening)
{
	const struct credentials *credentials = &opening->process->credentials;
	struct inode *inode = opening->path.dentry->inode;
	uint32_t access = opening_access(opening);

	switch (inode->mode & LINUX_S_IFMT) {
	case LINUX_S_IFLNK: return -LINUX_ELOOP;
	case LINUX_S_IFDIR:
		if (access & ACCESS_WRITE) {
			return -LINUX_EISDIR;
		}
		break;
	case LINUX_S_IFCHR:
	case LINUX_S_IFBLK:
		if (opening->path.mount->flags & MOUNT_NO_DEVICES) {
			return -LINUX_EACCES;
		}
		break;
	case LINUX_S_IFREG:
		if ((access & ACCESS_WRITE) && mount_may_write(&opening->path) < 0) {
			return -LINUX_EROFS;
		}
		break;
	default: break;
	}
	inode->ops->refresh(inode);
	int64_t error = inode_permission(credentials, inode, access);

	if (error == 0 && opening_has(opening, LINUX_O_NOATIME) &&
		!credentials_owns(credentials, inode)) {
		error = -LINUX_EPERM;
	}
	return error;
}

/* ---- the file ------------------------------------------------------------------------------ */

/* An O_PATH file does nothing but name its place. */
static const struct file_ops path_file_ops = { FILE_OPS_DEFAULT, .name = "path" };

static int64_t opening_make_file(struct opening *opening, struct file **out_file)
{
	bool is_path = opening_has(opening, LINUX_O_PATH);
	int64_t error = file_create(opening->process, is_path ? &path_file_ops : &file_ops_default,
		opening->path.dentry->inode, opening->flags, out_file);

	if (error < 0) {
		return error;
	}
	struct file *file = *out_file;

	file->path = opening->path;
	opening->path = (struct path){ 0 };
	if (!is_path && file_is_writable(file) && inode_is_type(file->inode, LINUX_S_IFREG)) {
		error = inode_begin_writing(file->inode);
		file->is_writer = error == 0;
	}
	if (error < 0) {
		file_unref(file);
		*out_file = NULL;
	}
	return error;
}

/* The open hook, and what follows it. */
static int64_t opening_run_hook(
	const struct opening *opening, struct file *file, struct request *request)
{
	struct inode *inode = file->inode;
	int64_t error = inode->ops->open(inode, file, request);

	if (error == 0 && opening_has(opening, LINUX_O_TRUNC) && !opening->is_created &&
		inode_is_type(inode, LINUX_S_IFREG)) {
		error = inode->n_executors > 0 ? -LINUX_ETXTBSY : inode->ops->truncate(inode, 0);
		if (error == 0) {
			inode_remove_privileges(inode, &opening->process->credentials);
			notify_file(file, LINUX_IN_MODIFY);
		}
	}
	if (error == 0) {
		file->flags &= ~OPEN_FLAGS_ONCE;
		file->is_announced = true;
		notify_file(file, LINUX_IN_OPEN);
	}
	return error;
}

static int64_t opening_find(struct opening *opening, int dirfd, const char *name)
{
	int64_t error = opening_check_flags(opening);

	if (error == 0) {
		error = opening_walk(opening, dirfd, name);
	}
	if (error == 0 && opening_has(opening, TMPFILE_BIT) &&
		!opening_has(opening, LINUX_O_PATH)) {
		error = opening_make_temporary(opening);
	}
	if (error == 0 && !opening->is_created && !opening_has(opening, LINUX_O_PATH)) {
		error = opening_check(opening);
	}
	return error;
}

/*
 * From flags and name to a file whose hook was called; PARK: *out_file is to be given to the next
 * attempt.
 */
static int64_t opening_run(struct opening *opening, int dirfd, const char *name,
	struct request *request, struct file **out_file)
{
	struct file *file = NULL;
	int64_t result = opening_find(opening, dirfd, name);

	if (result == 0) {
		result = opening_make_file(opening, &file);
	}
	path_unref(&opening->path);
	if (result == 0 && !opening_has(opening, LINUX_O_PATH)) {
		result = opening_run_hook(opening, file, request);
	} else if (result == 0) {
		file->flags &= ~OPEN_FLAGS_ONCE;
	}
	if (result < 0 && result != REQUEST_PARK) {
		file_unref(file);
		return result;
	}
	*out_file = file;
	return result;
}

int64_t vfs_open(struct process *process, int dirfd, const char *name, uint32_t flags,
	uint32_t mode, struct file **out_file)
{
	struct opening opening = { .process = process, .flags = flags, .mode = mode };

	return opening_run(&opening, dirfd, name, NULL, out_file);
}

int64_t open_path(
	struct process *process, const struct path *path, uint32_t flags, struct file **out_file)
{
	struct opening opening = { .process = process, .flags = flags, .path = *path };
	bool is_path = opening_has(&opening, LINUX_O_PATH);
	struct file *file = NULL;

	path_ref(path);
	int64_t result = opening_check_flags(&opening);

	if (result == 0 && opening_has(&opening, LINUX_O_DIRECTORY) &&
		!inode_is_directory(path->dentry->inode)) {
		result = -LINUX_ENOTDIR;
	}
	if (result == 0 && !is_path) {
		result = opening_check(&opening);
	}
	if (result == 0) {
		result = opening_make_file(&opening, &file);
	}
	path_unref(&opening.path);
	if (result == 0 && !is_path) {
		result = opening_run_hook(&opening, file, NULL);
	}
	if (result < 0) {
		file_unref(file);
		return result;
	}
	if (is_path) {
		file->flags &= ~OPEN_FLAGS_ONCE;
	}
	*out_file = file;
	return 0;
}

/* ---- the call ------------------------------------------------------------------------------ */

static void openat_release(struct request *request)
{
	file_unref((struct file *)request->state[0]);
	request->state[0] = 0;
}

/* What openat() and openat2() do once they know what is wanted; may park. */
static int64_t opening_answer(struct opening *opening, struct request *request)
{
	bool is_cloexec = opening_has(opening, LINUX_O_CLOEXEC);
	struct file *file = (struct file *)request->state[0];
	int64_t result;

	if (file == NULL) {
		result = opening_run(opening, (int)(uint32_t)request->args[0],
			request_path(request, 1), request, &file);
	} else {
		result = opening_run_hook(opening, file, request);
	}
	if (result == REQUEST_PARK) {
		request->state[0] = (uintptr_t)file;
		request->release = openat_release;
		return result;
	}
	if (result < 0) {
		return result;
	}
	if (request->state[0] != 0) {
		file_ref(file); /* one for the release hook, one to install */
	}
	return file_install(request, file, is_cloexec);
}

int64_t posix_openat(struct request *request)
{
	struct opening opening = {
		.process = request->process,
		.flags = (uint32_t)request->args[2],
		.mode = (uint32_t)request->args[3],
	};

	return opening_answer(&opening, request);
}

/* ---- openat2: nothing is overlooked, and the way may be limited ---------------------------- */

/* All that openat() knows; O_SYNC has two bits, O_TMPFILE also that of a directory. */
constexpr uint32_t OPEN_FLAGS_ALL = OPEN_FLAGS_PATH | OPEN_FLAGS_ONCE | LINUX_O_ACCMODE |
	LINUX_O_APPEND | LINUX_O_NONBLOCK | LINUX_O_SYNC | LINUX_O_ASYNC | LINUX_O_DIRECT |
	LINUX_O_LARGEFILE | LINUX_O_NOATIME | LINUX_O_TMPFILE;

static const struct {
	uint64_t resolve;
	uint32_t flags; /* enum vfs_lookup_flags */
} opening_limits[] = {
	{ LINUX_RESOLVE_NO_XDEV, VFS_NO_CROSSING }, { LINUX_RESOLVE_NO_MAGICLINKS, VFS_NO_JUMPS },
	{ LINUX_RESOLVE_NO_SYMLINKS, VFS_NO_LINKS }, { LINUX_RESOLVE_BENEATH, VFS_BENEATH },
	{ LINUX_RESOLVE_IN_ROOT, VFS_IN_ROOT },
	{ LINUX_RESOLVE_CACHED, 0 }, /* nothing here has to be fetched */
};

/* Reads a structure that may be longer than we know if what is beyond is zero. */
static int64_t opening_read_how(struct request *request, struct linux_open_how *out_how)
{
	size_t size;
	const uint8_t *in = request_in(request, 2, &size);

	if (request->args[3] < sizeof(*out_how)) {
		return -LINUX_EINVAL;
	}
	if (in == NULL) {
		return -LINUX_EFAULT;
	}
	memcpy(out_how, in, sizeof(*out_how));
	for (size_t i = sizeof(*out_how); i < size; i++) {
		if (in[i] != 0) {
			return -LINUX_E2BIG;
		}
	}
	return 0;
}

static int64_t opening_apply_limits(struct opening *opening, uint64_t resolve)
{
	uint32_t acts = LINUX_O_TRUNC | LINUX_O_CREAT | TMPFILE_BIT;
	uint64_t unknown = resolve;

	for (size_t i = 0; i < ARRAY_SIZE(opening_limits); i++) {
		unknown &= ~opening_limits[i].resolve;
		if (resolve & opening_limits[i].resolve) {
			opening->limits |= opening_limits[i].flags;
		}
	}
	if (unknown != 0 ||
		((resolve & LINUX_RESOLVE_BENEATH) && (resolve & LINUX_RESOLVE_IN_ROOT))) {
		return -LINUX_EINVAL;
	}
	return (resolve & LINUX_RESOLVE_CACHED) && opening_has(opening, acts) ? -LINUX_EAGAIN : 0;
}

static int64_t opening_apply_how(struct opening *opening, const struct linux_open_how *how)
{
	bool makes_a_file = (how->flags & (LINUX_O_CREAT | TMPFILE_BIT)) != 0;
	uint32_t known = (how->flags & LINUX_O_PATH) ? OPEN_FLAGS_PATH : OPEN_FLAGS_ALL;

	if ((how->flags & ~(uint64_t)known) || (how->mode & ~(makes_a_file ? 07777ull : 0))) {
		return -LINUX_EINVAL;
	}
	opening->flags = (uint32_t)how->flags;
	opening->mode = (uint32_t)how->mode;
	return opening_apply_limits(opening, how->resolve);
}

int64_t posix_openat2(struct request *request)
{
	struct opening opening = { .process = request->process };
	struct linux_open_how how;
	int64_t error = opening_read_how(request, &how);

	if (error == 0) {
		error = opening_apply_how(&opening, &how);
	}
	return error < 0 ? error : opening_answer(&opening, request);
}
