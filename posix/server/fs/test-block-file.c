/* SPDX-License-Identifier: MIT */
/*
 * Block devices as open files, over a file server that is slow and counts what it is asked. The
 * seed is printed, TEST_SEED replays one.
 */
#include <abi/linux/block.h>
#include <abi/linux/loop.h>
#include <async/task.h>
#include <async/test-loop.h>
#include <base/errors.h>
#include <base/random.h>
#include <hel/hel-calls.h>
#include <posix/server/fs/block-session.h>
#include <posix/server/fs/disk-internal.h>
#include <posix/server/tests/block-server.h>
#include <posix/server/tests/files.h>

constexpr uint64_t SIZE = KIB(256);

/* ---- the server ------------------------------------------------------------------------------ */

static struct {
	hel_handle bytes; /* of the volume, in its cache and on the disk alike */
	uint32_t n_sessions, n_writers;
	uint32_t n_opens, n_transfers, n_syncs, n_rescans;
	uint64_t cleared_offset, cleared_length;
	bool was_discard;
	int next_error;
	void (*meanwhile)(void); /* once, before that call is answered; NULL: nothing */
	uint32_t meanwhile_at;
	struct random chance;
} server;

static struct test_loop test_loop;
static struct block *block;

static int serve_open(struct bragi_call *call, const struct fs_open_request *request,
	struct fs_open_reply *out_reply)
{
	server.n_sessions++;
	server.n_writers += request->is_writable;
	server.n_opens++;
	return block_server_tell(call, SIZE, out_reply);
}

static int serve_clear(struct bragi_call *call UNUSED, const struct fs_clear_request *request,
	struct fs_clear_reply *out_reply UNUSED)
{
	server.cleared_offset = request->offset;
	server.cleared_length = request->length;
	server.was_discard = request->is_discard != 0;
	return 0;
}

static int serve_rescan(struct bragi_call *call UNUSED,
	const struct fs_rescan_request *request UNUSED, struct fs_rescan_reply *out_reply UNUSED)
{
	server.n_rescans++;
	return 0;
}

static int serve_contents(struct bragi_call *call, const struct fs_contents_request *request UNUSED,
	struct fs_contents_reply *out_reply)
{
	out_reply->size = SIZE;
	return bragi_handles_add(&call->to_send, fake_memory_share(server.bytes)) ? 0
										  : -ERR_NO_MEMORY;
}

static int serve_transfer(struct bragi_call *call, const struct fs_transfer_request *request,
	struct fs_transfer_reply *out_reply)
{
	static uint8_t bytes[SIZE];
	hel_handle memory = bragi_handles_take(&call->received, 0);

	server.n_transfers++;
	CHECK(memory != HEL_NULL);
	CHECK_EQ(request->offset % 512, 0);
	CHECK_EQ(request->length % 512, 0);
	CHECK(request->offset + request->length <= SIZE);
	hel_handle from = request->is_write ? memory : server.bytes;
	hel_handle to = request->is_write ? server.bytes : memory;
	uint64_t from_offset = request->is_write ? request->memory_offset : request->offset;
	uint64_t to_offset = request->is_write ? request->offset : request->memory_offset;

	CHECK_EQ(hel_memory_read(from, from_offset, bytes, request->length), 0);
	CHECK_EQ(hel_memory_write(to, to_offset, bytes, request->length), 0);
	out_reply->n_bytes = request->length;
	return 0;
}

static int serve_sync_node(struct bragi_call *call UNUSED,
	const struct fs_sync_node_request *request UNUSED,
	struct fs_sync_node_reply *out_reply UNUSED)
{
	server.n_syncs++;
	return 0;
}

static int serve_unmount(struct bragi_call *call UNUSED,
	const struct fs_unmount_request *request UNUSED, struct fs_unmount_reply *out_reply UNUSED)
{
	CHECK(server.n_sessions > 0);
	server.n_sessions--;
	return 0;
}

static const struct fs_volume_ops volume_ops = {
	.open = serve_open,
	.clear = serve_clear,
	.rescan = serve_rescan,
};

static int serve_open_direct(struct bragi_call *call UNUSED,
	const struct fs_open_direct_request *request UNUSED,
	struct fs_open_direct_reply *out_reply UNUSED)
{
	return FS_ERROR_UNSUPPORTED_HERE;
}

static const struct fs_session_ops session_ops = {
	.contents = serve_contents,
	.transfer = serve_transfer,
	.open_direct = serve_open_direct,
	.sync_node = serve_sync_node,
	.forget = block_server_forget,
	.unmount = serve_unmount,
};

static void take_time(struct task *task)
{
	uint64_t ns = 1 + random_below(&server.chance, 1000);

	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + ns), 0);
}

static int transact(struct task *task, struct bragi_client *base, struct bragi_exchange *exchange)
{
	const struct transport_client *client = container_of(base, struct transport_client, client);
	int error = server.next_error;

	server.next_error = 0;
	take_time(task);
	if (server.meanwhile_at > 0 && --server.meanwhile_at == 0) {
		server.meanwhile();
	}
	if (error == 0 && block->volume.object == 0) {
		error = -ERR_END_OF_LANE;
	}
	if (error == 0) {
		bool is_session = client != &block->volume.client;

		block_server_answer(exchange, is_session ? NULL : &volume_ops,
			is_session ? &session_ops : NULL);
	}
	take_time(task);
	return error;
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void device_gone(void)
{
	block_vanished(1);
	volume_unref(&block->volume);
	CHECK(block_next(NULL) == NULL);
	block_forget_places();
}

static void begin_device_as(const char *name, uint32_t flags)
{
	uint64_t seed = test_seed(5);

	server = (typeof(server)){ 0 };
	random_init(&server.chance, seed);
	test_loop_init(&test_loop, &(struct test_loop_options){ .seed = seed });
	fake_have_tasks(&test_loop);
	fake_transact = transact;
	begin();
	CHECK_EQ(hel_memory_allocate(SIZE, 0, &server.bytes), 0);
	block = block_server_add(name, SIZE, flags);
	start(root, 259 /* mknodat */, V(LINUX_AT_FDCWD), P("/disk"), V(LINUX_S_IFBLK | 0666),
		V(block->volume.rdev));
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(call_chmod(root, "/disk", 0666), 0);
}

static void begin_device(uint32_t flags)
{
	begin_device_as("x", flags);
}

#define end_device() \
	do { \
		users_free(); \
		fake_run_loop(); \
		CHECK_EQ(server.n_sessions, 0); \
		device_gone(); \
		hel_close(HEL_THIS, server.bytes); \
		end(); \
		fake_have_tasks(NULL); \
		test_loop_deinit(&test_loop); \
	} while (0)

/* The ioctl, also if it waits. */
static int64_t control(struct user *user, int64_t fd, uint32_t command, uint64_t value,
	void *buffer, size_t in_size, size_t out_size)
{
	int64_t result = call_ioctl(user, fd, command, value, buffer, in_size, out_size);

	if (result == REQUEST_PARK) {
		fake_run_loop();
		result = result_of(user);
	}
	return result;
}

static const char *server_text(uint64_t offset, size_t size)
{
	static char text[128];

	CHECK_EQ(hel_memory_read(server.bytes, offset, text, size), 0);
	text[size] = '\0';
	return text;
}

TEST(bytes_are_read_and_written_where_they_are)
{
	char text[16] = "";

	begin_device(0);
	int64_t fd = call_open(root, "/disk", LINUX_O_RDWR, 0);

	CHECK(fd >= 0);
	CHECK_EQ(call_pwrite(root, fd, "hello", 5, 1000), 5);
	CHECK_STR_EQ(server_text(1000, 5), "hello");
	CHECK_EQ(call_pread(root, fd, text, 5, 1000), 5);
	CHECK_STR_EQ(text, "hello");
	CHECK_EQ(call_lseek(root, fd, 0, LINUX_SEEK_END), (int64_t)SIZE);
	CHECK_EQ(call_read(root, fd, text, 5), 0);
	CHECK_EQ(call_write(root, fd, "hello", 5), -LINUX_ENOSPC);
	CHECK_EQ(call_lseek(root, fd, -2, LINUX_SEEK_END), (int64_t)SIZE - 2);
	CHECK_EQ(call_write(root, fd, "hello", 5), 2);
	CHECK_STR_EQ(server_text(SIZE - 2, 2), "he");
	CHECK_EQ(call_lseek(root, fd, 5, LINUX_SEEK_HOLE), (int64_t)SIZE);
	CHECK_EQ(call_lseek(root, fd, 5, LINUX_SEEK_DATA), 5);
	CHECK_EQ(call_lseek(root, fd, (int64_t)SIZE, LINUX_SEEK_DATA), -LINUX_ENXIO);
	start(root, 74 /* fsync */, V(fd));
	fake_run_loop();
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(server.n_syncs, 1);
	start(root, 162 /* sync */);
	fake_run_loop();
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(server.n_syncs, 2);
	CHECK_EQ(call_close(root, fd), 0);
	end_device();
}

TEST(o_direct_goes_past_the_cache_in_whole_blocks)
{
	char text[1024];

	begin_device(0);
	int64_t fd = call_open(root, "/disk", LINUX_O_RDWR | LINUX_O_DIRECT, 0);

	memset(text, 'a', sizeof(text));
	CHECK_EQ(call_pwrite(root, fd, text, 100, 0), -LINUX_EINVAL);
	CHECK_EQ(call_pwrite(root, fd, text, 512, 100), -LINUX_EINVAL);
	CHECK_EQ(call_pread(root, fd, text, 511, 0), -LINUX_EINVAL);
	CHECK_EQ(call_pwrite(root, fd, text, 1024, 512), 1024);
	CHECK_EQ(server.n_transfers, 1);
	CHECK_STR_EQ(server_text(1530, 6), "aaaaaa");
	memset(text, 0, sizeof(text));
	CHECK_EQ(call_pread(root, fd, text, 1024, 1024), 1024);
	CHECK_EQ(text[511], 'a');
	CHECK_EQ(text[512], 0);
	CHECK_EQ(call_close(root, fd), 0);
	end_device();
}

/* While a file system is mounted nothing is taken from the cache, and blocks are kept whole. */
TEST(a_mounted_volume_is_read_and_written_past_the_cache)
{
	struct super mounted = { 0 };
	char text[32] = "";

	begin_device(0);
	int64_t fd = call_open(root, "/disk", LINUX_O_RDWR, 0);

	CHECK_EQ(call_pwrite(root, fd, "xxxxxxxxxx", 10, 1020), 10);
	CHECK_EQ(server.n_transfers, 0);
	block->volume.super = &mounted;
	CHECK_EQ(call_pwrite(root, fd, "hello", 5, 1022), 5);
	CHECK_EQ(server.n_transfers, 2);
	CHECK_EQ(call_pread(root, fd, text, 10, 1020), 10);
	CHECK_STR_EQ(text, "xxhelloxxx");
	CHECK_STR_EQ(server_text(1020, 10), "xxhelloxxx");
	CHECK_EQ(call_open(root, "/disk", LINUX_O_RDONLY | LINUX_O_EXCL, 0), -LINUX_EBUSY);
	CHECK_EQ(control(root, fd, LINUX_BLKRRPART, 0, NULL, 0, 0), -LINUX_EBUSY);
	block->volume.super = NULL;
	CHECK_EQ(call_close(root, fd), 0);
	end_device();
}

TEST(files_share_sessions)
{
	begin_device(0);
	int64_t reader = call_open(root, "/disk", LINUX_O_RDONLY, 0);
	int64_t second = call_open(root, "/disk", LINUX_O_RDONLY, 0);

	CHECK_EQ(server.n_sessions, 1);
	int64_t writer = call_open(root, "/disk", LINUX_O_RDWR, 0);

	CHECK_EQ(server.n_sessions, 2);
	int64_t third = call_open(root, "/disk", LINUX_O_RDONLY, 0);

	CHECK_EQ(server.n_sessions, 2);
	CHECK_EQ(server.n_writers, 1);
	CHECK_EQ(call_close(root, reader), 0);
	CHECK_EQ(call_close(root, second), 0);
	fake_run_loop();
	CHECK_EQ(server.n_sessions, 1);
	CHECK_EQ(call_close(root, writer), 0);
	fake_run_loop();
	CHECK_EQ(server.n_sessions, 1);
	CHECK_EQ(call_close(root, third), 0);
	fake_run_loop();
	CHECK_EQ(server.n_sessions, 0);
	end_device();
}

TEST(openers_at_once_get_one_session)
{
	struct user *users[6];

	begin_device(0);
	for (size_t i = 0; i < 6; i++) {
		users[i] = user_create(0);
		start(users[i], 257 /* openat */, V(LINUX_AT_FDCWD), P("/disk"), V(LINUX_O_RDWR),
			V(0));
	}
	fake_run_loop();
	for (size_t i = 0; i < 6; i++) {
		CHECK_EQ(result_of(users[i]), 0);
	}
	CHECK_EQ(server.n_sessions, 1);
	end_device();
}

TEST(who_has_it_alone)
{
	begin_device(0);
	int64_t fd = call_open(root, "/disk", LINUX_O_RDWR | LINUX_O_EXCL, 0);

	CHECK(fd >= 0);
	CHECK_EQ(call_open(root, "/disk", LINUX_O_RDWR | LINUX_O_EXCL, 0), -LINUX_EBUSY);
	CHECK(call_open(root, "/disk", LINUX_O_RDWR, 0) >= 0);
	CHECK(volume_is_claimed(&block->volume));
	CHECK_EQ(call_close(root, fd), 0);
	CHECK(!volume_is_claimed(&block->volume));
	end_device();
}

TEST(a_disk_that_can_only_be_read)
{
	begin_device(FS_VOLUME_FLAG_READ_ONLY);
	int64_t fd = call_open(root, "/disk", LINUX_O_RDWR, 0);
	int32_t is_read_only = 0;

	CHECK(fd >= 0);
	CHECK_EQ(server.n_writers, 0);
	CHECK_EQ(call_write(root, fd, "x", 1), -LINUX_EPERM);
	CHECK_EQ(control(root, fd, LINUX_BLKROGET, 4, &is_read_only, 0, 4), 0);
	CHECK_EQ(is_read_only, 1);
	end_device();
}

TEST(a_device_that_goes_while_it_is_open)
{
	char text[8];

	begin_device(0);
	int64_t fd = call_open(root, "/disk", LINUX_O_RDWR, 0);

	block_vanished(1);
	CHECK_EQ(call_read(root, fd, text, 8), -LINUX_EIO);
	CHECK_EQ(call_open(root, "/disk", LINUX_O_RDWR, 0), -LINUX_ENXIO);
	CHECK_EQ(call_close(root, fd), 0);
	server.n_sessions = 0;
	end_device();
}

TEST(errors_of_the_server_are_told)
{
	begin_device(0);
	server.next_error = -ERR_IO;
	CHECK_EQ(call_open(root, "/disk", LINUX_O_RDWR, 0), -LINUX_EIO);
	server.next_error = FS_ERROR_BUSY;
	CHECK_EQ(call_open(root, "/disk", LINUX_O_RDWR, 0), -LINUX_EBUSY);
	int64_t fd = call_open(root, "/disk", LINUX_O_RDWR, 0);

	server.next_error = -ERR_IO;
	start(root, 74 /* fsync */, V(fd));
	fake_run_loop();
	CHECK_EQ(result_of(root), -LINUX_EIO);
	end_device();
}

/* ---- ioctls ---------------------------------------------------------------------------------- */

static uint64_t asked(struct user *user, int64_t fd, uint32_t command, size_t size)
{
	uint64_t value = 0;

	CHECK_EQ(control(user, fd, command, size, &value, 0, size), 0);
	return value;
}

TEST(ioctls_tell_what_a_disk_is)
{
	struct linux_hd_geometry geometry;

	begin_device(FS_VOLUME_FLAG_ROTATIONAL);
	int64_t fd = call_open(root, "/disk", LINUX_O_RDONLY, 0);

	CHECK_EQ(asked(root, fd, LINUX_BLKGETSIZE, 8), SIZE / 512);
	CHECK_EQ(asked(root, fd, LINUX_BLKGETSIZE64, 8), SIZE);
	CHECK_EQ(asked(root, fd, LINUX_BLKSSZGET, 4), 512);
	CHECK_EQ(asked(root, fd, LINUX_BLKPBSZGET, 4), 4096);
	CHECK_EQ(asked(root, fd, LINUX_BLKIOMIN, 4), 4096);
	CHECK_EQ(asked(root, fd, LINUX_BLKIOOPT, 4), 65536);
	CHECK_EQ(asked(root, fd, LINUX_BLKBSZGET, 4), 4096);
	CHECK_EQ(asked(root, fd, LINUX_BLKALIGNOFF, 4), 0);
	CHECK_EQ(asked(root, fd, LINUX_BLKRAGET, 8), 256);
	CHECK_EQ(asked(root, fd, LINUX_BLKROTATIONAL, 2), 1);
	CHECK_EQ(asked(root, fd, LINUX_BLKDISCARDZEROES, 4), 0);
	CHECK_EQ(control(root, fd, LINUX_HDIO_GETGEO, 16, &geometry, 0, 16), 0);
	CHECK_EQ(geometry.sectors, 32);
	CHECK_EQ(
		control(root, fd, 0x5331 /* CDROM_GET_CAPABILITY */, 0, NULL, 0, 0), -LINUX_ENOTTY);
	CHECK_EQ(control(root, fd, LINUX_BLKSSZGET, 0, NULL, 0, 0), -LINUX_EFAULT);
	end_device();
}

TEST(ioctls_that_change_things_have_their_rights)
{
	int32_t one = 1, size = 1024;

	begin_device(0);
	struct user *other = user_create(1000);
	int64_t fd = call_open(root, "/disk", LINUX_O_RDWR, 0);
	int64_t other_fd = call_open(other, "/disk", LINUX_O_RDWR, 0);

	CHECK_EQ(control(other, other_fd, LINUX_BLKROSET, 4, &one, 4, 0), -LINUX_EACCES);
	CHECK_EQ(control(other, other_fd, LINUX_BLKFLSBUF, 0, NULL, 0, 0), -LINUX_EACCES);
	CHECK_EQ(control(other, other_fd, LINUX_BLKRRPART, 0, NULL, 0, 0), -LINUX_EACCES);
	CHECK_EQ(control(other, other_fd, LINUX_BLKBSZSET, 4, &size, 4, 0), -LINUX_EACCES);
	CHECK_EQ(control(other, other_fd, LINUX_BLKRASET, 8, NULL, 0, 0), -LINUX_EACCES);
	CHECK_EQ(control(root, fd, LINUX_BLKROSET, 4, &one, 4, 0), 0);
	CHECK_EQ(call_write(root, fd, "x", 1), -LINUX_EPERM);
	one = 0;
	CHECK_EQ(control(root, fd, LINUX_BLKROSET, 4, &one, 4, 0), 0);
	CHECK_EQ(call_write(root, fd, "x", 1), 1);
	CHECK_EQ(control(root, fd, LINUX_BLKBSZSET, 4, &size, 4, 0), 0);
	CHECK_EQ(asked(root, fd, LINUX_BLKBSZGET, 4), 1024);
	size = 1000;
	CHECK_EQ(control(root, fd, LINUX_BLKBSZSET, 4, &size, 4, 0), -LINUX_EINVAL);
	CHECK_EQ(control(root, fd, LINUX_BLKFLSBUF, 0, NULL, 0, 0), 0);
	CHECK_EQ(server.n_syncs, 1);
	CHECK_EQ(control(root, fd, LINUX_BLKRASET, 8, NULL, 0, 0), 0);
	CHECK_EQ(asked(root, fd, LINUX_BLKRAGET, 8), 8);
	CHECK_EQ(control(root, fd, LINUX_BLKRRPART, 0, NULL, 0, 0), 0);
	CHECK_EQ(server.n_rescans, 1);
	end_device();
}

TEST(ranges_are_cleared)
{
	uint64_t range[2] = { 4096, 8192 };

	begin_device(0);
	int64_t fd = call_open(root, "/disk", LINUX_O_RDWR, 0);
	int64_t reader = call_open(root, "/disk", LINUX_O_RDONLY, 0);

	CHECK_EQ(control(root, fd, LINUX_BLKDISCARD, 16, range, 16, 0), -LINUX_EOPNOTSUPP);
	CHECK_EQ(control(root, fd, LINUX_BLKSECDISCARD, 16, range, 16, 0), -LINUX_EOPNOTSUPP);
	CHECK_EQ(control(root, reader, LINUX_BLKZEROOUT, 16, range, 16, 0), -LINUX_EBADF);
	CHECK_EQ(control(root, fd, LINUX_BLKZEROOUT, 16, range, 16, 0), 0);
	CHECK_EQ(server.cleared_offset, 4096);
	CHECK_EQ(server.cleared_length, 8192);
	CHECK(!server.was_discard);
	range[0] = 100;
	CHECK_EQ(control(root, fd, LINUX_BLKZEROOUT, 16, range, 16, 0), -LINUX_EINVAL);
	range[0] = SIZE - 4096;
	CHECK_EQ(control(root, fd, LINUX_BLKZEROOUT, 16, range, 16, 0), -LINUX_EINVAL);
	range[0] = UINT64_MAX - 511;
	CHECK_EQ(control(root, fd, LINUX_BLKZEROOUT, 16, range, 16, 0), -LINUX_EINVAL);
	block->volume.info.flags |= FS_VOLUME_FLAG_DISCARD;
	range[0] = 512;
	range[1] = 512;
	CHECK_EQ(control(root, fd, LINUX_BLKDISCARD, 16, range, 16, 0), 0);
	CHECK(server.was_discard);
	start(root, 285 /* fallocate */, V(fd), V(3 /* punch a hole */), V(8192), V(4096));
	fake_run_loop();
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(server.cleared_offset, 8192);
	start(root, 285, V(fd), V(0), V(8192), V(4096));
	fake_run_loop();
	CHECK_EQ(result_of(root), -LINUX_EOPNOTSUPP);
	end_device();
}

/* ---- loop devices: the machine has nobody who would make disks of files --------------------- */

TEST(loop_devices_come_and_go)
{
	struct linux_loop_info info = { 0 };
	struct linux_stat stat;

	begin_device(0);
	int64_t all = call_open(root, "/dev/loop-control", LINUX_O_RDWR, 0);

	CHECK(all >= 0);
	CHECK_EQ(control(root, all, LINUX_LOOP_CTL_GET_FREE, 0, NULL, 0, 0), 0);
	CHECK_EQ(control(root, all, LINUX_LOOP_CTL_GET_FREE, 0, NULL, 0, 0), 0);
	CHECK_EQ(control(root, all, LINUX_LOOP_CTL_ADD, 5, NULL, 0, 0), 5);
	CHECK_EQ(control(root, all, LINUX_LOOP_CTL_ADD, 5, NULL, 0, 0), -LINUX_EEXIST);
	CHECK_EQ(control(root, all, LINUX_LOOP_CTL_ADD, 100000, NULL, 0, 0), -LINUX_EINVAL);
	CHECK_EQ(call_stat(root, "/dev/loop5", &stat), 0);
	CHECK_EQ(stat.rdev, linux_makedev(7, 5));
	int64_t fd = call_open(root, "/dev/loop5", LINUX_O_RDWR, 0);

	CHECK_EQ(control(root, all, LINUX_LOOP_CTL_REMOVE, 5, NULL, 0, 0), -LINUX_EBUSY);
	CHECK_EQ(asked(root, fd, LINUX_BLKGETSIZE64, 8), 0);
	CHECK_EQ(call_read(root, fd, &info, sizeof(info)), 0);
	CHECK_EQ(call_write(root, fd, &info, sizeof(info)), -LINUX_ENOSPC);
	CHECK_EQ(control(root, fd, LINUX_LOOP_CLR_FD, 0, NULL, 0, 0), -LINUX_ENXIO);
	CHECK_EQ(control(root, fd, LINUX_LOOP_GET_STATUS64, 232, &info, 0, 232), -LINUX_ENXIO);
	CHECK_EQ(control(root, fd, LINUX_LOOP_SET_STATUS64, 232, &info, 232, 0), -LINUX_ENXIO);
	CHECK_EQ(call_close(root, fd), 0);
	CHECK_EQ(control(root, all, LINUX_LOOP_CTL_REMOVE, 5, NULL, 0, 0), 0);
	CHECK_EQ(control(root, all, LINUX_LOOP_CTL_REMOVE, 5, NULL, 0, 0), -LINUX_ENODEV);
	CHECK_EQ(call_stat(root, "/dev/loop5", &stat), -LINUX_ENOENT);
	CHECK_EQ(control(root, all, LINUX_LOOP_CTL_REMOVE, 0, NULL, 0, 0), 0);
	end_device();
}

TEST(what_cannot_be_a_loop_device)
{
	struct linux_loop_config config = { .fd = 99 };

	begin_device(0);
	int64_t all = call_open(root, "/dev/loop-control", LINUX_O_RDWR, 0);

	CHECK_EQ(control(root, all, LINUX_LOOP_CTL_ADD, 0, NULL, 0, 0), 0);
	int64_t fd = call_open(root, "/dev/loop0", LINUX_O_RDWR, 0);

	CHECK_EQ(control(root, fd, LINUX_LOOP_SET_FD, 99, NULL, 0, 0), -LINUX_EBADF);
	CHECK_EQ(control(root, fd, LINUX_LOOP_SET_FD, (uint64_t)fd, NULL, 0, 0), -LINUX_EBADF);
	CHECK_EQ(control(root, fd, LINUX_LOOP_SET_FD, (uint64_t)all, NULL, 0, 0), -LINUX_EINVAL);
	write_file(root, "/f", "hello");
	config.fd = (uint32_t)call_open(root, "/f", LINUX_O_RDWR, 0);
	config.block_size = 1000;
	CHECK_EQ(control(root, fd, LINUX_LOOP_CONFIGURE, 304, &config, 304, 0), -LINUX_EINVAL);
	config.block_size = 512;
	config.info.encrypt_type = 1;
	CHECK_EQ(control(root, fd, LINUX_LOOP_CONFIGURE, 304, &config, 304, 0), -LINUX_EINVAL);
	config.info.encrypt_type = 0;
	config.reserved[3] = 1;
	CHECK_EQ(control(root, fd, LINUX_LOOP_CONFIGURE, 304, &config, 304, 0), -LINUX_EINVAL);
	config.reserved[3] = 0;
	/* all is well, but there is no driver: nothing is left of it */
	CHECK_EQ(control(root, fd, LINUX_LOOP_CONFIGURE, 304, &config, 304, 0), -LINUX_EIO);
	CHECK_EQ(control(root, fd, LINUX_LOOP_CLR_FD, 0, NULL, 0, 0), -LINUX_ENXIO);
	CHECK_EQ(call_close(root, fd), 0);
	CHECK_EQ(control(root, all, LINUX_LOOP_CTL_REMOVE, 0, NULL, 0, 0), 0);
	end_device();
}

TEST(a_loop_device_lies_on_one_that_is_bound)
{
	begin_device(0);
	int64_t all = call_open(root, "/dev/loop-control", LINUX_O_RDWR, 0);

	CHECK_EQ(control(root, all, LINUX_LOOP_CTL_ADD, 0, NULL, 0, 0), 0);
	CHECK_EQ(control(root, all, LINUX_LOOP_CTL_ADD, 1, NULL, 0, 0), 1);
	int64_t fd = call_open(root, "/dev/loop0", LINUX_O_RDWR, 0);
	int64_t below = call_open(root, "/dev/loop1", LINUX_O_RDWR, 0);

	CHECK_EQ(control(root, fd, LINUX_LOOP_SET_FD, (uint64_t)below, NULL, 0, 0), -LINUX_EINVAL);
	CHECK_EQ(call_close(root, fd), 0);
	CHECK_EQ(call_close(root, below), 0);
	CHECK_EQ(control(root, all, LINUX_LOOP_CTL_REMOVE, 0, NULL, 0, 0), 0);
	CHECK_EQ(control(root, all, LINUX_LOOP_CTL_REMOVE, 1, NULL, 0, 0), 0);
	end_device();
}

static int64_t loop_fd;

static void let_file_go(void)
{
	start_raw(root, POSIX_IOCTL, (const uint64_t[6]){ (uint64_t)loop_fd, LINUX_LOOP_CLR_FD },
		NULL, 0);
}

/* What is written to lives until that is done. False: so many calls are not made. */
static bool let_go_at(uint32_t call)
{
	struct linux_loop_info info;
	int64_t all = call_open(root, "/dev/loop-control", LINUX_O_RDWR, 0);

	CHECK_EQ(control(root, all, LINUX_LOOP_CTL_ADD, 0, NULL, 0, 0), 0);
	loop_fd = call_open(root, "/dev/loop0", LINUX_O_RDWR | LINUX_O_DSYNC, 0);
	write_file(root, "/f", "hello");
	int64_t file = call_open(root, "/f", LINUX_O_RDWR, 0);

	CHECK_EQ(control(root, loop_fd, LINUX_LOOP_SET_FD, (uint64_t)file, NULL, 0, 0), 0);
	struct user *other = user_fork(root);

	server.meanwhile_at = call;
	CHECK_EQ(call_pwrite(other, loop_fd, "hello", 5, 1000), 5);
	bool has_let_go = server.meanwhile_at == 0;

	server.meanwhile_at = 0;
	if (has_let_go) {
		CHECK_EQ(result_of(root), 0);
		CHECK_EQ(control(root, loop_fd, LINUX_LOOP_GET_STATUS64, 232, &info, 0, 232),
			-LINUX_ENXIO);
	} else {
		CHECK_EQ(control(root, loop_fd, LINUX_LOOP_CLR_FD, 0, NULL, 0, 0), 0);
	}
	CHECK_EQ(call_close(other, loop_fd), 0);
	CHECK_EQ(call_close(root, loop_fd), 0);
	CHECK_EQ(control(root, all, LINUX_LOOP_CTL_REMOVE, 0, NULL, 0, 0), 0);
	CHECK_STR_EQ(server_text(1000, 5), "hello");
	return has_let_go;
}

/* Folders that all disks share stay, so they are made before anything is counted. */
static void make_folders(void)
{
	begin();
	block = block_server_add("loop0", SIZE, 0);
	block_show(block);
	device_gone();
	end_case();
}

TEST(a_loop_device_may_let_go_while_it_is_written_to)
{
	bool has_let_go = true;

	make_folders();
	fake_has_loop_driver = true;
	for (uint32_t call = 1; has_let_go; call++) {
		begin_device_as("loop0", 0);
		block_show(block);
		server.meanwhile = let_file_go;
		has_let_go = let_go_at(call);
		end_device();
	}
	fake_has_loop_driver = false;
}

/* ---- all at once ----------------------------------------------------------------------------- */

/* Users who each write and read a part of their own, with and without O_DIRECT, and close. */
TEST(many_at_once_see_their_bytes)
{
	constexpr size_t USERS = 6, PART = 8192;
	static uint8_t model[USERS][PART];
	static uint8_t data[PART];
	struct user *users[USERS];
	int64_t fds[USERS];

	begin_device(0);
	memset(model, 0, sizeof(model));
	for (size_t i = 0; i < USERS; i++) {
		uint32_t flags = i % 2 != 0 ? LINUX_O_DIRECT : 0;

		users[i] = user_create(0);
		fds[i] = call_open(users[i], "/disk", LINUX_O_RDWR | flags, 0);
		CHECK(fds[i] >= 0);
	}
	for (uint32_t round = 0; round < 300; round++) {
		size_t i = (size_t)random_below(&server.chance, USERS);
		size_t unit = i % 2 != 0 ? 512 : 1;
		size_t at = (size_t)random_below(&server.chance, PART / 2) / unit * unit;
		size_t size = (size_t)random_below(&server.chance, PART / 2) / unit * unit;

		memset(data, (int)random_below(&server.chance, 256), size);
		memcpy(model[i] + at, data, size);
		CHECK_EQ(call_pwrite(users[i], fds[i], data, size, i * PART + at), (int64_t)size);
		CHECK_EQ(call_pread(users[i], fds[i], data, PART, i * PART), (int64_t)PART);
		CHECK_MEM_EQ(data, model[i], PART);
	}
	for (size_t i = 0; i < USERS; i++) {
		CHECK_EQ(call_close(users[i], fds[i]), 0);
	}
	end_device();
}

TEST(without_memory_it_is_not_opened)
{
	bool is_open = false;

	for (size_t at = 1; !is_open; at++) {
		begin_device(0);
		fake_fail_allocation = at;
		int64_t fd = call_open(root, "/disk", LINUX_O_RDWR, 0);

		is_open = fake_fail_allocation != 0;
		fake_fail_allocation = 0;
		CHECK(fd >= 0 || fd == -LINUX_ENOMEM || fd == -LINUX_ENFILE);
		end_device();
	}
}

TEST_MAIN()
