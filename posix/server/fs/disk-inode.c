/* SPDX-License-Identifier: MIT */
/* Inodes of file systems on disks: found by number, learnt from replies, released. */
#include <abi/linux/errno.h>
#include <base/assert.h>
#include <base/hash.h>
#include <helix/helix.h>
#include <posix/server/file/views.h>
#include <posix/server/fs/disk-internal.h>
#include <posix/server/vfs/xattr.h>

constexpr size_t INODE_BUCKETS = 64; /* to begin with */
constexpr int64_t NS_PER_SECOND = 1'000'000'000;

/* ---- the table ------------------------------------------------------------------------------- */

static struct hash_node **inodes_allocate(UNUSED struct hash_table *table, size_t n_buckets)
{
	return helix_malloc(n_buckets * sizeof(struct hash_node *));
}

static void inodes_release(
	UNUSED struct hash_table *table, struct hash_node **buckets, UNUSED size_t n_buckets)
{
	helix_free(buckets);
}

static const struct hash_table_hooks inodes_hooks = {
	.allocate = inodes_allocate,
	.release = inodes_release,
};

int64_t disk_super_init_inodes(struct disk_super *disk)
{
	struct hash_node **buckets = inodes_allocate(&disk->inodes, INODE_BUCKETS);

	if (buckets == NULL) {
		return -LINUX_ENOMEM;
	}
	hash_table_init(&disk->inodes, buckets, INODE_BUCKETS, &inodes_hooks);
	return 0;
}

void disk_super_deinit_inodes(struct disk_super *disk)
{
	ASSERT(disk->inodes.n_nodes == 0);
	helix_free(disk->inodes.buckets);
}

static bool has_number(const struct hash_node *hash_node, const void *key)
{
	const struct disk_inode *node = container_of(hash_node, struct disk_inode, hash_node);

	return node->inode.ino == *(const uint64_t *)key;
}

static struct disk_inode *disk_inode_find(const struct disk_super *disk, uint64_t number)
{
	struct hash_node *found =
		hash_table_find(&disk->inodes, hash_u64(number), has_number, &number);

	return found == NULL ? NULL : container_of(found, struct disk_inode, hash_node);
}

/* ---- times ----------------------------------------------------------------------------------- */

struct fs_time disk_time_from_ns(int64_t ns)
{
	int64_t seconds = ns / NS_PER_SECOND;
	int64_t rest = ns % NS_PER_SECOND;

	if (rest < 0) {
		seconds--;
		rest += NS_PER_SECOND;
	}
	return (struct fs_time){ .seconds = seconds, .nanoseconds = (uint32_t)rest };
}

int64_t disk_time_to_ns(const struct fs_time *time)
{
	int64_t ns;

	if (__builtin_mul_overflow(time->seconds, NS_PER_SECOND, &ns) ||
		__builtin_add_overflow(ns, (int64_t)time->nanoseconds, &ns)) {
		return time->seconds < 0 ? INT64_MIN : INT64_MAX;
	}
	return ns;
}

/* A time that was changed here and not told yet stays. */
static void learn_time(int64_t *time_ns, int64_t *told_ns, int64_t ns)
{
	if (*time_ns == *told_ns) {
		*time_ns = ns;
	}
	*told_ns = ns;
}

/* Answers may come late; these times only go on. */
static void learn_ctime(struct disk_inode *node, const struct fs_attributes *attributes)
{
	int64_t ns = disk_time_to_ns(&attributes->ctime);

	if (ns > node->told.ctime_ns) {
		learn_time(&node->inode.ctime_ns, &node->told.ctime_ns, ns);
	}
}

/* ---- what the server says -------------------------------------------------------------------- */

static uint64_t device_number_of(const struct fs_attributes *attributes)
{
	return linux_makedev(
		(uint32_t)(attributes->device_number >> 32), (uint32_t)attributes->device_number);
}

void disk_inode_learn(struct disk_inode *node, const struct fs_attributes *attributes)
{
	struct inode *inode = &node->inode;
	int64_t mtime_ns = disk_time_to_ns(&attributes->mtime);

	node->n_name_changes += inode->mtime_ns != mtime_ns;
	inode->mode = attributes->mode;
	inode->uid = attributes->uid;
	inode->gid = attributes->gid;
	inode->nlink = attributes->n_links;
	inode->rdev = device_number_of(attributes);
	inode->size_bytes = attributes->size;
	inode->blocks = attributes->n_sectors;
	inode->atime_ns = disk_time_to_ns(&attributes->atime);
	inode->mtime_ns = mtime_ns;
	inode->ctime_ns = disk_time_to_ns(&attributes->ctime);
	node->told = (struct disk_told){
		.atime_ns = inode->atime_ns,
		.mtime_ns = inode->mtime_ns,
		.ctime_ns = inode->ctime_ns,
		.mode = inode->mode,
	};
}

void disk_inode_learn_names(struct disk_inode *node, const struct fs_attributes *attributes)
{
	struct inode *inode = &node->inode;

	if (disk_of(node)->is_shared) {
		node->n_name_changes++; /* who wants to know more asks */
		return;
	}

	views_inode_changed(inode);
	inode->nlink = attributes->n_links;
	inode->blocks = attributes->n_sectors;
	inode->size_bytes = attributes->size;
	learn_time(&inode->mtime_ns, &node->told.mtime_ns, disk_time_to_ns(&attributes->mtime));
	learn_ctime(node, attributes);
	node->n_name_changes++;
}

void disk_inode_learn_link(
	struct disk_inode *node, const struct fs_attributes *attributes, int32_t n_links)
{
	struct inode *inode = &node->inode;

	views_inode_changed(inode);
	inode->nlink = (uint32_t)((int32_t)inode->nlink + n_links);
	learn_ctime(node, attributes);
}

void disk_inode_has_told(struct disk_inode *node, const struct disk_told *told)
{
	node->told = *told;
}

uint32_t disk_inode_untold(struct disk_inode *node)
{
	const struct inode *inode = &node->inode;
	uint32_t what;

	views_settle(&node->inode);
	what = inode->mode != node->told.mode ? FS_SET_MODE : 0;
	if (disk_of(node)->is_shared) {
		return what; /* times are the host's business */
	}
	what |= inode->atime_ns != node->told.atime_ns ? FS_SET_ATIME : 0;
	what |= inode->mtime_ns != node->told.mtime_ns ? FS_SET_MTIME : 0;
	what |= inode->ctime_ns != node->told.ctime_ns ? FS_SET_CTIME : 0;
	return what;
}

void disk_inode_fill_untold(struct disk_inode *node, struct fs_set_attributes_request *out_request,
	struct disk_told *out_told)
{
	const struct inode *inode = &node->inode;
	uint32_t what = disk_inode_untold(node) | FS_SET_CTIME; /* else it would become now */

	*out_told = (struct disk_told){
		.atime_ns = inode->atime_ns,
		.mtime_ns = inode->mtime_ns,
		.ctime_ns = inode->ctime_ns,
		.mode = inode->mode,
	};
	fs_set_attributes_request_init(out_request);
	out_request->node = node->id;
	out_request->what = what;
	out_request->attributes.mode = inode->mode;
	out_request->attributes.atime = disk_time_from_ns(inode->atime_ns);
	out_request->attributes.mtime = disk_time_from_ns(inode->mtime_ns);
	out_request->attributes.ctime = disk_time_from_ns(inode->ctime_ns);
}

int64_t disk_inode_tell(struct disk_inode *node)
{
	struct fs_set_attributes_request request;
	struct fs_set_attributes_reply reply;
	struct disk_told told;
	struct disk_call call;

	if (disk_inode_untold(node) == 0) {
		return 0;
	}
	int64_t error = disk_call_begin(&call, disk_of(node));

	if (error < 0) {
		return error;
	}
	disk_inode_fill_untold(node, &request, &told);
	error = disk_call_end(
		&call, fs_session_set_attributes(call.task, DISK_CLIENT(&call), &request, &reply));
	if (error == 0) {
		disk_inode_has_told(node, &told);
	}
	return error;
}

/* ---- making ---------------------------------------------------------------------------------- */

static const struct inode_ops *ops_of(const struct disk_super *disk, uint32_t mode)
{
	switch (mode & LINUX_S_IFMT) {
	case LINUX_S_IFREG: return disk->is_shared ? &share_file_inode_ops : &disk_file_inode_ops;
	case LINUX_S_IFDIR: return &disk_directory_inode_ops;
	case LINUX_S_IFLNK: return &disk_link_inode_ops;
	default: return &disk_special_inode_ops;
	}
}

static struct disk_inode *disk_inode_create(struct disk_super *disk, const struct fs_node *from)
{
	const struct fs_attributes *attributes = &from->attributes;
	struct node_spec spec = {
		.mode = attributes->mode,
		.uid = attributes->uid,
		.gid = attributes->gid,
		.rdev = device_number_of(attributes),
	};
	struct disk_inode *node = helix_malloc(sizeof(*node));

	if (node == NULL) {
		return NULL;
	}
	*node = (struct disk_inode){
		.id = from->id,
		.flags = attributes->flags,
		.project = attributes->project,
		.contents = HEL_NULL,
	};
	inode_init(&node->inode, ops_of(disk, spec.mode), &disk->super, &spec);
	node->inode.ino = from->number;
	node->inode.generation = from->generation;
	node->inode.size_bytes = attributes->size;
	node->inode.nlink = attributes->n_links;
	node->inode.blocks = attributes->n_sectors;
	node->inode.atime_ns = disk_time_to_ns(&attributes->atime);
	node->inode.mtime_ns = disk_time_to_ns(&attributes->mtime);
	node->inode.ctime_ns = disk_time_to_ns(&attributes->ctime);
	node->inode.birth_ns = attributes->has_birth ? disk_time_to_ns(&attributes->birth) : 0;
	node->told = (struct disk_told){
		.atime_ns = node->inode.atime_ns,
		.mtime_ns = node->inode.mtime_ns,
		.ctime_ns = node->inode.ctime_ns,
		.mode = node->inode.mode,
	};
	wait_queue_init(&node->unlocked);
	hash_table_insert(&disk->inodes, &node->hash_node, hash_u64(from->number));
	super_ref(&disk->super);
	return node;
}

/* Somebody looks it up who was about to go; what went with the last reference comes anew. */
static void disk_inode_return(struct disk_inode *node)
{
	list_remove(&node->leaving_node);
	node->inode.references = 1;
	node->inode.text = NULL;
	node->has_xattrs = false;
}

/* An answer from before the last inode of the node has gone tells less than that knew. */
static int64_t attributes_refresh(struct disk_super *disk, struct fs_node *node)
{
	struct fs_get_attributes_request request;
	struct fs_get_attributes_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk);

	if (error < 0) {
		return error;
	}
	fs_get_attributes_request_init(&request);
	request.node = node->id;
	error = disk_call_end(
		&call, fs_session_get_attributes(call.task, DISK_CLIENT(&call), &request, &reply));
	if (error == 0) {
		node->attributes = reply.attributes;
	}
	return error;
}

static int64_t forget_one(struct disk_super *disk, uint64_t id)
{
	struct fs_forget_request request;
	struct fs_forget_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk);

	if (error < 0) {
		return error;
	}
	fs_forget_request_init(&request);
	request.node = id;
	request.n_references = 1;
	return disk_call_end(
		&call, fs_session_forget(call.task, DISK_CLIENT(&call), &request, &reply));
}

/*
 * The number of a node that has gone may be another one's before the answer comes that it has, or
 * before the last who uses it lets go.
 */
static struct disk_inode *find_present(struct disk_super *disk, const struct fs_node *from)
{
	struct disk_inode *node = disk_inode_find(disk, from->number);

	if (node != NULL && node->id != from->id && (node->is_going || disk_inode_has_gone(node))) {
		disk_inode_unhash(disk, node);
		node = NULL;
	}
	return node;
}

int64_t disk_inode_take(struct disk_super *disk, struct fs_node *from, uint64_t n_gone,
	struct disk_inode **out_inode)
{
	struct disk_inode *node = find_present(disk, from);

	if (node == NULL && n_gone != disk->n_gone) {
		int64_t error = attributes_refresh(disk, from);

		if (error < 0) {
			(void)forget_one(disk, from->id);
			return error;
		}
		node = find_present(disk, from);
	}
	if (node == NULL) {
		node = disk_inode_create(disk, from);
		if (node == NULL) {
			(void)forget_one(disk, from->id);
			return -LINUX_ENOMEM;
		}
	} else if (node->id != from->id ||
		!inode_is_type(&node->inode, from->attributes.mode & LINUX_S_IFMT)) {
		(void)forget_one(disk, from->id);
		return -LINUX_EIO;
	} else if (node->inode.references == 0) {
		disk_inode_return(node); /* with what is known, which is true */
	} else {
		inode_ref(&node->inode);
	}
	if (disk->is_shared) {
		disk_inode_learn(node, &from->attributes);
	}
	node->n_given++;
	*out_inode = node;
	return 0;
}

/* ---- hooks ----------------------------------------------------------------------------------- */

int64_t disk_inode_lock(struct disk_inode *node)
{
	while (node->is_locked) {
		if (request_task() == NULL) {
			return REQUEST_TASK;
		}
		task_wait_on(&node->unlocked);
	}
	node->is_locked = true;
	return 0;
}

void disk_inode_unlock(struct disk_inode *node)
{
	node->is_locked = false;
	wait_queue_wake(&node->unlocked);
}

/* What is to change is told with all that was not told before. */
static void fill_change(struct disk_inode *node, const struct inode_change *change,
	struct fs_set_attributes_request *out_request, struct disk_told *out_told)
{
	struct fs_attributes *wanted = &out_request->attributes;

	disk_inode_fill_untold(node, out_request, out_told);
	out_told->ctime_ns = (int64_t)clock_realtime_ns();
	wanted->ctime = disk_time_from_ns(out_told->ctime_ns);
	if (change->mask & INODE_CHANGE_MODE) {
		out_told->mode = (node->inode.mode & LINUX_S_IFMT) | (change->mode & 07777);
		out_request->what |= FS_SET_MODE;
		wanted->mode = out_told->mode;
	}
	if (change->mask & INODE_CHANGE_UID) {
		out_request->what |= FS_SET_UID;
		wanted->uid = change->uid;
	}
	if (change->mask & INODE_CHANGE_GID) {
		out_request->what |= FS_SET_GID;
		wanted->gid = change->gid;
	}
	if (change->mask & INODE_CHANGE_ATIME) {
		out_told->atime_ns = change->atime_ns;
		out_request->what |= FS_SET_ATIME;
		wanted->atime = disk_time_from_ns(change->atime_ns);
	}
	if (change->mask & INODE_CHANGE_MTIME) {
		out_told->mtime_ns = change->mtime_ns;
		out_request->what |= FS_SET_MTIME;
		wanted->mtime = disk_time_from_ns(change->mtime_ns);
	}
}

int64_t disk_inode_change(struct inode *inode, const struct inode_change *change)
{
	struct disk_inode *node = disk_inode_of(inode);
	struct fs_set_attributes_request request;
	struct fs_set_attributes_reply reply;
	struct disk_told told;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk_of(node));

	if (error < 0) {
		return error;
	}
	fill_change(node, change, &request, &told);
	error = disk_call_end(
		&call, fs_session_set_attributes(call.task, DISK_CLIENT(&call), &request, &reply));
	if (error == 0) {
		(void)inode_default_change(inode, change);
		inode->ctime_ns = told.ctime_ns;
		disk_inode_has_told(node, &told);
	}
	return error;
}

void disk_inode_release(struct inode *inode)
{
	struct disk_inode *node = disk_inode_of(inode);
	struct disk_super *disk = disk_of(node);

	if (disk->phase == DISK_GONE || disk_inode_has_gone(node)) {
		disk_inode_free(disk, node);
		return;
	}
	list_push_back(&disk->leaving, &node->leaving_node);
	disk_farewell_start(disk);
}

const struct inode_ops disk_file_inode_ops = {
	INODE_OPS_DEFAULT,
	.name = "file on a disk",
	.open = disk_file_open,
	.truncate = disk_truncate,
	.change = disk_inode_change,
	.contents = disk_contents_memory,
	.window = disk_window,
	.room = disk_room,
	.read = disk_contents_read,
	.release = disk_inode_release,
};

const struct inode_ops disk_directory_inode_ops = {
	INODE_OPS_DEFAULT,
	.name = "directory on a disk",
	.lookup = disk_lookup,
	.create = disk_create,
	.link = disk_link,
	.unlink = disk_unlink,
	.rename = disk_rename,
	.open = disk_directory_open,
	.change = disk_inode_change,
	.release = disk_inode_release,
};

const struct inode_ops disk_link_inode_ops = {
	INODE_OPS_DEFAULT,
	.name = "link on a disk",
	.follow = disk_follow,
	.change = disk_inode_change,
	.release = disk_inode_release,
};

const struct inode_ops disk_special_inode_ops = {
	INODE_OPS_DEFAULT,
	.name = "special file on a disk",
	.open = inode_open_special,
	.change = disk_inode_change,
	.release = disk_inode_release,
};
