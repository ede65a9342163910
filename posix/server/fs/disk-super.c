/* SPDX-License-Identifier: MIT */
/*
 * File systems on disks, mounted and unmounted: see disk-internal.h.
 *
 *	mount(2), in a task        last mount gone       farewell job: all told, `unmount` answered
 *	MOUNTING -------> MOUNTED --------------> UNMOUNTING --------------------------> GONE
 *	    |                                         ^
 *	    +---- no memory: the session ends --------+
 *
 * volume->super is this super while it is not GONE, so whoever mounts the volume meanwhile waits
 * until it is MOUNTED, and shares it, or GONE, and begins anew.
 */
#include <abi/linux/errno.h>
#include <base/errors.h>
#include <base/string.h>
#include <helix/helix.h>
#include <posix/server/fs/disk-internal.h>
#include <posix/server/fs/disk-options.h>
#include <posix/server/fs/disk-xattr.h>
#include <posix/server/fs/loop.h>

constexpr size_t END_BYTES = 512;

static struct list all = LIST_INIT(all); /* struct disk_super.node: those that are MOUNTED */

static uint64_t n_mounted_ever;

void disk_super_set_phase(struct disk_super *disk, enum disk_phase phase)
{
	disk->phase = phase;
	wait_queue_wake(&disk->phase_changed);
}

/* ---- the end --------------------------------------------------------------------------------- */

void disk_super_end(struct task *task, struct disk_super *disk)
{
	struct fs_unmount_request request;
	struct fs_unmount_reply reply;
	struct bragi_exchange exchange;
	uint8_t bytes[END_BYTES];

	bragi_exchange_init(&exchange, bytes, sizeof(bytes));
	fs_unmount_request_init(&request);
	int error = fs_session_unmount(task, &disk->client.client, &exchange, &request, &reply);

	if (error != 0) {
		helix_log(HEL_LOG_WARNING, "%s: unmounting failed: %s", disk->volume->name,
			error_text(error));
	}
	hel_close(HEL_THIS, disk->lane);
	disk->lane = HEL_NULL;
	if (disk->volume->super == &disk->super) {
		disk->volume->super = NULL;
		loopdev_released(disk->volume);
	}
	disk_super_set_phase(disk, DISK_GONE);
}

static void disk_unmount(struct super *super)
{
	struct disk_super *disk = disk_super_of(super);
	struct dentry *root = super->root;

	list_remove(&disk->node);
	super->root = NULL;
	dentry_forget_super(super);
	dentry_unref(root);
	dentry_forget_super(super);
	disk_super_set_phase(disk, DISK_UNMOUNTING);
	disk_farewell_start(disk);
}

static int64_t disk_settle(struct super *super)
{
	struct disk_super *disk = disk_super_of(super);

	while (disk->phase == DISK_UNMOUNTING) {
		if (request_task() == NULL) {
			return REQUEST_TASK;
		}
		task_wait_on(&disk->phase_changed);
	}
	return 0;
}

void disk_super_destroy(struct super *super)
{
	struct disk_super *disk = disk_super_of(super);

	if (disk->lane != HEL_NULL) {
		hel_close(HEL_THIS, disk->lane);
	}
	if (disk->volume->super == super) {
		disk->volume->super = NULL;
	}
	disk_super_deinit_inodes(disk);
	volume_unref(disk->volume);
	helix_free(disk);
}

/* ---- what is asked of it --------------------------------------------------------------------- */

static int64_t disk_info(struct super *super, struct super_info *out_info)
{
	struct fs_statistics_request request;
	struct fs_statistics_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk_super_of(super));

	if (error < 0) {
		return error;
	}
	fs_statistics_request_init(&request);
	error = disk_call_end(
		&call, fs_session_statistics(call.task, DISK_CLIENT(&call), &request, &reply));
	if (error == 0) {
		*out_info = (struct super_info){
			.magic = reply.magic,
			.n_blocks = reply.n_blocks,
			.n_blocks_free = reply.n_blocks_free,
			.n_blocks_available = reply.n_blocks_available,
			.n_files = reply.n_nodes,
			.n_files_free = reply.n_nodes_free,
			.id = reply.id,
			.name_size_max = reply.name_bytes_max,
		};
	}
	return error;
}

static int64_t disk_charge(UNUSED struct super *super, UNUSED int64_t n_bytes)
{
	return 0; /* the disk is what limits them */
}

static int64_t session_remount(struct disk_super *disk, bool is_read_only)
{
	struct fs_remount_request request;
	struct fs_remount_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk);

	if (error < 0) {
		return error;
	}
	fs_remount_request_init(&request);
	request.is_read_only = is_read_only;
	return disk_call_end(
		&call, fs_session_remount(call.task, DISK_CLIENT(&call), &request, &reply));
}

/* Whether a file is open to be written, or was removed and is still open. */
static bool is_written_to(const struct disk_super *disk)
{
	for (struct hash_node *at = hash_table_first(&disk->inodes); at != NULL;
		at = hash_table_next(&disk->inodes, at)) {
		const struct inode *inode = &container_of(at, struct disk_inode, hash_node)->inode;

		if (inode->references > 0 && (inode->n_writers > 0 || inode->nlink == 0)) {
			return true;
		}
	}
	return false;
}

/* From now on nobody may open anything to write, while what was written is stored. */
static int64_t become_read_only(struct disk_super *disk)
{
	struct super *super = &disk->super;
	int64_t error;

	if (is_written_to(disk)) {
		return -LINUX_EBUSY;
	}
	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	super->flags |= SUPER_READ_ONLY;
	error = disk_sync_super(super);
	if (error == 0) {
		error = session_remount(disk, true);
	}
	if (error < 0) {
		super->flags &= ~(uint32_t)SUPER_READ_ONLY;
	}
	return error;
}

static int64_t become_writable(struct disk_super *disk)
{
	int64_t error = session_remount(disk, false);

	if (error == 0) {
		disk->super.flags &= ~(uint32_t)SUPER_READ_ONLY;
	}
	return error;
}

/* How contents are written cannot change while it is mounted. */
static bool has_other_data_mode(const struct disk_super *disk, const struct disk_options *options)
{
	return options->data_mode[0] != '\0' && !str_equal(options->data_mode, disk->data_mode) &&
		(disk->data_mode[0] != '\0' || !str_equal(options->data_mode, "data=ordered"));
}

static int64_t disk_remount(struct super *super, const char *text, bool is_read_only)
{
	struct disk_super *disk = disk_super_of(super);
	struct disk_options options = { .is_read_only = is_read_only };
	int64_t error = disk_options_parse(disk->type, text, &options);

	if (error == 0 && has_other_data_mode(disk, &options)) {
		error = -LINUX_EINVAL;
	}
	if (error < 0 || options.is_read_only == ((super->flags & SUPER_READ_ONLY) != 0)) {
		return error;
	}
	return options.is_read_only ? become_read_only(disk) : become_writable(disk);
}

#define DISK_SUPER_OPS(type_) \
	{ .type = (type_), \
		.info = disk_info, \
		.charge = disk_charge, \
		.store_xattr = disk_store_xattr, \
		.sync = disk_sync_super, \
		.sync_inode = disk_sync_inode, \
		.remount = disk_remount, \
		.settle = disk_settle, \
		.find = disk_find, \
		.check_name = share_check_name, \
		.check_inode = share_check_inode, \
		.check_xattrs = share_check_xattrs, \
		.unmount = disk_unmount, \
		.destroy = disk_super_destroy }

static const struct super_ops disk_super_ops[] = {
	DISK_SUPER_OPS("ext4"),
	DISK_SUPER_OPS("ext3"),
	DISK_SUPER_OPS("ext2"),
	DISK_SUPER_OPS("vfat"),
	DISK_SUPER_OPS("msdos"),
	DISK_SUPER_OPS("iso9660"),
	DISK_SUPER_OPS("9p"),
};

static const struct super_ops *disk_ops_of(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(disk_super_ops); i++) {
		if (str_equal(disk_super_ops[i].type, type)) {
			return &disk_super_ops[i];
		}
	}
	return NULL;
}

/* ---- mounting -------------------------------------------------------------------------------- */

struct disk_super *disk_super_create(struct volume *volume, const struct super_ops *ops)
{
	struct disk_super *disk = helix_calloc(1, sizeof(*disk));

	if (disk == NULL || disk_super_init_inodes(disk) < 0) {
		helix_free(disk);
		return NULL;
	}
	super_init(&disk->super, ops, SUPER_WAITS | SUPER_XATTRS | SUPER_USER_XATTRS);
	if (str_equal(ops->type, "vfat") || str_equal(ops->type, "msdos")) {
		disk->super.flags |= SUPER_FOLDS_NAMES;
	}
	if (volume->rdev != 0) {
		disk->super.dev = volume->rdev;
	}
	disk->volume = volume;
	disk->type = ops->type;
	disk->lane = HEL_NULL;
	volume_ref(volume);
	wait_queue_init(&disk->phase_changed);
	wait_queue_init(&disk->all_gone);
	list_init(&disk->leaving);
	return disk;
}

/* `mount`: the session's lane is disk->lane then. */
static int64_t session_begin(
	struct disk_super *disk, const struct disk_options *options, struct fs_node *out_root)
{
	struct fs_mount_request request;
	struct fs_mount_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk);

	if (error < 0) {
		return error;
	}
	fs_mount_request_init(&request);
	request.is_read_only = options->is_read_only;
	request.skips_journal = options->skips_journal;
	request.on_error = options->on_error;
	request.type = bragi_string_of(disk->type);
	request.options = bragi_string_of(options->others);
	int result = fs_volume_mount(
		call.task, &disk->volume->client.client, &call.exchange, &request, &reply);

	if (result == 0) {
		disk->lane = bragi_handles_take(&call.exchange.received, 0);
		result = disk->lane == HEL_NULL ? -ERR_PROTOCOL : 0;
	}
	transport_close_handles(&call.exchange.received);
	error = disk_call_end(&call, result);
	if (error == 0) {
		transport_client_init(&disk->client, disk->lane, 0);
		transport_client_init(&disk->contents_client, disk->lane, 1);
		memcpy(disk->data_mode, options->data_mode, sizeof(disk->data_mode));
		disk->super.block_size = reply.block_bytes;
		disk->super.flags |= reply.is_read_only != 0 ? SUPER_READ_ONLY : 0;
		disk->is_shared = reply.is_shared != 0;
		disk->super.flags |= disk->is_shared ? SUPER_SHARED | SUPER_NAMES_ONLY : 0;
		*out_root = reply.root;
	}
	return error;
}

static int64_t root_make(struct disk_super *disk, struct fs_node *from)
{
	struct disk_inode *node;
	int64_t error = disk_inode_take(disk, from, disk->n_gone, &node);

	if (error < 0) {
		return error;
	}
	error = inode_is_directory(&node->inode)
		? disk_xattrs_load(node, from->attributes.has_xattrs != 0)
		: -LINUX_EUCLEAN;
	if (error == 0) {
		disk->super.root = dentry_create_root(&disk->super, &node->inode, "");
		error = disk->super.root == NULL ? -LINUX_ENOMEM : 0;
	}
	inode_unref(&node->inode);
	return error;
}

static int64_t disk_super_begin(struct disk_super *disk, const struct disk_options *options)
{
	struct fs_node root;
	int64_t error = session_begin(disk, options, &root);

	if (error < 0) {
		disk->volume->super = NULL;
		disk_super_set_phase(disk, DISK_GONE);
		return error;
	}
	error = root_make(disk, &root);
	if (error < 0) {
		disk_super_set_phase(disk, DISK_UNMOUNTING);
		disk_farewell_start(disk);
		return error;
	}
	disk->serial = ++n_mounted_ever;
	list_push_back(&all, &disk->node);
	disk_super_set_phase(disk, DISK_MOUNTED);
	return 0;
}

static int64_t mount_first(struct volume *volume, const struct super_ops *ops,
	const struct disk_options *options, struct super **out_super)
{
	struct disk_super *disk = disk_super_create(volume, ops);

	if (disk == NULL) {
		return -LINUX_ENOMEM;
	}
	volume->super = &disk->super;
	int64_t error = disk_super_begin(disk, options);

	if (error < 0) {
		super_unref(&disk->super);
		return error;
	}
	*out_super = &disk->super;
	return 0;
}

/* It is mounted already: as what, and how. */
static int64_t mount_again(struct super *super, const struct super_ops *ops,
	const struct disk_options *options, struct super **out_super)
{
	if (super->ops != ops || options->is_read_only != ((super->flags & SUPER_READ_ONLY) != 0)) {
		return -LINUX_EBUSY;
	}
	super_ref(super);
	*out_super = super;
	return 0;
}

static int64_t mount_on_volume(struct volume *volume, const struct super_ops *ops,
	const struct disk_options *options, struct super **out_super)
{
	if (volume_is_claimed(volume)) {
		return -LINUX_EBUSY;
	}
	while (volume->super != NULL || disk_volume_settle(volume)) {
		if (volume->super == NULL) {
			continue; /* who had it open to write has gone, but others may have come */
		}
		struct disk_super *disk = disk_super_of(volume->super);

		if (disk->phase == DISK_MOUNTED) {
			return mount_again(volume->super, ops, options, out_super);
		}
		super_ref(&disk->super);
		task_wait_on(&disk->phase_changed);
		super_unref(&disk->super);
	}
	return mount_first(volume, ops, options, out_super);
}

int64_t disk_mount_volume(const char *type, struct volume *volume,
	const struct disk_options *options, struct super **out_super)
{
	volume_ref(volume);
	int64_t error = mount_on_volume(volume, disk_ops_of(type), options, out_super);

	volume_unref(volume);
	return error;
}

int64_t disk_mount_create(const char *type, uint64_t rdev, const char *text, bool is_read_only,
	struct super **out_super)
{
	struct disk_options options = { .is_read_only = is_read_only };
	int64_t error = disk_ops_of(type) == NULL ? -LINUX_ENODEV
						  : disk_options_parse(type, text, &options);

	if (error < 0) {
		return error;
	}
	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	struct volume *volume = volume_find(rdev);

	return volume == NULL ? -LINUX_ENXIO : disk_mount_volume(type, volume, &options, out_super);
}

/* ---- all of them ----------------------------------------------------------------------------- */

int64_t disk_sync_all(void)
{
	if (list_is_empty(&all)) {
		return 0;
	}
	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	/* each once, in order of their numbers: the list may change meanwhile */
	for (uint64_t done = 0;;) {
		struct disk_super *next = NULL;

		LIST_FOR_EACH(disk, &all, struct disk_super, node) {
			if (disk->serial > done && (next == NULL || disk->serial < next->serial)) {
				next = disk;
			}
		}
		if (next == NULL) {
			return 0;
		}
		done = next->serial;
		(void)disk_sync_super(&next->super); /* sync() tells no errors */
	}
}
