/* SPDX-License-Identifier: MIT */
/* The images that lies are told in, made by the tools of this machine and by the library. */
#include "hostile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct base hostile_bases[HOSTILE_BASES_MAX];
size_t hostile_n_bases;

void base_add(struct base *base, struct structure structure)
{
	if (structure.offset + structure.size > base->size || structure.size == 0) {
		return;
	}
	if (base->n_structures == base->n_structures_max) {
		base->n_structures_max = base->n_structures_max * 2 + 64;
		base->structures = realloc(
			base->structures, base->n_structures_max * sizeof(*base->structures));
	}
	base->structures[base->n_structures++] = structure;
	base->n_of_kind[structure.kind]++;
}

void base_add_number(struct base *base, uint64_t number)
{
	if (base->n_numbers == base->n_numbers_max) {
		base->n_numbers_max = base->n_numbers_max * 2 + 64;
		base->numbers =
			realloc(base->numbers, base->n_numbers_max * sizeof(*base->numbers));
	}
	base->numbers[base->n_numbers++] = number;
}

static void (*const scans[])(struct base *base) = {
	[HOSTILE_EXT4] = ext4_base_scan,
	[HOSTILE_FAT] = fat_base_scan,
	[HOSTILE_ISO9660] = iso9660_base_scan,
	[HOSTILE_TABLE] = table_base_scan,
};

static void base_load(enum hostile_type type, const char *name)
{
	struct base *base = &hostile_bases[hostile_n_bases++];
	FILE *file = fopen(harness_path("image"), "r");

	*base = (struct base){ .name = name, .type = type };
	if (hostile_n_bases > HOSTILE_BASES_MAX || file == NULL || fseek(file, 0, SEEK_END) != 0) {
		abort();
	}
	base->size = (size_t)ftell(file);
	base->image = malloc(base->size);
	rewind(file);
	if (fread(base->image, 1, base->size, file) != base->size) {
		abort();
	}
	fclose(file);
	scans[type](base);
}

/* ---- ext2, ext3, ext4 ------------------------------------------------------------------------ */

#define EXT4_FILL \
	"mke2fs -q -F -N 256 %s -d tree image %s; e2fsck -fyD image >e || [ $? = 1 ];" \
	"printf '%%s\\n' 'ea_set f user.a 1' 'ea_set -f v d user.b' 'ea_set -f v small user.b'" \
	" | debugfs -w -f - image"

static const struct {
	const char *name, *options, *size;
} ext4_images[] = {
	{ "ext2", "-b 1024 -t ext2 -O ^resize_inode -I 128", "3M" },
	{ "ext3", "-b 1024 -t ext3 -J size=1", "4M" },
	{ "ext4 uninit_bg", "-b 1024 -g 1024 -t ext4 -J size=1 -O ^metadata_csum,uninit_bg", "4M" },
	{ "ext4", "-b 1024 -t ext4 -J size=1", "4M" },
	{ "ext4 in groups", "-b 1024 -g 1024 -G 2 -t ext4 -O ^has_journal,^resize_inode", "4M" },
	{ "ext4 inline_data", "-b 1024 -t ext4 -O ^has_journal,^metadata_csum,inline_data", "3M" },
	{ "ext4 inline_data sums", "-b 1024 -t ext4 -J size=1 -O inline_data", "4M" },
	{ "ext4 orphan_file",
		"-b 1024 -t ext4 -J size=1 -O orphan_file,large_dir,metadata_csum_seed", "4M" },
	{ "ext4 4k", "-b 4096 -t ext4 -O ^has_journal", "4M" },
	{ "ext4 meta_bg", "-b 1024 -g 1024 -t ext4 -O ^has_journal,^resize_inode,meta_bg", "4M" },
};

/* Logs that debugfs wrote, with revoked and escaped blocks. */
static const struct {
	const char *name, *options, *open;
} logs[] = {
	{ "ext3 log", "-b 1024 -t ext3 -J size=1", "jo" },
	{ "ext4 log v2", "-b 1024 -t ext4 -J size=1", "jo -c -v 2" },
	{ "ext4 log v3", "-b 1024 -t ext4 -J size=1", "jo -c -v 3" },
};

static int leave_dirty(struct task *task, void *argument)
{
	struct harness *harness = argument;
	struct blockfs *fs = harness->fs;
	struct blockfs_node *root, *node;
	static uint8_t bytes[20000];

	if (fs->ops->root(task, fs, &root) != 0) {
		return -ERR_IO;
	}
	for (int i = 0; i < 60; i++) {
		struct blockfs_create_options options = { .mode = i % 3 == 0 ? 0040755 : 0100644 };
		char name[40];

		snprintf(name, sizeof(name), "made-before-the-cut-%d", i);
		if (fs->ops->create(task, root, name_of(name), &options, &node) != 0) {
			continue;
		}
		if (i % 3 != 0) {
			(void)file_write(task, node, (uint64_t)i * 3000, bytes, sizeof(bytes));
		}
		fs->ops->node_put(task, node);
		if (i % 7 == 5) {
			(void)fs->ops->sync(task, fs);
			(void)fs->ops->unlink(task, root, name_of(name));
		} else if (i % 9 == 6) {
			(void)fs->ops->sync(task, fs);
			(void)fs->ops->remove_directory(task, root, name_of(name));
		}
	}
	fs->ops->node_put(task, root);
	return fs->ops->sync(task, fs);
}

/* The image as a power cut leaves it after the library has used it. */
static void make_cut_image(const char *options)
{
	struct harness harness;

	harness_must("rm -f image;" EXT4_FILL, options, "4M");
	harness_init(&harness, 0);
	harness_load(&harness, harness_path("image"));
	harness.fake.delay_max_ns = 0;
	if (harness_mount(&harness, false) != 0 ||
		harness_run(&harness, leave_dirty, &harness) != 0 ||
		!fake_device_save(&harness.fake, harness_path("image")) ||
		harness_unmount(&harness) != 0) {
		abort();
	}
	harness_deinit(&harness);
}

static void ext4_bases_make(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(ext4_images); i++) {
		harness_must("rm -f image;" EXT4_FILL, ext4_images[i].options, ext4_images[i].size);
		base_load(HOSTILE_EXT4, ext4_images[i].name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
		harness_must("rm -f image;" EXT4_FILL, logs[i].options, "4M");
		harness_must("head -c 20480 /dev/zero | tr '\\0' 'a' >a;"
			     "printf '\\300\\073\\071\\230' >c; head -c 1020 a >>c;"
			     "printf '%%s\\n' '%s' 'jw -b 3500-3519 a' 'jw -b 3505-3510 a'"
			     " 'jw -b 3520 c' 'jw -r 3505-3507' 'jw -b 3506 a' jc |"
			     " debugfs -w -f - image",
			logs[i].open);
		base_load(HOSTILE_EXT4, logs[i].name);
	}
	make_cut_image("-b 1024 -t ext4 -J size=1");
	base_load(HOSTILE_EXT4, "ext4 cut");
	make_cut_image("-b 1024 -t ext3 -J size=1");
	base_load(HOSTILE_EXT4, "ext3 cut");
}

/* ---- the others ------------------------------------------------------------------------------ */

static const struct {
	const char *name, *options, *size;
} fat_images[] = {
	{ "fat12", "-F 12 -s 1", "1440K" },
	{ "fat12 one table", "-F 12 -s 4 -f 1", "1M" },
	{ "fat16", "-F 16 -s 1", "2500K" },
	{ "fat32", "-F 32 -s 1", "1M" },
	{ "fat32 of 4k", "-F 32 -s 8", "2M" },
};

/* mtools refuse FAT32 that is so small: the library fills it. */
static void fill_fat(void)
{
	struct harness harness;

	harness_init(&harness, 0);
	harness.mount = blockfs_fat_mount;
	harness_load(&harness, harness_path("image"));
	harness.fake.delay_max_ns = 0;
	if (harness_mount(&harness, false) != 0 ||
		harness_run(&harness, leave_dirty, &harness) != 0 ||
		harness_unmount(&harness) != 0 ||
		!fake_device_save(&harness.fake, harness_path("image"))) {
		abort();
	}
	harness_deinit(&harness);
}

static void fat_bases_make(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(fat_images); i++) {
		bool is_32 = strncmp(fat_images[i].name, "fat32", 5) == 0;

		harness_must("rm -f image; truncate -s %s image; mkfs.fat %s image",
			fat_images[i].size, fat_images[i].options);
		if (is_32) {
			fill_fat();
		} else {
			harness_must("mcopy -s -i image tree/d tree/many tree/f tree/small ::");
		}
		base_load(HOSTILE_FAT, fat_images[i].name);
	}
}

static void iso9660_bases_make(void)
{
	static const char *const arguments[] = { "-R", "-J", "-iso-level 2", "-R -J" };

	harness_must(
		"mkdir -p tree/1/2/3/4/5/6/7/8/9; : >tree/1/2/3/4/5/6/7/8/9/deep;"
		"ln -s $(head -c 600 /dev/zero | tr '\\0' b | sed 's|.\\{200\\}|&/|g') tree/l");
	for (size_t i = 0; i < ARRAY_SIZE(arguments); i++) {
		harness_must("rm -f image; xorriso -as mkisofs -quiet -no-pad %s -o image tree",
			arguments[i]);
		base_load(HOSTILE_ISO9660, arguments[i]);
	}
}

static void table_bases_make(void)
{
	static const char *const scripts[][2] = {
		{ "gpt", "label: gpt\\n,100K\\n,200K\\n,300K\\n,\\n" },
		{ "mbr", "label: dos\\n,100K\\n,600K,E\\n,\\n,100K\\n,100K\\n,100K\\n,100K\\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		harness_must("rm -f image; truncate -s 4M image; printf '%s' | sfdisk image",
			scripts[i][1]);
		base_load(HOSTILE_TABLE, scripts[i][0]);
	}
}

void hostile_bases_make(void)
{
	harness_must(
		"mkdir -p tree/d/e tree/many; head -c 30000 /dev/zero | tr '\\0' x >tree/f;"
		"cp tree/f tree/d/g; echo hello >tree/small; ln -s small tree/link;"
		"ln -s $(head -c 200 /dev/zero | tr '\\0' t) tree/long;"
		"for i in $(seq 100); do : >tree/many/name-that-is-rather-long-$i; done;"
		"for i in $(seq 0 60); do"
		" dd if=tree/f of=tree/holes bs=1000 count=1 seek=$((i * 3)) conv=notrunc; done;"
		"head -c 300 tree/f >v");
	ext4_bases_make();
	fat_bases_make();
	iso9660_bases_make();
	table_bases_make();
	harness_remove_folder();
}

void hostile_bases_free(void)
{
	for (size_t i = 0; i < hostile_n_bases; i++) {
		free(hostile_bases[i].image);
		free(hostile_bases[i].structures);
		free(hostile_bases[i].numbers);
		free(hostile_bases[i].layout);
	}
	hostile_n_bases = 0;
}
