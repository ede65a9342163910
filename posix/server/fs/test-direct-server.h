/* SPDX-License-Identifier: MIT */
/*
 * What tests of direct transfers have in common: a device whose file server answers slowly, and
 * what processes see of it. The seed is printed, TEST_SEED replays one.
 */
#ifndef POSIX_FS_TEST_DIRECT_SERVER_H
#define POSIX_FS_TEST_DIRECT_SERVER_H

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

enum { SIZE = 65536, WARM = 16 };

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

static struct user *leaver;

static void leave(void)
{
	user_exit(leaver);
}

#endif
