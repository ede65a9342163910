/* SPDX-License-Identifier: MIT */
/*
 * Mount options of file systems on disks.
 *
 * Some say what is the case anyway, or how Linux does what is done otherwise here; they are taken
 * so that fstab entries of Linux systems work. Unknown ones are refused, as Linux does.
 */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <posix/server/fs/disk-options.h>

enum option_effect : uint8_t {
	OPTION_NOTHING,
	OPTION_READ_ONLY,
	OPTION_WRITABLE,
	OPTION_NO_JOURNAL,
	OPTION_ON_ERROR_CONTINUE,
	OPTION_ON_ERROR_READ_ONLY,
	OPTION_ON_ERROR_PANIC,
	OPTION_DATA_MODE,
	OPTION_FOR_SERVER,
};

struct option {
	const char *name; /* with "=": the name alone, and any value goes */
	enum option_effect effect;
};

static const struct option ext_options[] = {
	{ "ro", OPTION_READ_ONLY },
	{ "rw", OPTION_WRITABLE },
	{ "noload", OPTION_NO_JOURNAL },
	{ "norecovery", OPTION_NO_JOURNAL },
	{ "errors=continue", OPTION_ON_ERROR_CONTINUE },
	{ "errors=remount-ro", OPTION_ON_ERROR_READ_ONLY },
	{ "errors=panic", OPTION_ON_ERROR_PANIC },
	{ "defaults", OPTION_NOTHING },
	{ "acl", OPTION_NOTHING },
	{ "user_xattr", OPTION_NOTHING },
	{ "barrier", OPTION_NOTHING },
	{ "barrier=1", OPTION_NOTHING },
	{ "delalloc", OPTION_NOTHING },
	{ "nodelalloc", OPTION_NOTHING },
	{ "auto_da_alloc", OPTION_NOTHING },
	{ "noauto_da_alloc", OPTION_NOTHING },
	{ "discard", OPTION_NOTHING },
	{ "nodiscard", OPTION_NOTHING },
	{ "grpid", OPTION_FOR_SERVER },
	{ "nogrpid", OPTION_NOTHING },
	{ "sysvgroups", OPTION_NOTHING },
	{ "minixdf", OPTION_NOTHING },
	{ "bsddf", OPTION_NOTHING },
	{ "block_validity", OPTION_NOTHING },
	{ "noblock_validity", OPTION_NOTHING },
	{ "init_itable", OPTION_NOTHING },
	{ "noinit_itable", OPTION_NOTHING },
	{ "lazytime", OPTION_NOTHING },
	{ "nolazytime", OPTION_NOTHING },
	{ "quota", OPTION_FOR_SERVER },
	{ "noquota", OPTION_NOTHING },
	{ "data=", OPTION_DATA_MODE },
	{ "commit=", OPTION_FOR_SERVER },
	{ "resuid=", OPTION_FOR_SERVER },
	{ "resgid=", OPTION_FOR_SERVER },
	{ "sb=", OPTION_FOR_SERVER },
	{ "stripe=", OPTION_NOTHING },
	{ "inode_readahead_blks=", OPTION_NOTHING },
	{ "journal_checksum", OPTION_NOTHING },
	{ "journal_async_commit", OPTION_NOTHING },
	{ "max_batch_time=", OPTION_NOTHING },
	{ "min_batch_time=", OPTION_NOTHING },
};

/* The server knows what these types can be told. */
static const struct option other_options[] = {
	{ "ro", OPTION_READ_ONLY },
	{ "rw", OPTION_WRITABLE },
	{ "defaults", OPTION_NOTHING },
	{ "", OPTION_FOR_SERVER },
};

static bool option_is(const struct option *option, const char *text, size_t size)
{
	size_t length = strlen(option->name);

	if (length == 0 || (option->name[length - 1] == '=' && size > length)) {
		return size >= length && memcmp(option->name, text, length) == 0;
	}
	return size == length && memcmp(option->name, text, length) == 0;
}

static int64_t option_pass_on(struct disk_options *options, const char *text, size_t size)
{
	size_t used = strlen(options->others);

	if (used + size + 2 > sizeof(options->others)) {
		return -LINUX_EINVAL;
	}
	if (used > 0) {
		options->others[used++] = ',';
	}
	memcpy(options->others + used, text, size);
	options->others[used + size] = '\0';
	return 0;
}

static int64_t option_set_data_mode(struct disk_options *options, const char *text, size_t size)
{
	if (size >= sizeof(options->data_mode)) {
		return -LINUX_EINVAL;
	}
	memcpy(options->data_mode, text, size);
	options->data_mode[size] = '\0';
	return option_pass_on(options, text, size);
}

static int64_t option_apply(
	struct disk_options *options, enum option_effect effect, const char *text, size_t size)
{
	switch (effect) {
	case OPTION_NOTHING: return 0;
	case OPTION_READ_ONLY: options->is_read_only = true; return 0;
	case OPTION_WRITABLE: return 0; /* the flag of mount(2) says so already */
	case OPTION_NO_JOURNAL: options->skips_journal = true; return 0;
	case OPTION_ON_ERROR_CONTINUE: options->on_error = FS_ON_ERROR_CONTINUE; return 0;
	case OPTION_ON_ERROR_READ_ONLY: options->on_error = FS_ON_ERROR_REMOUNT_READ_ONLY; return 0;
	case OPTION_ON_ERROR_PANIC: options->on_error = FS_ON_ERROR_PANIC; return 0;
	case OPTION_DATA_MODE: return option_set_data_mode(options, text, size);
	case OPTION_FOR_SERVER: return option_pass_on(options, text, size);
	}
	return -LINUX_EINVAL;
}

static int64_t option_parse(const struct option *known, size_t n_known, const char *text,
	size_t size, struct disk_options *options)
{
	for (size_t i = 0; i < n_known; i++) {
		if (option_is(&known[i], text, size)) {
			return option_apply(options, known[i].effect, text, size);
		}
	}
	return -LINUX_EINVAL;
}

int64_t disk_options_parse(const char *type, const char *text, struct disk_options *options)
{
	bool is_ext = str_starts_with(type, "ext");
	int64_t error = 0;

	while (*text != '\0' && error == 0) {
		const char *comma = strchr(text, ',');
		size_t size = comma != NULL ? (size_t)(comma - text) : strlen(text);

		if (size > 0) {
			error = is_ext ? option_parse(ext_options, ARRAY_SIZE(ext_options), text,
						 size, options)
				       : option_parse(other_options, ARRAY_SIZE(other_options),
						 text, size, options);
		}
		text += size + (comma != NULL);
	}
	if (error == 0 && options->skips_journal && !options->is_read_only) {
		error = -LINUX_EINVAL;
	}
	return error;
}
