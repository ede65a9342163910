/* SPDX-License-Identifier: MIT */
/* Descriptors, regular files, devices, and the archive at the start. */
#include <posix/server/fs/contents.h>
#include <posix/server/tests/files.h>

#include <abi/linux/termios.h>
#include <base/format.h>

static bool was_sent(const struct user *user, int signal)
{
	return (user->signals >> signal & 1) != 0;
}

/* ---- descriptors --------------------------------------------------------------------------- */

TEST(lowest_free_descriptor_is_given)
{
	begin();
	for (int fd = 0; fd < 200; fd++) {
		CHECK_EQ(call_open(root, "/", LINUX_O_RDONLY, 0), fd);
	}
	CHECK_EQ(call_close(root, 150), 0);
	CHECK_EQ(call_close(root, 7), 0);
	CHECK_EQ(call_close(root, 7), -LINUX_EBADF);
	CHECK_EQ(call_open(root, "/", LINUX_O_RDONLY, 0), 7);
	CHECK_EQ(call_open(root, "/", LINUX_O_RDONLY, 0), 150);
	CHECK_EQ(call_open(root, "/", LINUX_O_RDONLY, 0), 200);
	end();
}

TEST(descriptor_limit)
{
	int32_t fds[2];

	begin();
	root->process.limits[LIMIT_NOFILE][0] = 3;
	CHECK_EQ(call_open(root, "/", LINUX_O_RDONLY, 0), 0);
	CHECK_EQ(call_open(root, "/", LINUX_O_RDONLY, 0), 1);
	CHECK_EQ(call_pipe(root, fds, 0), -LINUX_EMFILE);
	CHECK_EQ(call_open(root, "/", LINUX_O_RDONLY, 0), 2);
	CHECK_EQ(call_open(root, "/", LINUX_O_RDONLY, 0), -LINUX_EMFILE);
	start(root, 33, V(0), V(3)); /* dup2 */
	CHECK_EQ(result_of(root), -LINUX_EBADF);
	CHECK_EQ(call_fcntl(root, 0, LINUX_F_DUPFD, 3), -LINUX_EINVAL);
	end();
}

TEST(duplicates_share_the_position)
{
	char text[4] = "";

	begin();
	write_file(root, "/f", "abcdef");
	int64_t fd = call_open(root, "/f", LINUX_O_RDONLY, 0);

	start(root, 32, V(fd)); /* dup */
	int64_t copy = result_of(root);

	CHECK_EQ(call_read(root, fd, text, 2), 2);
	CHECK_EQ(call_read(root, copy, text, 2), 2);
	CHECK_MEM_EQ(text, "cd", 2);
	start(root, 33, V(fd), V(60)); /* dup2 */
	CHECK_EQ(result_of(root), 60);
	CHECK_EQ(call_read(root, 60, text, 2), 2);
	CHECK_MEM_EQ(text, "ef", 2);
	start(root, 33, V(fd), V(fd));
	CHECK_EQ(result_of(root), fd);
	start(root, 292, V(fd), V(fd), V(0)); /* dup3 */
	CHECK_EQ(result_of(root), -LINUX_EINVAL);
	start(root, 33, V(99), V(99));
	CHECK_EQ(result_of(root), -LINUX_EBADF);
	CHECK_EQ(call_fcntl(root, fd, LINUX_F_DUPFD, 500), 500);
	end();
}

TEST(close_on_exec)
{
	begin();
	CHECK_EQ(call_open(root, "/", LINUX_O_RDONLY | LINUX_O_CLOEXEC, 0), 0);
	CHECK_EQ(call_open(root, "/", LINUX_O_RDONLY, 0), 1);
	CHECK_EQ(call_fcntl(root, 0, LINUX_F_GETFD, 0), 1);
	CHECK_EQ(call_fcntl(root, 1, LINUX_F_GETFD, 0), 0);
	CHECK_EQ(call_fcntl(root, 1, LINUX_F_DUPFD_CLOEXEC, 10), 10);
	CHECK_EQ(call_fcntl(root, 1, LINUX_F_DUPFD, 11), 11);
	CHECK_EQ(call_fcntl(root, 1, LINUX_F_SETFD, 1), 0);
	fd_table_close_on_exec(root->process.files, &root->process);
	CHECK_EQ(call_fcntl(root, 0, LINUX_F_GETFD, 0), -LINUX_EBADF);
	CHECK_EQ(call_fcntl(root, 1, LINUX_F_GETFD, 0), -LINUX_EBADF);
	CHECK_EQ(call_fcntl(root, 10, LINUX_F_GETFD, 0), -LINUX_EBADF);
	CHECK_EQ(call_fcntl(root, 11, LINUX_F_GETFD, 0), 0);
	end();
}

TEST(close_range_closes_or_marks)
{
	begin();
	for (int fd = 0; fd < 10; fd++) {
		CHECK_EQ(call_open(root, "/", LINUX_O_RDONLY, 0), fd);
	}
	start(root, 436, V(3), V(5), V(0));
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(call_fcntl(root, 4, LINUX_F_GETFD, 0), -LINUX_EBADF);
	start(root, 436, V(6), V(0xffffffff), V(4));
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(call_fcntl(root, 9, LINUX_F_GETFD, 0), 1);
	start(root, 436, V(7), V(6), V(0));
	CHECK_EQ(result_of(root), -LINUX_EINVAL);
	start(root, 436, V(7), V(8), V(1));
	CHECK_EQ(result_of(root), -LINUX_EINVAL);
	end();
}

TEST(flags_of_open_files)
{
	begin();
	write_file(root, "/f", "");
	int64_t fd = call_open(root, "/f", LINUX_O_RDWR | LINUX_O_APPEND | LINUX_O_CLOEXEC, 0);

	CHECK_EQ(call_fcntl(root, fd, LINUX_F_GETFL, 0),
		LINUX_O_RDWR | LINUX_O_APPEND | LINUX_O_LARGEFILE);
	CHECK_EQ(call_fcntl(root, fd, LINUX_F_SETFL, LINUX_O_NONBLOCK | LINUX_O_WRONLY), 0);
	CHECK_EQ(call_fcntl(root, fd, LINUX_F_GETFL, 0),
		LINUX_O_RDWR | LINUX_O_NONBLOCK | LINUX_O_LARGEFILE);
	CHECK_EQ(call_fcntl(root, fd, 9999, 0), -LINUX_EINVAL);
	end();
}

/* ---- regular files ------------------------------------------------------------------------- */

TEST(access_mode_is_kept_to)
{
	char text[4];

	begin();
	write_file(root, "/f", "abc");
	int64_t reader = call_open(root, "/f", LINUX_O_RDONLY, 0);
	int64_t writer = call_open(root, "/f", LINUX_O_WRONLY, 0);

	CHECK_EQ(call_write(root, reader, "x", 1), -LINUX_EBADF);
	CHECK_EQ(call_read(root, writer, text, 1), -LINUX_EBADF);
	CHECK_EQ(call_read(root, 77, text, 1), -LINUX_EBADF);
	int64_t directory = call_open(root, "/", LINUX_O_RDONLY, 0);

	CHECK_EQ(call_read(root, directory, text, 1), -LINUX_EISDIR);
	end();
}

TEST(positions)
{
	char text[8] = "";

	begin();
	write_file(root, "/f", "abcdef");
	int64_t fd = call_open(root, "/f", LINUX_O_RDWR, 0);

	CHECK_EQ(call_lseek(root, fd, 2, LINUX_SEEK_SET), 2);
	CHECK_EQ(call_lseek(root, fd, 2, LINUX_SEEK_CUR), 4);
	CHECK_EQ(call_read(root, fd, text, 8), 2);
	CHECK_EQ(call_lseek(root, fd, -1, LINUX_SEEK_END), 5);
	CHECK_EQ(call_lseek(root, fd, -7, LINUX_SEEK_END), -LINUX_EINVAL);
	CHECK_EQ(call_lseek(root, fd, 0, 9), -LINUX_EINVAL);
	CHECK_EQ(call_pread(root, fd, text, 2, 1), 2);
	CHECK_MEM_EQ(text, "bc", 2);
	CHECK_EQ(call_pwrite(root, fd, "X", 1, 0), 1);
	CHECK_EQ(call_lseek(root, fd, 0, LINUX_SEEK_CUR), 5);
	CHECK_EQ(call_pread(root, fd, text, 2, UINT64_MAX), -LINUX_EINVAL);
	CHECK_EQ(call_lseek(root, fd, 100, LINUX_SEEK_SET), 100);
	CHECK_EQ(call_read(root, fd, text, 1), 0);
	CHECK_STR_EQ(file_text(root, "/f"), "Xbcdef");
	end();
}

TEST(append_goes_to_the_end)
{
	begin();
	write_file(root, "/f", "one ");
	int64_t fd = call_open(root, "/f", LINUX_O_RDWR | LINUX_O_APPEND, 0);

	CHECK_EQ(call_write(root, fd, "two ", 4), 4);
	CHECK_EQ(call_lseek(root, fd, 0, LINUX_SEEK_SET), 0);
	CHECK_EQ(call_write(root, fd, "three", 5), 5);
	CHECK_STR_EQ(file_text(root, "/f"), "one two three");
	end();
}

TEST(truncation_and_extension_read_zeros)
{
	char text[8];
	struct linux_stat stat;

	begin();
	write_file(root, "/f", "abcdef");
	int64_t fd = call_open(root, "/f", LINUX_O_RDWR, 0);

	start(root, 77, V(fd), V(3)); /* ftruncate */
	CHECK_EQ(result_of(root), 0);
	start(root, 76, P("/f"), V(6)); /* truncate */
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(call_read(root, fd, text, 8), 6);
	CHECK_MEM_EQ(text, "abc\0\0\0", 6);
	start(root, 77, V(fd), V(-1));
	CHECK_EQ(result_of(root), -LINUX_EINVAL);
	start(root, 77, V(fd), V(1ull << 60));
	CHECK_EQ(result_of(root), -LINUX_EFBIG);
	start(root, 76, P("/tmp"), V(0));
	CHECK_EQ(result_of(root), -LINUX_EISDIR);
	CHECK_EQ(call_fstat(root, fd, &stat), 0);
	CHECK_EQ(stat.size, 6);
	CHECK_EQ(stat.blocks, 8);
	end();
}

TEST(large_file_keeps_its_bytes)
{
	static uint8_t data[100000];
	static uint8_t back[100000];
	struct linux_stat stat;

	begin();
	for (size_t i = 0; i < sizeof(data); i++) {
		data[i] = (uint8_t)(i * 7 + i / 256);
	}
	int64_t fd = call_open(root, "/f", LINUX_O_RDWR | LINUX_O_CREAT, 0644);

	for (unsigned i = 0; i < 20; i++) {
		CHECK_EQ(call_write(root, fd, data, sizeof(data)), sizeof(data));
	}
	for (unsigned i = 0; i < 20; i++) {
		CHECK_EQ(call_pread(root, fd, back, sizeof(back), i * sizeof(data)), sizeof(back));
		CHECK_MEM_EQ(back, data, sizeof(data));
	}
	CHECK_EQ(call_fstat(root, fd, &stat), 0);
	CHECK_EQ(stat.size, 2000000);
	CHECK_EQ(stat.blocks, (2000000 + 4095) / 4096 * 8);
	start(root, 77, V(fd), V(150000));
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(call_pread(root, fd, back, sizeof(back), 100000), 50000);
	CHECK_MEM_EQ(back, data, 50000);
	start(root, 77, V(fd), V(300000));
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(call_pread(root, fd, back, sizeof(back), 150000), 100000);
	for (size_t i = 0; i < sizeof(back); i++) {
		CHECK_EQ(back[i], 0);
	}
	end();
}

TEST(sparse_file_costs_what_is_in_it)
{
	struct linux_stat stat;
	char text[4];

	begin();
	int64_t fd = call_open(root, "/f", LINUX_O_RDWR | LINUX_O_CREAT, 0644);

	CHECK_EQ(call_pwrite(root, fd, "x", 1, MIB(100)), 1);
	CHECK_EQ(call_fstat(root, fd, &stat), 0);
	CHECK_EQ(stat.size, (int64_t)MIB(100) + 1);
	CHECK_EQ(stat.blocks, 8);
	CHECK_EQ(call_pread(root, fd, text, 4, MIB(50)), 4);
	CHECK_MEM_EQ(text, "\0\0\0\0", 4);
	CHECK_EQ(call_lseek(root, fd, 0, LINUX_SEEK_DATA), (int64_t)MIB(100));
	CHECK_EQ(call_lseek(root, fd, 0, LINUX_SEEK_HOLE), 0);
	CHECK_EQ(call_lseek(root, fd, (int64_t)MIB(100), LINUX_SEEK_HOLE), (int64_t)MIB(100) + 1);
	CHECK_EQ(call_lseek(root, fd, (int64_t)MIB(100) + 1, LINUX_SEEK_DATA), -LINUX_ENXIO);
	start(root, 77, V(fd), V(1ull << 39));
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(call_pread(root, fd, text, 4, 1ull << 38), 4);
	end();
}

TEST(full_file_system_says_so)
{
	static uint8_t data[65536];
	int64_t written = 0;

	begin();
	CHECK_EQ(call_mkdir(root, "/m", 0755), 0);
	CHECK_EQ(call_mount(root, "t", "/m", "tmpfs", "size=1m,nr_inodes=5", 0), 0);
	int64_t fd = call_open(root, "/m/f", LINUX_O_RDWR | LINUX_O_CREAT, 0644);

	for (;;) {
		int64_t n_bytes = call_write(root, fd, data, sizeof(data));

		if (n_bytes < 0) {
			CHECK_EQ(n_bytes, -LINUX_ENOSPC);
			break;
		}
		written += n_bytes;
	}
	CHECK_EQ(written, (int64_t)MIB(1));
	start(root, 77, V(fd), V(1000));
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(call_write(root, fd, "x", 1), 1);
	for (unsigned i = 0; i < 3; i++) {
		char name[8];

		format_to(name, sizeof(name), "/m/%u", i);
		write_file(root, name, "");
	}
	CHECK_EQ(call_mkdir(root, "/m/d", 0755), -LINUX_ENOSPC);
	end();
}

TEST(fallocate_and_holes)
{
	struct linux_stat stat;
	char text[4];

	begin();
	write_file(root, "/f", "abcdef");
	int64_t fd = call_open(root, "/f", LINUX_O_RDWR, 0);

	start(root, 285, V(fd), V(0), V(0), V(100000));
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(call_fstat(root, fd, &stat), 0);
	CHECK_EQ(stat.size, 100000);
	CHECK_EQ(stat.blocks, 25 * 8);
	start(root, 285, V(fd), V(3), V(0), V(90000)); /* punch, keeping the size */
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(call_pread(root, fd, text, 4, 0), 4);
	CHECK_MEM_EQ(text, "\0\0\0\0", 4);
	CHECK_EQ(call_fstat(root, fd, &stat), 0);
	CHECK_EQ(stat.size, 100000);
	CHECK_EQ(stat.blocks, 4 * 8);
	start(root, 285, V(fd), V(8), V(0), V(4096));
	CHECK_EQ(result_of(root), -LINUX_EOPNOTSUPP);
	start(root, 285, V(fd), V(0), V(0), V(0));
	CHECK_EQ(result_of(root), -LINUX_EINVAL);
	end();
}

TEST(file_size_limit)
{
	begin();
	root->process.limits[LIMIT_FSIZE][0] = 10;
	int64_t fd = call_open(root, "/f", LINUX_O_RDWR | LINUX_O_CREAT, 0644);

	CHECK_EQ(call_write(root, fd, "123456789012", 12), 10);
	CHECK(!was_sent(root, LINUX_SIGXFSZ));
	CHECK_EQ(call_write(root, fd, "3", 1), -LINUX_EFBIG);
	CHECK(was_sent(root, LINUX_SIGXFSZ));
	start(root, 77, V(fd), V(11));
	CHECK_EQ(result_of(root), -LINUX_EFBIG);
	end();
}

TEST(a_truncation_leaves_what_a_reply_needs)
{
	static char bytes[100000];
	struct contents_account account = { .n_pages_max = 1000 };
	struct contents contents;
	struct contents_view *view;
	size_t size = 10000;

	begin();
	contents_init(&contents, &account);
	memset(bytes, 'a', sizeof(bytes));
	CHECK_EQ(contents_write(&contents, bytes, sizeof(bytes), 0), sizeof(bytes));
	const char *reply = contents_peek(&contents, 90000, &size, &view);

	CHECK_EQ(size, 10000);
	CHECK_EQ(contents_truncate(&contents, 10), 0);
	CHECK_EQ(account.n_pages, 1);
	for (size_t i = 0; i < size; i++) {
		CHECK_EQ(reply[i], 0);
	}
	contents_view_unref(view);
	CHECK_EQ(contents_truncate(&contents, sizeof(bytes)), 0);
	contents_read(&contents, bytes, sizeof(bytes), 0);
	CHECK_EQ(bytes[9], 'a');
	for (size_t i = 10; i < sizeof(bytes); i++) {
		CHECK_EQ(bytes[i], 0);
	}
	contents_deinit(&contents);
	CHECK_EQ(account.n_pages, 0);
	end();
}

TEST(bytes_in_a_reply_stay_while_the_file_changes)
{
	begin();
	write_file(root, "/f", "before");
	int64_t fd = call_open(root, "/f", LINUX_O_RDWR, 0);

	/*
	 * a view of the old contents is kept by the reply; here it was copied when the reply was
	 * sent
	 */
	CHECK_EQ(call_pwrite(root, fd, "AFTER!", 6, 0), 6);
	CHECK_EQ(call_unlink(root, "/f"), 0);
	CHECK_EQ(call_close(root, fd), 0);
	end();
}

TEST(memory_files_and_seals)
{
	begin();
	start(root, 319, P("mem"), V(2)); /* memfd_create, sealing allowed */
	int64_t fd = result_of(root);

	CHECK_EQ(call_write(root, fd, "abc", 3), 3);
	CHECK_EQ(call_fcntl(root, fd, LINUX_F_ADD_SEALS, LINUX_F_SEAL_SHRINK | LINUX_F_SEAL_GROW),
		0);
	start(root, 77, V(fd), V(1));
	CHECK_EQ(result_of(root), -LINUX_EPERM);
	start(root, 77, V(fd), V(10));
	CHECK_EQ(result_of(root), -LINUX_EPERM);
	CHECK_EQ(call_write(root, fd, "d", 1), -LINUX_EPERM);
	CHECK_EQ(call_pwrite(root, fd, "X", 1, 0), 1);
	CHECK_EQ(
		call_fcntl(root, fd, LINUX_F_ADD_SEALS, LINUX_F_SEAL_WRITE | LINUX_F_SEAL_SEAL), 0);
	CHECK_EQ(call_pwrite(root, fd, "Y", 1, 0), -LINUX_EPERM);
	CHECK_EQ(call_fcntl(root, fd, LINUX_F_ADD_SEALS, 0), -LINUX_EPERM);
	CHECK_EQ(call_fcntl(root, fd, LINUX_F_GET_SEALS, 0), 15);
	start(root, 319, P("mem"), V(0));
	fd = result_of(root);
	CHECK_EQ(call_fcntl(root, fd, LINUX_F_ADD_SEALS, LINUX_F_SEAL_GROW), -LINUX_EPERM);
	start(root, 319, P("mem"), V(64));
	CHECK_EQ(result_of(root), -LINUX_EINVAL);
	end();
}

/* ---- the rest ------------------------------------------------------------------------------ */

TEST(sendfile_copies)
{
	int32_t fds[2];
	char text[16] = "";
	uint64_t offset = 6;

	begin();
	write_file(root, "/f", "hello world");
	int64_t in = call_open(root, "/f", LINUX_O_RDONLY, 0);

	CHECK_EQ(call_pipe(root, fds, 0), 0);
	start(root, 40, V(fds[1]), V(in), IN_DATA(&offset, 8), V(100));
	CHECK_EQ(result_of(root), 5);
	memcpy(&offset, root->reply, 8);
	CHECK_EQ(offset, 11);
	CHECK_EQ(call_read(root, fds[0], text, 16), 5);
	CHECK_STR_EQ(text, "world");
	CHECK_EQ(call_lseek(root, in, 0, LINUX_SEEK_CUR), 0);
	start(root, 40, V(fds[0]), V(in), IN_DATA(NULL, 8), V(100));
	CHECK_EQ(result_of(root), -LINUX_EBADF);
	start(root, 40, V(fds[1]), V(fds[0]), IN_DATA(NULL, 8), V(100));
	CHECK_EQ(result_of(root), -LINUX_EINVAL);
	end();
}

TEST(memory_devices)
{
	char text[8] = "abcdefg";

	begin();
	int64_t null = call_open(root, "/dev/null", LINUX_O_RDWR, 0);
	int64_t zero = call_open(root, "/dev/zero", LINUX_O_RDWR, 0);
	int64_t full = call_open(root, "/dev/full", LINUX_O_RDWR, 0);
	int64_t random = call_open(root, "/dev/urandom", LINUX_O_RDWR, 0);

	CHECK_EQ(call_write(root, null, "x", 1), 1);
	CHECK_EQ(call_read(root, null, text, 8), 0);
	CHECK_EQ(call_read(root, zero, text, 4), 4);
	CHECK_MEM_EQ(text, "\0\0\0\0efg", 8);
	CHECK_EQ(call_write(root, full, "x", 1), -LINUX_ENOSPC);
	CHECK_EQ(call_read(root, random, text, 8), 8);
	CHECK_EQ((uint8_t)text[7], 0xa5);
	CHECK_EQ(call_lseek(root, null, 5, LINUX_SEEK_SET), 0);
	CHECK_EQ(call_ioctl(root, null, LINUX_TCGETS, 0, text, 0, 36), -LINUX_ENOTTY);
	end();
}

TEST(no_memory_is_an_error)
{
	begin();
	for (size_t i = 1; i < 12; i++) {
		int32_t fds[2];

		fake_fail_allocation = i;
		int64_t result = call_open(root, "/f", LINUX_O_RDWR | LINUX_O_CREAT, 0644);

		CHECK(result >= 0 || result == -LINUX_ENOMEM || result == -LINUX_ENOSPC);
		fake_fail_allocation = i;
		result = call_pipe(root, fds, 0);
		CHECK(result == 0 || result == -LINUX_ENOMEM);
		fake_fail_allocation = i;
		result = call_mkdir(root, "/d", 0755);
		CHECK(result == 0 || result == -LINUX_ENOMEM || result == -LINUX_ENOSPC ||
			result == -LINUX_EEXIST);
		fake_fail_allocation = i;
		result = call_symlink(root, "a-target-of-some-length", "/l");
		CHECK(result == 0 || result == -LINUX_ENOMEM || result == -LINUX_ENOSPC ||
			result == -LINUX_EEXIST);
		fake_fail_allocation = i;
		result = call_open(root, "/proc/self/comm", LINUX_O_RDONLY, 0);
		CHECK(result >= 0 || result == -LINUX_ENOMEM);
		fake_fail_allocation = 0;
	}
	end();
}

static const char archive[] =
	/*
	 * newc: magic ino mode uid gid nlink mtime size devmajor devminor rdevmajor
	 * rdevminor namesize check
	 */
	"070701"
	"00000001"
	"000041C0"
	"00000007"
	"00000008"
	"00000002"
	"00000064"
	"00000000"
	"00000000"
	"00000000"
	"00000000"
	"00000000"
	"00000002"
	"00000000"
	"d\0"
	"070701"
	"00000002"
	"000081A4"
	"00000001"
	"00000002"
	"00000002"
	"00000064"
	"00000000"
	"00000000"
	"00000000"
	"00000000"
	"00000000"
	"00000004"
	"00000000"
	"d/a\0\0\0"
	"070701"
	"00000002"
	"000081A4"
	"00000001"
	"00000002"
	"00000002"
	"00000064"
	"00000005"
	"00000000"
	"00000000"
	"00000000"
	"00000000"
	"00000004"
	"00000000"
	"d/b\0\0\0"
	"hello\0\0\0"
	"070701"
	"00000003"
	"0000A1FF"
	"00000000"
	"00000000"
	"00000001"
	"00000064"
	"00000003"
	"00000000"
	"00000000"
	"00000000"
	"00000000"
	"00000002"
	"00000000"
	"l\0"
	"d/a\0"
	"070701"
	"00000004"
	"000081ED"
	"00000000"
	"00000000"
	"00000001"
	"00000064"
	"00000002"
	"00000000"
	"00000000"
	"00000000"
	"00000000"
	"00000011"
	"00000000"
	"boot/hati/secret\0\0"
	"no\0\0"
	"070701"
	"00000000"
	"00000000"
	"00000000"
	"00000000"
	"00000001"
	"00000000"
	"00000000"
	"00000000"
	"00000000"
	"00000000"
	"00000000"
	"0000000B"
	"00000000"
	"TRAILER!!!\0\0\0";

TEST(unpacking_an_archive)
{
	struct linux_stat stat;

	begin_with(archive, sizeof(archive) - 1);
	CHECK_STR_EQ(file_text(root, "/l"), "hello");
	CHECK_STR_EQ(file_text(root, "/d/b"), "hello");
	CHECK_EQ(call_stat(root, "/d/a", &stat), 0);
	CHECK_EQ(stat.nlink, 2);
	CHECK_EQ(stat.uid, 1);
	CHECK_EQ(stat.mtime.seconds, 100);
	CHECK_EQ(call_stat(root, "/d", &stat), 0);
	CHECK_EQ(stat.mode, LINUX_S_IFDIR | 0700);
	CHECK_EQ(stat.gid, 8);
	CHECK_EQ(call_stat(root, "/boot/hati/secret", &stat), -LINUX_ENOENT);
	end();
}

/* An archive of one large file, whose bytes begin on the second page, and 'Z' behind it. */
static size_t large_archive(char *to, size_t size_of_file)
{
	static const char name[] = "large";
	size_t name_size = 4096 - 110;

	memset(to, 0, 4096);
	snprintf(to, 111, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", 1, 0100644,
		0, 0, 1, 100, (unsigned)size_of_file, 0, 0, 0, 0, (unsigned)name_size, 0);
	memcpy(to + 110, name, sizeof(name));
	for (size_t i = 0; i < size_of_file; i++) {
		to[4096 + i] = (char)('a' + i % 23);
	}
	memset(to + 4096 + size_of_file, 'Z', 4096);
	return 4096 + size_of_file + 4096;
}

TEST(unpacking_shows_large_files_in_place)
{
	constexpr size_t size = 20001;
	static char large[4096 + 20001 + 4096], read[20001];
	struct linux_stat stat;

	begin_with(large, large_archive(large, size));
	CHECK_EQ(fake_n_memories, n_memories_before + 1);
	CHECK_EQ(call_stat(root, "/large", &stat), 0);
	CHECK_EQ(stat.size, size);
	CHECK_EQ(stat.blocks, 5 * 8);
	int64_t fd = call_open(root, "/large", LINUX_O_RDWR, 0);

	CHECK_EQ(call_read(root, fd, read, size), size);
	CHECK_MEM_EQ(read, large + 4096, size);
	/* nothing of what stands behind it in the archive is seen when it grows */
	start(root, 77, V(fd), V(size + 8)); /* ftruncate */
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(call_read(root, fd, read, 100), 8);
	CHECK_MEM_EQ(read, "\0\0\0\0\0\0\0", 8);
	CHECK_EQ(call_write(root, fd, "end", 3), 3);
	CHECK_EQ(call_stat(root, "/large", &stat), 0);
	CHECK_EQ(stat.size, size + 11);
	end();
}

/* The mappings of files-process.c: the numbers up to 4,000, with the last one behind it. */
TEST(long_texts_of_proc_are_made_in_pieces)
{
	static char whole[65536], piece[65536], expected[65536];
	size_t n_expected = 0, n_whole = 0;

	begin();
	for (unsigned i = 0; i < 4000; i++) {
		n_expected += format_to(
			expected + n_expected, sizeof(expected) - n_expected, "mapping %u\n", i);
	}
	int64_t fd = call_open(root, "/proc/self/maps", LINUX_O_RDONLY, 0), n;

	while ((n = call_read(root, fd, whole + n_whole, 1000)) > 0) {
		n_whole += (size_t)n;
	}
	CHECK_EQ(n, 0);
	CHECK_EQ(n_whole, n_expected);
	CHECK_MEM_EQ(whole, expected, n_expected);
	CHECK_EQ(call_read(root, fd, piece, 1000), 0);
	for (size_t at = n_expected - 7; at > 9000; at -= 9000) {
		n = call_pread(root, fd, piece, 500, at);
		CHECK(n > 0 && n <= 500);
		CHECK_MEM_EQ(piece, expected + at, (size_t)n);
	}
	CHECK_EQ(call_pread(root, fd, piece, 10, n_expected), 0);
	CHECK_EQ(call_pread(root, fd, piece, 10, UINT32_MAX), 0);
	CHECK_EQ(call_pread(root, fd, piece, 10, 0), 10);
	CHECK_MEM_EQ(piece, expected, 10);
	end();
}

TEST_MAIN()
