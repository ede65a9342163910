/* SPDX-License-Identifier: MIT */
/* The table of types: see type.h. */
#include "type.h"

#include <base/string.h>

static const char *const ext4_harmless[] = {
	"acl",
	"barrier",
	"barrier=1",
	"block_validity",
	"data=ordered",
	"delalloc",
	"nodiscard",
	"noquota",
	"user_xattr",
	NULL,
};

static const struct fs_type types[] = {
	{ "ext4", blockfs_ext4_mount, ext4_harmless, NULL },
	{ "ext3", blockfs_ext4_mount, ext4_harmless, NULL },
	{ "ext2", blockfs_ext4_mount, ext4_harmless, NULL },
	{ "vfat", blockfs_fat_mount, NULL, blockfs_fat_accepts },
	{ "iso9660", blockfs_iso9660_mount, NULL, blockfs_iso9660_accepts },
};

const struct fs_type *fs_type_find(struct bragi_string name)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (bragi_string_equals(name, types[i].name)) {
			return &types[i];
		}
	}
	return NULL;
}

static bool is_harmless(const struct fs_type *type, struct bragi_string option)
{
	if (option.length == 0) {
		return true;
	}
	for (const char *const *harmless = type->harmless; *harmless != NULL; harmless++) {
		if (bragi_string_equals(option, *harmless)) {
			return true;
		}
	}
	return false;
}

bool fs_type_accepts(const struct fs_type *type, struct bragi_string options)
{
	uint32_t begin = 0;

	if (type->accepts != NULL) {
		return type->accepts((struct blockfs_name){ options.text, options.length });
	}
	for (uint32_t end = 0; end <= options.length; end++) {
		if (end == options.length || options.text[end] == ',') {
			const struct bragi_string option = { options.text + begin, end - begin };

			if (!is_harmless(type, option)) {
				return false;
			}
			begin = end + 1;
		}
	}
	return true;
}
