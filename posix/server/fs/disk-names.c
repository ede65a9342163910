/* SPDX-License-Identifier: MIT */
/*
 * Names of file systems on disks: looked up, made, removed, moved; and what symbolic links say.
 *
 * The VFS sees to it that nobody else changes a directory's names meanwhile, and that of a name
 * there is one lookup at a time.
 */
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/fs/disk-internal.h>
#include <posix/server/fs/disk-xattr.h>
#include <posix/server/vfs/call.h>

constexpr size_t LINK_CALL_BYTES = 2 * FS_LIMITS_TARGET_BYTES_MAX + DISK_CALL_BYTES;

static struct bragi_string name_of(const struct dentry *dentry)
{
	return (struct bragi_string){ .text = dentry->name, .length = dentry->name_size };
}

static uint64_t id_of(struct inode *inode)
{
	return disk_inode_of(inode)->id;
}

/* The inode of a reply's node, ready to be used. */
static int64_t node_take(struct disk_super *disk, struct fs_node *from, uint64_t n_gone,
	struct disk_inode **out_node)
{
	struct disk_inode *node;
	int64_t error = disk_inode_take(disk, from, n_gone, &node);

	if (error < 0) {
		return error;
	}
	error = disk_xattrs_load(node, from->attributes.has_xattrs != 0);
	if (error < 0) {
		inode_unref(&node->inode);
		return error;
	}
	*out_node = node;
	return 0;
}

/* It becomes the dentry's. */
static int64_t name_set(
	struct disk_super *disk, struct dentry *dentry, struct fs_node *from, uint64_t n_gone)
{
	struct disk_inode *node;
	int64_t error = node_take(disk, from, n_gone, &node);

	if (error == 0) {
		dentry_set_inode(dentry, &node->inode);
		inode_unref(&node->inode);
	}
	return error;
}

int64_t disk_lookup(struct inode *directory, struct dentry *dentry)
{
	struct disk_super *disk = disk_super_of(directory->super);
	uint64_t n_gone = disk->n_gone;
	struct fs_lookup_request request;
	struct fs_lookup_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk);

	if (error < 0) {
		return error;
	}
	fs_lookup_request_init(&request);
	request.directory = id_of(directory);
	request.name = name_of(dentry);
	error = disk_call_end(
		&call, fs_session_lookup(call.task, DISK_CLIENT(&call), &request, &reply));
	return error < 0 ? error : name_set(disk, dentry, &reply.node, n_gone);
}

int64_t disk_find(
	struct super *super, uint64_t number, uint32_t generation, struct inode **out_inode)
{
	struct disk_super *disk = disk_super_of(super);
	uint64_t n_gone = disk->n_gone;
	struct fs_find_request request;
	struct fs_find_reply reply;
	struct disk_inode *node;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk);

	if (error < 0) {
		return error;
	}
	fs_find_request_init(&request);
	request.number = number;
	request.generation = generation;
	error = disk_call_end(
		&call, fs_session_find(call.task, DISK_CLIENT(&call), &request, &reply));
	if (error == 0) {
		error = node_take(disk, &reply.node, n_gone, &node);
	}
	if (error == 0 && node->inode.nlink == 0) {
		inode_unref(&node->inode);
		error = -LINUX_ESTALE;
	}
	if (error == 0) {
		*out_inode = &node->inode;
	}
	return error == -LINUX_ENOENT || error == -LINUX_EINVAL ? -LINUX_ESTALE : error;
}

/* ---- making ---------------------------------------------------------------------------------- */

static void fill_create(struct fs_create_request *out_request, struct inode *directory,
	const struct dentry *dentry, const struct node_spec *spec, const char *target)
{
	fs_create_request_init(out_request);
	out_request->directory = id_of(directory);
	out_request->device_number =
		(uint64_t)linux_major(spec->rdev) << 32 | linux_minor(spec->rdev);
	out_request->mode = spec->mode;
	out_request->uid = spec->uid;
	out_request->gid = spec->gid;
	out_request->is_unnamed = spec->is_unnamed;
	out_request->name = name_of(dentry);
	out_request->target = bragi_string_of(target != NULL ? target : "");
}

/* The server has said no for lack of room: what is being given back may make some. */
static bool may_try_again(struct disk_super *disk, int64_t error, bool *has_tried)
{
	if (error != -LINUX_ENOSPC || *has_tried || !disk_is_leaving(disk)) {
		return false;
	}
	*has_tried = true;
	disk_farewell_await(disk);
	return true;
}

static int64_t create_once(struct inode *directory, const struct fs_create_request *request,
	struct fs_create_reply *out_reply)
{
	struct disk_super *disk = disk_super_of(directory->super);
	struct disk_call call;
	int64_t error = request->target.length + 2 * FS_LIMITS_NAME_BYTES_MAX < DISK_CALL_BYTES / 2
		? disk_call_begin(&call, disk)
		: disk_call_begin_long(&call, disk, LINK_CALL_BYTES);

	if (error < 0) {
		return error;
	}
	error = fs_session_create(call.task, DISK_CLIENT(&call), request, out_reply);
	return disk_call_end(&call, (int)error);
}

int64_t disk_create(struct inode *directory, struct dentry *dentry, const struct node_spec *spec,
	const char *target)
{
	struct disk_super *disk = disk_super_of(directory->super);
	struct fs_create_request request;
	struct fs_create_reply reply;
	bool has_tried = false;
	int64_t error;

	if (target != NULL && strlen(target) > FS_LIMITS_TARGET_BYTES_MAX) {
		return -LINUX_ENAMETOOLONG;
	}
	fill_create(&request, directory, dentry, spec, target);
	do {
		error = create_once(directory, &request, &reply);
	} while (may_try_again(disk, error, &has_tried));
	if (error < 0) {
		if (error != REQUEST_TASK) {
			dentry_drop(dentry); /* it may be there all the same */
		}
		return error;
	}
	disk_inode_learn_names(disk_inode_of(directory), &reply.directory);
	error = name_set(disk, dentry, &reply.node, disk->n_gone);
	if (error < 0) {
		dentry_drop(dentry); /* it is there all the same */
	} else if (linux_is_type(spec->mode, LINUX_S_IFDIR)) {
		dentry_made_directory(dentry);
	}
	return error;
}

int64_t disk_link(struct inode *directory, struct dentry *dentry, struct inode *inode)
{
	struct fs_link_request request;
	struct fs_link_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk_super_of(directory->super));

	if (error < 0) {
		return error;
	}
	fs_link_request_init(&request);
	request.directory = id_of(directory);
	request.node = id_of(inode);
	request.name = name_of(dentry);
	error = disk_call_end(
		&call, fs_session_link(call.task, DISK_CLIENT(&call), &request, &reply));
	if (error == 0) {
		disk_inode_learn_names(disk_inode_of(directory), &reply.directory);
		disk_inode_learn_link(disk_inode_of(inode), &reply.node, 1);
		dentry_set_inode(dentry, inode);
	}
	return error;
}

/* ---- removing and moving --------------------------------------------------------------------- */

/*
 * Whether the inode goes with this name, for nobody else uses it. Nobody finds it any more if the
 * name is hidden, but for who asks for its number: the server gives a reference for that. Of a
 * share nobody knows: others may have put another file under the name.
 */
static bool unlink_is_last(const struct dentry *dentry)
{
	const struct inode *inode = dentry->inode;

	return (inode->super->flags & SUPER_SHARED) == 0 && dentry->references == 1 &&
		!dentry->has_handle && inode->references == 1 &&
		(inode_is_directory(inode) || inode->nlink == 1);
}

/* An inode that goes needs no farewell. */
static int64_t unlink_once(
	struct dentry *dentry, struct fs_unlink_request *request, struct fs_unlink_reply *out_reply)
{
	struct disk_inode *node = disk_inode_of(dentry->inode);
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk_of(node));

	if (error < 0) {
		return error;
	}
	node->is_going = unlink_is_last(dentry) && node->n_given <= UINT32_MAX;
	if (node->is_going) {
		request->n_references = (uint32_t)node->n_given;
		dentry_hide(dentry);
	}
	error = disk_call_end(
		&call, fs_session_unlink(call.task, DISK_CLIENT(&call), request, out_reply));
	if (node->is_going) {
		dentry_show(dentry);
		node->is_going = false;
		node->n_given -= error == 0 ? request->n_references : 0;
	}
	return error;
}

int64_t disk_unlink(struct inode *directory, struct dentry *dentry)
{
	struct inode *inode = dentry->inode;
	struct fs_unlink_request request;
	struct fs_unlink_reply reply;

	fs_unlink_request_init(&request);
	request.directory = id_of(directory);
	request.node = id_of(inode);
	request.is_directory = inode_is_directory(inode);
	request.name = name_of(dentry);
	int64_t error = unlink_once(dentry, &request, &reply);

	if (error == 0) {
		disk_inode_learn_names(disk_inode_of(directory), &reply.directory);
		disk_inode_learn_link(disk_inode_of(inode), &reply.node,
			inode_is_directory(inode)  ? -(int32_t)inode->nlink
				: inode->nlink > 0 ? -1
						   : 0);
	}
	return error;
}

static uint32_t rename_flags(uint32_t flags)
{
	return ((flags & LINUX_RENAME_NOREPLACE) ? FS_RENAME_FLAG_NO_REPLACE : 0) |
		((flags & LINUX_RENAME_EXCHANGE) ? FS_RENAME_FLAG_EXCHANGE : 0) |
		((flags & LINUX_RENAME_WHITEOUT) ? FS_RENAME_FLAG_WHITEOUT : 0);
}

/* A whiteout belongs to whoever renames, as if it were created. */
static void whiteout_describe(const struct disk_call *call, const struct inode *directory,
	struct fs_rename_request *request)
{
	if ((request->flags & FS_RENAME_FLAG_WHITEOUT) && call->pause.running != NULL) {
		struct node_spec spec =
			name_spec(call->pause.running->process, directory, LINUX_S_IFCHR, 0);

		request->uid = spec.uid;
		request->gid = spec.gid;
	}
}

/* What the reply does not tell of the file that was replaced. */
static void replaced_learn(struct inode *inode)
{
	if (inode_is_directory(inode)) {
		inode->nlink = 0;
	} else if (inode->nlink > 0) {
		inode->nlink--;
	}
	inode_touch_changed(inode);
}

int64_t disk_rename(struct inode *from_directory, struct dentry *from, struct inode *to_directory,
	struct dentry *to, uint32_t flags)
{
	struct fs_rename_request request;
	struct fs_rename_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk_super_of(from_directory->super));

	if (error < 0) {
		return error;
	}
	fs_rename_request_init(&request);
	request.from = id_of(from_directory);
	request.to = id_of(to_directory);
	request.flags = rename_flags(flags);
	whiteout_describe(&call, from_directory, &request);
	request.from_name = name_of(from);
	request.to_name = name_of(to);
	error = disk_call_end(
		&call, fs_session_rename(call.task, DISK_CLIENT(&call), &request, &reply));
	if (error < 0) {
		return error;
	}
	disk_inode_learn_names(disk_inode_of(from_directory), &reply.from);
	disk_inode_learn_names(disk_inode_of(to_directory), &reply.to);
	inode_touch_changed(from->inode);
	if (flags & LINUX_RENAME_EXCHANGE) {
		inode_touch_changed(to->inode);
	} else if (to->inode != NULL) {
		replaced_learn(to->inode);
	}
	return 0;
}

/* ---- symbolic links -------------------------------------------------------------------------- */

static int64_t target_keep(struct disk_inode *node, const struct bragi_string *target)
{
	char *text;

	if (node->target != NULL) {
		return 0; /* somebody else has asked, too */
	}
	text = helix_malloc(target->length + 1);
	if (text == NULL) {
		return -LINUX_ENOMEM;
	}
	memcpy(text, target->text, target->length);
	text[target->length] = '\0';
	node->target = text;
	return 0;
}

static int64_t target_read(struct disk_inode *node)
{
	struct fs_read_link_request request;
	struct fs_read_link_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin_long(&call, disk_of(node), LINK_CALL_BYTES);

	if (error < 0) {
		return error;
	}
	fs_read_link_request_init(&request);
	request.node = node->id;
	int result = fs_session_read_link(call.task, DISK_CLIENT(&call), &request, &reply);

	if (result == 0 && memchr(reply.target.text, '\0', reply.target.length) != NULL) {
		result = FS_ERROR_CORRUPT;
	}
	error = result == 0 ? target_keep(node, &reply.target) : 0;

	int64_t answer = disk_call_end(&call, result);

	return answer < 0 ? answer : error;
}

/* The text stays as long as the inode; a walk that waits keeps its own (walk.c). */
int64_t disk_follow(
	struct inode *inode, UNUSED struct process *process, struct link_target *out_target)
{
	struct disk_inode *node = disk_inode_of(inode);
	int64_t error = node->target == NULL ? target_read(node) : 0;

	if (error == 0) {
		*out_target = (struct link_target){ .text = node->target };
	}
	return error;
}
