/* SPDX-License-Identifier: MIT */
/*
 * A client of the file server: what it does to a file system, Linux' tools find afterwards.
 *
 * The command line says which volume: fs.name=NAME. It holds ext4, with a file `given` of
 * GIVEN_BYTES bytes of pattern 0, and nothing else. fs.mode=MODE is for other disks, and for
 * measuring. tests/system/fs.py boots this.
 */
#include "direct.h"
#include "exerciser.h"
#include "fs-client.h"
#include "garbage.h"
#include "survivor.h"

#include <base/errors.h>
#include <base/format.h>
#include <base/random.h>
#include <base/string.h>
#include <tests/native/task-tests.h>

#define GIVEN_BYTES 100000
#define WRITTEN     300000
#define BIG_BYTES   MIB(12)
#define MANY        300
#define S_IFREG     0100000u
#define S_IFDIR     0040000u
#define S_IFLNK     0120000u

static struct fs_client volume, session;
static char name[96];

/* The same as in tests/system/fs.py. */
static uint8_t pattern(uint64_t at, uint64_t salt)
{
	return (uint8_t)(at * 7 + at / 512 * 13 + salt * 31);
}

static void fill(uint8_t *bytes, uint64_t offset, uint64_t length, uint64_t salt)
{
	for (uint64_t i = offset; i < offset + length; i++) {
		bytes[i] = pattern(i, salt);
	}
}

static bool is_filled(const uint8_t *bytes, uint64_t offset, uint64_t length, uint64_t salt)
{
	for (uint64_t i = offset; i < offset + length; i++) {
		if (bytes[i] != pattern(i, salt)) {
			return false;
		}
	}
	return true;
}

static bool is_zero(const uint8_t *bytes, uint64_t offset, uint64_t length)
{
	for (uint64_t i = offset; i < offset + length; i++) {
		if (bytes[i] != 0) {
			return false;
		}
	}
	return true;
}

static bool remount(struct task *task)
{
	return fs_unmount(task, &session) == 0 &&
		fs_mount(task, &volume, &session, "ext4", false) == 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

static void test_volume_is_mounted(struct task *task)
{
	CHECK(helix_command_line_option("fs.name", name, sizeof(name)));
	CHECK(fs_volume_find(task, &volume, name) == 0);
	CHECK(fs_mount(task, &volume, &session, "nosuchfs", false) == FS_ERROR_UNKNOWN_TYPE);
	CHECK(fs_mount(task, &volume, &session, "ext4", false) == 0);
	CHECK((session.root.attributes.mode & S_IFDIR) != 0);
	CHECK(session.root.number == 2);
}

static void test_volume_is_mounted_once(struct task *task)
{
	struct fs_client other;

	CHECK(fs_mount(task, &volume, &other, "ext4", false) == FS_ERROR_BUSY);
	CHECK(fs_open(task, &volume, &other, true) == FS_ERROR_BUSY);
}

static void test_volume_is_described(struct task *task)
{
	struct fs_info_reply info;
	char number[8] = "0";

	(void)helix_command_line_option("fs.partition", number, sizeof(number));
	CHECK(fs_info(task, &volume, &info) == 0);
	CHECK(info.partition == (uint32_t)(number[0] - '0'));
	CHECK(info.n_sessions >= 1); /* posix looks at volumes, too */
	CHECK(info.size_bytes == (info.partition == 0 ? MIB(64) : MIB(40)));
	CHECK(info.start_bytes == (info.partition == 0 ? 0 : MIB(17)));
	CHECK(info.scheme == (info.partition == 0 ? FS_SCHEME_NONE : FS_SCHEME_GPT));
	CHECK(bragi_string_equals(info.label, info.partition == 0 ? "" : "root"));
	CHECK((info.flags & FS_VOLUME_FLAG_READ_ONLY) == 0);
}

/* Others may be looking at it. */
static int rescan_when_free(struct task *task, struct fs_client *disk)
{
	int error;

	do {
		error = fs_rescan(task, disk);
	} while (error == FS_ERROR_BUSY &&
		task_sleep_until(task, task_now_ns(task) + UINT64_C(10000000)) == 0);
	return error;
}

/* Not while a partition is in use; then the volumes are other ones. */
static void test_partitions_are_read_again(struct task *task)
{
	struct fs_info_reply info;
	struct fs_client disk;
	char disk_name[96];

	CHECK(fs_info(task, &volume, &info) == 0);
	if (info.partition == 0) {
		CHECK(rescan_when_free(task, &volume) == 0); /* there are none */
		return;
	}
	str_copy(disk_name, sizeof(disk_name), name);
	disk_name[strlen(name) - strlen("-part2")] = '\0';
	CHECK(fs_volume_find(task, &disk, disk_name) == 0);
	CHECK(fs_rescan(task, &disk) == FS_ERROR_BUSY);
	CHECK(fs_unmount(task, &session) == 0);
	CHECK(rescan_when_free(task, &disk) == 0);
	CHECK(fs_mount(task, &volume, &session, "ext4", false) == -ERR_END_OF_LANE);
	fs_client_deinit(&volume);
	CHECK(fs_volume_find(task, &volume, name) == 0);
	CHECK(fs_mount(task, &volume, &session, "ext4", false) == 0);
	fs_client_deinit(&disk);
}

static void test_what_mke2fs_made_is_read(struct task *task)
{
	struct fs_mapped mapped;
	struct fs_node node;

	CHECK(fs_walk(task, &session, "given", &node) == 0);
	CHECK(node.attributes.size == GIVEN_BYTES);
	CHECK(fs_map(task, &session, node.id, GIVEN_BYTES, false, &mapped) == 0);
	CHECK(is_filled(mapped.bytes, 0, GIVEN_BYTES, 0));
	CHECK(is_zero(mapped.bytes, GIVEN_BYTES, HEL_PAGE_SIZE - GIVEN_BYTES % HEL_PAGE_SIZE));
	fs_unmap(&mapped);
	CHECK(fs_forget(task, &session, node.id, 1) == 0);
	CHECK(fs_forget(task, &session, node.id, 1) == -ERR_NOT_FOUND);
}

static void test_names(struct task *task)
{
	struct fs_node directory, file, link, again;
	uint64_t root = session.root.id;

	CHECK(fs_create(task, &session, root, "folder", S_IFDIR | 0755, NULL, &directory) == 0);
	CHECK(fs_create(task, &session, directory.id, "file", S_IFREG | 0640, NULL, &file) == 0);
	CHECK(fs_create(task, &session, directory.id, "file", S_IFREG | 0640, NULL, &again) ==
		-ERR_EXISTS);
	CHECK(fs_create(task, &session, directory.id, "link", S_IFLNK | 0777, "folder/file",
		      &link) == 0);
	CHECK(fs_link(task, &session, root, "hard", file.id) == 0);
	CHECK(fs_lookup(task, &session, root, "hard", &again) == 0);
	CHECK(again.id == file.id && again.attributes.n_links == 2);
	CHECK(fs_unlink(task, &session, root, "folder", 0, true) == FS_ERROR_NOT_EMPTY);
	CHECK(fs_unlink(task, &session, root, "folder", 0, false) == FS_ERROR_IS_DIRECTORY);
	CHECK(fs_rename(task, &session, root, "folder", directory.id, "in", 0) ==
		FS_ERROR_INTO_ITSELF);
	CHECK(fs_rename(task, &session, root, "hard", directory.id, "renamed", 0) == 0);
	CHECK(fs_lookup(task, &session, root, "hard", &again) == -ERR_NOT_FOUND);
	CHECK(fs_unlink(task, &session, directory.id, "renamed", file.id + 1, false) ==
		-ERR_NOT_FOUND);
	CHECK(fs_unlink(task, &session, directory.id, "renamed", file.id, false) == 0);
	CHECK(fs_forget(task, &session, file.id, 2) == 0);
	CHECK(fs_forget(task, &session, link.id, 1) == 0);
	CHECK(fs_forget(task, &session, directory.id, 1) == 0);
}

/* What is given back with the name goes with it, and nothing if it stays. */
static void test_last_names(struct task *task)
{
	struct fs_node file, again;
	uint64_t root = session.root.id;

	CHECK(fs_create(task, &session, root, "last", S_IFREG | 0640, NULL, &file) == 0);
	CHECK(fs_unlink_known(task, &session, root, "other", file.id, 1) == -ERR_NOT_FOUND);
	CHECK(fs_unlink_known(task, &session, root, "last", file.id + 1, 1) == -ERR_NOT_FOUND);
	CHECK(fs_unlink_known(task, &session, root, "last", file.id, 1) == 0);
	CHECK(fs_forget(task, &session, file.id, 1) == -ERR_NOT_FOUND);
	CHECK(fs_create(task, &session, root, "last", S_IFREG | 0640, NULL, &file) == 0);
	CHECK(fs_lookup(task, &session, root, "last", &again) == 0);
	CHECK(fs_unlink_known(task, &session, root, "last", file.id, 1) == 0);
	CHECK(fs_forget(task, &session, file.id, 1) == 0);
	CHECK(fs_forget(task, &session, file.id, 1) == -ERR_NOT_FOUND);
	CHECK(fs_create(task, &session, root, "last", S_IFREG | 0640, NULL, &file) == 0);
	CHECK(fs_unlink_known(task, &session, root, "last", file.id, UINT32_MAX) == 0);
	CHECK(fs_forget(task, &session, file.id, 1) == -ERR_NOT_FOUND);
}

static void test_listing(struct task *task)
{
	struct fs_node directory, file;
	struct bragi_bytes entries;
	uint64_t cookie = 0;
	uint32_t n_found = 0;
	char text[32];

	CHECK(fs_create(task, &session, session.root.id, "many", S_IFDIR | 0700, NULL,
		      &directory) == 0);
	for (uint32_t i = 0; i < MANY; i++) {
		format_to(text, sizeof(text), "entry-%u", i);
		CHECK(fs_create(task, &session, directory.id, text, S_IFREG | 0600, NULL, &file) ==
			0);
		CHECK(fs_forget(task, &session, file.id, 1) == 0);
	}
	do {
		CHECK(fs_read_directory(task, &session, directory.id, &cookie, &entries) == 0);
		for (uint32_t at = 0; at < entries.size; n_found++) {
			const uint8_t *entry = (const uint8_t *)entries.data + at;

			CHECK(entries.size - at >= 18u + entry[17]);
			at += 18u + entry[17];
		}
	} while (entries.size > 0);
	CHECK(n_found == MANY + 2);
	CHECK(fs_forget(task, &session, directory.id, 1) == 0);
}

/* ---- contents -------------------------------------------------------------------------------- */

static void test_contents_are_written(struct task *task)
{
	struct fs_mapped mapped;
	struct fs_node node;

	CHECK(fs_create(task, &session, session.root.id, "written", S_IFREG | 0644, NULL, &node) ==
		0);
	CHECK(fs_reserve(task, &session, node.id, 0, WRITTEN, WRITTEN) == 0);
	CHECK(fs_map(task, &session, node.id, WRITTEN, true, &mapped) == 0);
	fill(mapped.bytes, 0, WRITTEN, 1);
	/* behind the end: nobody sees it again */
	mapped.bytes[WRITTEN] = 0xee;
	CHECK(fs_sync_node(task, &session, node.id) == 0);
	CHECK(mapped.bytes[WRITTEN] == 0);
	fs_unmap(&mapped);
	CHECK(remount(task));
	CHECK(fs_walk(task, &session, "written", &node) == 0);
	CHECK(node.attributes.size == WRITTEN);
	CHECK(fs_map(task, &session, node.id, WRITTEN, false, &mapped) == 0);
	CHECK(is_filled(mapped.bytes, 0, WRITTEN, 1));
	fs_unmap(&mapped);
	CHECK(fs_forget(task, &session, node.id, 1) == 0);
}

static void test_sizes(struct task *task)
{
	struct fs_mapped mapped;
	struct fs_node node;

	CHECK(fs_create(task, &session, session.root.id, "cut", S_IFREG | 0644, NULL, &node) == 0);
	CHECK(fs_reserve(task, &session, node.id, 0, 50000, 50000) == 0);
	CHECK(fs_set_size(task, &session, node.id, 70000) == 0);
	CHECK(fs_map(task, &session, node.id, 70000, true, &mapped) == 0);
	fill(mapped.bytes, 0, 50000, 2);
	CHECK(fs_set_size(task, &session, node.id, 20001) == 0);
	CHECK(is_filled(mapped.bytes, 0, 20001, 2));
	CHECK(fs_set_size(task, &session, node.id, 70000) == 0);
	CHECK(is_filled(mapped.bytes, 0, 20001, 2));
	CHECK(is_zero(mapped.bytes, 20001, 70000 - 20001));
	CHECK(fs_sync_node(task, &session, node.id) == 0);
	CHECK(fs_set_size(task, &session, node.id, 10000) == 0);
	CHECK(fs_reserve(task, &session, node.id, 60000, 5000, 65000) == 0);
	CHECK(is_zero(mapped.bytes, 10000, 65000 - 10000));
	fill(mapped.bytes, 60000, 5000, 2);
	fs_unmap(&mapped);
	CHECK(fs_forget(task, &session, node.id, 1) == 0);
}

static void test_holes(struct task *task)
{
	struct fs_mapped mapped;
	struct fs_node node;

	CHECK(fs_create(task, &session, session.root.id, "holes", S_IFREG | 0644, NULL, &node) ==
		0);
	CHECK(fs_reserve(task, &session, node.id, 0, 80000, 80000) == 0);
	CHECK(fs_map(task, &session, node.id, 80000, true, &mapped) == 0);
	fill(mapped.bytes, 0, 80000, 3);
	CHECK(fs_allocate(task, &session, node.id, FS_ALLOCATE_MODE_PUNCH_HOLE, 5000, 30000) == 0);
	CHECK(is_filled(mapped.bytes, 0, 5000, 3));
	CHECK(is_zero(mapped.bytes, 5000, 30000));
	CHECK(is_filled(mapped.bytes, 35000, 45000, 3));
	CHECK(fs_allocate(task, &session, node.id, FS_ALLOCATE_MODE_ZERO, 70000, 20000) == 0);
	CHECK(is_zero(mapped.bytes, 70000, 10000));
	fs_unmap(&mapped);
	CHECK(fs_forget(task, &session, node.id, 1) == 0);
}

static void test_direct_transfers(struct task *task)
{
	struct fs_mapped mapped;
	struct fs_node node;
	hel_handle memory;
	void *address;
	uint8_t *bytes;

	CHECK(hel_memory_allocate(KIB(64), 0, &memory) == 0);
	CHECK(helix_map(memory, 0, KIB(64), HEL_MAP_READ | HEL_MAP_WRITE, &address) == 0);
	bytes = address;
	CHECK(fs_create(task, &session, session.root.id, "direct", S_IFREG | 0644, NULL, &node) ==
		0);
	CHECK(fs_reserve(task, &session, node.id, 0, KIB(64), KIB(64)) == 0);
	fill(bytes, 0, KIB(64), 4);
	CHECK(fs_transfer(task, &session, node.id, true, 0, KIB(64), memory) == 0);
	CHECK(fs_map(task, &session, node.id, KIB(64), true, &mapped) == 0);
	CHECK(is_filled(mapped.bytes, 0, KIB(64), 4));
	mapped.bytes[KIB(20)] ^= 1;
	CHECK(fs_transfer(task, &session, node.id, false, 0, KIB(64), memory) == 0);
	CHECK(bytes[KIB(20)] == (pattern(KIB(20), 4) ^ 1));
	mapped.bytes[KIB(20)] ^= 1;
	CHECK(fs_transfer(task, &session, node.id, false, 1, KIB(4), memory) == -ERR_ILLEGAL_ARGS);
	CHECK(fs_transfer(task, &session, node.id, false, 0, KIB(128), memory) ==
		-ERR_OUT_OF_BOUNDS);
	CHECK(fs_transfer(task, &session, node.id, false, 0, KIB(64), mapped.memory) ==
		-ERR_UNSUPPORTED);
	fs_unmap(&mapped);
	helix_unmap(address, KIB(64));
	hel_close(HEL_THIS, memory);
	CHECK(fs_forget(task, &session, node.id, 1) == 0);
}

static void test_much_is_written(struct task *task)
{
	struct fs_mapped mapped;
	struct fs_node node;

	CHECK(fs_create(task, &session, session.root.id, "big", S_IFREG | 0644, NULL, &node) == 0);
	CHECK(fs_reserve(task, &session, node.id, 0, BIG_BYTES, BIG_BYTES) == 0);
	CHECK(fs_map(task, &session, node.id, BIG_BYTES, true, &mapped) == 0);
	fill(mapped.bytes, 0, BIG_BYTES, 5);
	CHECK(fs_sync(task, &session) == 0);
	CHECK(is_filled(mapped.bytes, 0, BIG_BYTES, 5));
	fs_unmap(&mapped);
	CHECK(remount(task));
	CHECK(fs_walk(task, &session, "big", &node) == 0);
	CHECK(fs_map(task, &session, node.id, BIG_BYTES, false, &mapped) == 0);
	CHECK(is_filled(mapped.bytes, 0, BIG_BYTES, 5));
	fs_unmap(&mapped);
	CHECK(fs_forget(task, &session, node.id, 1) == 0);
}

/* Its pages are kept when it is closed, and go with its last name. */
static void test_removed_files_are_freed(struct task *task)
{
	struct fs_mapped mapped;
	struct fs_node node;

	for (uint32_t round = 0; round < 40; round++) { /* together more than there is room for */
		CHECK(fs_create(task, &session, session.root.id, "gone", S_IFREG | 0644, NULL,
			      &node) == 0);
		CHECK(fs_reserve(task, &session, node.id, 0, MIB(2), MIB(2)) == 0);
		CHECK(fs_map(task, &session, node.id, MIB(2), true, &mapped) == 0);
		fill(mapped.bytes, 0, MIB(2), 6);
		if (round % 2 == 0) {
			fs_unmap(&mapped);
			CHECK(fs_forget(task, &session, node.id, 1) == 0);
		}
		CHECK(fs_unlink(task, &session, session.root.id, "gone", 0, false) == 0);
		if (round % 2 != 0) {
			CHECK(is_filled(mapped.bytes, 0, MIB(2), 6));
			fs_unmap(&mapped);
			CHECK(fs_forget(task, &session, node.id, 1) == 0);
		}
	}
}

static uint64_t number_option(const char *option, uint64_t otherwise)
{
	char text[24];
	uint64_t value = 0;

	if (!helix_command_line_option(option, text, sizeof(text))) {
		return otherwise;
	}
	for (const char *digit = text; *digit >= '0' && *digit <= '9'; digit++) {
		value = value * 10 + (uint64_t)(*digit - '0');
	}
	return value;
}

static void test_random_changes(struct task *task)
{
	CHECK(exercise(task, &session, "random", number_option("fs.seed", 1),
		(uint32_t)number_option("fs.operations", 1500)));
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void test_nonsense_is_refused(struct task *task)
{
	struct fs_attributes attributes;
	struct fs_mapped mapped;
	struct fs_node node, other;
	uint64_t root = session.root.id;

	CHECK(fs_lookup(task, &session, 77777, "x", &node) == -ERR_NOT_FOUND);
	CHECK(fs_lookup(task, &session, root, "", &node) == -ERR_ILLEGAL_ARGS);
	CHECK(fs_lookup(task, &session, root, "..", &node) == -ERR_ILLEGAL_ARGS);
	CHECK(fs_lookup(task, &session, root, "a/b", &node) == -ERR_ILLEGAL_ARGS);
	CHECK(fs_get_attributes(task, &session, UINT64_MAX, &attributes) == -ERR_NOT_FOUND);
	CHECK(fs_map(task, &session, root, KIB(4), false, &mapped) == FS_ERROR_UNSUPPORTED_HERE);
	CHECK(fs_reserve(task, &session, root, 0, KIB(4), KIB(4)) == FS_ERROR_UNSUPPORTED_HERE);
	CHECK(fs_walk(task, &session, "written", &node) == 0);
	CHECK(fs_lookup(task, &session, node.id, "x", &other) == FS_ERROR_NOT_DIRECTORY);
	CHECK(fs_create(task, &session, node.id, "x", S_IFREG, NULL, &other) ==
		FS_ERROR_NOT_DIRECTORY);
	CHECK(fs_create(task, &session, root, "x", 0777777, NULL, &other) != 0);
	CHECK(fs_unlink(task, &session, node.id, "x", 0, false) == FS_ERROR_NOT_DIRECTORY);
	CHECK(fs_rename(task, &session, node.id, "x", root, "y", 0) == FS_ERROR_NOT_DIRECTORY);
	CHECK(fs_reserve(task, &session, node.id, UINT64_MAX - 10, 20, 0) == FS_ERROR_TOO_LARGE);
	CHECK(fs_reserve(task, &session, node.id, 0, GIB(8), 0) == FS_ERROR_NO_SPACE);
	CHECK(fs_reserve(task, &session, node.id, 0, 1, UINT64_MAX) == FS_ERROR_TOO_LARGE);
	CHECK(fs_set_size(task, &session, node.id, UINT64_MAX) == FS_ERROR_TOO_LARGE);
	CHECK(fs_allocate(task, &session, node.id, FS_ALLOCATE_MODE_GROW, UINT64_MAX, 2) ==
		FS_ERROR_TOO_LARGE);
	CHECK(fs_get_attributes(task, &session, node.id, &attributes) == 0);
	CHECK(attributes.size == WRITTEN);
	CHECK(fs_forget(task, &session, node.id, UINT64_MAX) == 0);
}

static void test_garbage_is_refused(struct task *task)
{
	CHECK(send_garbage(task, &session, "garbage", number_option("fs.seed", 1),
		(uint32_t)number_option("fs.requests", 3000)));
}

static void test_client_that_goes_away(struct task *task)
{
	struct fs_node node;

	CHECK(fs_create(task, &session, session.root.id, "left", S_IFREG | 0644, NULL, &node) == 0);
	fs_client_deinit(&session);
	int error;

	do { /* it is unmounted soon */
		error = fs_mount(task, &volume, &session, "ext4", true);
		CHECK(task_sleep_until(task, task_now_ns(task) + UINT64_C(10000000)) == 0);
	} while (error == FS_ERROR_BUSY);
	CHECK(error == 0);
	CHECK(fs_walk(task, &session, "left", &node) == 0);
	CHECK(fs_create(task, &session, session.root.id, "x", S_IFREG | 0644, NULL, &node) ==
		FS_ERROR_READ_ONLY);
	CHECK(fs_unmount(task, &session) == 0);
}

/* ---- as it is -------------------------------------------------------------------------------- */

static void test_volume_is_opened(struct task *task)
{
	struct fs_client other;
	struct fs_mapped mapped, seen;

	CHECK(fs_open(task, &volume, &session, true) == 0);
	CHECK(fs_mount(task, &volume, &other, "ext4", true) == FS_ERROR_BUSY);
	CHECK(fs_open(task, &volume, &other, false) == 0);
	CHECK(fs_map(task, &session, session.root.id, KIB(8), true, &mapped) == 0);
	CHECK(fs_map(task, &other, other.root.id, KIB(8), false, &seen) == 0);
	CHECK(mapped.bytes[1024 + 56] == 0x53 && mapped.bytes[1024 + 57] == 0xef);
	CHECK(is_zero(mapped.bytes, 0, 512));
	fill(mapped.bytes, 0, 512, 7); /* where boot loaders are */
	CHECK(is_filled(seen.bytes, 0, 512, 7));
	fs_unmap(&seen);
	CHECK(fs_lookup(task, &other, other.root.id, "x", &other.root) == FS_ERROR_NOT_DIRECTORY);
	CHECK(fs_unmount(task, &other) == 0);
	CHECK(fs_sync_node(task, &session, session.root.id) == 0);
	fs_unmap(&mapped);
	CHECK(fs_unmount(task, &session) == 0);
}

/* ---- a disk with bad blocks: fs.mode=errors -------------------------------------------------- */

#define BAD_TO_READ  2 /* pages of `given` */
#define BAD_TO_WRITE 5

static void test_errors_are_told(struct task *task)
{
	struct fs_mapped mapped;
	struct fs_node node;
	hel_handle memory;
	uint8_t byte = 0;

	CHECK(fs_walk(task, &session, "given", &node) == 0);
	CHECK(hel_memory_allocate(KIB(64), 0, &memory) == 0);
	CHECK(fs_transfer(task, &session, node.id, false, 0, KIB(64), memory) == -ERR_IO);
	CHECK(fs_transfer(task, &session, node.id, false, KIB(32), KIB(64), memory) == 0);
	CHECK(fs_map(task, &session, node.id, GIVEN_BYTES, true, &mapped) == 0);
	CHECK(hel_memory_read(mapped.memory, BAD_TO_READ * HEL_PAGE_SIZE, &byte, 1) != 0);
	CHECK(hel_memory_read(mapped.memory, (BAD_TO_READ + 1) * HEL_PAGE_SIZE, &byte, 1) == 0);
	CHECK(fs_reserve(task, &session, node.id, BAD_TO_WRITE * HEL_PAGE_SIZE, 1, 0) == 0);
	CHECK(hel_memory_write(mapped.memory, BAD_TO_WRITE * HEL_PAGE_SIZE, &byte, 1) == 0);
	CHECK(fs_sync_node(task, &session, node.id) == -ERR_IO);
	CHECK(fs_sync_node(task, &session, node.id) == -ERR_IO); /* it was tried again */
	fs_unmap(&mapped);
	hel_close(HEL_THIS, memory);
	CHECK(fs_create(task, &session, session.root.id, "other", S_IFREG | 0644, NULL, &node) ==
		0);
	CHECK(fs_unmount(task, &session) == -ERR_IO); /* and in vain once more */
	CHECK(fs_mount(task, &volume, &session, "ext4", false) == 0);
	CHECK(fs_walk(task, &session, "other", &node) == 0);
	CHECK(fs_unmount(task, &session) == 0);
}

static const struct task_test error_tests[] = {
	TASK_TEST(volume_is_mounted),
	TASK_TEST(errors_are_told),
};

/* ---- a disk that is taken out: fs.mode=removal ----------------------------------------------- */

static void test_disk_is_taken_out(struct task *task)
{
	struct fs_attributes attributes;
	struct fs_info_reply info;
	struct fs_mapped mapped;
	uint8_t byte = 1;

	CHECK(helix_command_line_option("fs.name", name, sizeof(name)));
	CHECK(fs_volume_find(task, &volume, name) == 0);
	CHECK(fs_info(task, &volume, &info) == 0);
	CHECK(fs_open(task, &volume, &session, true) == 0);
	CHECK(fs_map(task, &session, session.root.id, KIB(8), true, &mapped) == 0);
	CHECK(hel_memory_write(mapped.memory, 0, &byte, 1) == 0);
	CHECK(fs_sync(task, &session) == 0);
	CHECK(direct_before_removal(task, &session));
	CHECK(fs_watch(task, &volume, info.size_bytes) == -ERR_END_OF_LANE);
	CHECK(direct_after_removal());
	CHECK(hel_memory_write(mapped.memory, 0, &byte, 1) == 0); /* the page is there */
	CHECK(fs_sync(task, &session) == -ERR_END_OF_LANE);
	CHECK(fs_get_attributes(task, &session, session.root.id, &attributes) == -ERR_END_OF_LANE);
	CHECK(hel_memory_read(mapped.memory, KIB(64), &byte, 1) != 0);
	fs_unmap(&mapped);
	CHECK(fs_unmount(task, &session) != 0); /* what was dirty is lost */
	CHECK(fs_info(task, &volume, &info) == -ERR_END_OF_LANE);
	CHECK(fs_mount(task, &volume, &session, "ext4", true) == -ERR_END_OF_LANE);
	fs_client_deinit(&volume);
}

static const struct task_test removal_tests[] = { TASK_TEST(disk_is_taken_out) };

/* ---- a server that is killed: fs.mode=ends --------------------------------------------------- */

static void test_what_was_synced_is_there(struct task *task)
{
	CHECK(helix_command_line_option("fs.name", name, sizeof(name)));
	CHECK(survive(task, &volume, name, (uint32_t)number_option("fs.ends", 6)));
	CHECK(fs_volume_find(task, &volume, name) == 0);
}

static const struct task_test end_tests[] = { TASK_TEST(what_was_synced_is_there) };

/* ---- what calls cost: fs.mode=measure -------------------------------------------------------- */

#define MEASURED 2000

static void say_cost(struct task *task, const char *what, uint64_t since_ns)
{
	helix_log(HEL_LOG_INFO, "%s: %llu ns", what,
		(unsigned long long)((task_now_ns(task) - since_ns) / MEASURED));
}

static void test_calls_are_measured(struct task *task)
{
	uint64_t root = session.root.id, start_ns = task_now_ns(task);
	struct fs_attributes attributes;
	struct fs_mapped mapped;
	struct fs_node node;
	hel_handle memory;

	for (uint32_t i = 0; i < MEASURED; i++) {
		CHECK(fs_get_attributes(task, &session, root, &attributes) == 0);
	}
	say_cost(task, "get_attributes", start_ns);
	start_ns = task_now_ns(task);
	for (uint32_t i = 0; i < MEASURED; i++) {
		CHECK(fs_lookup(task, &session, root, "given", &node) == 0);
		CHECK(fs_forget(task, &session, node.id, 1) == 0);
	}
	say_cost(task, "lookup, forget", start_ns);
	start_ns = task_now_ns(task);
	for (uint32_t i = 0; i < MEASURED; i++) {
		CHECK(fs_create(task, &session, root, "new", S_IFREG | 0600, NULL, &node) == 0);
		CHECK(fs_unlink(task, &session, root, "new", node.id, false) == 0);
		CHECK(fs_forget(task, &session, node.id, 1) == 0);
	}
	say_cost(task, "create, unlink, forget", start_ns);
	start_ns = task_now_ns(task);
	for (uint32_t i = 0; i < MEASURED; i++) {
		CHECK(fs_create(task, &session, root, "new", S_IFREG | 0600, NULL, &node) == 0);
		CHECK(fs_reserve(task, &session, node.id, 0, KIB(4), KIB(4)) == 0);
		CHECK(fs_map(task, &session, node.id, KIB(4), true, &mapped) == 0);
		mapped.bytes[0] = 1;
		fs_unmap(&mapped);
		CHECK(fs_unlink(task, &session, root, "new", node.id, false) == 0);
		CHECK(fs_forget(task, &session, node.id, 1) == 0);
	}
	say_cost(task, "the same with a page written", start_ns);
	CHECK(hel_memory_allocate(KIB(4), 0, &memory) == 0);
	CHECK(fs_lookup(task, &session, root, "given", &node) == 0);
	start_ns = task_now_ns(task);
	for (uint32_t i = 0; i < MEASURED; i++) {
		CHECK(fs_transfer(task, &session, node.id, false, i % 20 * KIB(4), KIB(4),
			      memory) == 0);
	}
	say_cost(task, "transfer of 4 KiB, reading", start_ns);
	CHECK(fs_forget(task, &session, node.id, 1) == 0);
	hel_close(HEL_THIS, memory);
	CHECK(fs_unmount(task, &session) == 0);
}

static const struct task_test measurements[] = {
	TASK_TEST(volume_is_mounted),
	TASK_TEST(calls_are_measured),
};

static const struct task_test tests[] = {
	TASK_TEST(volume_is_mounted),
	TASK_TEST(volume_is_mounted_once),
	TASK_TEST(volume_is_described),
	TASK_TEST(partitions_are_read_again),
	TASK_TEST(what_mke2fs_made_is_read),
	TASK_TEST(names),
	TASK_TEST(last_names),
	TASK_TEST(listing),
	TASK_TEST(contents_are_written),
	TASK_TEST(sizes),
	TASK_TEST(holes),
	TASK_TEST(direct_transfers),
	TASK_TEST(much_is_written),
	TASK_TEST(removed_files_are_freed),
	TASK_TEST(random_changes),
	TASK_TEST(nonsense_is_refused),
	TASK_TEST(garbage_is_refused),
	TASK_TEST(client_that_goes_away),
	TASK_TEST(volume_is_opened),
};

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	char mode[16] = "";

	(void)helix_command_line_option("fs.mode", mode, sizeof(mode));
	if (str_equal(mode, "errors")) {
		return task_tests_main(error_tests, ARRAY_SIZE(error_tests));
	}
	if (str_equal(mode, "removal")) {
		return task_tests_main(removal_tests, ARRAY_SIZE(removal_tests));
	}
	if (str_equal(mode, "ends")) {
		return task_tests_main(end_tests, ARRAY_SIZE(end_tests));
	}
	if (str_equal(mode, "direct")) {
		return task_tests_main(direct_tests, N_DIRECT_TESTS);
	}
	if (str_equal(mode, "loans")) {
		return task_tests_main(loan_tests, N_LOAN_TESTS);
	}
	if (str_equal(mode, "measure")) {
		return task_tests_main(measurements, ARRAY_SIZE(measurements));
	}
	return task_tests_main(tests, ARRAY_SIZE(tests));
}
