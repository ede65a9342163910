/* SPDX-License-Identifier: MIT */
/*
 * Delayed allocation: blocks of a file that have no place yet, but room.
 *
 * A page that gets dirty reserves; write-back chooses blocks, which uses the reservation up. What
 * is reserved of a file is a tree of intervals, so that it can be told by map() and given back. A
 * part of the free blocks is kept aside for the maps that reserved blocks will need.
 */
#include <drivers/lib/blockfs/ext4/change.h>

static int reserved_compare(const struct tree_node *a, const struct tree_node *b)
{
	uint64_t first_a = container_of(a, struct ext4_reserved, node)->first;
	uint64_t first_b = container_of(b, struct ext4_reserved, node)->first;

	return first_a < first_b ? -1 : first_a > first_b;
}

/* Where a block is in relation to an interval; one that ends just before it counts, too. */
static int reserved_compare_key(const void *key, const struct tree_node *node)
{
	const struct ext4_reserved *reserved = container_of(node, struct ext4_reserved, node);
	uint64_t block = *(const uint64_t *)key;

	return block < reserved->first ? -1 : block > reserved->first + reserved->n_blocks;
}

static int reserved_compare_inside(const void *key, const struct tree_node *node)
{
	const struct ext4_reserved *reserved = container_of(node, struct ext4_reserved, node);
	uint64_t block = *(const uint64_t *)key;

	return block < reserved->first ? -1 : block >= reserved->first + reserved->n_blocks;
}

static struct ext4_reserved *reserved_at(
	const struct ext4_inode *inode, uint64_t block, tree_compare_key_fn compare)
{
	return TREE_ENTRY(
		tree_lower_bound(&inode->reserved, &block, compare), struct ext4_reserved, node);
}

bool ext4_is_reserved(const struct ext4_inode *inode, uint64_t block)
{
	const struct ext4_reserved *reserved = reserved_at(inode, block, reserved_compare_inside);

	return reserved != NULL && reserved->first <= block;
}

bool ext4_reserved_run(const struct ext4_inode *inode, uint64_t block, uint64_t *out_n)
{
	const struct ext4_reserved *reserved = reserved_at(inode, block, reserved_compare_inside);

	if (reserved == NULL) {
		*out_n = UINT64_MAX - block;
		return false;
	}
	bool is_reserved = reserved->first <= block;

	*out_n = is_reserved ? reserved->first + reserved->n_blocks - block
			     : reserved->first - block;
	return is_reserved;
}

static int reserved_add(struct ext4_inode *inode, uint64_t first, uint64_t n_blocks)
{
	struct ext4_reserved *before = reserved_at(inode, first, reserved_compare_key);

	if (before != NULL && before->first + before->n_blocks == first) {
		before->n_blocks += n_blocks;
	} else {
		struct ext4_reserved *reserved = blockfs_allocate(sizeof(*reserved));

		if (reserved == NULL) {
			return -ERR_NO_MEMORY;
		}
		reserved->first = first;
		reserved->n_blocks = n_blocks;
		tree_insert(&inode->reserved, &reserved->node, reserved_compare);
	}
	inode->n_reserved += n_blocks;
	inode->fs->n_reserved += n_blocks;
	return 0;
}

/* Reserve what of a hole is not reserved yet. */
static int reserve_hole(struct ext4_inode *inode, uint64_t first, uint64_t end)
{
	while (first < end) {
		const struct ext4_reserved *next =
			reserved_at(inode, first, reserved_compare_inside);
		uint64_t stop = end;

		if (next != NULL && next->first <= first) {
			first = next->first + next->n_blocks;
			continue;
		}
		if (next != NULL) {
			stop = min_u64(stop, next->first);
		}
		if (ext4_available(inode->fs) < stop - first) {
			return BLOCKFS_E_NO_SPACE;
		}
		int error = reserved_add(inode, first, stop - first);

		if (error != 0) {
			return error;
		}
		first = stop;
	}
	return 0;
}

int ext4_reserve(struct task *task, struct ext4_inode *inode, uint64_t first, uint64_t n_blocks)
{
	uint64_t end = first + n_blocks;

	if (end > inode->fs->max_file_blocks) {
		return BLOCKFS_E_TOO_LARGE;
	}
	if (ext4_has_flag(inode, EXT4_FLAG_INLINE_DATA)) {
		int error = ext4_inline_file_leave(task, inode);

		if (error != 0) {
			return error;
		}
	}
	while (first < end) {
		struct ext4_mapping mapping;
		int error = ext4_map_shared(task, inode, first, &mapping);

		if (error == 0 && mapping.kind == BLOCKFS_HOLE) {
			error = reserve_hole(inode, first, min_u64(end, first + mapping.n_blocks));
		}
		if (error != 0) {
			return error;
		}
		first += mapping.n_blocks;
	}
	return 0;
}

/* Cut one interval; what is left behind the cut becomes an interval of its own. */
static void reserved_cut(
	struct ext4_inode *inode, struct ext4_reserved *reserved, uint64_t first, uint64_t end)
{
	uint64_t old_end = reserved->first + reserved->n_blocks;
	uint64_t n_cut = min_u64(end, old_end) - max_u64(first, reserved->first);
	struct ext4_reserved *rest = NULL;

	if (reserved->first < first && end < old_end) {
		rest = blockfs_allocate(sizeof(*rest));
		if (rest == NULL) { /* the rest loses its promise; writing it may fail */
			n_cut += old_end - end;
		} else {
			rest->first = end;
			rest->n_blocks = old_end - end;
		}
	}
	inode->n_reserved -= n_cut;
	inode->fs->n_reserved -= n_cut;
	if (reserved->first < first) {
		reserved->n_blocks = first - reserved->first;
	} else if (end < old_end) {
		reserved->first = end;
		reserved->n_blocks = old_end - end;
	} else {
		tree_remove(&inode->reserved, &reserved->node);
		blockfs_free(reserved);
	}
	if (rest != NULL) {
		tree_insert(&inode->reserved, &rest->node, reserved_compare);
	}
}

void ext4_unreserve(struct ext4_inode *inode, uint64_t first, uint64_t n_blocks)
{
	uint64_t end = n_blocks > UINT64_MAX - first ? UINT64_MAX : first + n_blocks;

	for (;;) {
		struct ext4_reserved *reserved = reserved_at(inode, first, reserved_compare_inside);

		if (reserved == NULL || reserved->first >= end) {
			return;
		}
		reserved_cut(inode, reserved, first, end);
	}
}
