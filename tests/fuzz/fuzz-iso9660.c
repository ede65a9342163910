/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target: ISO 9660 images that say anything at all.
 *
 * Whatever an input makes of an image that xorriso made: each operation ends, with a result or an
 * error, and nothing is left in memory.
 */
#include "fuzz-disk.h"

static void bases_make(void)
{
	static const char *const arguments[] = { "-R", "-J", "-iso-level 2", "-R -J" };

	harness_must("mkdir -p tree/d/e tree/many tree/1/2/3/4/5/6/7/8/9/10;"
		     "head -c 30000 /dev/zero | tr '\\0' x >tree/f; cp tree/f tree/d/g;"
		     "ln -s ../x/./y tree/d/link; : >tree/1/2/3/4/5/6/7/8/9/10/deep;"
		     "ln -s $(head -c 600 /dev/zero | tr '\\0' b | sed 's|.\\{200\\}|&/|g') tree/l;"
		     "for i in $(seq 40); do : >tree/many/name-that-is-rather-long-$i; done");
	tree_set_times();
	for (size_t i = 0; i < ARRAY_SIZE(arguments); i++) {
		harness_must("rm -f image; SOURCE_DATE_EPOCH=1700000000 xorriso -as mkisofs -quiet"
			     " -no-pad --set_all_file_dates set_to_mtime %s -o image tree",
			arguments[i]);
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
		harness.mount = blockfs_iso9660_mount;
	}
	disk_fuzz(&harness, data, size);
	return 0;
}
