/* SPDX-License-Identifier: MIT */
/*
 * Calls that wait at a queue: senders for room, receivers for a message.
 *
 * Each has a struct mqueue_wait, which is in the queue's tree while it waits:
 *
 *	mqueue_wait()          mqueue_serve_...()
 *	     |                        |
 *	     v                        v
 *	  WAITING -------------->  SERVED    the sender's message is in the queue; the receiver
 *	     |                               has one, which goes with the wait
 *	     +-- the deadline -->  EXPIRED
 *
 * A signal or the thread's end finds it in any of these states: the request's release takes it
 * apart. Once served, a call has happened and is not interrupted any more.
 *
 * Deadlines are moments of the wall clock and move when that is set, as expiries do.
 */
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/mqueue/mqueue.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/time/expiry.h>

enum mqueue_wait_state : uint8_t { WAIT_WAITING, WAIT_SERVED, WAIT_EXPIRED };

struct mqueue_wait {
	struct tree_node node;
	struct tree *tree; /* of the queue, in which it is while WAITING */
	int precedence; /* of the thread when it began to wait */
	enum mqueue_wait_state state;
	struct mqueue_message *message; /* a sender's while WAITING, a receiver's when SERVED */
	struct wait_queue over; /* where its one request waits */
	struct expiry deadline;
};

/* The higher precedence first, and of equals who came first. */
static int wait_compare(const struct tree_node *a, const struct tree_node *b)
{
	int of_a = container_of(a, const struct mqueue_wait, node)->precedence;
	int of_b = container_of(b, const struct mqueue_wait, node)->precedence;

	return of_a > of_b ? -1 : of_a < of_b;
}

static struct mqueue_wait *wait_of(const struct request *request)
{
	return (struct mqueue_wait *)request->state[1];
}

/* ---- the end --------------------------------------------------------------------------------- */

static void wait_end(struct mqueue_wait *wait, enum mqueue_wait_state state)
{
	tree_remove(wait->tree, &wait->node);
	wait->state = state;
	expiry_stop(&wait->deadline);
	wait_queue_wake(&wait->over);
}

static void deadline_passed(struct timer *timer)
{
	struct mqueue_wait *wait = container_of(timer, struct mqueue_wait, deadline.timer);

	(void)expiry_renew(&wait->deadline);
	wait_end(wait, WAIT_EXPIRED);
}

/* The release hook: the request is in no queue any more. */
static void wait_release(struct request *request)
{
	struct file *file = (struct file *)request->state[0];
	struct mqueue_wait *wait = wait_of(request);

	if (wait->state == WAIT_WAITING) {
		wait_end(wait, WAIT_EXPIRED);
	}
	helix_free(wait->message);
	helix_free(wait);
	request->state[0] = 0;
	request->state[1] = 0;
	file_unref(file);
}

/* ---- the beginning --------------------------------------------------------------------------- */

static struct mqueue_wait *wait_create(const struct request *request, struct mqueue *queue,
	struct mqueue_message *message, uint64_t deadline_ns)
{
	struct mqueue_wait *wait = helix_malloc(sizeof(*wait));

	if (wait == NULL) {
		return NULL;
	}
	*wait = (struct mqueue_wait){
		.tree = message != NULL ? &queue->senders : &queue->receivers,
		.precedence = thread_precedence(request->thread),
		.message = message,
	};
	wait_queue_init(&wait->over);
	expiry_init(&wait->deadline, deadline_passed);
	tree_insert(wait->tree, &wait->node, wait_compare);
	if (deadline_ns != UINT64_MAX) {
		struct linux_itimerspec spec = { .value = timespec_encode(deadline_ns) };

		(void)!expiry_set(&wait->deadline, LINUX_CLOCK_REALTIME, true, &spec);
	}
	return wait;
}

int64_t mqueue_wait(struct request *request, struct file *file, struct mqueue_message *message,
	uint64_t deadline_ns)
{
	if (file_must_not_wait(file, request)) {
		return -LINUX_EAGAIN;
	}
	if (deadline_ns <= clock_realtime_ns()) {
		return -LINUX_ETIMEDOUT;
	}
	struct mqueue_wait *wait =
		wait_create(request, mqueue_of(file->inode), message, deadline_ns);

	if (wait == NULL) {
		return -LINUX_ENOMEM;
	}
	file_ref(file);
	request->state[0] = (uintptr_t)file;
	request->state[1] = (uintptr_t)wait;
	request->release = wait_release;
	int64_t error = request_wait_on(request, &wait->over);

	if (error < 0) {
		wait->message = NULL; /* it is the caller's still */
		return error;
	}
	return REQUEST_PARK;
}

int64_t mqueue_wait_result(struct request *request, const struct mqueue_message **out_message)
{
	struct mqueue_wait *wait = wait_of(request);

	switch (wait->state) {
	case WAIT_SERVED: *out_message = wait->message; return 0;
	case WAIT_EXPIRED: return -LINUX_ETIMEDOUT;
	case WAIT_WAITING: break;
	}
	int64_t error = request_wait_on(request, &wait->over);

	return error < 0 ? error : REQUEST_PARK;
}

/* ---- service --------------------------------------------------------------------------------- */

static struct mqueue_wait *first_in(const struct tree *tree)
{
	return TREE_ENTRY(tree_first(tree), struct mqueue_wait, node);
}

bool mqueue_serve_receiver(struct mqueue *queue, struct mqueue_message *message)
{
	struct mqueue_wait *wait = first_in(&queue->receivers);

	if (wait == NULL) {
		return false;
	}
	wait->message = message;
	wait_end(wait, WAIT_SERVED);
	return true;
}

struct mqueue_message *mqueue_serve_sender(struct mqueue *queue)
{
	struct mqueue_wait *wait = first_in(&queue->senders);

	if (wait == NULL) {
		return NULL;
	}
	struct mqueue_message *message = wait->message;

	wait->message = NULL;
	wait_end(wait, WAIT_SERVED);
	return message;
}
