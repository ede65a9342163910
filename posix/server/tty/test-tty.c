/* SPDX-License-Identifier: MIT */
/* Terminals: pseudo-terminals, reading modes, settings, job control, hang-up. */
#include <posix/server/tests/files.h>

#include <abi/linux/termios.h>
#include <base/format.h>

static bool was_sent(struct user *user, int signal)
{
	bool was = (user->signals >> signal & 1) != 0;

	user->signals &= ~(1ull << signal);
	return was;
}

/* A master and its slave, opened by `user`; the slave becomes its controlling terminal. */
struct pair {
	struct user *user;
	int64_t master, slave;
};

static int64_t open_slave(struct user *user, int64_t number, uint32_t flags)
{
	char path[32];

	format_to(path, sizeof(path), "/dev/pts/%lld", (long long)number);
	return call_open(user, path, LINUX_O_RDWR | flags, 0);
}

static struct pair open_pair(struct user *user)
{
	struct pair pair = { .user = user };
	int32_t number = -1, unlocked = 0;

	call_mkdir(user, "/dev/pts", 0755);
	CHECK_EQ(call_mount(root, "pts", "/dev/pts", "devpts", "", 0), 0);
	pair.master = call_open(user, "/dev/ptmx", LINUX_O_RDWR | LINUX_O_NOCTTY, 0);
	CHECK(pair.master >= 0);
	CHECK_EQ(call_ioctl(user, pair.master, LINUX_TIOCGPTN, 0, &number, 0, 4), 0);
	CHECK_EQ(open_slave(user, number, 0), -LINUX_EIO); /* locked */
	CHECK_EQ(call_ioctl(user, pair.master, LINUX_TIOCSPTLCK, 0, &unlocked, 4, 0), 0);
	pair.slave = open_slave(user, number, 0);
	CHECK(pair.slave >= 0);
	return pair;
}

static void type(const struct pair *pair, const char *text)
{
	CHECK_EQ(call_write(pair->user, pair->master, text, strlen(text)), (int64_t)strlen(text));
}

static const char *screen(const struct pair *pair)
{
	static char text[4096];
	struct linux_pollfd poll = { (int32_t)pair->master, LINUX_POLLIN, 0 };

	text[0] = '\0';
	if (call_poll(pair->user, &poll, 1, 0) == 1 && (poll.revents & LINUX_POLLIN)) {
		int64_t size = call_read(pair->user, pair->master, text, sizeof(text) - 1);

		text[size < 0 ? 0 : size] = '\0';
	}
	return text;
}

static void change_settings(
	const struct pair *pair, uint32_t set, uint32_t clear, int min, int time)
{
	struct linux_termios termios;

	CHECK_EQ(call_ioctl(pair->user, pair->slave, LINUX_TCGETS, 0, &termios, 0, sizeof(termios)),
		0);
	termios.lflag = (termios.lflag | set) & ~clear;
	termios.cc[LINUX_VMIN] = (uint8_t)min;
	termios.cc[LINUX_VTIME] = (uint8_t)time;
	CHECK_EQ(call_ioctl(pair->user, pair->slave, LINUX_TCSETS, 0, &termios, sizeof(termios), 0),
		0);
}

TEST(line_goes_from_master_to_slave)
{
	char text[32] = "";

	begin();
	struct pair pair = open_pair(root);

	type(&pair, "hello\r");
	CHECK_STR_EQ(screen(&pair), "hello\r\n");
	CHECK_EQ(call_read(root, pair.slave, text, 32), 6);
	CHECK_STR_EQ(text, "hello\n");
	CHECK_EQ(call_write(root, pair.slave, "out\n", 4), 4);
	CHECK_STR_EQ(screen(&pair), "out\r\n");
	end();
}

TEST(reader_waits_for_the_line)
{
	begin();
	struct pair pair = open_pair(root);
	struct user *reader = user_fork(root);

	start(reader, 0, V(pair.slave), V(0), V(100));
	CHECK(is_parked(reader));
	type(&pair, "ab");
	fake_run_loop();
	CHECK(is_parked(reader));
	type(&pair, "c\n");
	CHECK_EQ(result_of(reader), 4);
	CHECK_EQ(call_fcntl(root, pair.slave, LINUX_F_SETFL, LINUX_O_NONBLOCK), 0);
	CHECK_EQ(call_read(root, pair.slave, NULL, 1), -LINUX_EAGAIN);
	end();
}

TEST(raw_reads_with_min_and_time)
{
	begin();
	struct pair pair = open_pair(root);
	struct user *reader = user_fork(root);

	change_settings(&pair, 0, LINUX_ICANON | LINUX_ECHO, 3, 0);
	start(reader, 0, V(pair.slave), V(0), V(100));
	type(&pair, "ab");
	fake_run_loop();
	CHECK(is_parked(reader));
	type(&pair, "c");
	CHECK_EQ(result_of(reader), 3);
	change_settings(&pair, 0, 0, 0, 0);
	CHECK_EQ(call_read(root, pair.slave, NULL, 10), 0);
	change_settings(&pair, 0, 0, 0, 2);
	start(reader, 0, V(pair.slave), V(0), V(100));
	CHECK(is_parked(reader));
	fake_now_ns += 200000000;
	CHECK_EQ(result_of(reader), 0);
	change_settings(&pair, 0, 0, 5, 1);
	start(reader, 0, V(pair.slave), V(0), V(100));
	fake_now_ns += 500000000;
	fake_run_loop();
	CHECK(is_parked(reader)); /* the clock runs from the first byte on */
	type(&pair, "xy");
	fake_run_loop();
	fake_now_ns += 99999999;
	fake_run_loop();
	CHECK(is_parked(reader));
	fake_now_ns += 1;
	CHECK_EQ(result_of(reader), 2);
	end();
}

TEST(opening_makes_a_controlling_terminal)
{
	int32_t number = 0;

	begin();
	struct pair pair = open_pair(root);

	CHECK(root->session.tty != NULL);
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TIOCGPGRP, 0, &number, 0, 4), 0);
	CHECK_EQ(number, (int32_t)root->group.pgid);
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TIOCGSID, 0, &number, 0, 4), 0);
	CHECK_EQ(number, (int32_t)root->session.sid);
	int64_t tty = call_open(root, "/dev/tty", LINUX_O_RDWR, 0);

	CHECK(tty >= 0);
	CHECK_EQ(call_write(root, tty, "x", 1), 1);
	CHECK_STR_EQ(screen(&pair), "x");
	CHECK_EQ(call_ioctl(root, tty, LINUX_TIOCNOTTY, 0, NULL, 0, 0), 0);
	CHECK_EQ(call_open(root, "/dev/tty", LINUX_O_RDWR, 0), -LINUX_ENXIO);
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TIOCGPGRP, 0, &number, 0, 4), -LINUX_ENOTTY);
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TIOCSCTTY, 0, NULL, 0, 0), 0);
	CHECK(root->session.tty != NULL);
	end();
}

TEST(signal_characters_reach_the_foreground)
{
	begin();
	struct pair pair = open_pair(root);

	type(&pair, "\003");
	CHECK(was_sent(root, LINUX_SIGINT));
	type(&pair, "\032");
	CHECK(was_sent(root, LINUX_SIGTSTP));
	type(&pair, "\034");
	CHECK(was_sent(root, LINUX_SIGQUIT));
	CHECK_STR_EQ(screen(&pair), "^C^Z^\\");
	end();
}

/* A second process of root's session, in a group of its own. */
static struct user *join_session(struct user *leader)
{
	struct user *member = user_fork(leader);

	member->group.session = &leader->session;
	return member;
}

TEST(background_readers_are_stopped)
{
	begin();
	struct pair pair = open_pair(root);
	struct user *member = join_session(root);

	type(&pair, "line\n");
	CHECK_EQ(call_read(member, pair.slave, NULL, 10), -LINUX_ERESTARTSYS);
	CHECK(was_sent(member, LINUX_SIGTTIN));
	CHECK(!was_sent(root, LINUX_SIGTTIN));
	member->ignored_signals = 1ull << LINUX_SIGTTIN;
	CHECK_EQ(call_read(member, pair.slave, NULL, 10), -LINUX_EIO);
	member->ignored_signals = 0;
	member->is_orphaned = true;
	CHECK_EQ(call_read(member, pair.slave, NULL, 10), -LINUX_EIO);
	CHECK(!was_sent(member, LINUX_SIGTTIN));
	CHECK_EQ(call_read(root, pair.slave, NULL, 10), 5);
	end();
}

TEST(background_writers_are_stopped_with_tostop)
{
	begin();
	struct pair pair = open_pair(root);
	struct user *member = join_session(root);

	CHECK_EQ(call_write(member, pair.slave, "x", 1), 1);
	change_settings(&pair, LINUX_TOSTOP, 0, 1, 0);
	CHECK_EQ(call_write(member, pair.slave, "x", 1), -LINUX_ERESTARTSYS);
	CHECK(was_sent(member, LINUX_SIGTTOU));
	member->ignored_signals = 1ull << LINUX_SIGTTOU;
	CHECK_EQ(call_write(member, pair.slave, "x", 1), 1);
	end();
}

TEST(foreground_group_is_set)
{
	int32_t pgid;

	begin();
	struct pair pair = open_pair(root);
	struct user *member = join_session(root);
	struct user *stranger = user_create(0);

	pgid = (int32_t)member->group.pgid;
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TIOCSPGRP, 0, &pgid, 4, 0), 0);
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TIOCGPGRP, 0, &pgid, 0, 4), 0);
	CHECK_EQ(pgid, (int32_t)member->group.pgid);
	type(&pair, "\003");
	CHECK(was_sent(member, LINUX_SIGINT));
	CHECK(!was_sent(root, LINUX_SIGINT));
	pgid = (int32_t)root->group.pgid;
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TIOCSPGRP, 0, &pgid, 4, 0), -LINUX_ERESTARTSYS);
	CHECK(was_sent(root, LINUX_SIGTTOU));
	root->ignored_signals = 1ull << LINUX_SIGTTOU;
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TIOCSPGRP, 0, &pgid, 4, 0), 0);
	pgid = (int32_t)stranger->group.pgid;
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TIOCSPGRP, 0, &pgid, 4, 0), -LINUX_EPERM);
	pgid = 99999;
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TIOCSPGRP, 0, &pgid, 4, 0), -LINUX_ESRCH);
	pgid = -1;
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TIOCSPGRP, 0, &pgid, 4, 0), -LINUX_EINVAL);
	end();
}

TEST(window_size_changes_are_announced)
{
	struct linux_winsize size = { .rows = 40, .columns = 100 };

	begin();
	struct pair pair = open_pair(root);

	CHECK_EQ(call_ioctl(root, pair.master, LINUX_TIOCSWINSZ, 0, &size, sizeof(size), 0), 0);
	CHECK(was_sent(root, LINUX_SIGWINCH));
	CHECK_EQ(call_ioctl(root, pair.master, LINUX_TIOCSWINSZ, 0, &size, sizeof(size), 0), 0);
	CHECK(!was_sent(root, LINUX_SIGWINCH));
	size = (struct linux_winsize){ 0 };
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TIOCGWINSZ, 0, &size, 0, sizeof(size)), 0);
	CHECK_EQ(size.rows, 40);
	CHECK_EQ(size.columns, 100);
	end();
}

TEST(master_close_hangs_up)
{
	struct linux_pollfd poll;

	begin();
	struct pair pair = open_pair(root);
	struct user *reader = join_session(root);

	reader->process.group = root->process.group;
	CHECK_EQ(fd_table_close(reader->process.files, (int)pair.master, &reader->process), 0);
	start(reader, 0, V(pair.slave), V(0), V(10));
	CHECK(is_parked(reader));
	CHECK_EQ(call_close(root, pair.master), 0);
	CHECK_EQ(result_of(reader), 0);
	CHECK(was_sent(root, LINUX_SIGHUP));
	CHECK(was_sent(root, LINUX_SIGCONT));
	CHECK(root->session.tty == NULL);
	CHECK_EQ(call_write(root, pair.slave, "x", 1), -LINUX_EIO);
	CHECK_EQ(call_read(root, pair.slave, NULL, 1), 0);
	poll = (struct linux_pollfd){ (int32_t)pair.slave, LINUX_POLLIN, 0 };
	CHECK_EQ(call_poll(root, &poll, 1, 0), 1);
	CHECK(poll.revents & LINUX_POLLHUP);
	CHECK_STR_EQ(list(root, "/dev/pts"), "ptmx ");
	end();
}

TEST(slave_close_ends_the_master)
{
	struct linux_pollfd poll;

	begin();
	struct pair pair = open_pair(root);

	CHECK_EQ(call_write(root, pair.slave, "bye", 3), 3);
	CHECK_EQ(call_close(root, pair.slave), 0);
	CHECK_STR_EQ(screen(&pair), "bye");
	CHECK_EQ(call_read(root, pair.master, NULL, 1), -LINUX_EIO);
	poll = (struct linux_pollfd){ (int32_t)pair.master, LINUX_POLLIN, 0 };
	CHECK_EQ(call_poll(root, &poll, 1, 0), 1);
	CHECK_EQ(poll.revents, LINUX_POLLHUP);
	end();
}

TEST(output_waits_for_the_master)
{
	static char data[60000];

	begin();
	struct pair pair = open_pair(root);
	struct user *writer = user_fork(root);

	memset(data, 'x', sizeof(data));
	start(writer, 1, V(pair.slave), IN_DATA(data, sizeof(data)), V(sizeof(data)));
	CHECK(is_parked(writer));
	while (is_parked(writer)) {
		int64_t n_bytes = call_read(root, pair.master, NULL, 5000);

		CHECK(n_bytes > 0);
		fake_run_loop();
	}
	CHECK_EQ(writer->result, sizeof(data));
	end();
}

TEST(stopped_output_waits)
{
	begin();
	struct pair pair = open_pair(root);

	type(&pair, "\023");
	CHECK_EQ(call_write(root, pair.slave, "held", 4), 4);
	CHECK_STR_EQ(screen(&pair), "");
	type(&pair, "\021");
	CHECK_STR_EQ(screen(&pair), "held");
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TCXONC, LINUX_TCOOFF, NULL, 0, 0), 0);
	CHECK_EQ(call_write(root, pair.slave, "again", 5), 5);
	CHECK_STR_EQ(screen(&pair), "");
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TCXONC, LINUX_TCOON, NULL, 0, 0), 0);
	CHECK_STR_EQ(screen(&pair), "again");
	end();
}

TEST(queues_are_counted_and_flushed)
{
	int32_t n_bytes = 0;

	begin();
	struct pair pair = open_pair(root);

	change_settings(&pair, 0, LINUX_ECHO, 1, 0);
	type(&pair, "abc\n");
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_FIONREAD, 0, &n_bytes, 0, 4), 0);
	CHECK_EQ(n_bytes, 4);
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TCFLSH, LINUX_TCIFLUSH, NULL, 0, 0), 0);
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_FIONREAD, 0, &n_bytes, 0, 4), 0);
	CHECK_EQ(n_bytes, 0);
	CHECK_EQ(call_write(root, pair.slave, "out", 3), 3);
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TIOCOUTQ, 0, &n_bytes, 0, 4), 0);
	CHECK_EQ(n_bytes, 0);
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TCFLSH, LINUX_TCOFLUSH, NULL, 0, 0), 0);
	CHECK_STR_EQ(screen(&pair), "out");
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TCFLSH, 7, NULL, 0, 0), -LINUX_EINVAL);
	end();
}

TEST(settings_do_not_wait_for_the_master_to_read)
{
	struct linux_termios termios;

	begin();
	struct pair pair = open_pair(root);

	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TCGETS, 0, &termios, 0, sizeof(termios)), 0);
	CHECK_EQ(call_write(root, pair.slave, "out", 3), 3);
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TCSETSW, 0, &termios, sizeof(termios), 0), 0);
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TCSBRK, 1, NULL, 0, 0), 0);
	CHECK_STR_EQ(screen(&pair), "out");
	end();
}

TEST(packet_mode_tells_what_happened)
{
	int32_t on = 1;
	char text[8];

	begin();
	struct pair pair = open_pair(root);

	CHECK_EQ(call_ioctl(root, pair.master, LINUX_TIOCPKT, 0, &on, 4, 0), 0);
	CHECK_EQ(call_write(root, pair.slave, "x", 1), 1);
	CHECK_EQ(call_read(root, pair.master, text, 8), 2);
	CHECK_MEM_EQ(text, "\0x", 2);
	CHECK_EQ(call_ioctl(root, pair.slave, LINUX_TCFLSH, LINUX_TCIFLUSH, NULL, 0, 0), 0);
	CHECK_EQ(call_read(root, pair.master, text, 8), 1);
	CHECK_EQ(text[0], LINUX_TIOCPKT_FLUSHREAD);
	end();
}

TEST(peer_is_opened_through_the_master)
{
	begin();
	struct pair pair = open_pair(root);
	int64_t peer = call_ioctl(
		root, pair.master, LINUX_TIOCGPTPEER, LINUX_O_RDWR | LINUX_O_NOCTTY, NULL, 0, 0);

	CHECK(peer >= 0);
	CHECK_EQ(call_write(root, peer, "peer", 4), 4);
	CHECK_STR_EQ(screen(&pair), "peer");
	end();
}

TEST(console_is_a_terminal)
{
	struct linux_termios termios;

	begin();
	int64_t fd = call_open(root, "/dev/console", LINUX_O_RDWR, 0);

	CHECK(fd >= 0);
	CHECK(root->session.tty == NULL);
	CHECK_EQ(call_ioctl(root, fd, LINUX_TCGETS, 0, &termios, 0, sizeof(termios)), 0);
	CHECK(termios.lflag & LINUX_ICANON);
	CHECK_EQ(call_ioctl(root, fd, LINUX_TIOCSCTTY, 0, NULL, 0, 0), 0);
	CHECK(root->session.tty != NULL);
	tty_session_leader_exited(root->session.tty, &root->session);
	CHECK(root->session.tty == NULL);
	CHECK_EQ(call_write(root, fd, "x", 1), -LINUX_EIO);
	CHECK_EQ(call_read(root, fd, NULL, 1), 0);
	CHECK_EQ(call_open(root, "/dev/console", LINUX_O_RDWR, 0), fd + 1);
	CHECK_EQ(call_write(root, fd + 1, "x", 1), 1);
	end();
}

TEST_MAIN()
