/* SPDX-License-Identifier: MIT */
/* Directories of file systems that live in memory; see ram-directory.h. */
#include <posix/server/fs/ram-directory.h>
#include <posix/server/vfs/directory.h>

static int entry_compare_key(const void *key, const struct tree_node *node)
{
	uint64_t cookie = *(const uint64_t *)key;
	uint64_t other = container_of(node, struct dentry, order)->cookie;

	return cookie < other ? -1 : cookie > other;
}

static int entry_compare(const struct tree_node *a, const struct tree_node *b)
{
	return entry_compare_key(&container_of(a, struct dentry, order)->cookie, b);
}

void ram_directory_init(struct ram_directory *directory)
{
	*directory = (struct ram_directory){ .last_cookie = DIRECTORY_COOKIE_DOTS };
	tree_init(&directory->entries);
}

void ram_directory_add(struct ram_directory *directory, struct dentry *dentry)
{
	dentry->cookie = ++directory->last_cookie;
	tree_insert(&directory->entries, &dentry->order, entry_compare);
	directory->n_entries++;
	if (!dentry->is_pinned) {
		dentry_pin(dentry);
	}
}

void ram_directory_remove(struct ram_directory *directory, struct dentry *dentry)
{
	tree_remove(&directory->entries, &dentry->order);
	directory->n_entries--;
}

void ram_directory_list(struct ram_directory *directory, struct dirent_writer *writer)
{
	uint64_t from = writer->position + 1;
	struct dentry *dentry =
		TREE_ENTRY(tree_lower_bound(&directory->entries, &from, entry_compare_key),
			struct dentry, order);

	while (dentry != NULL) {
		if (!dirent_write(writer, dentry->cookie, dentry->inode->ino,
			    inode_directory_type(dentry->inode), dentry->name, dentry->name_size)) {
			return;
		}
		dentry = TREE_ENTRY(tree_next(&dentry->order), struct dentry, order);
	}
}
