/* SPDX-License-Identifier: MIT */
/*
 * Many processes and threads at once on what they share: nothing is lost, nothing is there twice,
 * nobody sleeps for ever.
 */
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#define N_PROCESSES 6
#define N_THREADS   3
#define N_ROUNDS    300

static pid_t children[N_PROCESSES];

/* Runs @work in so many processes; each must end with 0. */
static void in_processes(int n, int (*work)(int number))
{
	fflush(stdout);
	for (int i = 0; i < n; i++) {
		children[i] = fork();
		CHECK(children[i] >= 0);
		if (children[i] == 0) {
			_exit(work(i));
		}
	}
	for (int i = 0; i < n; i++) {
		int status = -1;

		CHECK_EQ(waitpid(children[i], &status, 0), children[i]);
		CHECK_EQ(status, 0);
	}
}

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* ---- one pipe for all ------------------------------------------------------------------------ */

/* A record is written atomically; the readers together see each one once. */
struct record {
	uint32_t writer, number;
	char filling[56];
};

static int ends[2];
static uint8_t (*seen)[N_ROUNDS]; /* shared memory, per writer */

static int write_records(int number)
{
	for (uint32_t i = 0; i < N_ROUNDS; i++) {
		struct record record = { .writer = (uint32_t)number, .number = i };

		if (write(ends[1], &record, sizeof(record)) != sizeof(record)) {
			return 1;
		}
	}
	return 0;
}

static int read_records(int number)
{
	struct record record;
	ssize_t n;

	(void)number;
	while ((n = read(ends[0], &record, sizeof(record))) == sizeof(record)) {
		if (record.writer >= N_PROCESSES || record.number >= N_ROUNDS) {
			return 2;
		}
		__atomic_fetch_add(&seen[record.writer][record.number], 1, __ATOMIC_RELAXED);
	}
	return n == 0 ? 0 : 3;
}

CASE(records_of_a_pipe_arrive_once)
{
	pid_t writers;

	CHECK_EQ(pipe(ends), 0);
	seen = mmap(NULL, sizeof(*seen) * N_PROCESSES, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(seen != MAP_FAILED);
	fflush(stdout);
	writers = fork();
	CHECK(writers >= 0);
	if (writers == 0) {
		close(ends[0]);
		in_processes(N_PROCESSES, write_records);
		_exit(0);
	}
	close(ends[1]);
	in_processes(N_PROCESSES, read_records);
	CHECK_EQ(waitpid(writers, NULL, 0), writers);
	for (int i = 0; i < N_PROCESSES; i++) {
		for (int k = 0; k < N_ROUNDS; k++) {
			CHECK_EQ(seen[i][k], 1);
		}
	}
}

/* ---- a ring of pipes, threads and processes -------------------------------------------------- */

static int ring[N_PROCESSES][2];

/* Passes on what comes, one more each time, by blocking reads or after poll or epoll. */
static int pass_on(int number)
{
	int from = ring[number][0], to = ring[(number + 1) % N_PROCESSES][1];
	int epoll = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN };
	uint32_t value;

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, from, &event) != 0) {
		return 1;
	}
	do {
		struct pollfd wait = { .fd = from, .events = POLLIN };

		if (number % 3 == 1 && poll(&wait, 1, -1) != 1) {
			return 2;
		}
		if (number % 3 == 2 && epoll_wait(epoll, &event, 1, -1) != 1) {
			return 3;
		}
		if (read(from, &value, sizeof(value)) != sizeof(value)) {
			return 4;
		}
		value++;
		if (write(to, &value, sizeof(value)) != sizeof(value)) {
			return 5;
		}
	} while (value < N_ROUNDS * N_PROCESSES);
	return 0;
}

CASE(a_token_goes_round)
{
	uint32_t value = 0;

	for (int i = 0; i < N_PROCESSES; i++) {
		CHECK_EQ(pipe(ring[i]), 0);
	}
	CHECK_EQ(write(ring[0][1], &value, sizeof(value)), sizeof(value));
	in_processes(N_PROCESSES, pass_on);
}

/* ---- counters -------------------------------------------------------------------------------- */

static int counter;

static void *count_up(void *argument)
{
	uint64_t one = 1;

	for (int i = 0; i < N_ROUNDS; i++) {
		if (write(counter, &one, sizeof(one)) != sizeof(one)) {
			return argument;
		}
	}
	return NULL;
}

static int count_in_threads(int number)
{
	pthread_t threads[N_THREADS];
	void *result;
	int error = 0;

	(void)number;
	for (int i = 0; i < N_THREADS; i++) {
		if (pthread_create(&threads[i], NULL, count_up, &counter) != 0) {
			return 1;
		}
	}
	for (int i = 0; i < N_THREADS; i++) {
		pthread_join(threads[i], &result);
		error |= result != NULL;
	}
	return error;
}

CASE(a_counter_counts_all)
{
	uint64_t value;

	counter = eventfd(0, 0);
	CHECK(counter >= 0);
	in_processes(N_PROCESSES, count_in_threads);
	CHECK_EQ(read(counter, &value, sizeof(value)), sizeof(value));
	CHECK_EQ(value, N_PROCESSES * N_THREADS * N_ROUNDS);
}

/* ---- a file for all -------------------------------------------------------------------------- */

static char path[64];

#define LINE_SIZE 32 /* a page has whole ones */

/* Appends lines of its own, and reads what is there: always whole lines. */
static int append_lines(int number)
{
	int file = open(path, O_RDWR | O_APPEND);
	char line[LINE_SIZE + 1], back[LINE_SIZE];

	for (int i = 0; i < N_ROUNDS; i++) {
		struct stat status;

		snprintf(line, sizeof(line), "%02d %012d     end of line\n", number, i);
		if (write(file, line, LINE_SIZE) != LINE_SIZE || fstat(file, &status) != 0 ||
			status.st_size % LINE_SIZE != 0 ||
			pread(file, back, LINE_SIZE, status.st_size - LINE_SIZE) != LINE_SIZE ||
			back[LINE_SIZE - 1] != '\n') {
			return 1;
		}
	}
	return 0;
}

CASE(appended_lines_are_whole)
{
	int next[N_PROCESSES] = { 0 };
	char line[LINE_SIZE] = { 0 };
	int file;

	snprintf(path, sizeof(path), "/tmp/together-%d", (int)getpid());
	file = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	CHECK(file >= 0);
	in_processes(N_PROCESSES, append_lines);
	while (read(file, line, LINE_SIZE) == LINE_SIZE) {
		int number = atoi(line);

		CHECK(number >= 0 && number < N_PROCESSES);
		CHECK_EQ(atoi(line + 3), next[number]);
		next[number]++;
	}
	unlink(path);
	for (int i = 0; i < N_PROCESSES; i++) {
		CHECK_EQ(next[i], N_ROUNDS);
	}
}

/* One open file: its position is shared, so each byte is read by one of them. */
static int shared_file;

static int take_bytes(int number)
{
	uint8_t byte[4];
	ssize_t n;

	(void)number;
	while ((n = read(shared_file, byte, sizeof(byte))) == sizeof(byte)) {
		uint32_t index = (uint32_t)byte[0] | (uint32_t)byte[1] << 8;

		__atomic_fetch_add(&seen[0][index], 1, __ATOMIC_RELAXED);
	}
	return n == 0 ? 0 : 1;
}

CASE(a_position_is_taken_once)
{
	seen = mmap(NULL, sizeof(*seen) * N_PROCESSES, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(seen != MAP_FAILED);
	/* Linux does not promise it of what memfd_create() gives */
	snprintf(path, sizeof(path), "/tmp/together-%d", (int)getpid());
	shared_file = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	CHECK(shared_file >= 0);
	unlink(path);
	for (uint32_t i = 0; i < N_ROUNDS * N_PROCESSES; i++) {
		uint8_t bytes[4] = { (uint8_t)i, (uint8_t)(i >> 8) };

		CHECK_EQ(write(shared_file, bytes, sizeof(bytes)), sizeof(bytes));
	}
	CHECK_EQ(lseek(shared_file, 0, SEEK_SET), 0);
	in_processes(N_PROCESSES, take_bytes);
	for (uint32_t i = 0; i < N_ROUNDS * N_PROCESSES; i++) {
		CHECK_EQ(seen[0][i], 1);
	}
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Of all who make the same name one does, and only that one takes it away again. */
static int fight_for_name(int number)
{
	for (int i = 0; i < N_ROUNDS; i++) {
		int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

		if (file < 0) {
			if (errno != EEXIST) {
				return 1;
			}
			sched_yield();
			continue;
		}
		if (write(file, &number, sizeof(number)) != sizeof(number) || unlink(path) != 0) {
			return 2;
		}
		close(file);
	}
	return 0;
}

CASE(a_name_has_one_maker)
{
	snprintf(path, sizeof(path), "/tmp/together-%d", (int)getpid());
	in_processes(N_PROCESSES, fight_for_name);
	CHECK_ERRNO(unlink(path), ENOENT);
}

/* ---- sockets --------------------------------------------------------------------------------- */

static int sockets[N_PROCESSES][2];

static int answer(int number)
{
	uint32_t value;

	if (number % 2 == 1) {
		while (read(sockets[number / 2][1], &value, sizeof(value)) == sizeof(value)) {
			value = ~value;
			if (write(sockets[number / 2][1], &value, sizeof(value)) != sizeof(value)) {
				return 1;
			}
			if (value == 0) {
				return 0;
			}
		}
		return 2;
	}
	for (uint32_t i = 0; i <= N_ROUNDS; i++) {
		uint32_t question = i == N_ROUNDS ? UINT32_MAX : i;

		if (write(sockets[number / 2][0], &question, sizeof(question)) !=
				sizeof(question) ||
			read(sockets[number / 2][0], &value, sizeof(value)) != sizeof(value) ||
			value != ~question) {
			return 3;
		}
	}
	return 0;
}

CASE(answers_fit_questions)
{
	for (int i = 0; i < N_PROCESSES / 2; i++) {
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets[i]), 0);
	}
	in_processes(N_PROCESSES, answer);
}

/* ---- signals and ends ------------------------------------------------------------------------ */

static volatile sig_atomic_t n_caught;

static void caught(int number)
{
	(void)number;
	n_caught++;
}

/* Real-time signals queue: each that was sent is caught. */
static int send_to_parent(int number)
{
	for (int i = 0; i < N_ROUNDS / 10; i++) {
		union sigval value = { .sival_int = number };

		if (sigqueue(getppid(), SIGRTMIN, value) != 0) {
			return 1;
		}
	}
	return 0;
}

CASE(signals_are_counted)
{
	struct sigaction action = { .sa_handler = caught, .sa_flags = SA_RESTART };

	CHECK_EQ(sigaction(SIGRTMIN, &action, NULL), 0);
	in_processes(N_PROCESSES, send_to_parent);
	CHECK_EQ(n_caught, N_PROCESSES * (N_ROUNDS / 10));
}

/* Forks in all of them at once; every end is told once, with its status. */
static int fork_and_wait(int number)
{
	uint32_t random = (uint32_t)number * 2654435761u + 1;

	for (int i = 0; i < N_ROUNDS / 10; i++) {
		int code = (int)(next_random(&random) % 100), status;
		pid_t child = fork();

		if (child == 0) {
			_exit(code);
		}
		if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
			WEXITSTATUS(status) != code || waitpid(-1, &status, WNOHANG) != -1 ||
			errno != ECHILD) {
			return 1;
		}
	}
	return 0;
}

CASE(ends_are_told_once)
{
	in_processes(N_PROCESSES, fork_and_wait);
}

/* Killed at any point of a call: whoever waits for the other end is told. */
static int kill_at_work(int number)
{
	uint32_t random = (uint32_t)number * 2654435761u + 99;

	for (int i = 0; i < N_ROUNDS / 20; i++) {
		int back[2], status;
		char byte;

		if (pipe(back) != 0) {
			return 1;
		}
		pid_t child = fork();

		if (child == 0) {
			close(back[0]);
			for (;;) {
				(void)!write(back[1], "x", 1);
				(void)!write(ends[1], "y", 1);
				(void)!read(ends[0], &byte, 1);
			}
		}
		close(back[1]);
		for (uint32_t n = 1 + next_random(&random) % 50; n > 0; n--) {
			if (read(back[0], &byte, 1) != 1) {
				return 2;
			}
		}
		kill(child, SIGKILL);
		while (read(back[0], &byte, 1) == 1) {
		}
		if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status)) {
			return 3;
		}
		close(back[0]);
	}
	return 0;
}

CASE(the_killed_leave_no_one_waiting)
{
	CHECK_EQ(pipe2(ends, O_NONBLOCK), 0);
	in_processes(N_PROCESSES, kill_at_work);
}

/* Threads that share descriptors open and close while others read them. */
static volatile bool is_over;

static void *open_and_close(void *argument)
{
	long n_bad = 0;

	(void)argument;
	while (!is_over) {
		int file = open("/dev/null", O_RDWR);

		n_bad += file < 0 || write(file, "x", 1) != 1 || close(file) != 0;
	}
	return (void *)n_bad;
}

static int race_on_table(int number)
{
	pthread_t threads[N_THREADS];
	long n_bad = 0;

	for (int i = 0; i < N_THREADS; i++) {
		if (pthread_create(&threads[i], NULL, open_and_close, NULL) != 0) {
			return 1;
		}
	}
	for (int i = 0; i < N_ROUNDS / 10; i++) {
		int status;
		pid_t child = fork();

		if (child == 0) {
			_exit(number);
		}
		n_bad += waitpid(child, &status, 0) != child || WEXITSTATUS(status) != number;
	}
	is_over = true;
	for (int i = 0; i < N_THREADS; i++) {
		void *result;

		pthread_join(threads[i], &result);
		n_bad += (long)result;
	}
	return n_bad != 0;
}

CASE(tables_are_copied_while_they_change)
{
	in_processes(N_PROCESSES, race_on_table);
}

/* Waits with timeouts end, also those of processes whose loops others serve meanwhile. */
static int wait_a_little(int number)
{
	int idle[2];

	if (pipe(idle) != 0) {
		return 1;
	}
	for (int i = 0; i < N_ROUNDS / 10; i++) {
		struct pollfd wait = { .fd = idle[0], .events = POLLIN };
		struct timespec before, after;

		clock_gettime(CLOCK_MONOTONIC, &before);
		if (poll(&wait, 1, 1 + number % 3) != 0) {
			return 2;
		}
		clock_gettime(CLOCK_MONOTONIC, &after);
		if ((after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec <
			(1 + number % 3) * 1000000L) {
			return 3;
		}
	}
	return 0;
}

CASE(timeouts_come)
{
	in_processes(N_PROCESSES, wait_a_little);
}

CASES_MAIN()
