/* SPDX-License-Identifier: MIT */
/* Pseudo-terminals: what the slave's programs see of a master that reads late. */
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master, slave;

static void open_pair(void)
{
	CHECK_EQ(openpty(&master, &slave, NULL, NULL, NULL), 0);
}

/* Reads until `text` has come, which must be all that comes. */
static void expect(const char *text)
{
	char buffer[200];
	size_t n = 0;

	while (n < strlen(text)) {
		ssize_t n_read = read(master, buffer + n, sizeof(buffer) - n);

		CHECK(n_read > 0);
		n += (size_t)n_read;
	}
	CHECK_EQ(n, strlen(text));
	CHECK(memcmp(buffer, text, n) == 0);
}

CASE(nobody_waits_for_the_master_to_read)
{
	struct termios termios;
	int n = 99;

	open_pair();
	CHECK_EQ(write(slave, "hello", 5), 5);
	CHECK_EQ(tcdrain(slave), 0);
	CHECK_EQ(ioctl(slave, TIOCOUTQ, &n), 0);
	CHECK_EQ(n, 0);
	CHECK_EQ(tcgetattr(slave, &termios), 0);
	CHECK_EQ(tcsetattr(slave, TCSADRAIN, &termios), 0);
	CHECK_EQ(tcsetattr(slave, TCSAFLUSH, &termios), 0);
	expect("hello");
}

CASE(flushing_keeps_what_was_written)
{
	open_pair();
	CHECK_EQ(write(slave, "hello", 5), 5);
	/* Linux moves it to the master in a moment, by a work queue. */
	usleep(10000);
	CHECK_EQ(tcflush(slave, TCOFLUSH), 0);
	expect("hello");
}

CASE(an_interrupt_keeps_the_echo)
{
	pid_t child;
	int status;

	open_pair();
	child = fork();
	if (child == 0) {
		struct termios termios;

		signal(SIGINT, SIG_DFL); /* whoever runs us in the background ignores it */
		setsid();
		ioctl(slave, TIOCSCTTY, 0);
		tcgetattr(slave, &termios);
		termios.c_lflag &= ~(tcflag_t)ICANON;
		tcsetattr(slave, TCSANOW, &termios);
		write(slave, "go", 2);
		for (;;) {
			pause();
		}
	}
	expect("go");
	CHECK_EQ(write(master, "typed", 5), 5);
	usleep(10000);
	CHECK_EQ(write(master, "\3", 1), 1);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
	expect("typed^C");
}

/* A leader goes, another member of its session stays. */
CASE(a_leaders_end_hangs_up_no_pty)
{
	char buffer[20];
	pid_t leader;
	int status, ends[2];

	open_pair();
	CHECK_EQ(pipe(ends), 0);
	leader = fork();
	if (leader == 0) {
		setsid();
		ioctl(slave, TIOCSCTTY, 0);
		if (fork() == 0) {
			/* In the foreground, so that it is told. */
			signal(SIGHUP, SIG_IGN);
			write(ends[1], "r", 1);
			while (getppid() == getsid(0)) {
				usleep(1000);
			}
			write(slave, "later", 5);
			_exit(open("/dev/tty", O_RDWR) >= 0 || errno != ENXIO);
		}
		read(ends[0], buffer, 1);
		write(slave, "before", 6);
		_exit(0);
	}
	CHECK_EQ(waitpid(leader, &status, 0), leader);
	CHECK_EQ(status, 0);
	expect("beforelater");
	CHECK_EQ(write(master, "line\n", 5), 5);
	CHECK_EQ(read(slave, buffer, sizeof(buffer)), 5);
}

CASE(old_settings_and_locked_ones)
{
	struct termio old;
	struct termios new, locked;

	open_pair();
	CHECK_EQ(ioctl(slave, TCGETA, &old), 0);
	CHECK_EQ(tcgetattr(slave, &new), 0);
	CHECK(old.c_lflag == (unsigned short)new.c_lflag &&old.c_cc[VINTR] == new.c_cc[VINTR]);
	old.c_lflag &= (unsigned short)~ECHO;
	CHECK_EQ(ioctl(slave, TCSETA, &old), 0);
	CHECK_EQ(tcgetattr(slave, &new), 0);
	CHECK(!(new.c_lflag &ECHO) && (new.c_lflag &IEXTEN));
	CHECK_EQ(ioctl(slave, TIOCGLCKTRMIOS, &locked), 0);
	CHECK_EQ(locked.c_lflag, 0);
	locked.c_lflag = ECHO;
	CHECK_EQ(ioctl(slave, TIOCSLCKTRMIOS, &locked), 0);
	old.c_lflag |= ECHO;
	old.c_lflag &= (unsigned short)~ICANON;
	CHECK_EQ(ioctl(slave, TCSETAW, &old), 0);
	CHECK_EQ(tcgetattr(slave, &new), 0);
	CHECK(!(new.c_lflag &ECHO) && !(new.c_lflag &ICANON));
}

CASES_MAIN()
