/* SPDX-License-Identifier: MIT */
/* Volume descriptors, options, mounting. */
#include <base/assert.h>
#include <base/format.h>
#include <base/string.h>
#include <drivers/lib/blockfs/iso9660/iso9660.h>
#include <drivers/lib/blockfs/option.h>

#define CACHE_SIZE_MAX MIB(2)

int iso_corrupt(struct iso *fs, const char *what, ...)
{
	char text[160];
	va_list arguments;

	va_start(arguments, what);
	vformat_to(text, sizeof(text), what, arguments);
	va_end(arguments);
	fs->fs.host->complain(fs->fs.host, text);
	return BLOCKFS_E_CORRUPT;
}

/* ---- options --------------------------------------------------------------------------------- */

/* What is so anyway. */
static const char *const harmless[] = { "iocharset=utf8", "utf8", "map=normal", "map=n",
	"session=0", "sbsector=0" };

static bool take_option(struct blockfs_name option, void *context)
{
	struct iso_options *options = context;
	uint32_t value;

	if (option_is_among(option, harmless, ARRAY_SIZE(harmless))) {
		return true;
	}
	if (option_is(option, "norock")) {
		return options->skips_rock = true;
	}
	if (option_is(option, "nojoliet")) {
		return options->skips_joliet = true;
	}
	if (option_number(option, "uid=", 10, &options->uid)) {
		return options->has_uid = true;
	}
	if (option_number(option, "gid=", 10, &options->gid)) {
		return options->has_gid = true;
	}
	if (option_number(option, "mode=", 8, &value)) {
		options->file_mode = value & 07777;
		return true;
	}
	if (option_number(option, "dmode=", 8, &value)) {
		options->directory_mode = value & 07777;
		return true;
	}
	return false;
}

bool iso_options_parse(struct blockfs_name text, struct iso_options *out_options)
{
	*out_options = (struct iso_options){
		.file_mode = ISO_MODE_UNSET,
		.directory_mode = ISO_MODE_UNSET,
	};
	return options_parse(text, take_option, out_options);
}

bool blockfs_iso9660_accepts(struct blockfs_name options)
{
	struct iso_options parsed;

	return iso_options_parse(options, &parsed);
}

/* ---- volumes --------------------------------------------------------------------------------- */

struct volumes {
	bool has_primary, has_joliet;
	struct iso_section primary, joliet; /* the roots */
};

static bool is_joliet(const uint8_t *descriptor)
{
	const uint8_t *escapes = descriptor + ISO_VOLUME_ESCAPES;

	return escapes[0] == '%' && escapes[1] == '/' &&
		(escapes[2] == '@' || escapes[2] == 'C' || escapes[2] == 'E');
}

static struct iso_section root_of(const struct iso *fs, const uint8_t *descriptor)
{
	const struct iso_record *record = (const struct iso_record *)(descriptor + ISO_VOLUME_ROOT);

	return (struct iso_section){
		.place = ((uint64_t)iso_get_32(record->block) + record->n_attribute_blocks) *
			fs->block_size,
		.size = iso_get_32(record->size),
	};
}

static int take_primary(struct iso *fs, const uint8_t *descriptor)
{
	uint64_t id[2];

	fs->block_size = descriptor[ISO_VOLUME_BLOCK_SIZE] |
		(uint32_t)descriptor[ISO_VOLUME_BLOCK_SIZE + 1] << 8;
	fs->n_blocks = iso_get_32(descriptor + ISO_VOLUME_N_BLOCKS);
	memcpy(id, descriptor + ISO_VOLUME_CREATED, sizeof(id));
	fs->id = id[0] ^ id[1];
	if (!is_power_of_two(fs->block_size) || fs->block_size < 512 ||
		fs->block_size > ISO_SECTOR_SIZE) {
		return BLOCKFS_E_CORRUPT;
	}
	return fs->block_size < fs->device->block_size ? BLOCKFS_E_UNSUPPORTED : 0;
}

static int take_descriptor(
	struct iso *fs, const uint8_t *descriptor, struct volumes *volumes, bool *out_is_last)
{
	int error = 0;

	if (memcmp(descriptor + ISO_VOLUME_ID, "CD001", 5) != 0) {
		*out_is_last = true;
	} else if (descriptor[0] == ISO_TYPE_END) {
		*out_is_last = true;
	} else if (descriptor[0] == ISO_TYPE_PRIMARY && !volumes->has_primary) {
		error = take_primary(fs, descriptor);
		volumes->has_primary = true;
		volumes->primary = root_of(fs, descriptor);
	} else if (descriptor[0] == ISO_TYPE_SUPPLEMENTARY && volumes->has_primary &&
		is_joliet(descriptor)) {
		volumes->has_joliet = true;
		volumes->joliet = root_of(fs, descriptor);
	}
	return error;
}

static int read_volumes(struct task *task, struct iso *fs, struct volumes *volumes)
{
	bool is_last = false;
	int error = 0;

	for (uint64_t i = 0; i < ISO_DESCRIPTORS_MAX && error == 0 && !is_last; i++) {
		BUFFER_AUTO struct buffer *buffer = NULL;

		error = cache_read(task, &fs->cache, ISO_FIRST_DESCRIPTOR + i, &buffer);
		error = error != 0 ? error : take_descriptor(fs, buffer->data, volumes, &is_last);
	}
	if (!volumes->has_primary && (error == 0 || error == BLOCKFS_E_CORRUPT)) {
		return BLOCKFS_E_NOT_THIS;
	}
	return error;
}

/* The "." of a root is its record. */
static int read_root(
	struct task *task, struct iso *fs, struct iso_section root, struct iso_entry *out_entry)
{
	if (root.place > fs->device->size || root.size > fs->device->size - root.place) {
		return iso_corrupt(fs, "the root is behind the end of the disk");
	}
	int error = iso_entry_read(task, fs, root.place, root.place + root.size, out_entry);

	if (error == BLOCKFS_E_END ||
		(error == 0 && (out_entry->record.flags & ISO_FLAG_DIRECTORY) == 0)) {
		return iso_corrupt(fs, "the root is no directory");
	}
	if (error == 0) {
		out_entry->n_sections = 1;
		out_entry->sections[0] = root;
		out_entry->rock.has_child = false;
	}
	return error;
}

static int open_root(struct task *task, struct iso *fs, struct iso_entry *entry)
{
	struct volumes volumes = { 0 };
	int error = read_volumes(task, fs, &volumes);

	error = error != 0 ? error : read_root(task, fs, volumes.primary, entry);
	if (error != 0) {
		return error;
	}
	if (!fs->options.skips_rock && iso_rock_find(entry, &fs->rock_skip)) {
		fs->names = ISO_NAMES_ROCK;
		/* the skipped bytes are of other records; this one has SP first */
		error = read_root(task, fs, volumes.primary, entry);
	} else if (volumes.has_joliet && !fs->options.skips_joliet) {
		fs->names = ISO_NAMES_JOLIET;
		error = read_root(task, fs, volumes.joliet, entry);
	}
	return error != 0 ? error : iso_inode_hold(task, fs, NULL, entry, &fs->root);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void seal_nothing(UNUSED void *context, UNUSED struct buffer *buffer)
{
}

static int fs_create(const struct blockfs_mount_options *options, struct iso **out_fs)
{
	struct iso *fs = blockfs_allocate(sizeof(*fs));

	if (fs == NULL) {
		return -ERR_NO_MEMORY;
	}
	fs->fs.ops = &iso_ops;
	fs->fs.host = options->host;
	fs->fs.is_read_only = true;
	fs->loop = options->loop;
	fs->device = options->device;
	list_init(&fs->unused);
	*out_fs = fs;
	return 0;
}

static void fs_destroy(struct task *task, struct iso *fs)
{
	struct scope shield;

	scope_begin_shield(task, &shield);
	if (fs->cache.buffers != NULL) {
		(void)cache_finish(task, &fs->cache);
	}
	(void)scope_join(&shield);
	iso_inode_put(fs->root);
	iso_inodes_trim(fs, 0);
	ASSERT(fs->inodes.n_nodes == 0);
	cache_deinit(&fs->cache);
	blockfs_free(fs->inodes.buckets);
	blockfs_free(fs);
}

static int fs_open(struct task *task, struct iso *fs, const struct blockfs_mount_options *options)
{
	struct cache_config config = {
		.loop = fs->loop,
		.device = fs->device,
		.arena = options->arena,
		.block_size = ISO_SECTOR_SIZE,
		.n_blocks = fs->device->size / ISO_SECTOR_SIZE,
		.seal = seal_nothing,
	};
	struct iso_entry *entry = blockfs_allocate(sizeof(*entry));

	config.arena.size = min_size(config.arena.size, CACHE_SIZE_MAX);
	int error = entry == NULL                                 ? -ERR_NO_MEMORY
		: !iso_options_parse(options->text, &fs->options) ? -ERR_ILLEGAL_ARGS
		: fs->device->block_size > ISO_SECTOR_SIZE        ? BLOCKFS_E_NOT_THIS
		: config.n_blocks <= ISO_FIRST_DESCRIPTOR         ? BLOCKFS_E_NOT_THIS
								  : 0;

	error = error != 0 ? error : cache_init(&fs->cache, &config);
	error = error != 0 ? error : iso_inodes_init(fs);
	error = error != 0 ? error : open_root(task, fs, entry);
	blockfs_free(entry);
	return error;
}

int blockfs_iso9660_mount(
	struct task *task, const struct blockfs_mount_options *options, struct blockfs **out_fs)
{
	struct iso *fs;

	if (options->arena.size < MIB(4)) {
		return -ERR_ILLEGAL_ARGS;
	}
	int error = fs_create(options, &fs);

	if (error != 0) {
		return error;
	}
	error = fs_open(task, fs, options);
	if (error != 0) {
		fs_destroy(task, fs);
		return error;
	}
	*out_fs = &fs->fs;
	return 0;
}

int iso_unmount(struct task *task, struct blockfs *blockfs)
{
	fs_destroy(task, iso_of(blockfs));
	return 0;
}
