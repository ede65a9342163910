/* SPDX-License-Identifier: MIT */
/* Namespaces as files, and setns(); see nsfs.h. */
#include <posix/server/fs/nsfs.h>

#include <abi/linux/errno.h>
#include <abi/linux/sched.h>
#include <base/format.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/mount.h>

constexpr uint64_t NSFS_MAGIC = 0x6e736673;
/* Numbers of trees of mounts that were made by unshare(): this plus that of their top. */
constexpr uint64_t MOUNT_NUMBERS = 4026532000;

struct ns_kind {
	const char *name; /* in /proc/PID/ns */
	const char *type; /* in the text of the link */
	uint64_t flag; /* for setns() and unshare() */
	uint64_t ino; /* of the one that there is from the start: as on Linux */
};

static const struct ns_kind ns_kinds[] = {
	{ "cgroup", "cgroup", LINUX_CLONE_NEWCGROUP, 4026531835 },
	{ "ipc", "ipc", LINUX_CLONE_NEWIPC, 4026531839 },
	{ "mnt", "mnt", LINUX_CLONE_NEWNS, 4026531841 },
	{ "net", "net", LINUX_CLONE_NEWNET, 4026531840 },
	{ "pid", "pid", LINUX_CLONE_NEWPID, 4026531836 },
	{ "pid_for_children", "pid", LINUX_CLONE_NEWPID, 4026531836 },
	{ "time", "time", LINUX_CLONE_NEWTIME, 4026531834 },
	{ "time_for_children", "time", LINUX_CLONE_NEWTIME, 4026531834 },
	{ "user", "user", LINUX_CLONE_NEWUSER, 4026531837 },
	{ "uts", "uts", LINUX_CLONE_NEWUTS, 4026531838 },
};

struct ns_inode {
	struct inode inode;
	const struct ns_kind *kind;
	struct mount_tree *tree; /* of a tree of mounts: counted as a context; else NULL */
};

static const struct file_ops ns_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "namespace",
};

/* ---- the file system ------------------------------------------------------------------------- */

static int64_t nsfs_info(UNUSED struct super *super, struct super_info *out_info)
{
	*out_info = (struct super_info){ .magic = NSFS_MAGIC };
	return 0;
}

static void nsfs_keep(UNUSED struct super *super)
{
}

static const struct super_ops nsfs_super_ops = {
	.type = "nsfs",
	.info = nsfs_info,
	.unmount = nsfs_keep,
	.destroy = nsfs_keep,
};

static struct mount *nsfs_mount(void)
{
	static struct super super;
	static struct mount mount;

	if (mount.super == NULL) {
		super_init(&super, &nsfs_super_ops, SUPER_VOLATILE);
		mount.super = &super;
		mount.references = 1;
	}
	return &mount;
}

static int64_t ns_open(
	UNUSED struct inode *inode, struct file *file, UNUSED struct request *request)
{
	file->ops = &ns_file_ops;
	return 0;
}

static void ns_release(struct inode *inode)
{
	struct ns_inode *node = container_of(inode, struct ns_inode, inode);

	mount_tree_unref(node->tree);
	helix_free(node);
}

static const struct inode_ops ns_inode_ops = {
	INODE_OPS_DEFAULT,
	.name = "namespace",
	.open = ns_open,
	.release = ns_release,
};

static struct ns_inode *ns_create(const struct ns_kind *kind, const struct process *process)
{
	struct ns_inode *node = helix_malloc(sizeof(*node));

	if (node == NULL) {
		return NULL;
	}
	*node = (struct ns_inode){ .kind = kind };
	inode_init(&node->inode, &ns_inode_ops, nsfs_mount()->super,
		&(struct node_spec){ .mode = LINUX_S_IFREG | 0444 });
	node->inode.ino = kind->ino;
	if (kind->flag == LINUX_CLONE_NEWNS) {
		node->tree = process->fs->tree;
		mount_tree_ref(node->tree);
		if (node->tree->is_copy) {
			node->inode.ino = MOUNT_NUMBERS + node->tree->id;
		}
	}
	return node;
}

bool nsfs_is_namespace(const struct inode *inode)
{
	return inode->ops == &ns_inode_ops;
}

const struct mount_tree *nsfs_tree_of(const struct inode *inode)
{
	return nsfs_is_namespace(inode) ? container_of(inode, struct ns_inode, inode)->tree : NULL;
}

int64_t nsfs_path(const struct process *process, const char *name, struct path *out_path)
{
	const struct ns_kind *kind = NULL;
	char text[32];

	for (size_t i = 0; i < ARRAY_SIZE(ns_kinds); i++) {
		if (str_equal(ns_kinds[i].name, name)) {
			kind = &ns_kinds[i];
		}
	}
	if (kind == NULL || process->fs == NULL) {
		return -LINUX_ENOENT;
	}
	struct ns_inode *node = ns_create(kind, process);

	if (node == NULL) {
		return -LINUX_ENOMEM;
	}
	format_to(text, sizeof(text), "%s:[%llu]", kind->type, (unsigned long long)node->inode.ino);
	struct dentry *dentry = dentry_create_root(node->inode.super, &node->inode, text);

	inode_unref(&node->inode);
	if (dentry == NULL) {
		return -LINUX_ENOMEM;
	}
	*out_path = (struct path){ .mount = nsfs_mount(), .dentry = dentry };
	mount_ref(out_path->mount);
	return 0;
}

/* ---- setns ----------------------------------------------------------------------------------- */

/* Sees the tree from its top from now on. */
static int64_t join_mounts(struct process *process, struct mount_tree *tree)
{
	struct fs_context *context = process->fs;

	if (context->references > 1) {
		return -LINUX_EINVAL; /* others would be taken along */
	}
	struct path top = { .mount = tree->top, .dentry = tree->top->root };

	mount_tree_ref(tree);
	for (unsigned i = 0; i < 2; i++) {
		struct path *own = i == 0 ? &context->root : &context->cwd;

		path_ref(&top);
		path_unref(own);
		*own = top;
	}
	mount_tree_unref(context->tree);
	context->tree = tree;
	return 0;
}

int64_t posix_setns(struct request *request)
{
	struct process *process = request->process;
	const struct file *file = fd_table_get(process->files, (int)request->args[0]);
	uint64_t type = (uint32_t)request->args[1];

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	if (file->ops != &ns_file_ops) {
		return -LINUX_EINVAL;
	}
	const struct ns_inode *node = container_of(file->inode, struct ns_inode, inode);

	if ((type != 0 && type != node->kind->flag) || node->kind->flag == LINUX_CLONE_NEWUSER) {
		return -LINUX_EINVAL;
	}
	if (!credentials_has(&process->credentials, LINUX_CAP_SYS_ADMIN)) {
		return -LINUX_EPERM;
	}
	/* of all other kinds everybody is in the only one */
	return node->tree == NULL ? 0 : join_mounts(process, node->tree);
}
