/* SPDX-License-Identifier: MIT */
/*
 * Polls of Linux' asynchronous I/O (IOCB_CMD_POLL): the part of it that posix knows of.
 *
 * A poll holds its file and waits on the file's queues. When one is woken, the file is asked in the
 * loop's next round; if it is ready the poll is over: an eventfd is told, and what came of it is
 * kept until the shim takes it and puts it into the context's ring. The shim is told by a futex in
 * that ring, for who waits in io_getevents(), and by a kick of the thread that has submitted the
 * poll, for who looks into the ring by himself.
 *
 *	submitted --file ready, cancelled--> done --POSIX_AIO_TAKE--> freed
 */
#include <abi/linux/errno.h>
#include <abi/linux/poll.h>
#include <async/loop.h>
#include <base/assert.h>
#include <base/string.h>
#include <hel/hel-calls.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/aio-poll.h>
#include <posix/server/file/epoll.h>
#include <posix/server/file/eventfd.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/time/time.h>

constexpr uint32_t QUEUES_MAX = 4; /* wait queues of one file */
constexpr size_t TAKEN_MAX = POSIX_INLINE_MAX / sizeof(struct posix_aio_done);

struct aio_polls {
	struct process *process;
	struct account *account; /* whose watches they are */
	struct list waiting, done; /* struct aio_poll */
};

struct aio_poll {
	struct list_node node; /* in one of the two */
	struct aio_polls *polls;
	struct timer timer; /* the next round, in which the file is asked */
	struct file *file; /* referenced; NULL: done */
	struct file *eventfd; /* referenced, or NULL */
	uint32_t events;
	uint32_t tid; /* who has submitted it */
	struct posix_aio_done answer;
	uint32_t n_waits;
	struct wait_entry waits[QUEUES_MAX];
};

/* ---- one poll -------------------------------------------------------------------------------- */

static void stop_waiting(struct aio_poll *poll)
{
	timer_disarm(posix_loop(), &poll->timer);
	for (uint32_t i = 0; i < poll->n_waits; i++) {
		wait_entry_remove(&poll->waits[i]);
	}
	poll->n_waits = 0;
	if (poll->file != NULL) {
		file_unref(poll->file);
		poll->file = NULL;
	}
}

static void free_poll(struct aio_poll *poll)
{
	stop_waiting(poll);
	if (poll->eventfd != NULL) {
		file_unref(poll->eventfd);
	}
	list_remove(&poll->node);
	poll->polls->account->n[ACCOUNT_EPOLL_WATCHES]--;
	helix_free(poll);
}

/* Something is to be taken: the waiters' word changes, and the submitter looks when it leaves. */
static void tell_shim(const struct aio_poll *poll)
{
	struct process *process = poll->polls->process;
	uint64_t word = poll->answer.posts & ~(uint64_t)3;
	struct thread *thread = process_thread(process, poll->tid);
	const struct mm *mm = process->internal->mm;
	uint16_t n_posts = 0;

	if (thread == NULL) {
		thread = process_first_thread(process);
	}
	if (mm == NULL || thread == NULL) {
		return;
	}
	(void)!hel_space_read(mm->space, poll->answer.posts, &n_posts, sizeof(n_posts), NULL);
	n_posts++;
	(void)!hel_space_write(mm->space, poll->answer.posts, &n_posts, sizeof(n_posts), NULL);
	(void)!hel_futex_wake_in(mm->space, word, UINT32_MAX, UINT32_MAX, NULL);
	atomic_fetch_or(&thread->internal->page->trace_due, POSIX_TRACE_DUE_AIO);
	hel_thread_kick(thread->internal->thread);
}

static void complete(struct aio_poll *poll, uint32_t result)
{
	stop_waiting(poll);
	poll->answer.result = result;
	list_remove(&poll->node);
	list_push_back(&poll->polls->done, &poll->node);
	if (poll->eventfd != NULL) {
		eventfd_add(poll->eventfd, 1);
	}
	tell_shim(poll);
}

static uint32_t ask(const struct aio_poll *poll)
{
	return poll->file->ops->poll(poll->file, NULL, NULL) & poll->events;
}

static void look(struct timer *timer)
{
	struct aio_poll *poll = container_of(timer, struct aio_poll, timer);
	uint32_t ready = ask(poll);

	if (ready != 0) {
		complete(poll, ready);
	}
}

static void woken(struct wait_entry *entry)
{
	struct aio_poll *poll = entry->owner;

	if (!timer_is_armed(&poll->timer)) {
		timer_arm(posix_loop(), &poll->timer, clock_monotonic_ns());
	}
}

static void add_queue(void *context, struct wait_queue *queue)
{
	struct aio_poll *poll = context;

	ASSERT(poll->n_waits < QUEUES_MAX);
	struct wait_entry *entry = &poll->waits[poll->n_waits++];

	*entry = (struct wait_entry){ .wake = woken, .owner = poll };
	wait_entry_add(entry, queue);
}

/* ---- those of a process ---------------------------------------------------------------------- */

static struct aio_polls *polls_of(struct process *process)
{
	struct aio_polls *polls = process->internal->aio_polls;

	if (polls != NULL) {
		return polls;
	}
	polls = helix_malloc(sizeof(*polls));
	if (polls == NULL) {
		return NULL;
	}
	*polls = (struct aio_polls){
		.process = process,
		.account = account_get(process->credentials.uid),
	};
	if (polls->account == NULL) {
		helix_free(polls);
		return NULL;
	}
	list_init(&polls->waiting);
	list_init(&polls->done);
	process->internal->aio_polls = polls;
	return polls;
}

static void free_polls(struct list *list, uint64_t ring)
{
	LIST_FOR_EACH_SAFE(poll, list, struct aio_poll, node) {
		if (ring == 0 || poll->answer.ring == ring) {
			free_poll(poll);
		}
	}
}

void aio_polls_release(struct process *process)
{
	struct aio_polls *polls = process->internal->aio_polls;

	if (polls != NULL) {
		free_polls(&polls->waiting, 0);
		free_polls(&polls->done, 0);
		process->internal->aio_polls = NULL;
		account_unref(polls->account);
		helix_free(polls);
	}
}

/* ---- requests -------------------------------------------------------------------------------- */

/* What a request asks for, checked; the files are borrowed. */
static int64_t find_files(
	struct request *request, struct file **out_file, struct file **out_eventfd)
{
	const struct posix_aio_poll *asked = request_in(request, 0, NULL);
	struct file *file = file_of_fd(request, asked->fd), *eventfd = NULL;

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	if (asked->has_eventfd != 0) {
		eventfd = file_of_fd(request, asked->eventfd);
		if (eventfd == NULL) {
			return -LINUX_EBADF;
		}
		if (!file_is_eventfd(eventfd)) {
			return -LINUX_EINVAL;
		}
	}
	*out_file = file;
	*out_eventfd = eventfd;
	return 0;
}

static int64_t start(
	struct request *request, struct aio_polls *polls, struct file *file, struct file *eventfd)
{
	const struct posix_aio_poll *asked = request_in(request, 0, NULL);
	uint64_t *n_of_user = &polls->account->n[ACCOUNT_EPOLL_WATCHES];
	struct aio_poll *poll =
		*n_of_user < epoll_watch_limit() ? helix_malloc(sizeof(*poll)) : NULL;

	if (poll == NULL) {
		return -LINUX_EAGAIN;
	}
	*poll = (struct aio_poll){
		.polls = polls,
		.file = file,
		.eventfd = eventfd,
		.events = asked->events | LINUX_POLLERR | LINUX_POLLHUP,
		.tid = request->thread->tid,
		.answer = asked->answer,
	};
	++*n_of_user;
	file_ref(file);
	if (eventfd != NULL) {
		file_ref(eventfd);
	}
	timer_init(&poll->timer, look);
	list_push_back(&polls->waiting, &poll->node);
	uint32_t ready = file->ops->poll(file, add_queue, poll) & poll->events;

	if (ready != 0) {
		free_poll(poll);
	} else if (poll->n_waits == 0) {
		free_poll(poll); /* nothing will ever change */
		return -LINUX_EINVAL;
	}
	return ready;
}

int64_t posix_aio_poll(struct request *request)
{
	struct file *file, *eventfd;
	size_t size = 0;

	if (request_in(request, 0, &size) == NULL || size < sizeof(struct posix_aio_poll)) {
		return -LINUX_EINVAL;
	}
	int64_t error = find_files(request, &file, &eventfd);

	if (error < 0) {
		return error;
	}
	struct aio_polls *polls = polls_of(request->process);

	return polls != NULL ? start(request, polls, file, eventfd) : -LINUX_EAGAIN;
}

int64_t posix_aio_take(struct request *request)
{
	struct aio_polls *polls = request->process->internal->aio_polls;
	size_t size = 0, n = 0;
	uint8_t *out = request_out(request, 0, &size);

	if (polls == NULL || out == NULL) {
		return 0;
	}
	LIST_FOR_EACH_SAFE(poll, &polls->done, struct aio_poll, node) {
		if ((n + 1) * sizeof(poll->answer) > size || n == TAKEN_MAX) {
			break;
		}
		memcpy(out + n++ * sizeof(poll->answer), &poll->answer, sizeof(poll->answer));
		free_poll(poll);
	}
	request_set_out_size(request, n * sizeof(struct posix_aio_done));
	return (int64_t)n;
}

int64_t posix_aio_cancel(struct request *request)
{
	struct aio_polls *polls = request->process->internal->aio_polls;
	uint64_t ring = request->args[0], object = request->args[1];

	if (polls == NULL || ring == 0) {
		return -LINUX_EINVAL;
	}
	if (object == 0) {
		free_polls(&polls->waiting, ring);
		free_polls(&polls->done, ring);
		return 0;
	}
	LIST_FOR_EACH_SAFE(poll, &polls->waiting, struct aio_poll, node) {
		if (poll->answer.ring == ring && poll->answer.object == object) {
			complete(poll, 0);
			return -LINUX_EINPROGRESS;
		}
	}
	return -LINUX_EINVAL;
}
