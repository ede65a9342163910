/* SPDX-License-Identifier: MIT */
/*
 * The table of clusters, and which are free.
 *
 * The whole table is read once, by the mount, which keeps a bit for each cluster; so allocating
 * looks at memory only, and the number of free clusters is right whatever the info sector says. A
 * cluster that was freed keeps its bit until the commit has written that.
 *
 * Entries of FAT12 have twelve bits, and some are in two sectors, which a power cut may tear apart.
 * Clusters with such an entry are used when there is no other left.
 */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/fat/fat.h>

#define WORD_BITS 64u

/* ---- entries --------------------------------------------------------------------------------- */

/* Where the entry of a cluster is: bytes from the start of the table. */
static uint64_t entry_offset(const struct fat *fs, uint32_t cluster)
{
	return (uint64_t)cluster * fs->bits / 8;
}

static uint32_t entry_size(const struct fat *fs)
{
	return fs->bits == 32 ? 4 : 2;
}

static uint32_t entry_end(const struct fat *fs)
{
	return fs->bits == 12 ? 0xff8u : fs->bits == 16 ? 0xfff8u : 0x0ffffff8u;
}

static bool entry_is_torn(const struct fat *fs, uint32_t cluster)
{
	uint64_t offset = entry_offset(fs, cluster);

	return fs->bits == 12 && offset % fs->sector_size == fs->sector_size - 1;
}

static uint32_t entry_decode(const struct fat *fs, uint32_t cluster, const uint8_t *bytes)
{
	switch (fs->bits) {
	case 12: return (uint32_t)(fat_get_16(bytes) >> (cluster % 2 * 4)) & 0xfff;
	case 16: return fat_get_16(bytes);
	default: return fat_get_32(bytes) & 0x0fffffff;
	}
}

static void entry_encode(const struct fat *fs, uint32_t cluster, uint32_t value, uint8_t *bytes)
{
	uint32_t shift = cluster % 2 * 4;

	switch (fs->bits) {
	case 12:
		fat_put_16(
			bytes, (fat_get_16(bytes) & ~(0xfffu << shift)) | (value & 0xfff) << shift);
		break;
	case 16: fat_put_16(bytes, value); break;
	default: fat_put_32(bytes, (fat_get_32(bytes) & 0xf0000000u) | (value & 0x0fffffff)); break;
	}
}

static int table_buffer(
	struct task *task, struct fat *fs, uint64_t offset, struct buffer **out_buffer)
{
	uint64_t sector = fs->fat_start + fs->active_fat * fs->fat_sectors;

	return cache_read(task, &fs->cache, sector + (offset >> fs->sector_bits), out_buffer);
}

/* Copy the bytes of an entry out of the one or two buffers that have them, or into them. */
static int entry_copy(
	struct task *task, struct fat *fs, uint32_t cluster, bool is_write, uint8_t *bytes)
{
	uint64_t offset = entry_offset(fs, cluster);
	uint32_t size = entry_size(fs);

	for (uint32_t i = 0; i < size;) {
		BUFFER_AUTO struct buffer *buffer = NULL;
		int error = table_buffer(task, fs, offset + i, &buffer);
		uint32_t inside = (uint32_t)(offset + i) & (fs->sector_size - 1);
		uint32_t part = (uint32_t)min_u64(size - i, fs->sector_size - inside);

		if (error != 0) {
			return error;
		}
		if (is_write) {
			memcpy(buffer->data + inside, bytes + i, part);
			fat_mark(buffer, FAT_KIND_TABLE);
		} else {
			memcpy(bytes + i, buffer->data + inside, part);
		}
		i += part;
	}
	return 0;
}

static int entry_get(struct task *task, struct fat *fs, uint32_t cluster, uint32_t *out_value)
{
	uint8_t bytes[4];
	int error = entry_copy(task, fs, cluster, false, bytes);

	if (error == 0) {
		*out_value = entry_decode(fs, cluster, bytes);
	}
	return error;
}

int fat_next(struct task *task, struct fat *fs, uint32_t cluster, uint32_t *out_next)
{
	uint32_t value;

	ASSERT(fat_is_cluster(fs, cluster));
	int error = entry_get(task, fs, cluster, &value);

	if (error != 0) {
		return error;
	}
	if (value >= entry_end(fs)) {
		*out_next = FAT_END;
		return 0;
	}
	if (!fat_is_cluster(fs, value) || value == cluster) {
		return fat_corrupt(fs, "cluster %u is followed by %u", cluster, value);
	}
	*out_next = value;
	return 0;
}

/* Two tasks may set entries that share a byte, so what is between reading and writing is atomic. */
int fat_set(struct task *task, struct fat *fs, uint32_t cluster, uint32_t value)
{
	BUFFER_AUTO struct buffer *first = NULL;
	BUFFER_AUTO struct buffer *second = NULL;
	uint64_t offset = entry_offset(fs, cluster);
	uint8_t bytes[4];

	ASSERT(fat_is_cluster(fs, cluster));
	int error = table_buffer(task, fs, offset, &first);

	if (error == 0) {
		error = table_buffer(task, fs, offset + entry_size(fs) - 1, &second);
	}
	/* both are in memory and stay there: nothing below waits */
	error = error != 0 ? error : entry_copy(task, fs, cluster, false, bytes);
	if (error == 0) {
		entry_encode(fs, cluster, value, bytes);
		error = entry_copy(task, fs, cluster, true, bytes);
	}
	return error;
}

int fat_set_link(struct task *task, struct fat *fs, uint32_t cluster, uint32_t next)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	struct fat_link *link = blockfs_allocate(sizeof(*link));
	int error = link == NULL ? -ERR_NO_MEMORY
				 : table_buffer(task, fs, entry_offset(fs, cluster), &buffer);

	error = error != 0 ? error : fat_set(task, fs, cluster, next);
	if (error != 0) {
		blockfs_free(link);
		return error;
	}
	link->cluster = cluster;
	list_push_back(&fs->links, &link->node);
	fs->n_links++;
	buffer->seed = FAT_SEED_STAGED;
	return 0;
}

void fat_mask_links(const struct fat *fs, uint64_t block, uint8_t *data)
{
	uint64_t start = (block - fs->fat_start - fs->active_fat * fs->fat_sectors)
		<< fs->sector_bits;

	LIST_FOR_EACH(link, &fs->links, struct fat_link, node) {
		uint64_t offset = entry_offset(fs, link->cluster);

		if (offset >= start && offset + entry_size(fs) <= start + fs->sector_size) {
			entry_encode(fs, link->cluster, FAT_END, data + (offset - start));
		}
	}
}

/* ---- which are free -------------------------------------------------------------------------- */

bool fat_is_used(const struct fat *fs, uint32_t cluster)
{
	return (fs->used[cluster / WORD_BITS] >> (cluster % WORD_BITS) & 1) != 0;
}

static void set_used(struct fat *fs, uint32_t cluster)
{
	fs->used[cluster / WORD_BITS] |= 1ull << (cluster % WORD_BITS);
}

static void set_unused(struct fat *fs, uint32_t cluster)
{
	fs->used[cluster / WORD_BITS] &= ~(1ull << (cluster % WORD_BITS));
}

/* Keep free clusters with torn entries for later. They count as free. */
static void keep_torn(struct fat *fs)
{
	for (uint32_t i = 0; fs->bits == 12 && i < fs->n_clusters; i++) {
		uint32_t cluster = FAT_FIRST_CLUSTER + i;

		if (entry_is_torn(fs, cluster) && !fat_is_used(fs, cluster) &&
			fs->n_kept < FAT_KEPT_MAX) {
			set_used(fs, cluster);
			fs->kept[fs->n_kept++] = cluster;
		}
	}
}

static void release_torn(struct fat *fs)
{
	while (fs->n_kept > 0) {
		set_unused(fs, fs->kept[--fs->n_kept]);
	}
}

static void table_count(struct fat *fs, uint32_t first, uint32_t n, const uint8_t *bytes)
{
	for (uint32_t cluster = first; cluster < first + n; cluster++) {
		uint64_t offset = entry_offset(fs, cluster) - entry_offset(fs, first);

		if (fat_is_cluster(fs, cluster) && entry_decode(fs, cluster, bytes + offset) == 0) {
			set_unused(fs, cluster);
			fs->n_free++;
		}
	}
}

int fat_table_load(struct task *task, struct fat *fs)
{
	uint32_t n_entries = FAT_FIRST_CLUSTER + fs->n_clusters;
	/* that the scratch memory holds; all of a FAT12, and an even number anyway */
	uint32_t n_at_once = FAT_SCRATCH_SIZE / 2 * 8 / fs->bits & ~1u;
	size_t n_words = n_entries / WORD_BITS + 1;
	struct device_buffer buffer = {
		.memory = fs->scratch.memory,
		.offset = fs->scratch.offset,
		.address = fs->scratch.address,
	};
	uint64_t start = (fs->fat_start + fs->active_fat * fs->fat_sectors) << fs->sector_bits;

	fs->used = blockfs_allocate(n_words * sizeof(uint64_t));
	if (fs->used == NULL) {
		return -ERR_NO_MEMORY;
	}
	memset(fs->used, 0xff, n_words * sizeof(uint64_t));
	for (uint32_t first = 0; first < n_entries; first += n_at_once) {
		uint32_t n = (uint32_t)min_u64(n_at_once, n_entries - first);
		uint64_t offset = entry_offset(fs, first);

		buffer.length = align_up(entry_offset(fs, n) + 1, fs->sector_size);
		buffer.length = min_u64(buffer.length,
			min_u64((fs->fat_sectors << fs->sector_bits) - offset,
				FAT_SCRATCH_SIZE / 2));
		int error =
			device_transfer(task, fs->device, DEVICE_READ, start + offset, &buffer, 0);

		if (error != 0) {
			return error;
		}
		table_count(fs, first, n, fs->scratch.address);
	}
	fs->next = fat_is_cluster(fs, fs->info_next) ? fs->info_next : FAT_FIRST_CLUSTER;
	keep_torn(fs);
	return 0;
}

/* The first free cluster in a range, or `end`. */
static uint32_t find_free(const struct fat *fs, uint32_t from, uint32_t end)
{
	while (from < end) {
		uint64_t word = ~fs->used[from / WORD_BITS] >> (from % WORD_BITS);

		if (word != 0) {
			return (uint32_t)min_u64(end, from + (uint32_t)__builtin_ctzll(word));
		}
		from = (from / WORD_BITS + 1) * WORD_BITS;
	}
	return end;
}

uint32_t fat_choose(struct fat *fs, uint32_t goal, uint32_t n_wanted, uint32_t *out_first)
{
	uint32_t end = FAT_FIRST_CLUSTER + fs->n_clusters;
	uint32_t from = fat_is_cluster(fs, goal) && !fat_is_used(fs, goal) ? goal : fs->next;
	uint32_t first = find_free(fs, from, end);

	if (first == end) {
		first = find_free(fs, FAT_FIRST_CLUSTER, end);
	}
	if (first == end && fs->n_kept > 0) {
		release_torn(fs);
		first = find_free(fs, FAT_FIRST_CLUSTER, end);
	}
	if (first == end) {
		return 0;
	}
	uint32_t n = 0;

	while (n < n_wanted && first + n < end && !fat_is_used(fs, first + n)) {
		set_used(fs, first + n++);
	}
	fs->n_free -= n;
	fs->next = first + n < end ? first + n : FAT_FIRST_CLUSTER;
	*out_first = first;
	return n;
}

void fat_unchoose(struct fat *fs, uint32_t first, uint32_t n_clusters)
{
	for (uint32_t i = 0; i < n_clusters; i++) {
		set_unused(fs, first + i);
	}
	fs->n_free += n_clusters;
}

int fat_free_chain(struct task *task, struct fat *fs, uint32_t first)
{
	for (uint32_t cluster = first; cluster != FAT_END;) {
		uint32_t next;
		int error = entry_get(task, fs, cluster, &next);

		if (error == 0) {
			error = fat_set(task, fs, cluster, 0);
		}
		if (error == 0 && fs->cache.n_dirty > fs->cache.n_buffers / 2) {
			error = fat_write_table(task, fs);
		}
		if (error != 0) {
			return error;
		}
		if (fat_is_used(fs, cluster)) {
			set_unused(fs, cluster);
			fs->n_free++;
		}
		if (next < entry_end(fs) && !fat_is_cluster(fs, next)) {
			/* a loop has come back to what is free by now, or worse; it is used up */
			fs->fs.host->complain(fs->fs.host, "a chain that was freed had no end");
			break;
		}
		cluster = next >= entry_end(fs) ? FAT_END : next;
	}
	return 0;
}
