/* SPDX-License-Identifier: MIT */
/*
 * poll, and with it select and their relatives, which the shim turns into POSIX_POLL.
 *
 * The first attempt looks at all files. If none is ready the request parks on the wait queues of
 * all of them and holds the files, in an array in state[0], so that each further attempt looks at
 * the same ones.
 *
 * A set that does not fit into one request comes in parts. Each is looked at, and its files are
 * kept with the thread (thread->polled) until the last one comes. That waits for its own files and
 * for those that are kept, and answers, when one of the latter is ready, that none of its own is:
 * the shim begins anew, and finds out which.
 */
#include <abi/linux/errno.h>
#include <abi/linux/poll.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/file/poll.h>
#include <posix/server/process/process.h>

constexpr uint32_t POLL_FDS_MAX = 448;
constexpr uint32_t POLL_EVENTS_ALWAYS = LINUX_POLLERR | LINUX_POLLHUP;

struct poll_files {
	uint32_t n_files;
	struct file *files[]; /* NULL: ignored, or no such descriptor */
};

/* The parts of a set whose end has not come yet. */
struct poll_part {
	struct poll_part *next;
	uint32_t n_before; /* files of the parts that came before it */
	uint32_t n_files;
	struct {
		struct file *file; /* referenced */
		uint32_t events;
	} files[]; /* those that exist */
};

/* One attempt. */
struct poll_scan {
	struct request *request;
	const struct linux_pollfd *in;
	struct linux_pollfd *out;
	uint32_t n_fds;
	uint32_t n_before; /* in the parts that are kept */
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

static uint32_t poll_wanted(const struct poll_scan *scan, uint32_t i)
{
	bool is_exact = (scan->request->args[3] & POSIX_POLL_EXACT) != 0;

	return (uint16_t)scan->in[i].events | (is_exact ? 0 : POLL_EVENTS_ALWAYS);
}

static uint32_t poll_one(struct poll_scan *scan, uint32_t i)
{
	uint32_t wanted = poll_wanted(scan, i);

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

/* Whether one of the files that are kept is ready; if not, and if it may, waits for them. */
static bool poll_scan_parts(struct poll_scan *scan)
{
	for (struct poll_part *part = scan->request->thread->polled; part != NULL;
		part = part->next) {
		for (uint32_t i = 0; i < part->n_files; i++) {
			struct file *file = part->files[i].file;

			if ((file->ops->poll(file, NULL, NULL) & part->files[i].events) != 0) {
				return true;
			}
			if (scan->is_waiting) {
				file->ops->poll(file, poll_add_queue, scan);
			}
		}
	}
	return false;
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

void poll_forget_parts(struct thread *thread)
{
	struct poll_part *part = thread->polled;

	thread->polled = NULL;
	while (part != NULL) {
		struct poll_part *next = part->next;

		for (uint32_t i = 0; i < part->n_files; i++) {
			file_unref(part->files[i].file);
		}
		helix_free(part);
		part = next;
	}
}

/* Keeps the files of a part; -LINUX_ENOMEM. */
static int64_t poll_keep_part(struct poll_scan *scan)
{
	struct thread *thread = scan->request->thread;
	struct poll_part *part = helix_malloc(sizeof(*part) + scan->n_fds * sizeof(part->files[0]));

	if (part == NULL) {
		return -LINUX_ENOMEM;
	}
	part->next = thread->polled;
	part->n_before = scan->n_before;
	part->n_files = 0;
	for (uint32_t i = 0; i < scan->n_fds; i++) {
		struct file *file = scan->in[i].fd < 0 ? NULL : poll_file(scan, i);

		if (file != NULL) {
			file_ref(file);
			part->files[part->n_files].file = file;
			part->files[part->n_files].events = poll_wanted(scan, i);
			part->n_files++;
		}
	}
	thread->polled = part;
	return 0;
}

static void poll_release(struct request *request)
{
	struct poll_files *held = (struct poll_files *)request->state[0];

	for (uint32_t i = 0; held != NULL && i < held->n_files; i++) {
		file_unref(held->files[i]);
	}
	helix_free(held);
	poll_forget_parts(request->thread);
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

/* What the request says, checked; -LINUX_EINVAL, -LINUX_ENOMEM. */
static int64_t poll_decode(struct request *request, struct poll_scan *out_scan)
{
	uint64_t limit = request->process->limits[LIMIT_NOFILE][0];
	const struct poll_part *kept = request->thread->polled;
	size_t in_size, out_size;

	*out_scan = (struct poll_scan){
		.request = request,
		.in = request_in(request, 0, &in_size),
		.n_fds = (uint32_t)request->args[0],
		.n_before = kept == NULL ? 0 : kept->n_before + POLL_FDS_MAX,
		.held = (struct poll_files *)request->state[0],
	};
	if (request->args[0] > POLL_FDS_MAX || out_scan->n_before + request->args[0] > limit ||
		in_size < out_scan->n_fds * sizeof(*out_scan->in)) {
		return -LINUX_EINVAL;
	}
	out_scan->out = request_out(request, 0, &out_size);
	if (out_scan->n_fds > 0 &&
		(out_scan->out == NULL || out_size < out_scan->n_fds * sizeof(*out_scan->out))) {
		return -LINUX_ENOMEM;
	}
	return 0;
}

int64_t posix_poll(struct request *request)
{
	struct poll_scan scan;
	int64_t error = poll_decode(request, &scan);

	if (error == 0 && (request->args[3] & POSIX_POLL_GOES_ON) != 0) {
		poll_scan_all(&scan);
		error = poll_keep_part(&scan);
		if (error == 0) {
			return scan.n_ready;
		}
	}
	request->release = poll_release;
	if (error != 0) {
		return error;
	}
	scan.is_waiting = poll_may_wait(request, request->args[1]);
	bool may_wait = scan.is_waiting;

	poll_scan_all(&scan);
	if (scan.n_ready > 0 || !may_wait || poll_scan_parts(&scan)) {
		return scan.n_ready;
	}
	if (scan.error == 0 && scan.held == NULL) {
		scan.error = poll_hold_files(&scan);
	}
	request->interrupted_result = -LINUX_ERESTARTNOHAND;
	request_forget_out(request);
	return scan.error < 0 ? scan.error : REQUEST_PARK;
}
