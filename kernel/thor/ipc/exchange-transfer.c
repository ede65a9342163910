/* SPDX-License-Identifier: MIT */
/*
 * Exchanges: transfers of data that have to wait for a page of managed memory, on either side.
 *
 *	         the copy met an absent page          the page is there
 *	RUNNING ----------------------------> PARKED -------------------> work -> RUNNING
 *	   |                                     |                                   |
 *	   +--> finished                         +-- cancel, lane closed --> finished
 *
 * A transfer owns both actions. While it is parked it is on its stream's list, and its two actions
 * point to it. `done` of its page wait posts it as work, so that it goes on when no lock is held,
 * on the CPU that brought the page, from the byte that it had come to. A cancel, or the end of the
 * stream, takes it if it can end the wait before that (with the stream's lock held); else the work
 * finds out that it is not wanted any more. So each transfer has one owner at any time, and each
 * action ends once.
 *
 * What was submitted later on the same lane does not wait for it.
 */
#include <thor/ipc/exchange.h>

#include <base/assert.h>
#include <thor/memory/memory.h>
#include <thor/object/account.h>
#include <thor/memory/page-wait.h>
#include <thor/sched/work.h>

struct transfer {
	struct account *account; /* immutable: the sender pays */
	struct action *send, *receive;
	struct lane *lane; /* that of `send`, referenced, and with it the stream */
	uint64_t done; /* bytes moved so far */

	/* guarded by the stream's lock */
	struct list_node node; /* on the stream's list, or that of who took it */
	struct page_wait wait; /* armed or done while it is parked */

	struct work work;
};

static void transfer_free(struct transfer *transfer)
{
	object_unref(&transfer->lane->object);
	account_free(transfer->account, transfer, sizeof(*transfer));
}

/* The object of the page is locked. */
static void transfer_page_done(struct page_wait *wait, UNUSED int error)
{
	work_post(&container_of(wait, struct transfer, wait)->work);
}

/* The stream's lock is held. */
static void transfer_unlink(struct transfer *transfer)
{
	list_remove(&transfer->node);
	transfer->send->transfer = NULL;
	transfer->receive->transfer = NULL;
}

/* Take a parked transfer, unless its work is on the way. The stream's lock is held. */
static bool transfer_try_take(struct transfer *transfer)
{
	if (!page_wait_end(&transfer->wait)) {
		return false;
	}
	transfer_unlink(transfer);
	return true;
}

static bool transfer_is_unwanted(const struct action *action)
{
	return atomic_load(&exchange_of_action(action)->is_cancelled);
}

struct transfer_errors {
	int send, receive;
};

/*
 * Whether the exchanges or the stream have come to their end meanwhile. With the stream's lock
 * held: whoever cancels or closes from now on finds the transfer parked. @out_errors may be NULL.
 */
static bool transfer_has_ended(const struct transfer *transfer, struct transfer_errors *out_errors)
{
	struct lane *lane = transfer->lane;
	struct transfer_errors errors = { -ERR_DISMISSED, -ERR_DISMISSED };

	if (transfer_is_unwanted(transfer->send)) {
		errors.send = -ERR_CANCELLED;
	} else if (transfer_is_unwanted(transfer->receive)) {
		errors.receive = -ERR_CANCELLED;
	} else if (lane->is_closed) {
		errors = (struct transfer_errors){ -ERR_LANE_SHUTDOWN, -ERR_END_OF_LANE };
	} else if (lane_peer(lane)->is_closed) {
		errors = (struct transfer_errors){ -ERR_END_OF_LANE, -ERR_LANE_SHUTDOWN };
	} else {
		return false;
	}
	if (out_errors != NULL) {
		*out_errors = errors;
	}
	return true;
}

/* End the transfer if it has ended in that sense. */
static bool transfer_try_end(struct transfer *transfer)
{
	struct stream *stream = transfer->lane->stream;
	struct transfer_errors errors;

	spinlock_acquire(&stream->lock);
	bool has_ended = transfer_has_ended(transfer, &errors);

	spinlock_release(&stream->lock);
	if (has_ended) {
		action_finish(transfer->send, errors.send, 0);
		action_finish(transfer->receive, errors.receive, 0);
		transfer_free(transfer);
	}
	return has_ended;
}

/* Wait for the page in the note, as page_note_wait() says, unless both actions have to end. */
static int transfer_park(struct transfer *transfer)
{
	struct stream *stream = transfer->lane->stream;
	int result = 0;

	spinlock_acquire(&stream->lock);
	/* If it has ended we shall see so in a moment. */
	if (!transfer_has_ended(transfer, NULL)) {
		result = page_note_wait(&transfer->wait);
	}
	if (result == SPACE_PENDING) {
		list_push_back(&stream->transfers, &transfer->node);
		transfer->send->transfer = transfer;
		transfer->receive->transfer = transfer;
	}
	spinlock_release(&stream->lock);
	page_note_drop();
	return result;
}

/* An error of the page that the note was about: whose page was it? */
static void transfer_fail(struct transfer *transfer, bool is_receiver, int error)
{
	int blame = error == -ERR_NO_MEMORY ? error : -ERR_FAULT;
	int other = error == -ERR_NO_MEMORY ? error : -ERR_DISMISSED;

	action_finish(transfer->send, is_receiver ? other : blame, 0);
	action_finish(transfer->receive, is_receiver ? blame : other, 0);
}

/* The copy has met an absent page. True: it can go on at once; false: the transfer is gone. */
static bool transfer_wait(struct transfer *transfer)
{
	/* What is written to is the receiver's, what is read the sender's. */
	bool is_receiver = page_note_is_write();
	int result = transfer_park(transfer);

	if (result == 0) {
		return true;
	}
	if (result == SPACE_PENDING) {
		return false;
	}
	if (result < 0) {
		transfer_fail(transfer, is_receiver, result);
	}
	transfer_free(transfer);
	return false;
}

static void transfer_go_on(struct transfer *transfer)
{
	while (!transfer_try_end(transfer)) {
		int error = meet_copy_from(transfer->send, transfer->receive, &transfer->done);

		if (error != -ERR_FAULT || !page_note_is_set()) {
			meet_finish_copy(transfer->send, transfer->receive, error);
			transfer_free(transfer);
			return;
		}
		if (!transfer_wait(transfer)) {
			return;
		}
	}
}

static void transfer_run(struct work *work)
{
	struct transfer *transfer = container_of(work, struct transfer, work);
	struct stream *stream = transfer->lane->stream;

	spinlock_acquire(&stream->lock);
	transfer_unlink(transfer);
	(void)page_wait_end(&transfer->wait);
	spinlock_release(&stream->lock);
	transfer_go_on(transfer);
}

void transfer_begin(struct action *send, struct action *receive, uint64_t done)
{
	struct account *account = exchange_of_action(send)->operation.account;
	struct transfer *transfer = account_allocate(account, sizeof(*transfer));

	if (transfer == NULL) {
		page_note_drop();
		meet_finish_copy(send, receive, -ERR_NO_MEMORY);
		return;
	}
	transfer->account = account;
	transfer->send = send;
	transfer->receive = receive;
	transfer->lane = atomic_load(&send->lane);
	object_ref(&transfer->lane->object);
	transfer->done = done;
	list_node_init(&transfer->node);
	page_wait_init(&transfer->wait, transfer_page_done);
	work_init(&transfer->work, transfer_run);
	if (transfer_wait(transfer)) {
		transfer_go_on(transfer);
	}
}

void transfer_cancel(struct lane *lane, struct action *action)
{
	spinlock_acquire(&lane->stream->lock);
	struct transfer *transfer = action->transfer;
	bool is_ours = transfer != NULL && transfer_try_take(transfer);

	spinlock_release(&lane->stream->lock);
	if (is_ours) {
		bool is_sender = transfer->send == action;

		action_finish(transfer->send, is_sender ? -ERR_CANCELLED : -ERR_DISMISSED, 0);
		action_finish(transfer->receive, is_sender ? -ERR_DISMISSED : -ERR_CANCELLED, 0);
		transfer_free(transfer);
	}
}

void transfer_take_all(struct stream *stream, struct list *out_transfers)
{
	LIST_FOR_EACH_SAFE(transfer, &stream->transfers, struct transfer, node) {
		if (transfer_try_take(transfer)) {
			list_push_back(out_transfers, &transfer->node);
		}
	}
}

void transfer_end_all(struct list *transfers, const struct lane *lane)
{
	for (;;) {
		struct transfer *transfer = LIST_POP_FRONT(transfers, struct transfer, node);

		if (transfer == NULL) {
			return;
		}
		bool is_sender = transfer->lane == lane;

		action_finish(transfer->send, is_sender ? -ERR_LANE_SHUTDOWN : -ERR_END_OF_LANE, 0);
		action_finish(
			transfer->receive, is_sender ? -ERR_END_OF_LANE : -ERR_LANE_SHUTDOWN, 0);
		transfer_free(transfer);
	}
}
