/* SPDX-License-Identifier: MIT */
/*
 * Exchanges: transfers of data that are not done in one go, because they are large or have to wait
 * for a page of managed memory, on either side.
 *
 *	      large, or met an absent page
 *	          |
 *	          v        slice, and there is more
 *	       COPYING -------------------------------> READY
 *	       |  |  ^ <---- its runner's turn -----------+ ^
 *	       |  |  absent page                            |
 *	       |  +---------------> PARKED -- page came ----+
 *	       v                       |                    |
 *	    finished                   +--> OVER <----------+
 *	                                cancel, lane closed
 *
 * A transfer owns both actions. It is on its stream's list and its actions point to it until it is
 * over, so a cancel and the end of the stream find it. If a slice is being copied just then they
 * leave it alone: they have said what they want (`is_cancelled`, `is_closed`) before they look, and
 * the runner, who takes the lock before and after each slice, sees it there. Otherwise they end
 * both actions at once, however long the runner may be away, and leave an empty transfer to it. So
 * each action ends once, at most a slice later.
 *
 * The runner is a thread or a CPU (transfer-run.c). While the transfer is parked it has none:
 * `done` of its page wait posts it as work, so that it goes on when no lock is held, on the CPU
 * that brought the page, from the byte that it had come to.
 *
 * What was submitted later on the same lane does not wait for it.
 */
#include <thor/ipc/transfer-internal.h>

#include <base/assert.h>
#include <thor/memory/memory.h>
#include <thor/object/account.h>

struct transfer_errors {
	int send, receive;
};

static void transfer_free(struct transfer *transfer)
{
	object_unref(&transfer->lane->object);
	account_free(transfer->account, transfer, sizeof(*transfer));
}

static void transfer_link_locked(struct transfer *transfer)
{
	list_push_back(&transfer->lane->stream->transfers, &transfer->node);
	transfer->send->transfer = transfer;
	transfer->receive->transfer = transfer;
}

/* From now on nobody finds it. */
static void transfer_unlink_locked(struct transfer *transfer)
{
	list_remove(&transfer->node);
	transfer->send->transfer = NULL;
	transfer->receive->transfer = NULL;
}

static bool transfer_is_unwanted(const struct action *action)
{
	return atomic_load(&exchange_of_action(action)->is_cancelled);
}

/* What the two sides are told when the stream was closed from @lane. */
static struct transfer_errors transfer_errors_of_close(
	const struct transfer *transfer, const struct lane *lane)
{
	if (transfer->lane == lane) {
		return (struct transfer_errors){ -ERR_LANE_SHUTDOWN, -ERR_END_OF_LANE };
	}
	return (struct transfer_errors){ -ERR_END_OF_LANE, -ERR_LANE_SHUTDOWN };
}

/* Whether the exchanges or the stream have come to their end meanwhile. */
static bool transfer_has_ended_locked(
	const struct transfer *transfer, struct transfer_errors *out_errors)
{
	struct lane *lane = transfer->lane;

	if (transfer_is_unwanted(transfer->send)) {
		*out_errors = (struct transfer_errors){
			exchange_cancel_error(exchange_of_action(transfer->send)),
			-ERR_DISMISSED,
		};
	} else if (transfer_is_unwanted(transfer->receive)) {
		*out_errors = (struct transfer_errors){
			-ERR_DISMISSED,
			exchange_cancel_error(exchange_of_action(transfer->receive)),
		};
	} else if (lane->is_closed) {
		*out_errors = transfer_errors_of_close(transfer, lane);
	} else if (lane_peer(lane)->is_closed) {
		*out_errors = transfer_errors_of_close(transfer, lane_peer(lane));
	} else {
		return false;
	}
	return true;
}

/* ---- for its runner -------------------------------------------------------------------------- */

/* It is COPYING and over: nobody else shall end it. */
static void transfer_unlink(struct transfer *transfer)
{
	struct stream *stream = transfer->lane->stream;

	spinlock_acquire(&stream->lock);
	transfer_unlink_locked(transfer);
	spinlock_release(&stream->lock);
}

static void transfer_fail(struct transfer *transfer, struct transfer_errors errors)
{
	transfer_unlink(transfer);
	action_finish(transfer->send, errors.send, 0);
	action_finish(transfer->receive, errors.receive, 0);
	transfer_free(transfer);
}

/* With what the last copy said. */
static void transfer_finish(struct transfer *transfer, int error)
{
	transfer_unlink(transfer);
	meet_finish_copy(transfer->send, transfer->receive, error, transfer->done);
	transfer_free(transfer);
}

/* Go on to COPYING or READY; false: it has ended meanwhile and is gone. */
static bool transfer_go_to(struct transfer *transfer, enum transfer_state state)
{
	struct stream *stream = transfer->lane->stream;
	struct transfer_errors errors;

	spinlock_acquire(&stream->lock);
	bool is_over = transfer->state == TRANSFER_OVER;
	bool has_ended = !is_over && transfer_has_ended_locked(transfer, &errors);

	if (has_ended) {
		transfer_unlink_locked(transfer);
	} else if (!is_over) {
		transfer->state = state;
	}
	spinlock_release(&stream->lock);
	if (has_ended) {
		action_finish(transfer->send, errors.send, 0);
		action_finish(transfer->receive, errors.receive, 0);
	}
	if (has_ended || is_over) {
		transfer_free(transfer);
	}
	return !has_ended && !is_over;
}

/* Wait for the page in the note, as page_note_wait() says, unless it has to end. */
static int transfer_park(struct transfer *transfer)
{
	struct stream *stream = transfer->lane->stream;
	struct transfer_errors errors;
	int result = 0;

	spinlock_acquire(&stream->lock);
	/* If it has ended we shall see so in a moment. */
	if (!transfer_has_ended_locked(transfer, &errors)) {
		result = page_note_wait(&transfer->wait);
	}
	if (result == SPACE_PENDING) {
		transfer->state = TRANSFER_PARKED;
	}
	spinlock_release(&stream->lock);
	page_note_drop();
	return result;
}

/* A page that was to come has an error: whose page was it? */
static struct transfer_errors transfer_blame(bool is_receiver, int error)
{
	if (error == -ERR_NO_MEMORY) {
		return (struct transfer_errors){ error, error };
	}
	return is_receiver ? (struct transfer_errors){ -ERR_DISMISSED, -ERR_FAULT }
			   : (struct transfer_errors){ -ERR_FAULT, -ERR_DISMISSED };
}

/* The copy has met an absent page. True: READY, to be tried again; false: it is gone or parked. */
static bool transfer_await_page(struct transfer *transfer)
{
	/* What is written to is the receiver's, what is read the sender's. */
	bool is_receiver = page_note_is_write();
	int result = transfer_park(transfer);

	if (result == 0) {
		return transfer_go_to(transfer, TRANSFER_READY);
	}
	if (result != SPACE_PENDING) {
		transfer_fail(transfer, transfer_blame(is_receiver, result));
	}
	return false;
}

bool transfer_copy_slice(struct transfer *transfer)
{
	if (!transfer_go_to(transfer, TRANSFER_COPYING)) {
		return false;
	}
	int error = meet_copy_slice(transfer->send, transfer->receive, &transfer->done);

	if (error == 0 && transfer->done < transfer->send->length) {
		return transfer_go_to(transfer, TRANSFER_READY);
	}
	if (error == -ERR_FAULT && page_note_is_set()) {
		return transfer_await_page(transfer);
	}
	transfer_finish(transfer, error);
	return false;
}

/* ---- pages ----------------------------------------------------------------------------------- */

/* The object of the page is locked. */
static void transfer_page_done(struct page_wait *wait, UNUSED int error)
{
	work_post(&container_of(wait, struct transfer, wait)->work);
}

/* As a rule what is left is small. */
static void transfer_resume(struct work *work)
{
	struct transfer *transfer = container_of(work, struct transfer, work);
	struct stream *stream = transfer->lane->stream;

	spinlock_acquire(&stream->lock);
	(void)page_wait_end(&transfer->wait);
	if (transfer->state == TRANSFER_PARKED) {
		transfer->state = TRANSFER_READY;
	}
	spinlock_release(&stream->lock);
	if (transfer_copy_slice(transfer)) {
		transfer_run_alone(transfer);
	}
}

/* ---- beginning ------------------------------------------------------------------------------- */

static struct transfer *transfer_create(struct action *send, struct action *receive, uint64_t done)
{
	struct account *account = exchange_of_action(send)->operation.account;
	struct transfer *transfer = account_allocate(account, sizeof(*transfer));

	if (transfer == NULL) {
		return NULL;
	}
	transfer->account = account;
	transfer->send = send;
	transfer->receive = receive;
	transfer->lane = atomic_load(&send->lane);
	object_ref(&transfer->lane->object);
	transfer->done = done;
	transfer->state = TRANSFER_COPYING;
	list_node_init(&transfer->node);
	list_node_init(&transfer->runner_node);
	page_wait_init(&transfer->wait, transfer_page_done);
	work_init(&transfer->work, transfer_resume);
	return transfer;
}

void transfer_begin(struct action *send, struct action *receive, uint64_t done)
{
	struct transfer *transfer = transfer_create(send, receive, done);

	if (transfer == NULL) {
		page_note_drop();
		meet_finish_copy(send, receive, -ERR_NO_MEMORY, done);
		return;
	}
	spinlock_acquire(&transfer->lane->stream->lock);
	transfer_link_locked(transfer);
	spinlock_release(&transfer->lane->stream->lock);
	if (page_note_is_set() ? transfer_await_page(transfer)
			       : transfer_go_to(transfer, TRANSFER_READY)) {
		transfer_load(transfer);
	}
}

/* ---- for those who end it -------------------------------------------------------------------- */

/* What somebody has taken from a transfer. */
struct transfer_loot {
	struct action *send, *receive;
	struct transfer *transfer; /* to be freed; NULL: its runner does that */
};

/* Take the actions, unless a slice is being copied. */
static bool transfer_try_take_locked(struct transfer *transfer, struct transfer_loot *out_loot)
{
	if (transfer->state == TRANSFER_COPYING) {
		return false;
	}
	/* A page that came has posted its work, which is then the runner. */
	bool has_runner = transfer->state != TRANSFER_PARKED || !page_wait_end(&transfer->wait);

	*out_loot = (struct transfer_loot){
		.send = transfer->send,
		.receive = transfer->receive,
		.transfer = has_runner ? NULL : transfer,
	};
	transfer_unlink_locked(transfer);
	transfer->state = TRANSFER_OVER;
	return true;
}

static void transfer_end(const struct transfer_loot *loot, struct transfer_errors errors)
{
	action_finish(loot->send, errors.send, 0);
	action_finish(loot->receive, errors.receive, 0);
	if (loot->transfer != NULL) {
		transfer_free(loot->transfer);
	}
}

void transfer_cancel(struct lane *lane, struct action *action)
{
	struct transfer_loot loot;

	spinlock_acquire(&lane->stream->lock);
	bool is_ours =
		action->transfer != NULL && transfer_try_take_locked(action->transfer, &loot);

	spinlock_release(&lane->stream->lock);
	if (is_ours) {
		int error = exchange_cancel_error(exchange_of_action(action));

		transfer_end(&loot,
			loot.send == action ? (struct transfer_errors){ error, -ERR_DISMISSED }
					    : (struct transfer_errors){ -ERR_DISMISSED, error });
	}
}

/* Those that are being copied, one for each CPU at most, are passed over: they will see the end. */
static bool transfer_take_one_locked(
	struct lane *lane, struct transfer_loot *out_loot, struct transfer_errors *out_errors)
{
	LIST_FOR_EACH_SAFE(transfer, &lane->stream->transfers, struct transfer, node) {
		struct transfer_errors errors = transfer_errors_of_close(transfer, lane);

		if (transfer_try_take_locked(transfer, out_loot)) {
			*out_errors = errors;
			return true;
		}
	}
	return false;
}

void transfer_end_all(struct lane *lane)
{
	struct transfer_loot loot;
	struct transfer_errors errors;

	for (;;) {
		spinlock_acquire(&lane->stream->lock);
		bool is_ours = transfer_take_one_locked(lane, &loot, &errors);

		spinlock_release(&lane->stream->lock);
		if (!is_ours) {
			return;
		}
		transfer_end(&loot, errors);
	}
}
