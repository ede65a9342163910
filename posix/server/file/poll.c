/* SPDX-License-Identifier: MIT */
/*
 * poll, and with it select and their relatives, which the shim turns into POSIX_POLL.
 *
 * The first attempt looks at all files. If none is ready the request parks on the wait queues of
 * all of them and holds the files, in an array in state[0], so that each further attempt looks at
 * the same ones.
 */
#include <abi/linux/errno.h>
#include <abi/linux/poll.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/process.h>

constexpr uint32_t POLL_FDS_MAX = 448;
constexpr uint32_t POLL_EVENTS_ALWAYS = LINUX_POLLERR | LINUX_POLLHUP;

struct poll_files {
	uint32_t n_files;
	struct file *files[]; /* NULL: ignored, or no such descriptor */
};

/* One attempt. */
struct poll_scan {
	struct request *request;
	const struct linux_pollfd *in;
	struct linux_pollfd *out;
	uint32_t n_fds;
	const struct poll_files *held;
	bool is_waiting; /* no file was ready yet and the call may wait */
	int64_t error;
	int64_t n_ready;
};

static struct file *poll_file(const struct poll_scan *scan, uint32_t i)
{
	if (scan->held != NULL) {
		return scan->held->files[i];
	}
	return file_of_fd(scan->request, (uint32_t)scan->in[i].fd);
}

static void poll_add_queue(void *context, struct wait_queue *queue)
{
	struct poll_scan *scan = context;

	if (scan->error == 0) {
		scan->error = request_wait_on(scan->request, queue);
	}
}

static uint32_t poll_one(struct poll_scan *scan, uint32_t i)
{
	uint32_t wanted = (uint16_t)scan->in[i].events | POLL_EVENTS_ALWAYS;

	if (scan->in[i].fd < 0) {
		return 0;
	}
	struct file *file = poll_file(scan, i);

	if (file == NULL) {
		return LINUX_POLLNVAL;
	}
	uint32_t events = file->ops->poll(file, NULL, NULL) & wanted;

	if (events == 0 && scan->is_waiting) {
		file->ops->poll(file, poll_add_queue, scan);
	}
	return events;
}

static void poll_scan_all(struct poll_scan *scan)
{
	for (uint32_t i = 0; i < scan->n_fds; i++) {
		uint32_t events = poll_one(scan, i);

		scan->out[i] = scan->in[i];
		scan->out[i].revents = (int16_t)events;
		if (events != 0) {
			scan->n_ready++;
			scan->is_waiting = false;
		}
	}
}

static void poll_release(struct request *request)
{
	struct poll_files *held = (struct poll_files *)request->state[0];

	for (uint32_t i = 0; i < held->n_files; i++) {
		file_unref(held->files[i]);
	}
	helix_free(held);
}

static int64_t poll_hold_files(struct poll_scan *scan)
{
	struct poll_files *held =
		helix_malloc(sizeof(*held) + scan->n_fds * sizeof(held->files[0]));

	if (held == NULL) {
		return -LINUX_ENOMEM;
	}
	held->n_files = scan->n_fds;
	for (uint32_t i = 0; i < scan->n_fds; i++) {
		held->files[i] = scan->in[i].fd < 0 ? NULL : poll_file(scan, i);
		if (held->files[i] != NULL) {
			file_ref(held->files[i]);
		}
	}
	scan->request->state[0] = (uintptr_t)held;
	scan->request->release = poll_release;
	return 0;
}

/* Sets the deadline at the first attempt; true if the call may wait. */
static bool poll_may_wait(struct request *request, uint64_t timeout_ns)
{
	if (timeout_ns == 0 || request->is_timed_out) {
		return false;
	}
	if (request->is_first_attempt && timeout_ns != HEL_DEADLINE_NEVER) {
		uint64_t now = clock_monotonic_ns();

		request->deadline_ns =
			timeout_ns > UINT64_MAX - 1 - now ? UINT64_MAX - 1 : now + timeout_ns;
	}
	return true;
}

int64_t posix_poll(struct request *request)
{
	size_t in_size;
	size_t out_size;
	struct poll_scan scan = {
		.request = request,
		.in = request_in(request, 0, &in_size),
		.n_fds = (uint32_t)request->args[0],
		.held = (struct poll_files *)request->state[0],
	};

	if (request->args[0] > POLL_FDS_MAX ||
		request->args[0] > request->process->limits[LIMIT_NOFILE][0] ||
		in_size < scan.n_fds * sizeof(*scan.in)) {
		return -LINUX_EINVAL;
	}
	scan.out = request_out(request, 0, &out_size);
	if (scan.n_fds > 0 && (scan.out == NULL || out_size < scan.n_fds * sizeof(*scan.out))) {
		return -LINUX_ENOMEM;
	}
	scan.is_waiting = poll_may_wait(request, request->args[1]);
	bool may_wait = scan.is_waiting;

	poll_scan_all(&scan);
	if (scan.n_ready > 0 || !may_wait) {
		return scan.n_ready;
	}
	if (scan.error == 0 && scan.held == NULL) {
		scan.error = poll_hold_files(&scan);
	}
	request->interrupted_result = -LINUX_ERESTARTNOHAND;
	return scan.error < 0 ? scan.error : REQUEST_PARK;
}
