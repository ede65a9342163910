/* SPDX-License-Identifier: MIT */
/*
 * Views: when there are some, what they show, and that they are gone in time. The tests look at
 * them as the shim does; tests/linux/views.c asks the shim itself.
 */
#include <posix/server/tests/files.h>

#include <posix/server/file/inotify.h>

enum { WARM = 16 };

static const struct posix_views *views_of(const struct user *user)
{
	if (user->page.views == 0) {
		return NULL;
	}
	CHECK_EQ(user->page.views, POSIX_VIEWS);
	return fake_process_memory(user->mm.space, POSIX_VIEWS);
}

static uint64_t entry_of(const struct user *user, int64_t fd)
{
	const struct posix_views *views = views_of(user);

	uint64_t entry =
		views == NULL ? 0 : atomic_load(&views->entries[posix_view_slot((uint32_t)fd)]);

	return posix_view_entry_is_of(entry, (uint32_t)fd) ? entry : 0;
}

static bool may_read(const struct user *user, int64_t fd)
{
	return posix_view_entry_has(entry_of(user, fd), POSIX_VIEW_READ);
}

static const struct posix_view *view_of(const struct user *user, int64_t fd)
{
	return &views_of(user)->views[posix_view_entry_index(entry_of(user, fd))];
}

static _Atomic uint64_t *position_of(struct user *user, int64_t fd)
{
	return &user->page.view_positions[posix_view_entry_index(entry_of(user, fd))];
}

static bool has_position(struct user *user, int64_t fd)
{
	return posix_position_is_of(
		*position_of(user, fd), posix_view_entry_generation(entry_of(user, fd)));
}

/* What the shim would read. */
static const char *window_at(const struct user *user, int64_t fd, uint64_t offset)
{
	const struct posix_view *view = view_of(user, fd);

	if (offset < view->window_offset || offset - view->window_offset >= view->window_size) {
		return NULL;
	}
	return fake_process_memory(
		user->mm.space, view->window_address + offset - view->window_offset);
}

static void warm(struct user *user, int64_t fd)
{
	char byte;

	for (int i = 0; i < WARM; i++) {
		fake_now_ns++;
		CHECK(call_pread(user, fd, &byte, 1, 0) >= 0);
	}
}

static int64_t open_warm(struct user *user, const char *path)
{
	int64_t fd = call_open(user, path, LINUX_O_RDWR, 0);

	CHECK(fd >= 0);
	fake_now_ns++;
	warm(user, fd);
	return fd;
}

TEST(who_asks_often_gets_a_view)
{
	struct linux_stat stat;

	begin();
	write_file(root, "/f", "some text");
	fake_now_ns++;
	int64_t fd = call_open(root, "/f", LINUX_O_RDONLY, 0);
	char byte;

	CHECK_EQ(call_pread(root, fd, &byte, 1, 0), 1);
	CHECK(views_of(root) == NULL);
	warm(root, fd);
	CHECK(may_read(root, fd));
	CHECK_EQ(view_of(root, fd)->size, 9);
	CHECK_MEM_EQ(window_at(root, fd, 5), "text", 4);
	CHECK_EQ(call_fstat(root, fd, &stat), 0);
	CHECK_MEM_EQ(view_of(root, fd)->stat, &stat, sizeof(stat));
	CHECK_EQ(entry_of(root, fd + 1), 0);
	end();
}

TEST(changes_take_it_away_at_once)
{
	begin();
	write_file(root, "/f", "some text");
	write_file(root, "/g", "");
	int64_t fd = open_warm(root, "/f");
	int64_t other = call_open(root, "/f", LINUX_O_RDWR, 0);
	uint64_t entry = entry_of(root, fd);

	CHECK(may_read(root, fd));
	CHECK_EQ(call_pwrite(root, other, "more", 4, 0), 4);
	CHECK_EQ(entry_of(root, fd), 0);
	warm(root, fd);
	CHECK(may_read(root, fd));
	CHECK(entry_of(root, fd) != entry);
	CHECK_MEM_EQ(window_at(root, fd, 0), "more text", 9);
	CHECK_EQ(call_chmod(root, "/f", 0600), 0);
	CHECK_EQ(entry_of(root, fd), 0);
	warm(root, fd);
	CHECK_EQ(call_link(root, "/f", "/h"), 0);
	CHECK_EQ(entry_of(root, fd), 0);
	warm(root, fd);
	CHECK_EQ(call_rename(root, "/f", "/g", 0), 0);
	CHECK_EQ(entry_of(root, fd), 0);
	warm(root, fd);
	CHECK_EQ(call_unlink(root, "/g"), 0);
	CHECK_EQ(entry_of(root, fd), 0);
	warm(root, fd);
	CHECK_EQ(call_fcntl(root, fd, LINUX_F_SETFL, LINUX_O_NOATIME), 0);
	CHECK_EQ(entry_of(root, fd), 0);
	end();
}

TEST(an_access_to_be_noted_is_not_skipped)
{
	struct linux_stat stat;
	char byte;

	begin();
	write_file(root, "/f", "some text");
	int64_t fd = open_warm(root, "/f");

	CHECK(may_read(root, fd));
	fake_now_ns += 23 * UINT64_C(3600000000000);
	fake_run_loop();
	CHECK(may_read(root, fd));
	fake_now_ns += 2 * UINT64_C(3600000000000);
	fake_run_loop();
	CHECK_EQ(entry_of(root, fd), 0);
	CHECK_EQ(call_pread(root, fd, &byte, 1, 0), 1);
	CHECK_EQ(call_fstat(root, fd, &stat), 0);
	CHECK_EQ((uint64_t)stat.atime.seconds, fake_now_ns / 1000000000);
	CHECK(may_read(root, fd));
	end();
}

TEST(holes_are_not_shown)
{
	begin();
	write_file(root, "/f", "some text");
	int64_t fd = open_warm(root, "/f");

	CHECK(may_read(root, fd));
	start(root, 77 /* ftruncate */, V(fd), V(MIB(1)));
	CHECK_EQ(result_of(root), 0);
	warm(root, fd);
	CHECK(entry_of(root, fd) != 0);
	CHECK(!may_read(root, fd));
	CHECK_EQ(view_of(root, fd)->size, MIB(1));
	end();
}

TEST(who_reads_after_all_gets_a_window)
{
	struct linux_stat stat;
	char byte;

	begin();
	write_file(root, "/f", "some text");
	fake_now_ns++;
	int64_t fd = call_open(root, "/f", LINUX_O_RDONLY, 0);

	CHECK_EQ(call_read(root, fd, &byte, 1), 1); /* now the access time is later */
	for (int i = 0; i < WARM; i++) {
		CHECK_EQ(call_fstat(root, fd, &stat), 0);
	}
	CHECK(may_read(root, fd));
	CHECK(window_at(root, fd, 0) == NULL);
	CHECK_EQ(call_read(root, fd, &byte, 1), 1);
	CHECK_MEM_EQ(window_at(root, fd, 0), "some text", 9);
	CHECK_EQ(*position_of(root, fd) & POSIX_POSITION_MASK, 2);
	end();
}

TEST(a_window_is_where_the_reads_are)
{
	uint64_t far = 5 * POSIX_WINDOW_SIZE;
	char byte;

	fake_memory_size = GIB(1);
	begin();
	write_file(root, "/f", "some text");
	int64_t fd = call_open(root, "/f", LINUX_O_RDWR, 0);

	start(root, 285 /* fallocate */, V(fd), V(0), V(0), V(far + MIB(1)));
	CHECK_EQ(result_of(root), 0);
	warm(root, fd);
	CHECK_MEM_EQ(window_at(root, fd, 0), "some", 4);
	CHECK(window_at(root, fd, POSIX_WINDOW_SIZE) == NULL);
	for (int i = 0; i < WARM; i++) {
		CHECK_EQ(call_pread(root, fd, &byte, 1, far + 5), 1);
	}
	CHECK(window_at(root, fd, 0) == NULL);
	CHECK(window_at(root, fd, far + 5) != NULL);
	CHECK(window_at(root, fd, far + MIB(1)) == NULL || view_of(root, fd)->size == far + MIB(1));
	fake_memory_size = MIB(64);
	end();
}

/* ---- positions ----------------------------------------------------------------------------- */

TEST(a_position_is_lent_and_taken_back)
{
	char byte;

	begin();
	write_file(root, "/f", "some text");
	int64_t fd = open_warm(root, "/f");

	CHECK(has_position(root, fd));
	(*position_of(root, fd)) += 5;
	CHECK_EQ(call_lseek(root, fd, 0, LINUX_SEEK_CUR), 5);
	CHECK(!has_position(root, fd));
	CHECK_EQ(call_read(root, fd, &byte, 1), 1);
	CHECK_EQ(byte, 't');
	CHECK(has_position(root, fd));
	CHECK_EQ(*position_of(root, fd) & POSIX_POSITION_MASK, 6);
	/* garbage does not move the file */
	*position_of(root, fd) = 0x1234;
	CHECK_EQ(call_lseek(root, fd, 0, LINUX_SEEK_CUR), 6);
	end();
}

TEST(who_shares_a_file_has_no_position)
{
	begin();
	write_file(root, "/f", "some text");
	int64_t fd = open_warm(root, "/f");

	CHECK(has_position(root, fd));
	(*position_of(root, fd)) += 3;
	struct user *child = user_fork(root);

	CHECK(!has_position(root, fd));
	CHECK_EQ(call_lseek(child, fd, 0, LINUX_SEEK_CUR), 3);
	warm(root, fd);
	CHECK(may_read(root, fd));
	CHECK(!has_position(root, fd));
	user_exit(child);
	warm(root, fd);
	CHECK(has_position(root, fd));
	CHECK_EQ(*position_of(root, fd) & POSIX_POSITION_MASK, 3);
	end();
}

/* ---- who has them -------------------------------------------------------------------------- */

TEST(descriptors_that_are_closed)
{
	begin();
	write_file(root, "/f", "some text");
	int64_t fd = open_warm(root, "/f");
	uint64_t window = view_of(root, fd)->window_address;

	CHECK(fake_process_memory(root->mm.space, window) != NULL);
	CHECK_EQ(call_close(root, fd), 0);
	CHECK_EQ(entry_of(root, fd), 0);
	CHECK(fake_process_memory(root->mm.space, window) == NULL);
	end();
}

TEST(the_oldest_makes_room)
{
	int64_t fds[POSIX_VIEWS_MAX + 1];

	begin();
	write_file(root, "/f", "some text");
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = open_warm(root, "/f");
		CHECK(may_read(root, fds[i]));
	}
	CHECK_EQ(entry_of(root, fds[0]), 0);
	CHECK(may_read(root, fds[1]));
	warm(root, fds[0]);
	CHECK(may_read(root, fds[0]));
	CHECK_EQ(entry_of(root, fds[1]), 0);
	end();
}

TEST(what_is_used_is_not_pushed_out)
{
	int64_t fds[POSIX_VIEWS_MAX];

	begin();
	write_file(root, "/f", "some text");
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = open_warm(root, "/f");
		atomic_store(&root->page.view_was_used[i], 1);
	}
	int64_t fd = call_open(root, "/f", LINUX_O_RDWR, 0);
	char byte;

	for (int i = 0; i < 4; i++) {
		CHECK_EQ(call_pread(root, fd, &byte, 1, 0), 1);
	}
	CHECK_EQ(entry_of(root, fd), 0);
	/* all were asked; those that are not used again may go */
	atomic_store(&root->page.view_was_used[posix_view_entry_index(entry_of(root, fds[0]))], 1);
	warm(root, fd);
	CHECK(may_read(root, fd));
	CHECK(may_read(root, fds[0]));
	CHECK_EQ(entry_of(root, fds[1]), 0);
	end();
}

TEST(what_is_not_used_is_not_renewed)
{
	begin();
	write_file(root, "/f", "some text");
	int64_t fd = open_warm(root, "/f");
	int64_t other = call_open(root, "/f", LINUX_O_WRONLY, 0);
	int n_fresh = 0;
	char byte;

	for (int i = 0; i < 100; i++) {
		fake_now_ns++;
		CHECK_EQ(call_pwrite(root, other, "x", 1, 0), 1);
		fake_now_ns++;
		CHECK_EQ(call_pread(root, fd, &byte, 1, 0), 1);
		n_fresh += entry_of(root, fd) != 0;
	}
	CHECK(n_fresh < 25);
	for (int i = 0; i < 100; i++) {
		fake_now_ns++;
		CHECK_EQ(call_pwrite(root, other, "x", 1, 0), 1);
		fake_now_ns++;
		for (int k = 0; k < 10 && entry_of(root, fd) == 0; k++) {
			CHECK_EQ(call_pread(root, fd, &byte, 1, 0), 1);
		}
		CHECK(may_read(root, fd));
		atomic_store(&root->page.view_was_used[0], 1);
	}
	end();
}

TEST(a_shared_table_has_none)
{
	begin();
	write_file(root, "/f", "some text");
	int64_t fd = open_warm(root, "/f");
	struct user *other = user_create(0);

	fd_table_ref(root->process.files);
	fd_table_unref(other->process.files, &other->process);
	other->process.files = root->process.files;
	CHECK_EQ(entry_of(root, fd), 0);
	warm(root, fd);
	warm(other, fd);
	CHECK_EQ(entry_of(root, fd), 0);
	/* who had the views goes, the other makes its own */
	user_exit(root);
	warm(other, fd);
	CHECK(may_read(other, fd));
	CHECK_EQ(root->page.views, 0);
	end();
}

TEST(one_table_in_an_address_space)
{
	begin();
	write_file(root, "/f", "some text");
	int64_t fd = open_warm(root, "/f");
	struct user *child = user_fork(root);

	child->process_internal.mm = &root->mm;
	warm(child, fd);
	CHECK_EQ(child->page.views, 0);
	CHECK(may_read(root, fd));
	end();
}

TEST(whoever_watches_is_told)
{
	begin();
	CHECK_EQ(call_mkdir(root, "/d", 0755), 0);
	write_file(root, "/d/f", "some text");
	int64_t fd = open_warm(root, "/d/f");

	start(root, 294 /* inotify_init1 */, V(0));
	int64_t queue = result_of(root);

	CHECK(may_read(root, fd));
	start(root, 254 /* inotify_add_watch */, V(queue), P("/d/f"), V(LINUX_IN_ACCESS));
	CHECK_EQ(result_of(root), 1);
	CHECK_EQ(entry_of(root, fd), 0);
	warm(root, fd);
	CHECK(!may_read(root, fd));
	start(root, 255 /* inotify_rm_watch */, V(queue), V(1));
	CHECK_EQ(result_of(root), 0);
	warm(root, fd);
	CHECK(may_read(root, fd));
	start(root, 254, V(queue), P("/d"), V(LINUX_IN_ACCESS));
	CHECK_EQ(result_of(root), 2);
	CHECK_EQ(entry_of(root, fd), 0);
	warm(root, fd);
	CHECK(!may_read(root, fd));
	end();
}

TEST(without_memory_there_are_none)
{
	begin();
	write_file(root, "/f", "some text");
	int64_t fd = call_open(root, "/f", LINUX_O_RDWR, 0);

	for (size_t i = 1; i < 3 * WARM; i++) {
		char byte;

		fake_fail_allocation = i % 4;
		fake_fail_maps = i % 3;
		fake_now_ns++;
		call_pread(root, fd, &byte, 1, 0);
	}
	fake_fail_allocation = 0;
	fake_fail_maps = 0;
	warm(root, fd);
	warm(root, fd);
	CHECK(may_read(root, fd));
	CHECK_MEM_EQ(window_at(root, fd, 0), "some text", 9);
	end();
}

/* ---- writing ------------------------------------------------------------------------------- */

static bool may_write(const struct user *user, int64_t fd)
{
	return posix_view_entry_has(entry_of(user, fd), POSIX_VIEW_WRITE);
}

static struct posix_view_times *times_of(struct user *user, int64_t fd)
{
	return &user->page.view_times[posix_view_entry_index(entry_of(user, fd))];
}

static void warm_writes(struct user *user, int64_t fd)
{
	for (int i = 0; i < WARM && !may_write(user, fd); i++) {
		fake_now_ns++;
		CHECK_EQ(call_pwrite(user, fd, "S", 1, 0), 1);
	}
}

static int64_t open_writer(struct user *user, const char *path)
{
	int64_t fd = call_open(user, path, LINUX_O_RDWR, 0);

	CHECK(fd >= 0);
	warm_writes(user, fd);
	return fd;
}

/* What the shim does. */
static void write_byte(struct user *user, int64_t fd, char byte, uint64_t offset)
{
	const struct posix_view *view = view_of(user, fd);

	CHECK(may_write(user, fd));
	CHECK(offset >= view->room_start && offset < view->room_end);
	times_of(user, fd)->written = ++fake_now_ns;
	memcpy((char *)window_at(user, fd, offset), &byte, 1);
}

static int64_t ns_of(const struct linux_timespec *time)
{
	return time->seconds * 1000000000 + time->nanoseconds - fake_realtime_offset_ns;
}

static int64_t mtime_of(const char *path)
{
	struct linux_stat stat;

	CHECK_EQ(call_stat(root, path, &stat), 0);
	CHECK_EQ(ns_of(&stat.mtime), ns_of(&stat.ctime));
	return ns_of(&stat.mtime);
}

TEST(who_writes_often_may_write)
{
	struct linux_stat stat;
	char text[9];

	begin();
	write_file(root, "/f", "some text");
	int64_t fd = open_writer(root, "/f");

	CHECK(may_write(root, fd));
	CHECK(may_read(root, fd));
	CHECK_EQ(view_of(root, fd)->room_start, 0);
	CHECK_EQ(view_of(root, fd)->room_end, 9);
	write_byte(root, fd, 'T', 5);
	uint64_t written_ns = fake_now_ns;

	fake_now_ns += 1000;
	CHECK_EQ(mtime_of("/f"), written_ns);
	CHECK_EQ(entry_of(root, fd), 0);
	CHECK_EQ(call_pread(root, fd, text, 9, 0), 9);
	CHECK_MEM_EQ(text, "Some Text", 9);
	warm_writes(root, fd);
	write_byte(root, fd, 't', 5);
	fake_now_ns += 1000;
	CHECK_EQ(call_fstat(root, fd, &stat), 0);
	CHECK_EQ(ns_of(&stat.mtime), fake_now_ns - 1000);
	warm_writes(root, fd);
	write_byte(root, fd, 'T', 5);
	written_ns = fake_now_ns++;
	CHECK_EQ(call_close(root, fd), 0);
	CHECK_EQ(mtime_of("/f"), written_ns);
	end();
}

TEST(who_writes_is_alone)
{
	char byte;

	begin();
	write_file(root, "/f", "some text");
	struct user *other = user_create(0);
	int64_t fd = open_writer(root, "/f");
	int64_t others = open_warm(other, "/f");

	CHECK(may_read(other, others));
	CHECK_EQ(entry_of(root, fd), 0);
	warm_writes(root, fd);
	CHECK(may_write(root, fd));
	CHECK_EQ(entry_of(other, others), 0);
	write_byte(root, fd, '!', 8);
	fake_now_ns++;
	CHECK_EQ(call_pread(other, others, &byte, 1, 8), 1);
	CHECK_EQ(byte, '!');
	warm_writes(other, others);
	CHECK(may_write(other, others));
	CHECK_EQ(entry_of(root, fd), 0);
	end();
}

TEST(a_process_cannot_claim_any_time)
{
	begin();
	write_file(root, "/f", "some text");
	int64_t fd = open_writer(root, "/f");
	uint64_t fresh_ns = fake_now_ns;

	times_of(root, fd)->written = 1;
	fake_now_ns += 1000;
	CHECK_EQ(mtime_of("/f"), fresh_ns);
	warm_writes(root, fd);
	times_of(root, fd)->written = UINT64_MAX;
	fake_now_ns += 1000;
	CHECK_EQ(mtime_of("/f"), fake_now_ns);
	end();
}

TEST(reads_of_who_writes_are_noted)
{
	struct linux_stat stat;

	begin();
	write_file(root, "/f", "some text");
	int64_t fd = open_writer(root, "/f");

	CHECK(posix_view_entry_has(entry_of(root, fd), POSIX_VIEW_NOTE));
	times_of(root, fd)->accessed = ++fake_now_ns;
	uint64_t read_ns = fake_now_ns;

	write_byte(root, fd, 'x', 0);
	uint64_t written_ns = fake_now_ns;

	fake_now_ns += 1000;
	CHECK_EQ(call_stat(root, "/f", &stat), 0);
	CHECK_EQ(ns_of(&stat.atime), read_ns);
	CHECK_EQ(ns_of(&stat.mtime), written_ns);
	warm_writes(root, fd);
	write_byte(root, fd, 'x', 0);
	times_of(root, fd)->accessed = fake_now_ns += 10;
	fake_now_ns += 1000;
	CHECK_EQ(call_stat(root, "/f", &stat), 0);
	CHECK_EQ(ns_of(&stat.atime), fake_now_ns - 1000);
	CHECK_EQ(ns_of(&stat.mtime), fake_now_ns - 1010);
	CHECK_EQ(call_fcntl(root, fd, LINUX_F_SETFL, LINUX_O_NOATIME), 0);
	warm_writes(root, fd);
	CHECK(may_write(root, fd));
	CHECK(!posix_view_entry_has(entry_of(root, fd), POSIX_VIEW_NOTE));
	end();
}

static bool may_write_after(const char *path, uint32_t flags)
{
	int64_t fd = call_open(root, path, flags, 0);

	CHECK(fd >= 0);
	bool result = false;

	for (int i = 0; i < 2 * WARM && !result; i++) {
		fake_now_ns++;
		CHECK_EQ(call_pwrite(root, fd, "S", 1, 0), 1);
		result = may_write(root, fd);
	}

	CHECK_EQ(call_close(root, fd), 0);
	return result;
}

TEST(what_is_not_written_without_asking)
{
	begin();
	write_file(root, "/f", "some text");
	CHECK(may_write_after("/f", LINUX_O_RDWR));
	CHECK(!may_write_after("/f", LINUX_O_WRONLY));
	CHECK(!may_write_after("/f", LINUX_O_RDWR | LINUX_O_APPEND));
	CHECK(!may_write_after("/f", LINUX_O_RDWR | LINUX_O_DSYNC));
	CHECK_EQ(call_chmod(root, "/f", 04755), 0);
	CHECK(!may_write_after("/f", LINUX_O_RDWR));
	CHECK_EQ(call_chmod(root, "/f", 0755), 0);
	root->process.limits[LIMIT_FSIZE][0] = 5;
	int64_t fd = open_writer(root, "/f");

	CHECK(may_write(root, fd));
	CHECK_EQ(view_of(root, fd)->room_end, 5);
	CHECK_EQ(call_chmod(root, "/f", 04755), 0);
	CHECK_EQ(entry_of(root, fd), 0);
	end();
}

TEST(a_size_that_changes_takes_it_away)
{
	begin();
	write_file(root, "/f", "some text");
	int64_t fd = open_writer(root, "/f");

	CHECK(may_write(root, fd));
	start(root, 77 /* ftruncate */, V(fd), V(4));
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(entry_of(root, fd), 0);
	warm_writes(root, fd);
	CHECK_EQ(view_of(root, fd)->room_end, 4);
	CHECK_EQ(call_pwrite(root, fd, "longer", 6, 2), 6);
	CHECK_EQ(entry_of(root, fd), 0);
	warm_writes(root, fd);
	CHECK_EQ(view_of(root, fd)->room_end, 8);
	CHECK_EQ(view_of(root, fd)->size, 8);
	end();
}

TEST(devices)
{
	struct linux_stat stat;
	char byte;

	begin();
	int64_t null = call_open(root, "/dev/null", LINUX_O_WRONLY, 0);
	int64_t zero = call_open(root, "/dev/zero", LINUX_O_RDONLY, 0);

	for (int i = 0; i < WARM; i++) {
		CHECK_EQ(call_write(root, null, "x", 1), 1);
		CHECK_EQ(call_read(root, zero, &byte, 1), 1);
	}
	CHECK_EQ(posix_view_entry_kind(entry_of(root, null)), POSIX_VIEW_NULL);
	CHECK_EQ(entry_of(root, null) >> 4 & 0xf, POSIX_VIEW_WRITE);
	CHECK_EQ(posix_view_entry_kind(entry_of(root, zero)), POSIX_VIEW_ZERO);
	CHECK_EQ(entry_of(root, zero) >> 4 & 0xf, POSIX_VIEW_READ);
	CHECK_EQ(call_fstat(root, null, &stat), 0);
	CHECK_MEM_EQ(view_of(root, null)->stat, &stat, sizeof(stat));
	end();
}

/* ---- epoll --------------------------------------------------------------------------------- */

static int64_t wait_for(struct user *user, int64_t epoll)
{
	start_raw(user, POSIX_EPOLL_WAIT, (uint64_t[6]){ (uint64_t)epoll, 8, 0, 96 }, NULL, 0);
	return result_of(user);
}

static void warm_epoll(struct user *user, int64_t epoll)
{
	int64_t n_events = wait_for(user, epoll);

	for (int i = 0; i < WARM; i++) {
		CHECK_EQ(wait_for(user, epoll), n_events);
	}
}

static void watch(struct user *user, int64_t epoll, int64_t fd, uint32_t events)
{
	struct linux_epoll_event event = { .events = events, .data = (uint64_t)fd };

	start(user, 233 /* epoll_ctl */, V(epoll), V(LINUX_EPOLL_CTL_ADD), V(fd),
		IN_DATA(&event, sizeof(event)));
	CHECK_EQ(result_of(user), 0);
}

static const struct linux_epoll_event *event_of(struct user *user, int64_t epoll, uint32_t i)
{
	return (const struct linux_epoll_event *)view_of(user, epoll)->events[i];
}

TEST(events_that_stay)
{
	uint64_t count = 1;
	int32_t pipes[2];

	begin();
	start(root, 291 /* epoll_create1 */, V(0));
	int64_t epoll = result_of(root);

	start(root, 290 /* eventfd2 */, V(0), V(LINUX_O_NONBLOCK));
	int64_t event = result_of(root);

	CHECK_EQ(call_pipe(root, pipes, 0), 0);
	watch(root, epoll, event, LINUX_POLLIN);
	watch(root, epoll, pipes[0], LINUX_POLLIN);
	warm_epoll(root, epoll);
	CHECK(may_read(root, epoll));
	CHECK_EQ(view_of(root, epoll)->n_events, 0);
	CHECK_EQ(call_write(root, event, &count, sizeof(count)), sizeof(count));
	CHECK_EQ(entry_of(root, epoll), 0);
	warm_epoll(root, epoll);
	CHECK_EQ(view_of(root, epoll)->n_events, 1);
	CHECK_EQ(event_of(root, epoll, 0)->data, event);
	CHECK_EQ(event_of(root, epoll, 0)->events, LINUX_POLLIN);
	CHECK_EQ(call_write(root, pipes[1], "xy", 2), 2);
	CHECK_EQ(entry_of(root, epoll), 0);
	warm_epoll(root, epoll);
	CHECK_EQ(view_of(root, epoll)->n_events, 2);
	CHECK_EQ(call_read(root, pipes[0], &count, 2), 2);
	CHECK_EQ(entry_of(root, epoll), 0);
	warm_epoll(root, epoll);
	CHECK_EQ(call_read(root, event, &count, sizeof(count)), sizeof(count));
	CHECK_EQ(entry_of(root, epoll), 0);
	warm_epoll(root, epoll);
	CHECK_EQ(view_of(root, epoll)->n_events, 0);
	CHECK_EQ(call_close(root, event), 0);
	CHECK_EQ(entry_of(root, epoll), 0);
	end();
}

TEST(events_that_are_not_shown)
{
	int32_t pipes[2];

	begin();
	start(root, 291 /* epoll_create1 */, V(0));
	int64_t epoll = result_of(root);

	CHECK_EQ(call_pipe(root, pipes, 0), 0);
	watch(root, epoll, pipes[0], LINUX_POLLIN | LINUX_EPOLLET);
	warm_epoll(root, epoll);
	CHECK(may_read(root, epoll));
	CHECK_EQ(call_write(root, pipes[1], "x", 1), 1);
	CHECK_EQ(entry_of(root, epoll), 0);
	CHECK_EQ(wait_for(root, epoll), 1);
	warm_epoll(root, epoll);
	CHECK_EQ(view_of(root, epoll)->n_events, 0);
	/* more than a view has room for */
	for (uint32_t i = 0; i <= POSIX_VIEW_EVENTS_MAX; i++) {
		start(root, 290 /* eventfd2 */, V(1), V(0));
		watch(root, epoll, result_of(root), LINUX_POLLIN);
	}
	warm_epoll(root, epoll);
	CHECK(!may_read(root, epoll));
	end();
}

TEST_MAIN()
