/* SPDX-License-Identifier: MIT */
/* Chains of clusters, as far as they have been walked: see struct fat_chain. */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/fat/fat.h>

#define RUNS_MAX 16384

void fat_chain_drop(struct fat_chain *chain)
{
	blockfs_free(chain->runs);
	*chain = (struct fat_chain){ 0 };
}

/* Every second run goes. The walk from the one before it costs at most twice as much then. */
static void chain_thin(struct fat_chain *chain)
{
	size_t n = 0;

	for (size_t i = 0; i < chain->n_runs; i += 2) {
		chain->runs[n++] = chain->runs[i];
	}
	chain->n_runs = n;
	chain->stride = chain->stride == 0 ? 2 : chain->stride * 2;
}

static int chain_make_room(struct fat_chain *chain)
{
	if (chain->n_runs == RUNS_MAX) {
		chain_thin(chain);
	}
	if (chain->n_runs < chain->n_runs_max) {
		return 0;
	}
	size_t n_max = chain->n_runs_max == 0 ? 4 : chain->n_runs_max * 2;
	struct fat_run *runs = blockfs_allocate(n_max * sizeof(*runs));

	if (runs == NULL) {
		return -ERR_NO_MEMORY;
	}
	if (chain->n_runs > 0) {
		memcpy(runs, chain->runs, chain->n_runs * sizeof(*runs));
	}
	blockfs_free(chain->runs);
	chain->runs = runs;
	chain->n_runs_max = n_max;
	return 0;
}

/* The next cluster is known. */
static int chain_push(struct fat_chain *chain, uint32_t cluster, uint32_t n_clusters)
{
	struct fat_run *last = chain->n_runs > 0 ? &chain->runs[chain->n_runs - 1] : NULL;

	if (last != NULL && last->first + last->n_clusters == chain->n_known &&
		last->cluster + last->n_clusters == cluster) {
		last->n_clusters += n_clusters;
	} else if (last == NULL || chain->n_known - last->first >= chain->stride) {
		int error = chain_make_room(chain);

		if (error != 0) {
			return error;
		}
		chain->runs[chain->n_runs++] = (struct fat_run){
			.first = chain->n_known,
			.cluster = cluster,
			.n_clusters = n_clusters,
		};
	}
	chain->n_known += n_clusters;
	chain->tail = cluster + n_clusters - 1;
	return 0;
}

/* One cluster more is known, or that there is none. */
static int chain_step(struct task *task, struct fat_inode *inode)
{
	struct fat_chain *chain = &inode->chain;
	struct fat *fs = inode->fs;
	uint32_t n_known = chain->n_known;
	uint32_t next = inode->start;

	if (n_known == 0 && next == 0) {
		chain->is_whole = true;
		return 0;
	}
	if (n_known > 0) {
		int error = fat_next(task, fs, chain->tail, &next);

		if (error != 0 || chain->n_known != n_known || chain->is_whole) {
			return error; /* or another task was faster */
		}
	} else if (!fat_is_cluster(fs, next)) {
		return fat_corrupt(fs, "a file begins with cluster %u", next);
	}
	if (next == FAT_END) {
		chain->is_whole = true;
		return 0;
	}
	if (n_known >= fs->n_clusters) {
		return fat_corrupt(fs, "the chain from cluster %u on is a loop", inode->start);
	}
	return chain_push(chain, next, 1);
}

/* The last run that begins at or before @index. */
static const struct fat_run *chain_search(const struct fat_chain *chain, uint32_t index)
{
	size_t low = 0, high = chain->n_runs;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (chain->runs[middle].first <= index) {
			low = middle;
		} else {
			high = middle;
		}
	}
	return &chain->runs[low];
}

int fat_chain_find(
	struct task *task, struct fat_inode *inode, uint32_t index, struct fat_run *out_run)
{
	struct fat_chain *chain = &inode->chain;

	while (chain->n_known <= index) {
		int error = chain->is_whole ? BLOCKFS_E_END : chain_step(task, inode);

		if (error != 0) {
			return error;
		}
	}
	struct fat_run run = *chain_search(chain, index);

	/* from a run that was kept to where those were that were dropped */
	while (index - run.first >= run.n_clusters) {
		uint32_t next;
		int error = fat_next(task, inode->fs, run.cluster + run.n_clusters - 1, &next);

		if (error == 0 && next == FAT_END) {
			error = fat_corrupt(inode->fs, "a chain has changed");
		}
		if (error != 0) {
			return error;
		}
		run = (struct fat_run){ run.first + run.n_clusters, next, 1 };
	}
	*out_run = (struct fat_run){
		.first = index,
		.cluster = run.cluster + (index - run.first),
		.n_clusters = run.n_clusters - (index - run.first),
	};
	return 0;
}

int fat_chain_walk(struct task *task, struct fat_inode *inode, uint32_t n_max)
{
	int error = 0;

	while (error == 0 && !inode->chain.is_whole && inode->chain.n_known < n_max) {
		error = chain_step(task, inode);
	}
	return error;
}

void fat_chain_cut(struct fat_inode *inode, uint32_t n_clusters, uint32_t tail)
{
	struct fat_chain *chain = &inode->chain;

	while (chain->n_runs > 0 && chain->runs[chain->n_runs - 1].first >= n_clusters) {
		chain->n_runs--;
	}
	if (chain->n_runs > 0) {
		struct fat_run *last = &chain->runs[chain->n_runs - 1];

		last->n_clusters = (uint32_t)min_u64(last->n_clusters, n_clusters - last->first);
	}
	chain->n_known = n_clusters;
	chain->tail = tail;
	chain->is_whole = true;
}

/* Whether the entries of all these clusters are in one sector of the table. */
static bool is_one_sector(const struct fat *fs, uint32_t tail, uint32_t first, uint32_t n_clusters)
{
	uint64_t low = (uint64_t)min_u64(tail, first) * fs->bits / 8;
	uint64_t high = ((uint64_t)max_u64(tail, first + n_clusters - 1) * fs->bits + 11) / 8;

	return low >> fs->sector_bits == high >> fs->sector_bits;
}

/* From the old end to the new clusters. The end may be new, too: then the disk does not know it. */
static int link_tail(
	struct task *task, struct fat_inode *inode, uint32_t cluster, uint32_t n_clusters)
{
	struct fat *fs = inode->fs;
	uint32_t tail = inode->chain.tail;

	if (inode->growth_batch == fs->batch || is_one_sector(fs, tail, cluster, n_clusters)) {
		return fat_set(task, fs, tail, cluster);
	}
	return fat_set_link(task, fs, tail, cluster);
}

/* The links among the new clusters first, so that nothing has to be undone after an error. */
int fat_chain_extend(
	struct task *task, struct fat_inode *inode, uint32_t cluster, uint32_t n_clusters)
{
	struct fat *fs = inode->fs;
	struct fat_chain *chain = &inode->chain;
	int error = 0;

	ASSERT(chain->is_whole);
	for (uint32_t i = n_clusters; i > 0 && error == 0; i--) {
		error = fat_set(task, fs, cluster + i - 1, i == n_clusters ? FAT_END : cluster + i);
	}
	if (error == 0 && chain->n_known > 0) {
		error = link_tail(task, inode, cluster, n_clusters);
	}
	error = error != 0 ? error : chain_push(chain, cluster, n_clusters);
	if (error == 0) {
		inode->growth_batch = fs->batch;
		if (chain->n_known == n_clusters) {
			inode->start = cluster;
		}
	}
	return error;
}
