/* SPDX-License-Identifier: MIT */
/* AF_INET and AF_NETLINK sockets, ports that rest, and memory that runs out anywhere. */
#include <abi/linux/inet.h>
#include <abi/linux/netlink.h>
#include <abi/linux/socket.h>
#include <posix/server/socket/inet.h>
#include <posix/server/tests/files.h>

enum {
	CALL_socket = 41,
	CALL_connect = 42,
	CALL_shutdown = 48,
	CALL_bind = 49,
	CALL_setsockopt = 54,
};

constexpr uint16_t PORT = 8080;

static int64_t call_socket(struct user *user, uint32_t type)
{
	start(user, CALL_socket, V(LINUX_AF_INET), V(type), V(0));
	return answer_of(user);
}

static struct linux_sockaddr_in address_of(uint16_t port)
{
	return (struct linux_sockaddr_in){
		.family = LINUX_AF_INET,
		.port = (uint16_t)(port >> 8 | port << 8),
		.ip = { 127, 0, 0, 1 },
	};
}

static int64_t call_with_port(struct user *user, uint32_t call, int64_t fd, uint16_t port)
{
	struct linux_sockaddr_in address = address_of(port);

	start(user, call, V(fd), IN_DATA(&address, sizeof(address)), V(sizeof(address)));
	return answer_of(user);
}

static int64_t call_send_to(struct user *user, int64_t fd, size_t size, uint16_t port)
{
	static uint8_t payload[16 + 70000];
	struct linux_sockaddr_in address = address_of(port);

	memcpy(payload, &address, sizeof(address));
	start_raw(user, POSIX_SOCKET_SEND,
		(const uint64_t[6]){ (uint64_t)fd, 0, size, sizeof(address), 0, size }, payload,
		sizeof(address) + size);
	return answer_of(user);
}

/* Closes all; ports that rest then go with the first that is taken a minute later. */
static void end_of_rest(void)
{
	for (int64_t fd = 0; fd < 16; fd++) {
		(void)call_close(root, fd);
	}
	fake_now_ns += INET_REST_NS + 1;
	int64_t fd = call_socket(root, LINUX_SOCK_DGRAM);

	(void)call_with_port(root, CALL_bind, fd, 9);
	(void)call_close(root, fd);
}

/* ---- cases --------------------------------------------------------------------------------- */

TEST(a_connection_and_its_end)
{
	char text[8] = "";

	begin();
	int64_t listener = call_socket(root, LINUX_SOCK_STREAM);
	int64_t socket = call_socket(root, LINUX_SOCK_STREAM);

	CHECK_EQ(call_with_port(root, CALL_connect, socket, PORT), -LINUX_ECONNREFUSED);
	CHECK_EQ(call_with_port(root, CALL_bind, listener, PORT), 0);
	CHECK_EQ(call_listen(root, listener, 1), 0);
	CHECK_EQ(call_with_port(root, CALL_connect, socket, PORT), 0);
	CHECK_EQ(call_write(root, socket, "there", 5), 5);
	int64_t accepted = call_accept(root, listener);

	CHECK(accepted >= 0);
	CHECK_EQ(call_read(root, accepted, text, 8), 5);
	CHECK_MEM_EQ(text, "there", 5);
	CHECK_EQ(call_close(root, accepted), 0);
	CHECK_EQ(call_read(root, socket, text, 8), 0);
	CHECK_EQ(call_close(root, listener), 0);
	CHECK_EQ(call_close(root, socket), 0);
	/* the server's side was the first to close: its port rests */
	listener = call_socket(root, LINUX_SOCK_STREAM);
	CHECK_EQ(call_with_port(root, CALL_bind, listener, PORT), -LINUX_EADDRINUSE);
	fake_now_ns += INET_REST_NS + 1;
	CHECK_EQ(call_with_port(root, CALL_bind, listener, PORT), 0);
	end_of_rest();
	end();
}

/* Who finds the backlog full waits, in order, and is refused when the listener goes. */
TEST(a_full_backlog)
{
	begin();
	struct user *first = user_fork(root), *second = user_fork(root);
	int64_t listener = call_socket(root, LINUX_SOCK_STREAM);
	struct linux_sockaddr_in address = address_of(PORT);

	CHECK_EQ(call_with_port(root, CALL_bind, listener, PORT), 0);
	CHECK_EQ(call_listen(root, listener, 0), 0);
	int64_t taken = call_socket(root, LINUX_SOCK_STREAM);

	CHECK_EQ(call_with_port(root, CALL_connect, taken, PORT), 0);
	int64_t a = call_socket(first, LINUX_SOCK_STREAM);
	int64_t b = call_socket(second, LINUX_SOCK_STREAM);

	start(first, CALL_connect, V(a), IN_DATA(&address, sizeof(address)), V(sizeof(address)));
	start(second, CALL_connect, V(b), IN_DATA(&address, sizeof(address)), V(sizeof(address)));
	fake_run_loop();
	CHECK(is_parked(first) && is_parked(second));
	CHECK(call_accept(root, listener) >= 0);
	CHECK_EQ(result_of(first), 0);
	CHECK(is_parked(second));
	CHECK_EQ(call_close(root, listener), 0);
	CHECK_EQ(result_of(second), -LINUX_ECONNREFUSED);
	user_exit(first);
	user_exit(second);
	end_of_rest();
	end();
}

/* A signal interrupts connect(), which is then repeated. */
TEST(an_interrupted_connect)
{
	begin();
	struct user *caller = user_fork(root);
	int64_t listener = call_socket(root, LINUX_SOCK_STREAM);
	int64_t taken = call_socket(root, LINUX_SOCK_STREAM);
	int64_t fd = call_socket(caller, LINUX_SOCK_STREAM);

	CHECK_EQ(call_with_port(root, CALL_bind, listener, PORT), 0);
	CHECK_EQ(call_listen(root, listener, 0), 0);
	CHECK_EQ(call_with_port(root, CALL_connect, taken, PORT), 0);
	CHECK_EQ(call_with_port(caller, CALL_connect, fd, PORT), -LINUX_ERESTARTSYS);
	CHECK(call_accept(root, listener) >= 0);
	CHECK_EQ(call_with_port(caller, CALL_connect, fd, PORT), 0);
	CHECK_EQ(call_with_port(caller, CALL_connect, fd, PORT), -LINUX_EISCONN);
	user_exit(caller);
	end_of_rest();
	end();
}

TEST(only_the_privileged_have_low_ports)
{
	begin();
	struct user *user = user_create(1000);
	int64_t fd = call_socket(user, LINUX_SOCK_STREAM);

	CHECK_EQ(call_with_port(user, CALL_bind, fd, 80), -LINUX_EACCES);
	start(user, CALL_socket, V(LINUX_AF_INET), V(LINUX_SOCK_RAW), V(LINUX_IPPROTO_ICMP));
	CHECK_EQ(answer_of(user), -LINUX_EPERM);
	end();
}

TEST(datagrams_beyond_the_buffer_are_dropped)
{
	begin();
	int64_t to = call_socket(root, LINUX_SOCK_DGRAM), fd = call_socket(root, LINUX_SOCK_DGRAM);

	CHECK_EQ(call_with_port(root, CALL_bind, to, PORT), 0);
	for (unsigned i = 0; i < 100; i++) {
		CHECK_EQ(call_send_to(root, fd, 60000, PORT), 60000);
	}
	CHECK_EQ(call_send_to(root, fd, 65508, PORT), -LINUX_EMSGSIZE);
	end();
}

/* ---- memory -------------------------------------------------------------------------------- */

constexpr uint64_t USER_MEMORY = MIB(512) / 16;

/* A connected socket of @user; *out_accepted is its other end. */
static int64_t connected(struct user *user, int64_t listener, int64_t *out_accepted)
{
	int64_t fd = call_socket(user, LINUX_SOCK_STREAM);

	CHECK_EQ(call_with_port(user, CALL_connect, fd, PORT), 0);
	*out_accepted = call_accept(user, listener);
	return fd;
}

/* However many sockets a user has, what lies in their queues is limited; each still works. */
TEST(queues_of_a_user_are_limited)
{
	constexpr uint32_t N_PAIRS = 400;
	static uint8_t block[60000];
	static int64_t fds[N_PAIRS], accepted[N_PAIRS];

	begin();
	struct user *user = user_create(1000);
	int64_t listener = call_socket(user, LINUX_SOCK_STREAM);

	CHECK_EQ(call_with_port(user, CALL_bind, listener, PORT), 0);
	CHECK_EQ(call_listen(user, listener, 10), 0);
	for (uint32_t i = 0; i < N_PAIRS; i++) {
		fds[i] = connected(user, listener, &accepted[i]);
		CHECK(fds[i] >= 0 && accepted[i] >= 0);
		while (call_write(user, fds[i], block, sizeof(block)) == sizeof(block)) {
		}
	}
	CHECK(socket_memory_total() > USER_MEMORY - MIB(1));
	CHECK(socket_memory_total() <= USER_MEMORY + N_PAIRS * SOCKET_MEMORY_SURE);
	/* the last one holds what is sure; what is read makes room for as much */
	CHECK_EQ(call_read(user, accepted[N_PAIRS - 1], block, sizeof(block)), SOCKET_MEMORY_SURE);
	CHECK_EQ(call_write(user, fds[N_PAIRS - 1], block, 1000), 1000);
	/* others are not concerned */
	int64_t other = call_socket(root, LINUX_SOCK_DGRAM);

	CHECK_EQ(call_with_port(root, CALL_bind, other, PORT + 1), 0);
	CHECK_EQ(call_send_to(user, call_socket(user, LINUX_SOCK_DGRAM), 5000, PORT + 1), 5000);
	CHECK_EQ(call_read(root, other, block, sizeof(block)), 5000);
	user_exit(user);
	CHECK_EQ(socket_memory_total(), 0);
	end_of_rest();
	end();
}

/* Connections that nobody accepts have no descriptors once their callers have closed. */
TEST(backlogs_of_a_user_are_limited)
{
	constexpr uint32_t N_LISTENERS = 4;
	static uint8_t block[3000];
	uint32_t n_made = 0;

	begin();
	struct user *user = user_create(1000);

	for (uint32_t i = 0; i < N_LISTENERS; i++) {
		int64_t listener = call_socket(user, LINUX_SOCK_STREAM);

		CHECK_EQ(call_with_port(user, CALL_bind, listener, (uint16_t)(PORT + i)), 0);
		CHECK_EQ(call_listen(user, listener, LINUX_SOMAXCONN), 0);
		for (bool is_made = true; is_made;) {
			int64_t fd = call_socket(user, LINUX_SOCK_STREAM);

			is_made = call_with_port(user, CALL_connect, fd, (uint16_t)(PORT + i)) == 0;
			n_made += is_made;
			(void)call_write(user, fd, block, sizeof(block));
			CHECK_EQ(call_close(user, fd), 0);
		}
	}
	CHECK(n_made > LINUX_SOMAXCONN);
	CHECK(socket_memory_total() > USER_MEMORY - SOCKET_MEMORY_CHILD);
	/* a listener has one in any case, so that who waits is woken */
	CHECK(socket_memory_total() <= USER_MEMORY + N_LISTENERS * SOCKET_MEMORY_CHILD);
	user_exit(user);
	CHECK_EQ(socket_memory_total(), 0);
	end_of_rest();
	end();
}

/* Asks NETLINK_ROUTE for a dump; how long its answer is. */
static int64_t ask_netlink(struct user *user, uint16_t type, uint32_t size)
{
	uint8_t message[64] = { 0 }, answer[1024];
	struct linux_nlmsghdr header = {
		.size = size,
		.type = type,
		.flags = LINUX_NLM_F_REQUEST | LINUX_NLM_F_DUMP,
	};

	memcpy(message, &header, sizeof(header));
	start(user, CALL_socket, V(LINUX_AF_NETLINK), V(LINUX_SOCK_RAW), V(LINUX_NETLINK_ROUTE));
	int64_t fd = answer_of(user);
	int64_t result = call_write(user, fd, message, 32);

	return result == 32 ? call_read(user, fd, answer, sizeof(answer)) : result;
}

TEST(netlink_answers_dumps)
{
	begin();
	CHECK(ask_netlink(root, LINUX_RTM_GETLINK, 32) > 32);
	CHECK(ask_netlink(root, LINUX_RTM_GETADDR, 24) > 32);
	CHECK(ask_netlink(root, LINUX_RTM_GETROUTE, 28) > 32);
	/* lengths that are wrong are not looked at */
	CHECK_EQ(ask_netlink(root, LINUX_RTM_GETLINK, 8), -LINUX_ERESTARTSYS);
	CHECK_EQ(ask_netlink(root, LINUX_RTM_GETLINK, 1000), -LINUX_ERESTARTSYS);
	/* one without a body is told so */
	CHECK_EQ(ask_netlink(root, LINUX_RTM_GETLINK, 16), 16 + 4 + 16);
	end();
}

/* ---- out of memory at each allocation ------------------------------------------------------ */

static void talk(struct user *other)
{
	char text[64];
	int32_t one = 1;
	int64_t listener = call_socket(root, LINUX_SOCK_STREAM);
	int64_t socket = call_socket(other, LINUX_SOCK_STREAM);
	int64_t a = call_socket(root, LINUX_SOCK_DGRAM), b = call_socket(other, LINUX_SOCK_DGRAM);

	(void)call_with_port(root, CALL_bind, listener, PORT);
	(void)call_listen(root, listener, 2);
	(void)call_with_port(other, CALL_connect, socket, PORT);
	(void)call_write(other, socket, "some bytes", 10);
	int64_t accepted = call_accept(root, listener);

	(void)call_read(root, accepted, text, 4);
	(void)call_write(root, accepted, "more", 4);
	start(root, CALL_shutdown, V(accepted), V(LINUX_SHUT_RDWR));
	(void)answer_of(root);
	(void)call_close(root, accepted);
	(void)call_with_port(root, CALL_bind, a, PORT);
	(void)call_send_to(other, b, 5000, PORT);
	(void)call_read(root, a, text, sizeof(text));
	start(other, CALL_setsockopt, V(b), V(LINUX_IPPROTO_IP), V(LINUX_IP_RECVERR),
		IN_DATA(&one, sizeof(one)), V(sizeof(one)));
	(void)answer_of(other);
	(void)call_send_to(other, b, 5000, PORT + 1);
	(void)call_read(other, b, text, sizeof(text));
	(void)ask_netlink(other, LINUX_RTM_GETADDR, 24);
}

TEST(memory_runs_out_anywhere)
{
	bool has_failed = true;

	for (size_t n = 1; has_failed; n++) {
		begin();
		struct user *other = user_fork(root);

		fake_fail_allocation = n;
		talk(other);
		has_failed = fake_fail_allocation == 0;
		fake_fail_allocation = 0;
		user_exit(other);
		end_of_rest();
		end();
	}
}

TEST_MAIN()
