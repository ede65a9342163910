/* SPDX-License-Identifier: MIT */
/* AF_UNIX sockets: bytes, packets, descriptors on their way, and memory that runs out anywhere. */
#include <abi/linux/socket.h>
#include <posix/server/socket/unix.h>
#include <posix/server/tests/files.h>

enum {
	CALL_socket = 41,
	CALL_connect = 42,
	CALL_shutdown = 48,
	CALL_bind = 49,
	CALL_socketpair = 53,
};

/* ---- calls that must not wait -------------------------------------------------------------- */

static int64_t call_socket(struct user *user, uint32_t type)
{
	start(user, CALL_socket, V(LINUX_AF_UNIX), V(type), V(0));
	return answer_of(user);
}

static int64_t call_pair(struct user *user, uint32_t type, int32_t *out_fds)
{
	start(user, CALL_socketpair, V(LINUX_AF_UNIX), V(type), V(0), OUT_DATA(8));
	int64_t result = answer_of(user);

	if (result == 0) {
		memcpy(out_fds, user->reply, 8);
	}
	return result;
}

static struct linux_sockaddr_un address_of(const char *path)
{
	struct linux_sockaddr_un address = { .family = LINUX_AF_UNIX };

	memcpy(address.path, path, strlen(path) + 1);
	return address;
}

static int64_t call_with_address(struct user *user, uint32_t call, int64_t fd, const char *path)
{
	struct linux_sockaddr_un address = address_of(path);

	start(user, call, V(fd), IN_DATA(&address, sizeof(address)), V(sizeof(address)));
	return answer_of(user);
}

/* ---- messages ------------------------------------------------------------------------------ */

/* Begins to send @size bytes, perhaps with a descriptor, perhaps to a name. */
static void start_send(struct user *user, int64_t fd, size_t size, int64_t right, const char *path)
{
	static uint8_t payload[POSIX_BULK_MAX];
	struct linux_sockaddr_un address = address_of(path == NULL ? "" : path);
	size_t n_name = path == NULL ? 0 : sizeof(address), n_control = 0;
	struct {
		struct linux_cmsghdr header;
		int32_t fd;
	} control = {
		.header = { sizeof(control.header) + sizeof(control.fd), LINUX_SOL_SOCKET,
			LINUX_SCM_RIGHTS },
		.fd = (int32_t)right,
	};

	memset(payload, 'x', sizeof(payload));
	memcpy(payload, &address, n_name);
	if (right >= 0) {
		n_control = sizeof(control.header) + sizeof(control.fd);
		memcpy(payload + align_up(n_name, 8), &control, n_control);
	}
	start_raw(user, POSIX_SOCKET_SEND,
		(const uint64_t[6]){ (uint64_t)fd, 0, size, n_name, n_control, size }, payload,
		align_up(n_name, 8) + align_up(n_control, 8) + size);
}

static int64_t call_send(
	struct user *user, int64_t fd, size_t size, int64_t right, const char *path)
{
	start_send(user, fd, size, right, path);
	return answer_of(user);
}

/* How many bytes; *out_right: the descriptor that came with them, or -1. */
static int64_t call_receive(struct user *user, int64_t fd, size_t size, int64_t *out_right)
{
	constexpr size_t CONTROL = 64;
	size_t out_size = sizeof(struct posix_socket_received) + CONTROL + size;

	start_raw(user, POSIX_SOCKET_RECEIVE,
		(const uint64_t[6]){ (uint64_t)fd, 0, size, out_size, CONTROL, 0 }, NULL, 0);
	int64_t result = answer_of(user);
	const struct posix_socket_received *received = (const void *)user->reply;

	*out_right = -1;
	if (result >= 0 && received->control_size >= sizeof(struct linux_cmsghdr) + 4) {
		int32_t right;

		memcpy(&right, (const uint8_t *)(received + 1) + sizeof(struct linux_cmsghdr), 4);
		*out_right = right;
	}
	return result;
}

/* ---- cases --------------------------------------------------------------------------------- */

TEST(streams_carry_bytes_both_ways)
{
	int32_t fds[2];
	char text[8] = "";

	begin();
	CHECK_EQ(call_pair(root, LINUX_SOCK_STREAM, fds), 0);
	CHECK_EQ(call_write(root, fds[0], "there", 5), 5);
	CHECK_EQ(call_write(root, fds[1], "back", 4), 4);
	CHECK_EQ(call_read(root, fds[1], text, 5), 5);
	CHECK_MEM_EQ(text, "there", 5);
	CHECK_EQ(call_read(root, fds[0], text, 8), 4);
	CHECK_MEM_EQ(text, "back", 4);
	CHECK_EQ(call_close(root, fds[1]), 0);
	CHECK_EQ(call_read(root, fds[0], text, 8), 0);
	CHECK_EQ(call_write(root, fds[0], "x", 1), -LINUX_EPIPE);
	end();
}

TEST(a_listener_takes_those_who_connect)
{
	int64_t right;

	begin();
	struct user *client = user_fork(root);
	int64_t listener = call_socket(root, LINUX_SOCK_STREAM);
	int64_t socket = call_socket(client, LINUX_SOCK_STREAM);

	CHECK_EQ(call_with_address(client, CALL_connect, socket, "/tmp/s"), -LINUX_ENOENT);
	CHECK_EQ(call_with_address(root, CALL_bind, listener, "/tmp/s"), 0);
	CHECK_EQ(call_with_address(client, CALL_connect, socket, "/tmp/s"), -LINUX_ECONNREFUSED);
	CHECK_EQ(call_listen(root, listener, 1), 0);
	CHECK_EQ(call_with_address(client, CALL_connect, socket, "/tmp/s"), 0);
	CHECK_EQ(call_send(client, socket, 10, -1, NULL), 10);
	int64_t accepted = call_accept(root, listener);

	CHECK(accepted >= 0);
	CHECK_EQ(call_receive(root, accepted, 100, &right), 10);
	CHECK_EQ(call_accept(root, listener), -LINUX_ERESTARTSYS);
	end();
}

/* Who was not accepted goes with the listener. */
TEST(a_listener_dies_with_children)
{
	begin();
	struct user *client = user_fork(root);
	int64_t listener = call_socket(root, LINUX_SOCK_SEQPACKET);
	int64_t socket = call_socket(client, LINUX_SOCK_SEQPACKET);

	CHECK_EQ(call_with_address(root, CALL_bind, listener, "/tmp/s"), 0);
	CHECK_EQ(call_listen(root, listener, 4), 0);
	CHECK_EQ(call_with_address(client, CALL_connect, socket, "/tmp/s"), 0);
	CHECK_EQ(call_send(client, socket, 5, socket, NULL), 5);
	CHECK_EQ(call_close(root, listener), 0);
	CHECK(call_send(client, socket, 5, -1, NULL) < 0);
	end();
}

TEST(descriptors_travel)
{
	int32_t fds[2], pipe[2];
	char text[4];
	int64_t right;

	begin();
	CHECK_EQ(call_pair(root, LINUX_SOCK_DGRAM, fds), 0);
	CHECK_EQ(call_pipe(root, pipe, 0), 0);
	CHECK_EQ(call_send(root, fds[0], 1, pipe[0], NULL), 1);
	CHECK_EQ(call_close(root, pipe[0]), 0);
	CHECK_EQ(call_write(root, pipe[1], "abc", 3), 3);
	CHECK_EQ(call_receive(root, fds[1], 10, &right), 1);
	CHECK(right >= 0);
	CHECK_EQ(call_read(root, right, text, 4), 3);
	CHECK_EQ(call_send(root, fds[0], 1, 999, NULL), -LINUX_EBADF);
	end();
}

/* Sockets that only their own messages hold are found, also in a ring of several. */
TEST(cycles_of_sockets_are_collected)
{
	constexpr unsigned N = 5;
	int32_t fds[N][2];

	begin();
	for (unsigned i = 0; i < N; i++) {
		CHECK_EQ(call_pair(root, LINUX_SOCK_DGRAM, fds[i]), 0);
	}
	for (unsigned i = 0; i < N; i++) {
		/* the next one's receiving end lies in the queue of this one */
		CHECK_EQ(call_send(root, fds[i][0], 1, fds[(i + 1) % N][1], NULL), 1);
	}
	/* they are looked for when a socket goes */
	for (unsigned i = 0; i < N; i++) {
		CHECK_EQ(call_close(root, fds[i][1]), 0);
	}
	for (unsigned i = 0; i < N; i++) {
		CHECK_EQ(call_close(root, fds[i][0]), 0);
	}
	end();
}

TEST(a_parked_sender_gives_back_what_it_holds)
{
	int32_t fds[2];

	begin();
	CHECK_EQ(call_pair(root, LINUX_SOCK_STREAM, fds), 0);
	struct user *sender = user_fork(root);

	do {
		start_send(sender, fds[0], 100000, fds[1], NULL);
		fake_run_loop();
	} while (!is_parked(sender) && sender->result > 0);
	CHECK(is_parked(sender));
	interrupt(sender);
	user_exit(sender);
	CHECK_EQ(call_close(root, fds[1]), 0); /* it is in its own queue */
	end();
}

TEST(a_parked_sender_learns_that_the_receiver_is_gone)
{
	begin();
	struct user *sender = user_create(0);
	int64_t receiver = call_socket(root, LINUX_SOCK_DGRAM);
	int64_t socket = call_socket(sender, LINUX_SOCK_DGRAM);

	CHECK_EQ(call_with_address(root, CALL_bind, receiver, "/tmp/r"), 0);
	for (unsigned i = 0; i < UNIX_DGRAMS_MAX; i++) {
		CHECK_EQ(call_send(sender, socket, 10, -1, "/tmp/r"), 10);
	}
	start_send(sender, socket, 10, socket, "/tmp/r");
	CHECK(is_parked(sender));
	CHECK_EQ(call_close(root, receiver), 0);
	CHECK_EQ(result_of(sender), -LINUX_ECONNREFUSED);
	end();
}

/* The limit is the user's own: nobody else is kept from sending. */
/* What it costs to make and close sockets while so many others are in flight. */
static uint64_t close_among(unsigned n_in_flight)
{
	constexpr unsigned N_CLOSED = 200;
	int32_t holder[2], fds[2];
	uint64_t before;

	begin();
	CHECK_EQ(call_pair(root, LINUX_SOCK_STREAM, holder), 0);
	for (unsigned i = 0; i < n_in_flight; i++) {
		CHECK_EQ(call_pair(root, LINUX_SOCK_STREAM, fds), 0);
		CHECK_EQ(call_send(root, holder[0], 1, fds[0], NULL), 1);
		CHECK_EQ(call_close(root, fds[0]), 0);
		CHECK_EQ(call_close(root, fds[1]), 0);
	}
	before = fake_n_steps;
	for (unsigned i = 0; i < N_CLOSED; i++) {
		CHECK_EQ(call_pair(root, LINUX_SOCK_STREAM, fds), 0);
		CHECK_EQ(call_close(root, fds[0]), 0);
		CHECK_EQ(call_close(root, fds[1]), 0);
	}
	before = fake_n_steps - before;
	end();
	return before;
}

TEST(closing_does_not_look_at_all_in_flight_each_time)
{
	uint64_t few = close_among(80), many = close_among(240);

	CHECK(few > 0 && many < few * 2);
}

/* What was put off is found a second later, if nothing is closed any more. */
TEST(cycles_are_collected_late)
{
	constexpr unsigned N = 200;
	int32_t holder[2], fds[2];

	begin();
	CHECK_EQ(call_pair(root, LINUX_SOCK_STREAM, holder), 0);
	for (unsigned i = 0; i < N; i++) {
		CHECK_EQ(call_pair(root, LINUX_SOCK_STREAM, fds), 0);
		CHECK_EQ(call_send(root, holder[0], 1, fds[0], NULL), 1);
		CHECK_EQ(call_close(root, fds[0]), 0);
		CHECK_EQ(call_close(root, fds[1]), 0);
	}
	/* the only reference to the holder is in its own queue */
	CHECK_EQ(call_send(root, holder[0], 1, holder[1], NULL), 1);
	CHECK_EQ(call_close(root, holder[1]), 0);
	CHECK_EQ(call_close(root, holder[0]), 0);
	fake_now_ns += 1000000000;
	fake_run_loop();
	end();
}

TEST(descriptors_on_their_way_are_limited_for_each_user)
{
	int32_t mine[2], theirs[2];
	int64_t right;

	begin();
	struct user *user = user_create(1000), *other = user_create(1001);

	user->process.limits[LIMIT_NOFILE][0] = 5;
	other->process.limits[LIMIT_NOFILE][0] = 5;
	CHECK_EQ(call_pair(user, LINUX_SOCK_SEQPACKET, mine), 0);
	CHECK_EQ(call_pair(other, LINUX_SOCK_SEQPACKET, theirs), 0);
	for (unsigned i = 0; i < 6; i++) {
		CHECK_EQ(call_send(user, mine[0], 1, mine[0], NULL), 1);
	}
	CHECK_EQ(call_send(user, mine[0], 1, mine[0], NULL), -LINUX_ETOOMANYREFS);
	CHECK_EQ(call_send(other, theirs[0], 1, theirs[0], NULL), 1);
	CHECK_EQ(call_receive(user, mine[1], 1, &right), 1);
	CHECK_EQ(call_send(user, mine[0], 1, mine[0], NULL), 1);
	end();
}

/* ---- out of memory at each allocation ------------------------------------------------------ */

/* A bit of everything; each call may fail. */
static void talk(struct user *other, uint32_t type)
{
	int32_t fds[2] = { -1, -1 };
	int64_t right, listener = call_socket(root, type);
	int64_t socket = call_socket(other, type);

	(void)call_with_address(root, CALL_bind, listener, "/tmp/s");
	(void)call_listen(root, listener, 2);
	(void)call_with_address(other, CALL_connect, socket, "/tmp/s");
	(void)call_send(other, socket, 5000, socket, NULL);
	int64_t accepted = call_accept(root, listener);

	(void)call_receive(root, accepted, 3000, &right);
	(void)call_receive(root, accepted, 3000, &right);
	(void)call_pair(root, type, fds);
	(void)call_send(root, fds[0], 10, fds[1], NULL);
	(void)call_send(root, fds[0], 10, fds[0], NULL);
	(void)call_receive(root, fds[1], 20, &right);
	start(root, CALL_shutdown, V(fds[0]), V(LINUX_SHUT_RDWR));
	(void)answer_of(root);
	(void)call_close(root, fds[0]);
	(void)call_close(root, fds[1]);
	(void)call_unlink(root, "/tmp/s");
}

/* What a user has sent is limited, in however many sockets it is; each still works. */
TEST(queues_of_a_user_are_limited)
{
	constexpr uint32_t N_PAIRS = 300;
	constexpr uint64_t USER_MEMORY = MIB(512) / 16;
	static uint8_t block[60000];
	static int32_t fds[N_PAIRS][2];

	begin();
	struct user *user = user_create(1000);

	for (uint32_t i = 0; i < N_PAIRS; i++) {
		CHECK_EQ(call_pair(user, LINUX_SOCK_STREAM, fds[i]), 0);
		while (call_write(user, fds[i][0], block, sizeof(block)) == sizeof(block)) {
		}
	}
	CHECK(socket_memory_total() > USER_MEMORY - MIB(1));
	CHECK(socket_memory_total() <= USER_MEMORY + N_PAIRS * SOCKET_MEMORY_SURE);
	CHECK(call_read(user, fds[N_PAIRS - 1][1], block, sizeof(block)) > 0);
	CHECK_EQ(call_write(user, fds[N_PAIRS - 1][0], block, 1000), 1000);
	/* a packet that is too long for what is sure can only fail */
	int32_t packets[2];

	CHECK_EQ(call_pair(user, LINUX_SOCK_SEQPACKET, packets), 0);
	CHECK_EQ(call_write(user, packets[0], block, sizeof(block)), -LINUX_ENOBUFS);
	CHECK_EQ(call_write(user, packets[0], block, 1000), 1000);
	user_exit(user);
	CHECK_EQ(socket_memory_total(), 0);
	end();
}

TEST(memory_runs_out_anywhere)
{
	static const uint32_t types[] = { LINUX_SOCK_STREAM, LINUX_SOCK_DGRAM,
		LINUX_SOCK_SEQPACKET };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		bool has_failed = true;

		for (size_t n = 1; has_failed; n++) {
			begin();
			struct user *other = user_fork(root);

			fake_fail_allocation = n;
			talk(other, types[i]);
			has_failed = fake_fail_allocation == 0;
			fake_fail_allocation = 0;
			end();
		}
	}
}

TEST_MAIN()
