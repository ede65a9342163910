/* SPDX-License-Identifier: MIT */
/*
 * Loans of direct transfers: what is lent and shown, and that it ends with the direct view, also in
 * the middle.
 */
#include <posix/server/fs/test-direct-server.h>

/* What the shim does that finds no loan. */
static void transfer(struct user *user, int64_t fd, uint64_t address, uint64_t size)
{
	constexpr uint32_t PREAD = 17, PWRITE = 18;
	static char bytes[512];

	if (random_below(&server.chance, 2) == 0) {
		start(user, PREAD, V(fd), V(0), V(512), V(0), V(size), V(address));
	} else {
		start(user, PWRITE, V(fd), IN_DATA(bytes, 512), V(512), V(0), V(size), V(address));
	}
	while (is_parked(user)) {
		run_for(1);
	}
	CHECK_EQ(user->result, 512);
}

static void transfer_and_lend(struct user *user, int64_t fd, uint64_t address, uint64_t size)
{
	transfer(user, fd, address, size);
	fake_run_loop();
}

static bool is_shown(const struct fs_direct *shared, uint64_t address, uint64_t size)
{
	for (uint32_t i = 0; i < FS_DIRECT_LOANS; i++) {
		const struct fs_direct_loan *loan = &shared->loans[i];

		if (loan->number != 0 && address >= loan->address &&
			address + size <= loan->address + loan->size_bytes) {
			return true;
		}
	}
	return false;
}

/* The process is shown what the server has, and nothing else. */
static void check_loans(const struct fs_direct *shared)
{
	for (uint32_t i = 0; i < FS_DIRECT_LOANS; i++) {
		const struct fs_direct_loan *loan = &shared->loans[i];

		CHECK_EQ(loan->number, server.loans[i].number);
		if (loan->number != 0) {
			CHECK_EQ(loan->number % FS_DIRECT_LOANS, i);
			CHECK_EQ(loan->address, server.loans[i].range.address);
			CHECK_EQ(loan->size_bytes, server.loans[i].range.size);
		}
	}
}

TEST(a_long_transfer_brings_a_loan)
{
	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);
	struct fs_direct *shared = memory_of(root, 0);

	CHECK(may(root, fd, POSIX_VIEW_WRITE));
	CHECK_EQ(atomic_load(&shared->gives_loans), 1);
	transfer_and_lend(root, fd, 0x10000000, FS_DIRECT_LOAN_MIN - 512);
	CHECK_EQ(server.n_lent, 0);
	transfer_and_lend(root, fd, 0x10000200, FS_DIRECT_LOAN_MIN);
	CHECK_EQ(server.n_lent, 1);
	CHECK(is_shown(shared, 0x10000000, FS_DIRECT_LOAN_MIN + 4096));
	check_loans(shared);
	transfer_and_lend(root, fd, 0x10000000, FS_DIRECT_LOAN_MIN + 4096);
	CHECK_EQ(server.n_lent, 1);
	CHECK_EQ(call_close(root, fd), 0);
	end_device();
}

TEST(loans_that_are_near_are_joined)
{
	constexpr uint64_t START = 0x10000000, SPAN = MIB(1), LONG = MIB(64);

	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);
	struct fs_direct *shared = memory_of(root, 0);

	transfer_and_lend(root, fd, START, SPAN);
	transfer_and_lend(root, fd, START + SPAN, SPAN); /* it touches */
	CHECK(is_shown(shared, START, 2 * SPAN));
	transfer_and_lend(root, fd, START - SPAN / 2, SPAN); /* overlaps */
	CHECK(is_shown(shared, START - SPAN / 2, SPAN * 5 / 2));
	transfer_and_lend(root, fd, START + 2 * SPAN + 4096, SPAN); /* almost touches */
	CHECK(is_shown(shared, START - SPAN / 2, SPAN * 7 / 2));
	CHECK_EQ(shared->loans[0].number, 3 * FS_DIRECT_LOANS + FS_DIRECT_LOANS);
	CHECK_EQ(shared->loans[1].number, 0);
	check_loans(shared);
	transfer_and_lend(root, fd, START, LONG); /* not more than may be */
	CHECK(is_shown(shared, START, LONG));
	CHECK(is_shown(shared, START - SPAN / 2, SPAN * 7 / 2));
	CHECK_EQ(shared->loans[1].number % FS_DIRECT_LOANS, 1);
	transfer_and_lend(
		root, fd, START + 16 * LONG, 8 * LONG); /* of which the first part is lent */
	CHECK(is_shown(shared, START + 16 * LONG, LONG));
	CHECK_EQ(server.n_lent, 6);
	check_loans(shared);
	end_device();
}

TEST(loans_take_turns_until_there_were_many)
{
	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);
	struct fs_direct *shared = memory_of(root, 0);
	uint64_t address = 0;

	for (uint32_t i = 0; i < 100; i++) {
		address = GIB(1) + random_below(&server.chance, 1 << 18) * 4096;
		uint64_t size = FS_DIRECT_LOAN_MIN + random_below(&server.chance, 512) * 512;

		transfer_and_lend(root, fd, address, size);
		CHECK(is_shown(shared, address, size) || atomic_load(&shared->gives_loans) == 0);
		check_loans(shared);
	}
	CHECK_EQ(server.n_lent, 64);
	CHECK_EQ(atomic_load(&shared->gives_loans), 0);
	end_device();
}

static struct fs_direct *watched;

static void see_that_none_is_shown(void)
{
	CHECK_EQ(watched->loans[0].number, 0);
	CHECK(watched->loans[1].number != 0);
}

TEST(a_loan_is_not_shown_while_it_is_replaced)
{
	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);

	watched = memory_of(root, 0);
	transfer_and_lend(root, fd, 0x10000000, MIB(1));
	transfer_and_lend(root, fd, 0x20000000, MIB(1));
	server.meanwhile = see_that_none_is_shown;
	transfer_and_lend(root, fd, 0x10080000, MIB(1));
	CHECK(server.meanwhile == NULL);
	CHECK(is_shown(watched, 0x10000000, MIB(1) + 0x80000));
	check_loans(watched);
	end_device();
}

TEST(a_server_that_will_have_no_more)
{
	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);
	struct fs_direct *shared = memory_of(root, 0);

	transfer_and_lend(root, fd, 0x10000000, MIB(1));
	server.refuses_loans = true;
	transfer_and_lend(root, fd, 0x20000000, MIB(1));
	CHECK_EQ(atomic_load(&shared->gives_loans), 0);
	CHECK(is_shown(shared, 0x10000000, MIB(1)) && !is_shown(shared, 0x20000000, 1));
	check_loans(shared);
	server.refuses_loans = false;
	transfer_and_lend(root, fd, 0x30000000, MIB(1));
	CHECK_EQ(server.n_lent, 1);
	end_device();
}

/* Addresses and sizes are what the process says. */
TEST(what_cannot_be_lent)
{
	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);
	struct fs_direct *shared = memory_of(root, 0);

	transfer_and_lend(root, fd, POSIX_SHIM_REGION, MIB(1));
	transfer_and_lend(root, fd, POSIX_DIRECTS, MIB(1));
	transfer_and_lend(root, fd, UINT64_MAX, UINT64_MAX);
	CHECK_EQ(server.n_lent, 0);
	transfer_and_lend(root, fd, POSIX_SHIM_REGION - 1, UINT64_MAX);
	CHECK(is_shown(shared, POSIX_SHIM_REGION - 4096, 4096));
	memset(shared->loans, 0xff, sizeof(shared->loans)); /* it spoils what it sees */
	transfer_and_lend(root, fd, POSIX_SHIM_REGION - 512, MIB(1));
	CHECK_EQ(server.n_lent, 1);
	for (uint32_t i = 0; i < 100; i++) { /* other calls say something else there */
		transfer_and_lend(root, fd, i % 2, MIB(1));
	}
	CHECK_EQ(server.n_lent, 1);
	CHECK_EQ(atomic_load(&shared->gives_loans), 1);
	transfer_and_lend(root, fd, 4096, MIB(1));
	CHECK_EQ(server.n_lent, 2);
	end_device();
}

static int64_t fd_to_close;

static void close_it(void)
{
	CHECK_EQ(call_close(root, fd_to_close), 0);
}

TEST(a_descriptor_that_is_closed_while_a_loan_is_given)
{
	begin_device();
	fd_to_close = open_warm(root, LINUX_O_RDWR | DIRECT);
	server.meanwhile = close_it;
	transfer_and_lend(root, fd_to_close, 0x10000000, MIB(1));
	CHECK_EQ(server.n_lent, 1);
	CHECK_EQ(server.n_open, 0);
	CHECK(memory_of(root, 0) == NULL);
	end_device();
}

/* Before, while, and after. */
TEST(a_process_that_ends_when_a_loan_is_given)
{
	uint32_t n_lent = 0, n_ends = 60;

	begin_device();
	for (uint32_t i = 0; i < n_ends; i++) {
		leaver = user_create(0);
		int64_t fd = open_warm(leaver, LINUX_O_RDWR | DIRECT);

		memset(server.loans, 0, sizeof(server.loans));
		server.meanwhile = i % 3 == 0 ? leave : NULL;
		transfer(leaver, fd, 0x10000000, MIB(1));
		if (i % 3 != 0) {
			run_for(random_below(&server.chance, 1200));
			n_lent += server.n_lent;
			leave();
		}
		fake_run_loop();
		CHECK_EQ(server.n_open, 0);
		server.n_lent = 0;
	}
	CHECK(n_lent > 0 && n_lent < n_ends * 2 / 3);
	end_device();
}

/* Its memory is there as long as the server has some of it; also if the session ends with it. */
TEST(a_large_process_ends_when_its_loans_do)
{
	begin_device();
	for (uint32_t i = 0; i < 8; i++) {
		struct user *user = user_create(0), *other = user_create(0);
		int64_t fd = open_warm(user, LINUX_O_RDWR | DIRECT);

		if (i % 2 == 0) {
			CHECK(call_open(other, "/disk", LINUX_O_RDWR, 0) >= 0);
		}
		memset(server.loans, 0, sizeof(server.loans));
		if (i % 4 < 2) {
			transfer_and_lend(user, fd, 0x10000000, MIB(1));
		}
		uint64_t before_ns = test_loop.now_ns;

		user->process_internal.was_large = i < 4;
		user_exit(user);
		CHECK_EQ(fake_n_awaited, i < 2);
		fake_run_loop();
		CHECK_EQ(fake_n_awaited, 0);
		CHECK_EQ(server.n_open, 0);
		CHECK(test_loop.now_ns - before_ns < 10000); /* nobody looked again and again */
		user_exit(other);
		fake_run_loop();
	}
	end_device();
}

TEST(a_device_that_vanishes_while_a_loan_is_given)
{
	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);

	server.meanwhile = device_gone;
	transfer_and_lend(root, fd, 0x10000000, MIB(1));
	CHECK_EQ(entry_of(root, fd), 0);
	CHECK(memory_of(root, 0) == NULL);
	server.n_sessions = 0;
	CHECK_EQ(call_close(root, fd), 0);
	end_device();
}

/* A program that is lent to may not write to the disk any more. */
TEST(a_device_that_becomes_read_only_while_a_loan_is_given)
{
	int32_t yes = 1;

	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);
	struct user *other = user_create(0);
	int64_t second = call_open(other, "/disk", LINUX_O_RDONLY, 0);

	transfer(root, fd, 0x10000000, MIB(1));
	CHECK_EQ(call_ioctl(other, second, LINUX_BLKROSET, 0, &yes, 4, 0), REQUEST_PARK);
	CHECK_EQ(server.n_open, 1);
	fake_run_loop();
	CHECK_EQ(result_of(other), 0);
	CHECK_EQ(server.n_open, 0);
	CHECK(memory_of(root, 0) == NULL);
	end_device();
}

TEST_MAIN()
