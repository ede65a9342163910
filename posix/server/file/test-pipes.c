/* SPDX-License-Identifier: MIT */
/* Pipes and FIFOs. */
#include <posix/server/tests/files.h>

#include <abi/linux/termios.h>

static bool was_sent(const struct user *user, int signal)
{
	return (user->signals >> signal & 1) != 0;
}

TEST(pipe_carries_bytes)
{
	int32_t fds[2];
	char text[8] = "";

	begin();
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	CHECK_EQ(call_write(root, fds[1], "hello", 5), 5);
	CHECK_EQ(call_read(root, fds[0], text, 2), 2);
	CHECK_EQ(call_read(root, fds[0], text + 2, 6), 3);
	CHECK_STR_EQ(text, "hello");
	CHECK_EQ(call_read(root, fds[1], text, 1), -LINUX_EBADF);
	CHECK_EQ(call_lseek(root, fds[0], 0, LINUX_SEEK_SET), -LINUX_ESPIPE);
	CHECK_EQ(call_pread(root, fds[0], text, 1, 0), -LINUX_ESPIPE);
	CHECK_EQ(call_pipe(root, fds, 1), -LINUX_EINVAL);
	end();
}

TEST(pipe_reader_waits_for_a_writer)
{
	int32_t fds[2];

	begin();
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	struct user *reader = user_fork(root);

	start(reader, 0, V(fds[0]), V(0), V(100));
	CHECK(is_parked(reader));
	CHECK_EQ(call_write(root, fds[1], "wake", 4), 4);
	CHECK_EQ(result_of(reader), 4);
	CHECK_MEM_EQ(reader->reply, "wake", 4);
	start(reader, 0, V(fds[0]), V(0), V(100));
	CHECK(is_parked(reader));
	interrupt(reader);
	CHECK_EQ(reader->result, -LINUX_ERESTARTSYS);
	end();
}

TEST(pipe_end_of_file_when_the_last_writer_goes)
{
	int32_t fds[2];

	begin();
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	struct user *reader = user_fork(root);

	CHECK_EQ(call_close(reader, fds[1]), 0);
	start(reader, 0, V(fds[0]), V(0), V(100));
	CHECK(is_parked(reader));
	CHECK_EQ(call_close(root, fds[1]), 0);
	CHECK_EQ(result_of(reader), 0);
	end();
}

TEST(pipe_without_readers_breaks)
{
	int32_t fds[2];

	begin();
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	CHECK_EQ(call_close(root, fds[0]), 0);
	CHECK_EQ(call_write(root, fds[1], "x", 1), -LINUX_EPIPE);
	CHECK(was_sent(root, LINUX_SIGPIPE));
	end();
}

TEST(pipe_writer_waits_for_room_and_writes_all)
{
	static uint8_t data[100000];
	int32_t fds[2];
	int64_t total = 0;

	begin();
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	struct user *writer = user_fork(root);

	start(writer, 1, V(fds[1]), IN_DATA(data, sizeof(data)), V(sizeof(data)));
	CHECK(is_parked(writer));
	while (is_parked(writer)) {
		int64_t n_bytes = call_read(root, fds[0], NULL, 10000);

		CHECK(n_bytes > 0);
		total += n_bytes;
		fake_run_loop();
	}
	CHECK_EQ(writer->result, sizeof(data));
	while (total < (int64_t)sizeof(data)) {
		total += call_read(root, fds[0], NULL, 65536);
	}
	CHECK_EQ(total, sizeof(data));
	end();
}

TEST(interrupted_writer_tells_how_much)
{
	static uint8_t data[100000];
	int32_t fds[2];

	begin();
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	struct user *writer = user_fork(root);

	start(writer, 1, V(fds[1]), IN_DATA(data, sizeof(data)), V(sizeof(data)));
	CHECK(is_parked(writer));
	interrupt(writer);
	CHECK_EQ(writer->result, 65536);
	end();
}

TEST(small_pipe_writes_are_never_split)
{
	static uint8_t data[65536];
	int32_t fds[2];

	begin();
	CHECK_EQ(call_pipe(root, fds, LINUX_O_NONBLOCK), 0);
	CHECK_EQ(call_write(root, fds[1], data, 65536 - 100), 65536 - 100);
	CHECK_EQ(call_write(root, fds[1], data, 101), -LINUX_EAGAIN);
	CHECK_EQ(call_write(root, fds[1], data, 100), 100);
	CHECK_EQ(call_write(root, fds[1], data, 1), -LINUX_EAGAIN);
	CHECK_EQ(call_read(root, fds[0], NULL, 5000), 5000);
	CHECK_EQ(call_write(root, fds[1], data, 8000), 5000);
	end();
}

TEST(further_pieces_do_not_wait)
{
	int32_t fds[2];

	begin();
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	start_call(root, 0, POSIX_REQUEST_NOWAIT,
		(const struct argument_value[]){ V(fds[0]), V(0), V(10) }, 3);
	CHECK_EQ(result_of(root), -LINUX_EAGAIN);
	end();
}

TEST(pipe_sizes)
{
	int32_t fds[2], n_bytes = 0;
	static uint8_t data[8192];

	begin();
	struct user *other = user_create(1000);

	CHECK_EQ(call_pipe(other, fds, LINUX_O_NONBLOCK), 0);
	CHECK_EQ(call_fcntl(other, fds[0], LINUX_F_GETPIPE_SZ, 0), 65536);
	CHECK_EQ(call_fcntl(other, fds[0], LINUX_F_SETPIPE_SZ, 5000), 8192);
	CHECK_EQ(call_write(other, fds[1], data, 8192), 8192);
	CHECK_EQ(call_fcntl(other, fds[0], LINUX_F_SETPIPE_SZ, 4096), -LINUX_EBUSY);
	CHECK_EQ(call_fcntl(other, fds[0], LINUX_F_SETPIPE_SZ, 2 << 20), -LINUX_EPERM);
	CHECK_EQ(call_fcntl(other, fds[0], LINUX_F_SETPIPE_SZ, 1 << 20), 1 << 20);
	CHECK_EQ(call_ioctl(other, fds[0], LINUX_FIONREAD, 0, &n_bytes, 0, 4), 0);
	CHECK_EQ(n_bytes, 8192);
	end();
}

TEST(fifo_open_waits_for_the_other_end)
{
	begin();
	struct user *reader = user_create(0), *writer = user_create(0);
	char text[8] = "";

	start(root, 259, V(LINUX_AT_FDCWD), P("/p"), V(LINUX_S_IFIFO | 0666), V(0));
	CHECK_EQ(result_of(root), 0);
	start(reader, 257, V(LINUX_AT_FDCWD), P("/p"), V(LINUX_O_RDONLY), V(0));
	CHECK(is_parked(reader));
	start(writer, 257, V(LINUX_AT_FDCWD), P("/p"), V(LINUX_O_WRONLY), V(0));
	CHECK_EQ(result_of(writer), 0);
	CHECK_EQ(result_of(reader), 0);
	CHECK_EQ(call_write(writer, 0, "hi", 2), 2);
	CHECK_EQ(call_read(reader, 0, text, 8), 2);
	CHECK_EQ(call_close(writer, 0), 0);
	CHECK_EQ(call_read(reader, 0, text, 8), 0);
	end();
}

TEST(fifo_open_is_over_even_if_the_peer_has_gone)
{
	begin();
	struct user *reader = user_create(0), *writer = user_create(0);

	start(root, 259, V(LINUX_AT_FDCWD), P("/p"), V(LINUX_S_IFIFO | 0666), V(0));
	start(reader, 257, V(LINUX_AT_FDCWD), P("/p"), V(LINUX_O_RDONLY), V(0));
	CHECK(is_parked(reader));
	start(writer, 257, V(LINUX_AT_FDCWD), P("/p"), V(LINUX_O_WRONLY), V(0));
	CHECK(writer->has_result);
	start(writer, 3, V(0));
	CHECK_EQ(result_of(reader), 0);
	end();
}

TEST(fifo_without_waiting)
{
	char text[8];

	begin();
	start(root, 259, V(LINUX_AT_FDCWD), P("/p"), V(LINUX_S_IFIFO | 0666), V(0));
	CHECK_EQ(call_open(root, "/p", LINUX_O_WRONLY | LINUX_O_NONBLOCK, 0), -LINUX_ENXIO);
	CHECK_EQ(call_open(root, "/p", LINUX_O_RDONLY | LINUX_O_NONBLOCK, 0), 0);
	CHECK_EQ(call_open(root, "/p", LINUX_O_WRONLY | LINUX_O_NONBLOCK, 0), 1);
	CHECK_EQ(call_read(root, 0, text, 8), -LINUX_EAGAIN);
	CHECK_EQ(call_close(root, 1), 0);
	CHECK_EQ(call_read(root, 0, text, 8), 0);
	struct user *waiter = user_create(0);

	CHECK_EQ(call_close(root, 0), 0);
	start(waiter, 257, V(LINUX_AT_FDCWD), P("/p"), V(LINUX_O_WRONLY), V(0));
	CHECK(is_parked(waiter));
	interrupt(waiter);
	CHECK_EQ(waiter->result, -LINUX_ERESTARTSYS);
	end();
}

TEST(pipe_opened_through_proc_does_not_wait)
{
	int32_t fds[2];

	begin();
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	CHECK_EQ(call_close(root, fds[1]), 0);
	CHECK_EQ(call_open(root, "/proc/self/fd/0", LINUX_O_RDONLY, 0), 1);
	CHECK_EQ(call_read(root, 1, NULL, 10), 0);
	end();
}

TEST(closing_while_another_thread_reads)
{
	int32_t fds[2];

	begin();
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	struct user *thread = user_create(0);

	fd_table_unref(thread->process.files, &thread->process);
	thread->process.files = root->process.files;
	fd_table_ref(root->process.files);
	start(thread, 0, V(fds[0]), V(0), V(10));
	CHECK(is_parked(thread));
	CHECK_EQ(call_close(root, fds[0]), 0);
	CHECK_EQ(call_write(root, fds[1], "late", 4), 4);
	CHECK_EQ(result_of(thread), 4);
	end();
}

TEST_MAIN()
