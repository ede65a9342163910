/* SPDX-License-Identifier: MIT */
/*
 * Direct transfers of programs: who is shown the memory, what is lent, and that all is taken back
 * in time and completely. The file server here answers slowly; the seed is printed, TEST_SEED
 * replays one.
 */
#include <abi/linux/block.h>
#include <async/task.h>
#include <async/test-loop.h>
#include <base/errors.h>
#include <base/random.h>
#include <hel/hel-calls.h>
#include <posix/server/fs/block.h>
#include <posix/server/tests/block-server.h>
#include <posix/server/tests/files.h>
#include <protocols/fs/direct.h>

enum { SIZE = 65536, WARM = 16, OTHERS = 40 };

/* Reads are not noted: the loop would run on to the next day, when one has to be. */
constexpr uint32_t DIRECT = LINUX_O_DIRECT | LINUX_O_NOATIME;

/* ---- the server ------------------------------------------------------------------------------ */

static struct {
	uint32_t n_sessions, n_opened, n_open; /* of sessions; direct transfers, ever and now */
	uint32_t n_transfers;
	uint32_t n_lent; /* ever */
	bool refuses_loans;
	struct {
		uint32_t number;
		struct fake_range range;
	} loans[FS_DIRECT_LOANS];
	bool is_writable; /* what was asked for last */
	bool refuses;
	bool is_gone; /* and its server */
	uint32_t n_fail; /* so many of the next close_direct fail */
	bool is_slow; /* answers come when the test says so */
	/* before open_direct, lend_direct, or who has gone, answers; NULL: nothing */
	void (*meanwhile)(void);
	struct random chance;
} server;

static struct test_loop test_loop;
static struct block *block;

static int serve_open(struct bragi_call *call, const struct fs_open_request *request UNUSED,
	struct fs_open_reply *out_reply)
{
	server.n_sessions++;
	return block_server_tell(call, SIZE, out_reply);
}

static int serve_transfer(struct bragi_call *call UNUSED, const struct fs_transfer_request *request,
	struct fs_transfer_reply *out_reply)
{
	server.n_transfers++;
	out_reply->n_bytes = request->length;
	return 0;
}

/* What happens meanwhile, once. */
static void look_away(void)
{
	void (*meanwhile)(void) = server.meanwhile;

	server.meanwhile = NULL;
	if (meanwhile != NULL) {
		meanwhile();
	}
}

static int serve_open_direct(struct bragi_call *call, const struct fs_open_direct_request *request,
	struct fs_open_direct_reply *out_reply)
{
	look_away();
	if (server.refuses) {
		return FS_ERROR_UNSUPPORTED_HERE;
	}
	CHECK(bragi_handles_take(&call->received, 0) != HEL_NULL);
	server.is_writable = request->is_writable != 0;
	server.n_open++;
	out_reply->id = ++server.n_opened;
	return bragi_handles_add(&call->to_send, fake_memory_with("event", 5)) ? 0 : -ERR_NO_MEMORY;
}

static int serve_close_direct(struct bragi_call *call UNUSED,
	const struct fs_close_direct_request *request,
	struct fs_close_direct_reply *out_reply UNUSED)
{
	if (server.n_fail > 0) {
		server.n_fail--;
		return -ERR_NO_MEMORY;
	}
	CHECK(request->id > 0 && request->id <= server.n_opened);
	server.n_open--;
	return 0;
}

static int serve_lend_direct(struct bragi_call *call, const struct fs_lend_direct_request *request,
	struct fs_lend_direct_reply *out_reply UNUSED)
{
	typeof(server.loans[0]) *loan = &server.loans[request->number % FS_DIRECT_LOANS];

	if (server.n_open == 0) {
		return -ERR_NOT_FOUND; /* the session has ended meanwhile */
	}
	CHECK(request->id > 0 && request->id <= server.n_opened);
	CHECK(request->number > loan->number);
	loan->number = 0;
	look_away();
	if (server.refuses_loans) {
		return -ERR_UNSUPPORTED;
	}
	fake_memory_read(bragi_handles_take(&call->received, 0), &loan->range, sizeof(loan->range));
	loan->number = request->number;
	server.n_lent++;
	return 0;
}

static int serve_sync_node(struct bragi_call *call UNUSED,
	const struct fs_sync_node_request *request UNUSED,
	struct fs_sync_node_reply *out_reply UNUSED)
{
	return 0;
}

/* The session is the only one of a case: all that it has goes with it. */
static int serve_unmount(struct bragi_call *call UNUSED,
	const struct fs_unmount_request *request UNUSED, struct fs_unmount_reply *out_reply UNUSED)
{
	server.n_sessions--;
	server.n_open = 0;
	return 0;
}

static const struct fs_volume_ops volume_ops = { .open = serve_open };

static const struct fs_session_ops session_ops = {
	.transfer = serve_transfer,
	.open_direct = serve_open_direct,
	.close_direct = serve_close_direct,
	.lend_direct = serve_lend_direct,
	.sync_node = serve_sync_node,
	.forget = block_server_forget,
	.unmount = serve_unmount,
};

static int transact(struct task *task, struct bragi_client *base, struct bragi_exchange *exchange)
{
	const struct transport_client *client = container_of(base, struct transport_client, client);
	bool is_session = client != &block->volume.client; /* there may be no device afterwards */
	uint64_t ns = 1 + random_below(&server.chance, 1000);

	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + ns), 0);
	if (server.is_gone) {
		look_away();
		return -ERR_END_OF_LANE;
	}
	block_server_answer(
		exchange, is_session ? NULL : &volume_ops, is_session ? &session_ops : NULL);
	return 0;
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void begin_device(void)
{
	uint64_t seed = test_seed(5);

	server = (typeof(server)){ 0 };
	fake_memory_size = MIB(4096);
	random_init(&server.chance, seed);
	test_loop_init(&test_loop, &(struct test_loop_options){ .seed = seed });
	fake_have_tasks(&test_loop);
	fake_transact = transact;
	begin();
	block = block_server_add("x", SIZE, 0);
	start(root, 259 /* mknodat */, V(LINUX_AT_FDCWD), P("/disk"), V(LINUX_S_IFBLK | 0666),
		V(block->volume.rdev));
	CHECK_EQ(result_of(root), 0);
}

static void device_gone(void)
{
	server.is_gone = true;
	block_vanished(1);
	volume_unref(&block->volume);
}

#define end_device() \
	do { \
		users_free(); \
		fake_run_loop(); \
		CHECK_EQ(server.n_sessions, 0); \
		if (!server.is_gone) { \
			device_gone(); \
		} \
		CHECK(block_next(NULL) == NULL); \
		block_forget_places(); \
		end(); \
		fake_have_tasks(NULL); \
		test_loop_deinit(&test_loop); \
	} while (0)

static uint64_t entry_of(const struct user *user, int64_t fd)
{
	const struct posix_views *views =
		user->page.views == 0 ? NULL : fake_process_memory(user->mm.space, POSIX_VIEWS);
	uint64_t entry =
		views == NULL ? 0 : atomic_load(&views->entries[posix_view_slot((uint32_t)fd)]);

	return posix_view_entry_is_of(entry, (uint32_t)fd) ? entry : 0;
}

static bool may(const struct user *user, int64_t fd, uint32_t flag)
{
	return posix_view_entry_has(entry_of(user, fd), flag);
}

static const struct posix_view *view_of(const struct user *user, int64_t fd)
{
	const struct posix_views *views = fake_process_memory(user->mm.space, POSIX_VIEWS);

	return &views->views[posix_view_entry_index(entry_of(user, fd))];
}

/* What the process has of the memory. */
static struct fs_direct *memory_of(const struct user *user, uint32_t place)
{
	return (struct fs_direct *)fake_process_memory(
		user->mm.space, POSIX_DIRECTS + place * POSIX_DIRECT_PLACE);
}

static void warm(struct user *user, int64_t fd)
{
	static char bytes[512];

	for (int i = 0; i < WARM && user->process.files != NULL; i++) {
		fake_now_ns++;
		CHECK_EQ(call_pread(user, fd, bytes, sizeof(bytes), 0), (int64_t)sizeof(bytes));
	}
	fake_run_loop();
}

static int64_t open_warm(struct user *user, uint32_t flags)
{
	int64_t fd = call_open(user, "/disk", flags, 0);

	CHECK(fd >= 0);
	fake_now_ns++;
	warm(user, fd);
	return fd;
}

static void stop(struct timer *timer UNUSED)
{
	loop_stop(&test_loop.loop);
}

static void run_for(uint64_t ns)
{
	struct timer timer;

	timer_init(&timer, stop);
	timer_arm(posix_loop(), &timer, test_loop.now_ns + ns);
	fake_run_loop();
}

/* Somebody looks again and again, so the loop would run for ever. */
static void run_for_a_while(void)
{
	run_for(UINT64_C(1000000000));
}

TEST(who_transfers_often_with_o_direct_gets_it)
{
	begin_device();
	int64_t fd = call_open(root, "/disk", LINUX_O_RDWR | DIRECT, 0);

	CHECK_EQ(memory_of(root, 0) == NULL, true);
	warm(root, fd);
	CHECK_EQ(posix_view_entry_kind(entry_of(root, fd)), POSIX_VIEW_DIRECT);
	CHECK(may(root, fd, POSIX_VIEW_READ) && may(root, fd, POSIX_VIEW_WRITE));
	CHECK(server.is_writable);
	CHECK_EQ(view_of(root, fd)->direct_address, POSIX_DIRECTS);
	CHECK_EQ(view_of(root, fd)->direct_size, SIZE);
	CHECK_EQ(view_of(root, fd)->direct_block, 512);
	CHECK(memory_of(root, 0) != NULL);
	CHECK_EQ(call_close(root, fd), 0);
	CHECK_EQ(entry_of(root, fd), 0);
	fake_run_loop();
	CHECK(memory_of(root, 0) == NULL);
	CHECK_EQ(server.n_open, 0);
	end_device();
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

/* Also to who has just waited in a task, which holds the file. */
TEST(the_position_is_lent)
{
	static char bytes[512];

	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);

	CHECK(has_position(root, fd));
	CHECK_EQ(call_lseek(root, fd, 1024, LINUX_SEEK_SET), 1024);
	CHECK(!has_position(root, fd));
	CHECK_EQ(call_read(root, fd, bytes, 512), 512);
	CHECK(has_position(root, fd));
	CHECK_EQ(*position_of(root, fd) & POSIX_POSITION_MASK, 1536);
	*position_of(root, fd) += 512; /* the shim has read */
	CHECK_EQ(call_lseek(root, fd, 0, LINUX_SEEK_CUR), 2048);
	int64_t second = call_fcntl(root, fd, LINUX_F_DUPFD, 0);

	CHECK_EQ(call_read(root, fd, bytes, 512), 512);
	CHECK(!has_position(root, fd));
	CHECK_EQ(call_close(root, second), 0);
	end_device();
}

TEST(without_o_direct_nobody_does)
{
	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);

	CHECK(may(root, fd, POSIX_VIEW_READ));
	CHECK_EQ(call_fcntl(root, fd, LINUX_F_SETFL, LINUX_O_APPEND | DIRECT), 0);
	CHECK_EQ(entry_of(root, fd), 0);
	warm(root, fd);
	CHECK(may(root, fd, POSIX_VIEW_READ) && !may(root, fd, POSIX_VIEW_WRITE));
	CHECK_EQ(server.n_opened, 1);
	CHECK_EQ(call_fcntl(root, fd, LINUX_F_SETFL, 0), 0);
	CHECK_EQ(entry_of(root, fd), 0);
	CHECK_EQ(call_pread(root, fd, (char[512]){ 0 }, 512, SIZE), 0);
	fake_run_loop();
	CHECK_EQ(entry_of(root, fd), 0);
	CHECK_EQ(server.n_open, 0);
	end_device();
}

TEST(what_the_descriptor_may_not_is_not_shown)
{
	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDONLY | DIRECT);
	int64_t second = open_warm(root, LINUX_O_RDWR | DIRECT | LINUX_O_DSYNC);

	CHECK(may(root, fd, POSIX_VIEW_READ) && !may(root, fd, POSIX_VIEW_WRITE));
	CHECK(!server.is_writable);
	CHECK(may(root, second, POSIX_VIEW_READ) && !may(root, second, POSIX_VIEW_WRITE));
	CHECK_EQ(view_of(root, second)->direct_address, POSIX_DIRECTS + POSIX_DIRECT_PLACE);
	struct user *child = user_fork(root);

	CHECK_EQ(entry_of(child, fd), 0);
	CHECK(memory_of(child, 0) == NULL);
	end_device();
}

TEST(a_server_that_refuses_is_asked_once)
{
	begin_device();
	server.refuses = true;
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);
	uint32_t n_before = server.n_transfers;

	server.refuses = false;
	warm(root, fd);
	CHECK_EQ(server.n_opened, 0);
	CHECK_EQ(server.n_transfers, n_before + WARM);
	CHECK(!may(root, fd, POSIX_VIEW_READ));
	CHECK(memory_of(root, 0) == NULL);
	end_device();
}

TEST(who_may_not_write_any_more_has_nothing_to_write_with)
{
	int32_t yes = 1, no = 0;

	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);

	server.n_fail = 3;
	CHECK_EQ(call_ioctl(root, fd, LINUX_BLKROSET, 0, &yes, 4, 0), REQUEST_PARK);
	fake_run_loop();
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(server.n_open, 0);
	CHECK_EQ(entry_of(root, fd), 0);
	CHECK(memory_of(root, 0) == NULL);
	warm(root, fd);
	CHECK(may(root, fd, POSIX_VIEW_READ) && !may(root, fd, POSIX_VIEW_WRITE));
	CHECK(!server.is_writable);
	CHECK_EQ(call_ioctl(root, fd, LINUX_BLKROSET, 0, &no, 4, 0), 0);
	end_device();
}

TEST(memory_in_use_stays_until_it_is_not)
{
	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);
	struct fs_direct *shared = memory_of(root, 0);

	atomic_store(&shared->taken, 5);
	fs_direct_slot(shared, 0)->state = FS_DIRECT_SUBMITTED; /* the server has not seen it */
	fs_direct_slot(shared, 2)->state = FS_DIRECT_DONE;
	CHECK_EQ(call_close(root, fd), 0);
	run_for_a_while();
	CHECK_EQ(server.n_open, 0);
	CHECK(memory_of(root, 0) == shared);
	CHECK_EQ(atomic_load(&shared->is_over), 1);
	CHECK_EQ(atomic_load(&fs_direct_slot(shared, 0)->state), FS_DIRECT_DONE);
	CHECK_EQ(fs_direct_slot(shared, 0)->error, FS_DIRECT_ASK);
	CHECK_EQ(fs_direct_slot(shared, 2)->error, 0);
	atomic_store(&shared->taken, 0);
	run_for_a_while();
	CHECK(memory_of(root, 0) == NULL);
	end_device();
}

TEST(who_lies_keeps_it_until_it_ends)
{
	begin_device();
	struct user *liar = user_create(0);
	int64_t fd = open_warm(liar, LINUX_O_RDWR | DIRECT);

	memset(memory_of(liar, 0), 0xff, FS_DIRECT_DATA);
	CHECK_EQ(call_close(liar, fd), 0);
	run_for_a_while();
	CHECK_EQ(server.n_open, 0);
	CHECK(memory_of(liar, 0) != NULL);
	user_exit(liar);
	end_device();
}

static struct user *leaver;

static void leave(void)
{
	user_exit(leaver);
}

TEST(a_process_that_ends_while_it_is_made)
{
	begin_device();
	leaver = user_create(0);
	server.meanwhile = leave;
	(void)open_warm(leaver, LINUX_O_RDWR | DIRECT);
	CHECK(leaver->process.files == NULL);
	CHECK_EQ(server.n_opened, 1);
	CHECK_EQ(server.n_open, 0);
	end_device();
}

TEST(a_device_that_vanishes)
{
	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);

	device_gone();
	CHECK_EQ(entry_of(root, fd), 0);
	fake_run_loop();
	CHECK(memory_of(root, 0) == NULL);
	server.n_sessions = 0;
	CHECK_EQ(call_close(root, fd), 0);
	end_device();
}

/* Who has it last does not take it from under the transfers that are being ended. */
TEST(a_device_that_vanishes_whose_user_leaves)
{
	begin_device();
	leaver = user_create(0);
	(void)open_warm(leaver, LINUX_O_RDWR | DIRECT);
	server.meanwhile = leave;
	device_gone();
	server.n_sessions = 0;
	fake_run_loop();
	CHECK(server.meanwhile == NULL);
	end_device();
}

TEST(there_are_not_too_many)
{
	struct user *user;

	begin_device();
	for (int i = 0; i < OTHERS; i++) {
		user = user_create(0);
		CHECK(open_warm(user, LINUX_O_RDONLY | DIRECT) >= 0);
	}
	CHECK_EQ(server.n_open, 32);
	end_device();
}

TEST(there_are_fewer_where_there_is_little_memory)
{
	begin_device();
	fake_memory_size = MIB(128);
	for (int i = 0; i < 8; i++) {
		CHECK(open_warm(user_create(0), LINUX_O_RDONLY | DIRECT) >= 0);
	}
	CHECK_EQ(server.n_open, 3);
	end_device();
}

TEST(a_process_has_some)
{
	begin_device();
	for (int i = 0; i < 2 * (int)POSIX_DIRECTS_MAX; i++) {
		int64_t fd = open_warm(root, LINUX_O_RDONLY | DIRECT);

		CHECK_EQ(may(root, fd, POSIX_VIEW_READ), i < (int)POSIX_DIRECTS_MAX);
	}
	CHECK_EQ(server.n_open, POSIX_DIRECTS_MAX);
	end_device();
}

/* ---- loans ----------------------------------------------------------------------------------- */

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
	transfer_and_lend(root, fd, 0, MIB(1));
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
