/* SPDX-License-Identifier: MIT */
/* tmpfs as a file system: made, mounted, destroyed, and filled by the system itself. */
#include <abi/linux/errno.h>
#include <base/assert.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/inotify.h>
#include <posix/server/fs/tmpfs-inode.h>
#include <posix/server/vfs/memory-size.h>

constexpr uint64_t TMPFS_MAGIC = 0x01021994;

static int64_t tmpfs_info(struct super *super, struct super_info *out_info)
{
	const struct tmpfs_super *tmpfs = tmpfs_super_of(super);

	*out_info = (struct super_info){
		.magic = TMPFS_MAGIC,
		.n_blocks = tmpfs->account.n_pages_max,
		.n_blocks_free = tmpfs->account.n_pages_max - tmpfs->account.n_pages,
		.n_files = tmpfs->n_files_max,
		.n_files_free = tmpfs->n_files_max - tmpfs->n_files,
	};
	return 0;
}

/* Takes all names off, from the leaves up and without recursion: a tree may be deep. */
static void tmpfs_unmount(struct super *super)
{
	struct dentry *at = super->root;

	for (;;) {
		struct ram_directory *directory = &tmpfs_inode_of(at->inode)->directory;

		if (at->inode->ops == &tmpfs_directory_inode_ops && directory->n_entries > 0) {
			at = TREE_ENTRY(tree_first(&directory->entries), struct dentry, order);
			continue;
		}
		notify_gone(at->inode, LINUX_IN_UNMOUNT);
		if (at == super->root) {
			break;
		}
		struct dentry *parent = at->parent;

		ram_directory_remove(&tmpfs_inode_of(parent->inode)->directory, at);
		dentry_drop(at);
		dentry_unpin(at);
		at = parent;
	}
	super->root = NULL;
	dentry_unref(at);
}

/* Attributes of inodes take pages as contents do, all of them together. */
static int64_t tmpfs_charge(struct super *super, int64_t n_bytes)
{
	struct tmpfs_super *tmpfs = tmpfs_super_of(super);
	uint64_t n_bytes_new = tmpfs->n_attribute_bytes + (uint64_t)n_bytes;
	uint64_t n_pages_old = div_round_up(tmpfs->n_attribute_bytes, HEL_PAGE_SIZE);
	uint64_t n_pages =
		tmpfs->account.n_pages - n_pages_old + div_round_up(n_bytes_new, HEL_PAGE_SIZE);

	if (n_bytes > 0 && n_pages > tmpfs->account.n_pages_max) {
		return -LINUX_ENOSPC;
	}
	tmpfs->account.n_pages = n_pages;
	tmpfs->n_attribute_bytes = n_bytes_new;
	return 0;
}

static void tmpfs_destroy(struct super *super)
{
	helix_free(tmpfs_super_of(super));
}

struct tmpfs_options tmpfs_default_options(void)
{
	uint64_t half = memory_size_bytes() / 2;

	return (struct tmpfs_options){
		.type = "tmpfs",
		.size_max_bytes = half,
		.n_files_max = half / HEL_PAGE_SIZE,
		.mode = 01777,
	};
}

#define TMPFS_OPS(type_) \
	{ .type = (type_), \
		.info = tmpfs_info, \
		.charge = tmpfs_charge, \
		.unmount = tmpfs_unmount, \
		.destroy = tmpfs_destroy }

/* One kind of super for each type name, so that each mount shows its own. */
static const struct super_ops *tmpfs_ops_for(const char *type)
{
	static const struct super_ops known[] = {
		TMPFS_OPS("tmpfs"),
		TMPFS_OPS("devtmpfs"),
		TMPFS_OPS("devpts"),
		TMPFS_OPS("sysfs"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (str_equal(known[i].type, type)) {
			return &known[i];
		}
	}
	return &known[0];
}

int64_t tmpfs_create(const struct tmpfs_options *options, struct super **out_super)
{
	struct tmpfs_super *tmpfs = helix_malloc(sizeof(*tmpfs));
	struct tmpfs_inode *root;
	struct node_spec spec = {
		.mode = LINUX_S_IFDIR | options->mode, .uid = options->uid, .gid = options->gid
	};

	if (tmpfs == NULL) {
		return -LINUX_ENOMEM;
	}
	*tmpfs = (struct tmpfs_super){
		.account.n_pages_max = options->size_max_bytes / HEL_PAGE_SIZE,
		.n_files_max = options->n_files_max,
	};
	super_init(&tmpfs->super, tmpfs_ops_for(options->type), SUPER_PINNED | SUPER_XATTRS);
	if (tmpfs_inode_create(tmpfs, &spec, NULL, &root) < 0) {
		helix_free(tmpfs);
		return -LINUX_ENOMEM;
	}
	tmpfs->super.root = dentry_create_root(&tmpfs->super, &root->inode, "");
	/* frees it, and its reference to the super, if there is no dentry */
	inode_unref(&root->inode);
	if (tmpfs->super.root == NULL) {
		super_unref(&tmpfs->super);
		return -LINUX_ENOMEM;
	}
	*out_super = &tmpfs->super;
	return 0;
}

/* ---- mount options ------------------------------------------------------------------------- */

/* A number with the suffixes k, m, g; with `%`, of the memory. */
static bool tmpfs_parse_size(const char *text, size_t size, uint64_t *out_size)
{
	static const char suffixes[] = "kmg";
	unsigned shift = 0;
	bool is_percent = false;

	if (size > 0) {
		char last = (char)(text[size - 1] | 0x20);
		const char *suffix = last >= 'a' ? strchr(suffixes, last) : NULL;

		if (suffix != NULL) {
			shift = 10 * (unsigned)(suffix - suffixes + 1);
			size--;
		} else if (text[size - 1] == '%') {
			is_percent = true;
			size--;
		}
	}
	uint64_t value;

	if (!parse_u64_span(text, size, 10, &value) || value > (UINT64_MAX >> 1 >> shift)) {
		return false;
	}
	*out_size = is_percent ? memory_size_bytes() / 100 * value : value << shift;
	return true;
}

static bool tmpfs_parse_option(const char *text, size_t size, struct tmpfs_options *options)
{
	const char *equals = memchr(text, '=', size);

	if (equals == NULL) {
		return true; /* a flag: those that matter came as mount flags */
	}
	size_t name_size = (size_t)(equals - text);
	const char *value_text = equals + 1;
	size_t value_size = size - name_size - 1;
	uint64_t value;

	if (name_size == 4 && memcmp(text, "size", 4) == 0) {
		return tmpfs_parse_size(value_text, value_size, &options->size_max_bytes);
	}
	if (name_size == 9 && memcmp(text, "nr_inodes", 9) == 0) {
		return tmpfs_parse_size(value_text, value_size, &options->n_files_max);
	}
	if (name_size == 9 && memcmp(text, "nr_blocks", 9) == 0) {
		if (!tmpfs_parse_size(value_text, value_size, &value)) {
			return false;
		}
		options->size_max_bytes = value * HEL_PAGE_SIZE;
		return true;
	}
	bool is_mode = name_size == 4 && memcmp(text, "mode", 4) == 0;

	if (!parse_u64_span(value_text, value_size, is_mode ? 8 : 10, &value)) {
		return false;
	}
	if (is_mode) {
		options->mode = (uint32_t)value & 07777;
	} else if (name_size == 3 && memcmp(text, "uid", 3) == 0) {
		options->uid = (uint32_t)value;
	} else if (name_size == 3 && memcmp(text, "gid", 3) == 0) {
		options->gid = (uint32_t)value;
	} else {
		return false;
	}
	return true;
}

int64_t tmpfs_mount_create(UNUSED const char *source, const char *text, struct super **out_super)
{
	struct tmpfs_options options = tmpfs_default_options();

	while (*text != '\0') {
		const char *comma = strchr(text, ',');
		size_t size = comma != NULL ? (size_t)(comma - text) : strlen(text);

		if (size > 0 && !tmpfs_parse_option(text, size, &options)) {
			return -LINUX_EINVAL;
		}
		text += size + (comma != NULL);
	}
	return tmpfs_create(&options, out_super);
}

/* ---- the system's own changes -------------------------------------------------------------- */

int64_t tmpfs_make(struct dentry *parent, const char *name, const struct node_spec *spec,
	const char *target, struct dentry **out_dentry)
{
	struct dentry *dentry;
	int64_t error = dentry_find(parent, name, strlen(name), true, &dentry);

	if (error < 0) {
		return error;
	}
	if (dentry->inode != NULL) {
		error = -LINUX_EEXIST;
	} else {
		error = parent->inode->ops->create(parent->inode, dentry, spec, target);
	}
	if (out_dentry != NULL && (error == 0 || error == -LINUX_EEXIST)) {
		*out_dentry = dentry;
	} else {
		dentry_unref(dentry);
	}
	return error;
}

int64_t tmpfs_make_path(struct dentry *root, const char *name, const struct node_spec *spec,
	const char *target, struct dentry **out_dentry)
{
	static const struct node_spec folder = { .mode = LINUX_S_IFDIR | 0755 };
	struct dentry *at = root;
	char part[NAME_SIZE_MAX + 1];

	dentry_ref(at);
	for (;;) {
		while (*name == '/') {
			name++;
		}
		const char *slash = strchr(name, '/');
		size_t size = slash != NULL ? (size_t)(slash - name) : strlen(name);
		struct dentry *next = NULL;

		if (size == 0 || size > NAME_SIZE_MAX || !inode_is_directory(at->inode)) {
			dentry_unref(at);
			return size > NAME_SIZE_MAX ? -LINUX_ENAMETOOLONG : -LINUX_ENOTDIR;
		}
		memcpy(part, name, size);
		part[size] = '\0';
		bool is_last = slash == NULL;
		int64_t error = tmpfs_make(at, part, is_last ? spec : &folder,
			is_last ? target : NULL, is_last ? out_dentry : &next);

		dentry_unref(at);
		if (is_last || (error < 0 && error != -LINUX_EEXIST)) {
			return error;
		}
		at = next;
		name = slash;
	}
}

int64_t tmpfs_find_path(struct dentry *root, const char *name, struct dentry **out_dentry)
{
	struct dentry *at = root;

	dentry_ref(at);
	while (*name != '\0') {
		const char *slash = strchr(name, '/');
		size_t size = slash != NULL ? (size_t)(slash - name) : strlen(name);
		struct dentry *next = NULL;
		int64_t error = inode_is_directory(at->inode) && size <= NAME_SIZE_MAX
			? dentry_find(at, name, size, false, &next)
			: -LINUX_ENOENT;

		dentry_unref(at);
		if (error == 0 && next->inode == NULL) {
			dentry_unref(next);
			error = -LINUX_ENOENT;
		}
		if (error < 0) {
			return error;
		}
		at = next;
		name += size + (slash != NULL);
	}
	*out_dentry = at;
	return 0;
}

int64_t tmpfs_make_link(struct dentry *parent, const char *name, struct inode *inode)
{
	struct dentry *dentry;
	int64_t error = dentry_find(parent, name, strlen(name), true, &dentry);

	if (error < 0) {
		return error;
	}
	if (dentry->inode != NULL) {
		error = -LINUX_EEXIST;
	} else {
		error = parent->inode->ops->link(parent->inode, dentry, inode);
	}
	dentry_unref(dentry);
	return error;
}

void tmpfs_remove(struct dentry *parent, const char *name)
{
	struct dentry *dentry;

	if (dentry_find(parent, name, strlen(name), false, &dentry) < 0) {
		return;
	}
	if (dentry->inode != NULL && parent->inode->ops->unlink(parent->inode, dentry) == 0) {
		dentry_drop(dentry);
	}
	dentry_unref(dentry);
}

/* From the leaves up, as tmpfs_unmount(). */
void tmpfs_remove_path(struct dentry *root, const char *name)
{
	struct dentry *top;

	if (tmpfs_find_path(root, name, &top) < 0) {
		return;
	}
	for (struct dentry *at = top == root ? NULL : top; at != NULL;) {
		struct ram_directory *directory = &tmpfs_inode_of(at->inode)->directory;

		if (at->inode->ops == &tmpfs_directory_inode_ops && directory->n_entries > 0) {
			at = TREE_ENTRY(tree_first(&directory->entries), struct dentry, order);
			continue;
		}
		struct dentry *parent = at->parent;

		dentry_ref(at);
		(void)parent->inode->ops->unlink(parent->inode, at); /* it is empty */
		dentry_drop(at);
		dentry_unref(at);
		at = at == top ? NULL : parent;
	}
	dentry_unref(top);
}

int64_t tmpfs_anonymous_inode(
	struct super *super, const struct node_spec *spec, struct inode **out_inode)
{
	struct tmpfs_inode *node;
	int64_t error = tmpfs_inode_create(tmpfs_super_of(super), spec, NULL, &node);

	if (error == 0) {
		node->inode.nlink = 0;
		*out_inode = &node->inode;
	}
	return error;
}
