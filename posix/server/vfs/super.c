/* SPDX-License-Identifier: MIT */
/* File systems: their references, and the one that is mounted nowhere, for files without a name. */
#include <base/assert.h>
#include <base/format.h>
#include <helix/memory.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/mount.h>

void super_init(struct super *super, const struct super_ops *ops, uint32_t flags)
{
	static uint32_t n_supers;

	*super = (struct super){
		.ops = ops,
		.references = 1,
		.flags = flags,
		.dev = linux_makedev(0, ++n_supers),
		.block_size = HEL_PAGE_SIZE,
	};
	list_init(&super->mounts);
}

void super_ref(struct super *super)
{
	super->references++;
}

void super_unref(struct super *super)
{
	ASSERT(super->references > 0);
	if (--super->references == 0) {
		super->ops->destroy(super);
	}
}

void super_get_mount(struct super *super)
{
	super->n_mounts++;
	super_ref(super);
}

void super_put_mount(struct super *super)
{
	ASSERT(super->n_mounts > 0);
	if (--super->n_mounts == 0) {
		super->ops->unmount(super);
	}
	super_unref(super);
}

/* ---- files without a name ------------------------------------------------------------------ */

static int64_t anonymous_info(UNUSED struct super *super, struct super_info *out_info)
{
	*out_info = (struct super_info){ .magic = 0x09041934 };
	return 0;
}

static void anonymous_keep(UNUSED struct super *super)
{
}

static const struct super_ops anonymous_super_ops = {
	.type = "anon_inodefs",
	.info = anonymous_info,
	.unmount = anonymous_keep,
	.destroy = anonymous_keep,
};

static struct super *anonymous_super(void)
{
	static struct super super;

	if (super.ops == NULL) {
		super_init(&super, &anonymous_super_ops, SUPER_VOLATILE);
	}
	return &super;
}

static struct mount *anonymous_mount(void)
{
	static struct mount mount;

	if (mount.super == NULL) {
		mount.super = anonymous_super();
		mount.references = 1;
	}
	return &mount;
}

static void anonymous_release(struct inode *inode)
{
	helix_free(inode);
}

static const struct inode_ops anonymous_inode_ops = {
	INODE_OPS_DEFAULT,
	.name = "anonymous",
	.open = pipe_inode_open,
	.release = anonymous_release,
};

struct inode *anonymous_inode_create(uint32_t mode, const char *name)
{
	struct inode *inode = helix_malloc(sizeof(*inode));

	if (inode == NULL) {
		return NULL;
	}
	inode_init(inode, &anonymous_inode_ops, anonymous_super(),
		&(struct node_spec){ .mode = mode });
	inode->data = (void *)(uintptr_t)name;
	return inode;
}

int64_t anonymous_path(struct inode *inode, struct path *out_path)
{
	char name[48];

	if (inode_is_type(inode, LINUX_S_IFIFO)) {
		format_to(name, sizeof(name), "pipe:[%llu]", (unsigned long long)inode->ino);
	} else if (inode_is_type(inode, LINUX_S_IFSOCK)) {
		format_to(name, sizeof(name), "socket:[%llu]", (unsigned long long)inode->ino);
	} else {
		format_to(name, sizeof(name), "anon_inode:%s",
			inode->data == NULL ? "[file]" : (const char *)inode->data);
	}
	struct dentry *dentry = dentry_create_root(inode->super, inode, name);

	if (dentry == NULL) {
		return -LINUX_ENOMEM;
	}
	*out_path = (struct path){ .mount = anonymous_mount(), .dentry = dentry };
	out_path->mount->references++;
	return 0;
}
