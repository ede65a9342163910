/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target: FAT images that say anything at all.
 *
 * Whatever an input makes of an image that mkfs.fat and mtools made: each operation ends, with a
 * result or an error, and nothing is left in memory.
 */
#include "fuzz-disk.h"

static void bases_make(void)
{
	static const char *const options[] = { "-F 12 -s 1", "-F 12 -s 4 -f 1", "-F 16 -s 1",
		"-F 32 -s 1", "-F 32 -s 8" };
	static const char *const sizes[] = { "1440K", "1M", "2500K", "1M", "1M" };

	harness_must("mkdir -p tree/d/e tree/many; head -c 30000 /dev/zero | tr '\\0' x >tree/f;"
		     "cp tree/f tree/d/g; for i in $(seq 40); do"
		     " : >tree/many/name-that-is-rather-long-$i; done");
	tree_set_times();
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		/* the last ones are too small for mtools, but not for us, and stay empty */
		harness_must("rm -f image; truncate -s %s image; mkfs.fat --invariant %s image;"
			     "mcopy -s -m -i image tree/* :: || test %zu -ge 3",
			sizes[i], options[i], i);
		base_load(harness_path("image"));
	}
	harness_remove_folder();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct harness harness;

	if (n_bases == 0) {
		bases_make();
		harness_init(&harness, 0);
		harness.mount = blockfs_fat_mount;
	}
	disk_fuzz(&harness, data, size);
	return 0;
}
