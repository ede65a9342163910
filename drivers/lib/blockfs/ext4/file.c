/* SPDX-License-Identifier: MIT */
/*
 * Contents of files: between the server's pages and the disk.
 *
 * Writing goes in rounds. A round takes up to FILE_IO_REQUESTS *pieces* of the range, each a run of
 * blocks that are alike: written, unwritten, or a hole, for which blocks are chosen now. All pieces
 * are written to the disk at once. When the data are there, and only then, the map learns of them:
 * blocks that were chosen are claimed and put into the map, unwritten ones become written, and the
 * size on the disk grows to where the data reach, all in one handle. So a power cut leaves old
 * contents, a hole, or the new contents; never what was in the blocks before.
 *
 * With data=journal, or a file that says so, contents are blocks like those of metadata: they are
 * copied into buffers of the cache, which are logged in the same handle as the map and the size. So
 * what was written in one piece is there as a whole or not at all. Who reads takes blocks that are
 * still in the cache from there, for home may be older. Direct transfers end up here, too.
 */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/ext4/change.h>
#include <drivers/lib/blockfs/io.h>

#define PIECE_BLOCKS_MAX  8192 /* of a request */
#define LOGGED_BLOCKS_MAX 16   /* of a handle */

bool ext4_journals_data(const struct ext4_inode *inode)
{
	const struct ext4 *fs = inode->fs;

	return ext4_type_of(inode) == EXT4_S_IFREG &&
		ext4_has_compat(fs, EXT4_COMPAT_HAS_JOURNAL) &&
		(fs->data_mode == BLOCKFS_DATA_JOURNAL ||
			ext4_has_flag(inode, EXT4_FLAG_JOURNAL_DATA));
}

bool ext4_log_knows_contents(const struct ext4_inode *inode)
{
	return ext4_type_of(inode) != EXT4_S_IFREG || ext4_journals_data(inode);
}

/* ---- reading --------------------------------------------------------------------------------- */

static int read_inline(struct task *task, struct ext4_inode *inode, struct file_io *io,
	uint64_t offset, uint64_t length)
{
	uint8_t *data = blockfs_allocate(EXT4_INLINE_MAX);
	size_t size = 0;

	if (data == NULL) {
		return -ERR_NO_MEMORY;
	}
	int error = ext4_inline_read(task, inode, data, EXT4_INLINE_MAX, &size);

	file_io_fill(io, offset, NULL, length);
	if (error == 0 && offset == 0) {
		file_io_fill(io, 0, data, min_u64(length, min_u64(size, inode->size)));
	}
	blockfs_free(data);
	return error;
}

/* The blocks from @place on that the cache does not have; the others are filled in. */
static int read_journaled(struct task *task, struct ext4 *fs, struct file_io *io, uint64_t offset,
	uint64_t length, uint64_t place)
{
	int error = 0;

	for (uint64_t end = offset + length; offset < end && error == 0; place++) {
		BUFFER_AUTO struct buffer *buffer = cache_find(&fs->cache, place);

		if (buffer != NULL && buffer->state == BUFFER_VALID) {
			file_io_fill(io, offset, buffer->data, fs->block_size);
		} else {
			file_io_add(
				io, DEVICE_READ, offset, fs->block_size, place << fs->block_bits);
		}
		if (file_io_is_full(io)) {
			error = file_io_run(task, io);
		}
		offset += fs->block_size;
	}
	return error;
}

static int read_blocks(struct task *task, struct ext4_inode *inode, struct file_io *io,
	uint64_t offset, uint64_t end)
{
	uint32_t bits = inode->fs->block_bits;

	while (offset < end) {
		struct ext4_mapping mapping;
		int error = ext4_map_shared(task, inode, offset >> bits, &mapping);

		if (error != 0) {
			return error;
		}
		uint64_t n_blocks = min_u64(mapping.n_blocks, PIECE_BLOCKS_MAX);
		uint64_t length = min_u64(end - offset, n_blocks << bits);

		if (mapping.kind == BLOCKFS_DATA && ext4_journals_data(inode)) {
			error = read_journaled(task, inode->fs, io, offset, length, mapping.place);
		} else if (mapping.kind == BLOCKFS_DATA) {
			file_io_add(io, DEVICE_READ, offset, length, mapping.place << bits);
		} else {
			file_io_fill(io, offset, NULL, length);
		}
		if (error == 0 && file_io_is_full(io)) {
			error = file_io_run(task, io);
		}
		if (error != 0) {
			return error;
		}
		offset += length;
	}
	return file_io_run(task, io);
}

static int read_range(struct task *task, struct ext4_inode *inode, struct file_io *io,
	uint64_t offset, uint64_t length)
{
	struct ext4 *fs = inode->fs;
	uint64_t end = min_u64(offset + length, align_up(inode->size, fs->block_size));

	if (ext4_has_flag(inode, EXT4_FLAG_INLINE_DATA)) {
		return read_inline(task, inode, io, offset, length);
	}
	int error = offset < end ? read_blocks(task, inode, io, offset, end) : 0;

	if (error != 0) {
		return error;
	}
	/* what is behind the end of the file reads as zeros, whatever the disk has there */
	uint64_t zero_from = max_u64(offset, min_u64(inode->size, end));

	if (zero_from < offset + length) {
		file_io_fill(io, zero_from, NULL, offset + length - zero_from);
	}
	return 0;
}

int ext4_file_read(struct task *task, struct ext4_inode *inode, uint64_t offset, uint64_t length,
	const struct device_buffer *buffers, size_t n_buffers)
{
	int error = file_io_check(inode->fs->block_size, offset, length, buffers, n_buffers);

	if (error != 0 || length == 0) {
		return error;
	}
	struct file_io *io =
		file_io_create(inode->fs->device, inode->fs->fs.host, offset, buffers, n_buffers);

	if (io == NULL) {
		return -ERR_NO_MEMORY;
	}
	error = rwlock_read(task, &inode->lock);
	if (error == 0) {
		error = read_range(task, inode, io, offset, length);
		rwlock_read_done(&inode->lock);
	}
	file_io_destroy(io);
	return error;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct piece {
	enum blockfs_extent_kind kind; /* DATA, UNWRITTEN or HOLE, before */
	uint64_t block;
	uint32_t n_blocks;
	uint64_t place;
	struct ext4_busy *busy;
};

struct round {
	struct piece pieces[FILE_IO_REQUESTS];
	size_t n_pieces;
	bool changes_map;
};

/* Find where the blocks from @block on go. */
static int piece_plan(struct task *task, struct ext4_inode *inode, uint64_t block,
	uint64_t n_blocks, struct piece *out_piece)
{
	struct ext4 *fs = inode->fs;
	struct ext4_mapping mapping;
	int error = ext4_map_shared(task, inode, block, &mapping);

	if (error != 0) {
		return error;
	}
	n_blocks = min_u64(min_u64(n_blocks, mapping.n_blocks), PIECE_BLOCKS_MAX);
	*out_piece = (struct piece){
		.kind = mapping.kind,
		.block = block,
		.n_blocks = (uint32_t)n_blocks,
		.place = mapping.place,
	};
	if (mapping.kind != BLOCKFS_HOLE) {
		return 0;
	}
	error = ext4_choose(task, fs, ext4_goal(task, inode, block), out_piece->n_blocks,
		ext4_is_reserved(inode, block), &out_piece->busy);
	if (error == BLOCKFS_E_NO_SPACE && fs->n_busy_freed > 0 && fs->journal != NULL) {
		/* freed blocks become usable by a commit */
		error = journal_commit_all(task, fs->journal);
		error = error != 0
			? error
			: ext4_choose(task, fs, fs->first_data_block, out_piece->n_blocks,
				  ext4_is_reserved(inode, block), &out_piece->busy);
	}
	if (error == 0) {
		out_piece->n_blocks = out_piece->busy->n_blocks;
		out_piece->place = ext4_busy_start(fs, out_piece->busy);
		/* the next piece of this round goes on from here */
		inode->goal = out_piece->place + out_piece->n_blocks;
	}
	return error;
}

static int round_plan(struct task *task, struct ext4_inode *inode, struct file_io *io,
	uint64_t *block, uint64_t end, struct round *out_round)
{
	uint32_t bits = inode->fs->block_bits;
	int error = 0;

	out_round->n_pieces = 0;
	out_round->changes_map = false;
	while (error == 0 && *block < end && !file_io_is_full(io)) {
		struct piece *piece = &out_round->pieces[out_round->n_pieces];

		error = piece_plan(task, inode, *block, end - *block, piece);
		if (error == 0) {
			file_io_add(io, DEVICE_WRITE, piece->block << bits,
				(uint64_t)piece->n_blocks << bits, piece->place << bits);
			out_round->n_pieces++;
			out_round->changes_map =
				out_round->changes_map || piece->kind != BLOCKFS_DATA;
			*block += piece->n_blocks;
		}
	}
	/* what was planned is written first; the error comes again */
	return out_round->n_pieces > 0 ? 0 : error;
}

/* Put one piece into the map, in the handle. */
static int piece_finish(struct handle *handle, struct ext4_inode *inode, struct piece *piece)
{
	struct ext4 *fs = inode->fs;

	if (piece->kind == BLOCKFS_DATA) {
		return 0;
	}
	if (piece->kind == BLOCKFS_UNWRITTEN) {
		return ext4_map_convert(handle, inode, piece->block, piece->n_blocks);
	}
	/* the map first: it may find no room, and then nothing has changed */
	int error =
		ext4_map_insert(handle, inode, piece->block, piece->place, piece->n_blocks, false);

	if (error != 0) {
		return error;
	}
	error = ext4_claim(handle, fs, piece->busy);
	if (error != 0) {
		ext4_fail(fs, error, "claiming blocks");
	} else {
		piece->busy = NULL;
		ext4_unreserve(inode, piece->block, piece->n_blocks);
	}
	return error;
}

static void grow_disk_size(struct ext4_inode *inode, const struct piece *piece)
{
	uint64_t end = (piece->block + piece->n_blocks) << inode->fs->block_bits;

	inode->disk_size = max_u64(inode->disk_size, min_u64(end, inode->size));
}

static int round_finish(struct task *task, struct ext4_inode *inode, struct round *round)
{
	struct handle handle;
	uint64_t old_size = inode->disk_size;
	struct piece *last = &round->pieces[round->n_pieces - 1];
	uint64_t end = (last->block + last->n_blocks) << inode->fs->block_bits;

	if (!round->changes_map && min_u64(end, inode->size) <= old_size) {
		return 0;
	}
	int error = handle_begin(task, inode->fs, EXT4_CREDITS_MAP * 2, &handle);

	if (error != 0) {
		return error;
	}
	for (size_t i = 0; i < round->n_pieces && error == 0; i++) {
		if (!handle_extend(&handle, EXT4_CREDITS_MAP * 2)) {
			error = ext4_inode_write(&handle, inode);
			error = error != 0 ? error : handle_restart(&handle, EXT4_CREDITS_MAP * 2);
		}
		error = error != 0 ? error : piece_finish(&handle, inode, &round->pieces[i]);
		if (error == 0) {
			grow_disk_size(inode, &round->pieces[i]);
		}
	}
	int written = inode->fs->fs.error == 0 ? ext4_inode_write(&handle, inode) : 0;

	inode->datasync_id = inode->sync_id;
	handle_end(&handle);
	return error != 0 ? error : written;
}

static void round_drop(struct ext4 *fs, struct round *round)
{
	for (size_t i = 0; i < round->n_pieces; i++) {
		ext4_unchoose(fs, round->pieces[i].busy);
		round->pieces[i].busy = NULL;
	}
}

static int write_blocks(struct task *task, struct ext4_inode *inode, struct file_io *io,
	uint64_t block, uint64_t end)
{
	struct round *round = blockfs_allocate(sizeof(*round));
	int error = round == NULL ? -ERR_NO_MEMORY : 0;

	while (error == 0 && block < end) {
		error = round_plan(task, inode, io, &block, end, round);
		if (error == 0) {
			error = file_io_run(task, io);
			error = error != 0 ? error : round_finish(task, inode, round);
			round_drop(inode->fs, round);
		}
	}
	blockfs_free(round);
	return error;
}

/* ---- through the journal --------------------------------------------------------------------- */

/* Blocks of a piece become part of the handle's transaction; they are in the map already. */
static int piece_log(
	struct handle *handle, struct ext4 *fs, struct file_io *io, struct piece *piece)
{
	for (uint32_t i = 0; i < piece->n_blocks; i++) {
		BUFFER_AUTO struct buffer *buffer = NULL;
		int error =
			ext4_create_block(handle, fs, piece->place + i, EXT4_KIND_NONE, 0, &buffer);

		if (error != 0) {
			return error;
		}
		file_io_fetch(
			io, (piece->block + i) << fs->block_bits, buffer->data, fs->block_size);
	}
	return 0;
}

static int piece_write_journaled(
	struct task *task, struct ext4_inode *inode, struct file_io *io, struct piece *piece)
{
	struct handle handle;
	int error = handle_begin(task, inode->fs, EXT4_CREDITS_MAP * 2 + piece->n_blocks, &handle);

	if (error != 0) {
		return error;
	}
	error = piece_finish(&handle, inode, piece);
	if (error == 0) {
		error = piece_log(&handle, inode->fs, io, piece);
		if (error != 0 && piece->kind != BLOCKFS_DATA) {
			/* the map has blocks whose contents were somebody's */
			ext4_fail(inode->fs, error, "contents for the journal");
		}
	}
	if (error == 0) {
		grow_disk_size(inode, piece);
		error = ext4_inode_write(&handle, inode);
	}
	inode->datasync_id = inode->sync_id;
	handle_end(&handle);
	return error;
}

static int write_journaled(struct task *task, struct ext4_inode *inode, struct file_io *io,
	uint64_t block, uint64_t end)
{
	int error = 0;

	while (error == 0 && block < end) {
		struct piece piece;

		error = piece_plan(
			task, inode, block, min_u64(end - block, LOGGED_BLOCKS_MAX), &piece);
		if (error == 0) {
			error = piece_write_journaled(task, inode, io, &piece);
			ext4_unchoose(inode->fs, piece.busy);
			block += piece.n_blocks;
		}
	}
	return error;
}

int ext4_file_write(struct task *task, struct ext4_inode *inode, uint64_t offset, uint64_t length,
	const struct device_buffer *buffers, size_t n_buffers)
{
	struct ext4 *fs = inode->fs;
	int error = file_io_check(fs->block_size, offset, length, buffers, n_buffers);

	if (error != 0) {
		return error;
	}
	if (fs->fs.is_read_only || fs->fs.error != 0) {
		return fs->fs.is_read_only ? BLOCKFS_E_READ_ONLY : BLOCKFS_E_ABORTED;
	}
	if (ext4_has_flag(inode, EXT4_FLAG_INLINE_DATA)) {
		error = ext4_inline_file_leave(task, inode);
		if (error != 0) {
			return error;
		}
	}
	struct file_io *io = file_io_create(fs->device, fs->fs.host, offset, buffers, n_buffers);

	if (io == NULL) {
		return -ERR_NO_MEMORY;
	}
	struct scope shield;

	error = rwlock_read(task, &inode->lock);
	if (error == 0) {
		uint64_t end =
			min_u64((offset + length) >> fs->block_bits, ext4_n_file_blocks(inode));

		scope_begin_shield(task, &shield);
		error = ext4_journals_data(inode)
			? write_journaled(task, inode, io, offset >> fs->block_bits, end)
			: write_blocks(task, inode, io, offset >> fs->block_bits, end);
		(void)scope_join(&shield);
		rwlock_read_done(&inode->lock);
	}
	file_io_destroy(io);
	return error;
}

/* ---- telling --------------------------------------------------------------------------------- */

static int map_range(struct task *task, struct ext4_inode *inode, uint64_t offset,
	struct blockfs_extent *out_extent)
{
	struct ext4 *fs = inode->fs;
	uint64_t block = offset >> fs->block_bits;
	struct ext4_mapping mapping;

	if (offset >= inode->size) {
		return -ERR_NOT_FOUND;
	}
	if (ext4_has_flag(inode, EXT4_FLAG_INLINE_DATA)) {
		*out_extent = (struct blockfs_extent){
			.kind = BLOCKFS_INLINE,
			.length = inode->size,
		};
		return 0;
	}
	int error = ext4_map_shared(task, inode, block, &mapping);

	if (error != 0) {
		return error;
	}
	uint64_t n_blocks = min_u64(mapping.n_blocks, ext4_n_file_blocks(inode) - block);

	if (mapping.kind == BLOCKFS_HOLE && inode->n_reserved > 0) {
		uint64_t n_alike;

		mapping.kind =
			ext4_reserved_run(inode, block, &n_alike) ? BLOCKFS_DELAYED : BLOCKFS_HOLE;
		n_blocks = min_u64(n_blocks, n_alike);
	}
	*out_extent = (struct blockfs_extent){
		.kind = mapping.kind,
		.offset = block << fs->block_bits,
		.length = n_blocks << fs->block_bits,
		.place = mapping.place << fs->block_bits,
	};
	return 0;
}

int ext4_file_map(struct task *task, struct ext4_inode *inode, uint64_t offset,
	struct blockfs_extent *out_extent)
{
	int error = rwlock_read(task, &inode->lock);

	if (error == 0) {
		error = map_range(task, inode, offset, out_extent);
		rwlock_read_done(&inode->lock);
	}
	return error;
}
