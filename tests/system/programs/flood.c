/* SPDX-License-Identifier: MIT */
/*
 * Fills pipes or sockets with bytes that nobody reads, as nobody, from one process after the other,
 * until memory is out. Those who do it may be killed; the rest goes on.
 *
 *	flood pipes|sockets N
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY  65534
#define WAIT_MS 30000

static char bytes[65536];

static void fill(int fd)
{
	while (write(fd, bytes, sizeof(bytes)) > 0) {
	}
}

/* Until there are no more, then it keeps them. */
__attribute__((noreturn)) static void hold(int report, int is_socket)
{
	int ends[2];

	while ((is_socket ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends)
			  : pipe2(ends, O_NONBLOCK)) == 0) {
		fill(ends[1]);
		if (is_socket) {
			fill(ends[0]);
		}
	}
	if (write(report, "x", 1) == 1) {
		pause();
	}
	_exit(1);
}

/* Until the child has all that it gets, or was killed. */
static int await_child(pid_t child, int report)
{
	char byte;
	int status;

	for (int i = 0; i < WAIT_MS / 10; i++) {
		if (read(report, &byte, 1) == 1 || waitpid(child, &status, WNOHANG) == child) {
			return 1;
		}
		usleep(10000);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int report[2], is_socket = argc > 1 && strcmp(argv[1], "sockets") == 0;
	int n = argc > 2 ? atoi(argv[2]) : 4;

	if (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0 ||
		setpgid(0, 0) != 0 || pipe2(report, O_NONBLOCK) != 0) {
		perror("flood");
		return 1;
	}
	signal(SIGTERM, SIG_IGN);
	for (int i = 0; i < n; i++) {
		pid_t child = fork();

		if (child == 0) {
			signal(SIGTERM, SIG_DFL);
			hold(report[1], is_socket);
		}
		if (child > 0 && !await_child(child, report[0])) {
			printf("number %d does not come to an end\n", i);
			return 1;
		}
	}
	kill(0, SIGTERM);
	while (wait(NULL) > 0) {
	}
	printf("done\n");
	return 0;
}
