/* SPDX-License-Identifier: MIT */
/*
 * init: process 1 of a machine that `hati run` started.  An ordinary static Linux program.
 *
 * It reads /etc/hati/run (NUL-terminated key=value records, written by the launcher), starts the
 * command, and ends the machine with it. With stdio=ports the command's standard streams are pipes,
 * which init relays to and from the virtio ports org.hati.stdin, .stdout and .stderr byte for byte;
 * on org.hati.control it speaks lines with the launcher:
 *
 *     guest -> host   ready                          exit STATUS N_STDOUT N_STDERR
 *     host -> guest   eof N_STDIN    winsize ROWS COLS    close 1|2    hangup
 *
 * With stdio=console the command (without one: a login shell, or a login on a root that has agetty)
 * has the terminal /dev/console as its controlling terminal.
 *
 * If the root is to be on a disk (root.c), that is mounted first, then folders that the host shares
 * (volumes.c). If that cannot be done, the command is a message and an error; on a console a shell
 * in the root that there is.
 *
 * One loop over ppoll, all descriptors non-blocking; SIGCHLD is let through only while it waits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "root.h"
#include "volumes.h"

#define ARGS_MAX    4096
#define BUFFER_SIZE 65536
#define OPEN_TRIES  6000  /* of 10 ms: the driver may still be looking for the device */

/* One direction of one stream. */
struct relay {
	int from, to;  /* -1: closed */
	char *buffer;
	size_t begin, end;
	uint64_t n_total; /* bytes that reached `to` */
	uint64_t n_read; /* bytes that came from `from` */
	uint64_t n_expected; /* end of input after so many, UINT64_MAX: not known yet */
};

struct config {
	char *args[ARGS_MAX + 1];
	char *env[ARGS_MAX + 1];
	size_t n_args, n_env;
	bool is_console;
	unsigned rows, columns;
	const char *directory;
	const char *failure; /* why there is no root to run the command in */
};

static struct config config;
static struct relay in_relay, out_relay, error_relay;
static int control = -1;
static volatile sig_atomic_t has_child_signal;

static void complain(const char *what)
{
	dprintf(2, "init: %s: %s\n", what, strerror(errno));
}

static void on_child(int signal)
{
	(void)signal;
	has_child_signal = 1;
}

/* ---- configuration --------------------------------------------------------------------------- */

static void add_string(char **list, size_t *count, char *text)
{
	if (*count < ARGS_MAX) {
		list[(*count)++] = text;
		list[*count] = NULL;
	}
}

static void take_record(char *record)
{
	char *value = strchr(record, '=');

	if (!value) {
		return;
	}
	*value++ = 0;
	if (!strcmp(record, "arg")) {
		add_string(config.args, &config.n_args, value);
	} else if (!strcmp(record, "env")) {
		add_string(config.env, &config.n_env, value);
	} else if (!strcmp(record, "stdio")) {
		config.is_console = !strcmp(value, "console");
	} else if (!strcmp(record, "rows")) {
		config.rows = (unsigned)strtoul(value, NULL, 10);
	} else if (!strcmp(record, "cols")) {
		config.columns = (unsigned)strtoul(value, NULL, 10);
	} else if (!strcmp(record, "cwd")) {
		config.directory = value;
	} else if (!strcmp(record, "volume")) {
		volumes_add(value);
	}
}

/* The file's text stays allocated: arguments and environment point into it. */
static int read_config(void)
{
	int fd = open("/etc/hati/run", O_RDONLY | O_CLOEXEC);
	struct stat status;
	char *text;
	ssize_t size;

	config.directory = "/root";
	config.is_console = true;
	if (fd < 0) {
		return -1;
	}
	if (fstat(fd, &status) < 0) {
		return -1;
	}
	text = malloc((size_t)status.st_size + 1);
	if (!text) {
		return -1;
	}
	size = read(fd, text, (size_t)status.st_size);
	close(fd);
	if (size < 0) {
		return -1;
	}
	text[size] = 0;
	for (char *at = text; at < text + size;) {
		char *next = at + strlen(at) + 1;

		take_record(at);
		at = next;
	}
	return 0;
}

static void set_default_environment(void)
{
	static char *const defaults[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root",
		"TERM=linux",
		"USER=root",
		"LOGNAME=root",
		"SHELL=/bin/sh",
	};

	if (config.n_env == 0) {
		for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
			add_string(config.env, &config.n_env, defaults[i]);
		}
	}
}

/* ---- ports ----------------------------------------------------------------------------------- */

static int open_patiently(const char *path, int flags)
{
	const struct timespec pause = { .tv_nsec = 10000000 };

	for (int i = 0; i < OPEN_TRIES; i++) {
		int fd = open(path, flags | O_CLOEXEC);

		if (fd >= 0 ||
			(errno != ENOENT && errno != ENODEV && errno != ENXIO && errno != EBUSY)) {
			return fd;
		}
		nanosleep(&pause, NULL);
	}
	return -1;
}

static int open_port(const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/virtio-ports/org.hati.%s", name);
	fd = open_patiently(path, O_RDWR | O_NONBLOCK);
	if (fd < 0) {
		complain(path);
	}
	return fd;
}

static int relay_init(struct relay *relay, int from, int to)
{
	*relay = (struct relay){
		.from = from, .to = to, .n_expected = UINT64_MAX, .buffer = malloc(BUFFER_SIZE)
	};
	return relay->buffer ? 0 : -1;
}

static void relay_close_to(struct relay *relay)
{
	if (relay->to >= 0) {
		close(relay->to);
		relay->to = -1;
	}
	relay->begin = relay->end = 0;
}

static bool relay_wants_read(const struct relay *relay)
{
	return relay->from >= 0 && relay->to >= 0 && relay->begin == relay->end &&
		relay->n_read < relay->n_expected;
}

static bool relay_wants_write(const struct relay *relay)
{
	return relay->to >= 0 && relay->begin < relay->end;
}

/* False at the end of the input. */
static bool relay_read(struct relay *relay)
{
	ssize_t n = read(relay->from, relay->buffer, BUFFER_SIZE);

	if (n < 0) {
		return errno == EAGAIN || errno == EINTR;
	}
	if (n == 0) {
		return false;
	}
	relay->begin = 0;
	relay->end = (size_t)n;
	relay->n_read += (uint64_t)n;
	return true;
}

static void relay_write(struct relay *relay)
{
	ssize_t n = write(relay->to, relay->buffer + relay->begin, relay->end - relay->begin);

	if (n > 0) {
		relay->begin += (size_t)n;
		relay->n_total += (uint64_t)n;
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		relay_close_to(relay);
	}
}

/* Everything that is there now, however long the host takes to accept it. */
static void relay_drain(struct relay *relay)
{
	struct pollfd ready = { .fd = relay->to, .events = POLLOUT };

	while (relay->to >= 0) {
		if (relay->begin < relay->end) {
			poll(&ready, 1, -1);
			relay_write(relay);
			continue;
		}
		if (relay->from < 0 || !relay_read(relay) || relay->begin == relay->end) {
			return;
		}
	}
}

/* ---- control lines --------------------------------------------------------------------------- */

static void set_window(unsigned rows, unsigned columns)
{
	const struct winsize size = { .ws_row = (unsigned short)rows,
		.ws_col = (unsigned short)columns };
	int fd = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0) {
		ioctl(fd, TIOCSWINSZ, &size);
		close(fd);
	}
}

/* The host reads this stream no more: the command shall get SIGPIPE. */
static void relay_close_from(struct relay *relay)
{
	if (relay->from >= 0) {
		close(relay->from);
		relay->from = -1;
	}
}

static void take_line(const char *line, pid_t child)
{
	unsigned long long count;
	unsigned rows, columns;

	if (sscanf(line, "eof %llu", &count) == 1) {
		in_relay.n_expected = count;
	} else if (sscanf(line, "winsize %u %u", &rows, &columns) == 2) {
		set_window(rows, columns);
	} else if (!strcmp(line, "close 1")) {
		relay_close_from(&out_relay);
	} else if (!strcmp(line, "close 2")) {
		relay_close_from(&error_relay);
	} else if (!strcmp(line, "hangup")) {
		kill(child, SIGHUP);
	}
}

static void read_control(pid_t child)
{
	static char line[256];
	static size_t n_line;
	char bytes[256];
	ssize_t n = read(control, bytes, sizeof(bytes));

	for (ssize_t i = 0; i < n; i++) {
		if (bytes[i] == '\n') {
			line[n_line] = 0;
			take_line(line, child);
			n_line = 0;
		} else if (n_line < sizeof(line) - 1) {
			line[n_line++] = bytes[i];
		}
	}
}

static void write_control(const char *text)
{
	size_t size = strlen(text), done = 0;

	while (control >= 0 && done < size) {
		ssize_t n = write(control, text + done, size - done);
		struct pollfd ready = { .fd = control, .events = POLLOUT };

		if (n > 0) {
			done += (size_t)n;
		} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
			return;
		} else {
			poll(&ready, 1, -1);
		}
	}
}

/* ---- the command ----------------------------------------------------------------------------- */

/* What the console gets if there is no command. */
static void exec_login(void)
{
	static char *const shell[] = { "-sh", NULL };
	const char *terminal = getenv("TERM");
	char *const getty[] = { "agetty", "--noclear", "-", (char *)terminal, NULL };

	if (config.is_console && root_is_disk()) {
		execve("/sbin/agetty", getty, config.env);
	}
	execve("/bin/sh", shell, config.env);
	complain("/bin/sh");
	_exit(127);
}

static void exec_command(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL); /* what is ignored stays ignored across execve() */
	if (chdir(config.directory) < 0) {
		(void)!chdir("/");
	}
	environ = config.env;
	if (config.failure) {
		dprintf(2, "hati: %s\n", config.failure);
		if (!config.is_console) {
			_exit(126);
		}
		config.n_args = 0;
	}
	if (config.n_args == 0) {
		exec_login();
	}
	for (size_t i = 0; i < config.n_env; i++) {
		if (!strncmp(config.env[i], "PATH=", 5)) {
			setenv("PATH", config.env[i] + 5, 1);
		}
	}
	execvpe(config.args[0], config.args, config.env);
	{
		int status = errno == ENOENT ? 127 : 126;

		dprintf(2, "hati: %s: %s\n", config.args[0], strerror(errno));
		_exit(status);
	}
}

/* The console becomes stdin, stdout and stderr. */
static int take_console(void)
{
	int fd = open_patiently("/dev/console", O_RDWR);

	for (int i = 0; fd >= 0 && i < 3; i++) {
		dup2(fd, i);
	}
	return fd;
}

static void child_on_console(void)
{
	setsid();
	if (take_console() < 0) {
		complain("/dev/console");
		_exit(126);
	}
	ioctl(0, TIOCSCTTY, 0);
	if (config.rows && config.columns) {
		const struct winsize size = {
			.ws_row = (unsigned short)config.rows,
			.ws_col = (unsigned short)config.columns,
		};

		ioctl(0, TIOCSWINSZ, &size);
	}
	exec_command();
}

static pid_t start_on_pipes(void)
{
	int pipes[3][2];
	pid_t pid;

	for (int i = 0; i < 3; i++) {
		if (pipe2(pipes[i], O_CLOEXEC) < 0) {
			return -1;
		}
	}
	pid = fork();
	if (pid == 0) {
		setsid();
		dup2(pipes[0][0], 0);
		dup2(pipes[1][1], 1);
		dup2(pipes[2][1], 2);
		exec_command();
	}
	close(pipes[0][0]);
	close(pipes[1][1]);
	close(pipes[2][1]);
	fcntl(pipes[0][1], F_SETFL, O_NONBLOCK);
	fcntl(pipes[1][0], F_SETFL, O_NONBLOCK);
	fcntl(pipes[2][0], F_SETFL, O_NONBLOCK);
	if (relay_init(&in_relay, open_port("stdin"), pipes[0][1]) < 0 ||
		relay_init(&out_relay, pipes[1][0], open_port("stdout")) < 0 ||
		relay_init(&error_relay, pipes[2][0], open_port("stderr")) < 0) {
		return -1;
	}
	return pid;
}

static pid_t start_on_console(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		child_on_console();
	}
	in_relay.from = in_relay.to = -1;
	out_relay.from = out_relay.to = -1;
	error_relay.from = error_relay.to = -1;
	return pid;
}

/* ---- the loop -------------------------------------------------------------------------------- */

/* Reaps whoever died; true and the status if the command is among them. */
static bool reap(pid_t child, int *out_status)
{
	bool is_over = false;
	int status;
	pid_t pid;

	has_child_signal = 0;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == child) {
			is_over = true;
			*out_status =
				WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		}
	}
	return is_over;
}

static void add_poll(struct pollfd *fds, size_t *n, int fd, short events)
{
	fds[*n] = (struct pollfd){ .fd = fd, .events = events };
	(*n)++;
}

static void add_relay(struct pollfd *fds, size_t *n, const struct relay *relay)
{
	add_poll(fds, n, relay_wants_read(relay) ? relay->from : -1, POLLIN);
	add_poll(fds, n, relay_wants_write(relay) ? relay->to : -1, POLLOUT);
}

static void serve_relay(struct relay *relay, const struct pollfd *fds)
{
	if (fds[0].revents && !relay_read(relay)) {
		close(relay->from);
		relay->from = -1;
	}
	if (fds[1].revents || relay_wants_write(relay)) {
		relay_write(relay);
	}
}

static int run_loop(pid_t child)
{
	sigset_t none;
	int status = 0;

	sigemptyset(&none);
	for (;;) {
		struct pollfd fds[7];
		size_t n = 0;

		if (in_relay.to >= 0 && in_relay.n_read >= in_relay.n_expected &&
			in_relay.begin == in_relay.end) {
			relay_close_to(&in_relay);
		}
		if (reap(child, &status)) {
			return status;
		}
		add_poll(fds, &n, control, POLLIN);
		add_relay(fds, &n, &in_relay);
		add_relay(fds, &n, &out_relay);
		add_relay(fds, &n, &error_relay);
		if (ppoll(fds, n, NULL, &none) < 0) {
			continue;
		}
		if (fds[0].revents & POLLIN) {
			read_control(child);
		}
		serve_relay(&in_relay, fds + 1);
		serve_relay(&out_relay, fds + 3);
		serve_relay(&error_relay, fds + 5);
	}
}

/* A program takes the place of this one, as init= wants it. Returns if that cannot be done. */
static void become(const char *program)
{
	char *const arguments[] = { (char *)program, NULL };
	sigset_t none;

	if (take_console() >= 0) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGPIPE, SIG_DFL);
		execve(program, arguments, config.env);
	}
	config.failure = strerror(errno);
}

/* The last line of a stream, from init itself. */
static void relay_end_with(struct relay *relay, const char *text)
{
	if (relay->to >= 0 && relay->buffer) {
		relay->begin = 0;
		relay->end = (size_t)snprintf(relay->buffer, BUFFER_SIZE, "hati: %s\n", text);
	}
	relay_close_from(relay);
	relay_drain(relay);
}

static void finish(int status)
{
	char line[80];
	const char *why;
	bool is_clean = root_leave(&why) == 0;

	relay_drain(&out_relay);
	relay_drain(&error_relay);
	if (!is_clean) {
		relay_end_with(&error_relay, why);
		status = status ? status : 126;
	}
	snprintf(line, sizeof(line), "exit %d %llu %llu\n", status,
		(unsigned long long)out_relay.n_total, (unsigned long long)error_relay.n_total);
	write_control(line);
	sync();
	reboot(RB_POWER_OFF);
	complain("reboot");
	for (;;) {
		pause();
	}
}

int main(void)
{
	struct sigaction action = { .sa_handler = on_child };
	sigset_t child_mask;
	pid_t child;
	int null = open("/dev/null", O_RDWR);

	while (null >= 0 && null < 3) {
		null = dup(null);
	}
	close(null); /* 0 to 2 are taken, and a command inherits no more */
	sigemptyset(&child_mask);
	sigaddset(&child_mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child_mask, NULL);
	sigaction(SIGCHLD, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (read_config() < 0) {
		complain("/etc/hati/run");
	}
	set_default_environment();
	control = open_port("control");
	write_control("ready\n");
	if (root_enter(&config.failure) == 0 && volumes_mount(&config.failure) == 0) {
		config.failure = NULL;
		if (root_program()) {
			become(root_program());
		}
	}
	child = config.is_console ? start_on_console() : start_on_pipes();
	if (child < 0) {
		complain("cannot start the command");
		finish(126);
	}
	finish(run_loop(child));
}
