/* SPDX-License-Identifier: MIT */
/*
 * Descriptors on their way (SCM_RIGHTS), and sockets that only such messages hold.
 *
 * A message holds references to the files that it carries. A socket can so hold itself: its file
 * is in a message, in its own queue or in that of one that is held in the same way, and nobody can
 * ever receive it. Each socket counts how many references to its file messages hold
 * (`n_in_flight`); all that have any are in one list. A socket whose file has no other reference
 * can only be reached through the queue of one that can be reached. What cannot is found when a
 * socket is closed while any are in flight, by marking from those that have other references, and
 * its queue is emptied. Marking looks at all that is in flight, so it waits until so many sockets
 * were closed, or rights thrown away, that each has paid a little for it, or for a second: who
 * passes descriptors in a loop while others have many in flight does not pay for them each time.
 *
 * Throwing rights away closes files, which closes sockets, which throws rights away: that is a loop
 * over one list here, not a recursion, because chains can be as long as somebody likes.
 */
#include <abi/linux/errno.h>
#include <base/assert.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/process/account.h>
#include <posix/server/socket/unix.h>
#include <posix/server/time/time.h>

static struct list in_flight = LIST_INIT(in_flight);
static struct list dropped = LIST_INIT(dropped);
static bool is_dropping;
static bool is_collecting;

static void flight_begin(struct file *file)
{
	struct unix_socket *socket = unix_of_file(file);

	file_ref(file);
	if (socket != NULL && socket->n_in_flight++ == 0) {
		list_push_back(&in_flight, &socket->flight_node);
	}
}

static void flight_end(struct file *file)
{
	struct unix_socket *socket = unix_of_file(file);

	if (socket != NULL && --socket->n_in_flight == 0) {
		list_remove(&socket->flight_node);
	}
	file_unref(file);
}

static struct unix_rights *rights_allocate(uint32_t n_files, uint32_t uid)
{
	struct unix_rights *rights =
		helix_malloc(sizeof(*rights) + n_files * sizeof(rights->files[0]));

	if (rights == NULL) {
		return NULL;
	}
	rights->n_files = n_files;
	if (account_charge(uid, ACCOUNT_RIGHTS, n_files, UINT64_MAX, &rights->account) != 0) {
		helix_free(rights);
		return NULL;
	}
	list_node_init(&rights->node);
	return rights;
}

/* As in Linux a user may have one message more than the limit of descriptors, root any number. */
static bool may_send_more(const struct process *process)
{
	return account_count(process->credentials.uid, ACCOUNT_RIGHTS) <=
		process->limits[LIMIT_NOFILE][0] ||
		credentials_has(&process->credentials, LINUX_CAP_SYS_RESOURCE) ||
		credentials_has(&process->credentials, LINUX_CAP_SYS_ADMIN);
}

int64_t unix_rights_create(struct process *process, const int32_t *fds, uint32_t n_fds,
	struct unix_rights **out_rights)
{
	if (n_fds == 0) {
		*out_rights = NULL;
		return 0;
	}
	if (n_fds > LINUX_SCM_MAX_FD) {
		return -LINUX_EINVAL;
	}
	for (uint32_t i = 0; i < n_fds; i++) {
		if (fd_table_get(process->files, fds[i]) == NULL) {
			return -LINUX_EBADF;
		}
	}
	if (!may_send_more(process)) {
		return -LINUX_ETOOMANYREFS;
	}
	struct unix_rights *rights = rights_allocate(n_fds, process->credentials.uid);

	if (rights == NULL) {
		return -LINUX_ENOMEM;
	}
	for (uint32_t i = 0; i < n_fds; i++) {
		rights->files[i] = fd_table_get(process->files, fds[i]);
		flight_begin(rights->files[i]);
	}
	*out_rights = rights;
	return 0;
}

struct unix_rights *unix_rights_copy(const struct unix_rights *rights)
{
	struct unix_rights *copy = rights_allocate(rights->n_files, rights->account->uid);

	for (uint32_t i = 0; copy != NULL && i < rights->n_files; i++) {
		copy->files[i] = rights->files[i];
		flight_begin(copy->files[i]);
	}
	return copy;
}

void unix_rights_drop(struct unix_rights *rights)
{
	list_push_back(&dropped, &rights->node);
	if (is_dropping) {
		return;
	}
	is_dropping = true;
	while ((rights = LIST_POP_FRONT(&dropped, struct unix_rights, node)) != NULL) {
		for (uint32_t i = 0; i < rights->n_files; i++) {
			flight_end(rights->files[i]);
		}
		account_discharge(rights->account, ACCOUNT_RIGHTS, rights->n_files);
		helix_free(rights);
	}
	is_dropping = false;
	unix_collect(); /* sockets may have been closed */
}

/* ---- cycles ---------------------------------------------------------------------------------- */

constexpr uint64_t WORK_PER_CALL = 64; /* sockets and descriptors that one call pays for */
constexpr uint64_t COLLECT_LATEST_NS = 1000000000;

static uint64_t n_paid, work; /* since the last search; what that looked at */
static struct timer late_timer;

static void collect_late(UNUSED struct timer *timer)
{
	n_paid = work;
	unix_collect();
}

/* Whether a search is due; else it comes later. */
static bool is_due(void)
{
	n_paid += WORK_PER_CALL;
	if (n_paid >= work) {
		n_paid = 0;
		work = 0;
		return true;
	}
	if (!timer_is_armed(&late_timer)) {
		timer_init(&late_timer, collect_late);
		timer_arm(posix_loop(), &late_timer, clock_monotonic_ns() + COLLECT_LATEST_NS);
	}
	return false;
}

static void visit_queue(const struct unix_socket *socket,
	void (*visit)(struct unix_socket *carried, struct list *found), struct list *found)
{
	LIST_FOR_EACH(message, &socket->messages, struct unix_message, node) {
		work += 1 + (message->rights != NULL ? message->rights->n_files : 0);
		for (uint32_t i = 0; message->rights != NULL && i < message->rights->n_files; i++) {
			struct unix_socket *carried = unix_of_file(message->rights->files[i]);

			if (carried != NULL && carried->is_suspect) {
				visit(carried, found);
			}
		}
	}
}

/* Visits the suspects that messages carry which only `socket` can receive. */
static void visit_carried(const struct unix_socket *socket,
	void (*visit)(struct unix_socket *carried, struct list *found), struct list *found)
{
	visit_queue(socket, visit, found);
	LIST_FOR_EACH(child, &socket->children, struct unix_socket, child_node) {
		visit_queue(child, visit, found);
	}
}

static void discount(struct unix_socket *carried, UNUSED struct list *found)
{
	carried->n_outside--;
}

static void clear_suspect(struct unix_socket *socket, struct list *found)
{
	socket->is_suspect = false;
	list_remove(&socket->flight_node);
	list_push_back(found, &socket->flight_node);
}

/*
 * Suspects are those whose file only messages hold. References from queues of suspects do not
 * count; who has others is reachable, and so is all that can be reached from there. The others stay
 * in `in_flight`, as suspects; the cleared ones are in `found`.
 */
static void find_unreachable(struct list *found)
{
	struct list cleared;

	LIST_FOR_EACH(socket, &in_flight, struct unix_socket, flight_node) {
		work++;
		socket->is_suspect =
			socket->file != NULL && socket->file->references == socket->n_in_flight;
		socket->n_outside = socket->n_in_flight;
	}
	LIST_FOR_EACH(socket, &in_flight, struct unix_socket, flight_node) {
		if (socket->is_suspect) {
			visit_carried(socket, discount, NULL);
		}
	}
	list_init(&cleared);
	LIST_FOR_EACH_SAFE(socket, &in_flight, struct unix_socket, flight_node) {
		if (!socket->is_suspect) {
			list_remove(&socket->flight_node);
			list_push_back(found, &socket->flight_node);
		} else if (socket->n_outside > 0) {
			clear_suspect(socket, &cleared);
		}
	}
	for (;;) {
		struct unix_socket *socket =
			LIST_POP_FRONT(&cleared, struct unix_socket, flight_node);

		if (socket == NULL) {
			return;
		}
		list_push_back(found, &socket->flight_node);
		visit_carried(socket, clear_suspect, &cleared);
	}
}

static void empty_queues(struct unix_socket *socket)
{
	unix_drop_messages(socket);
	LIST_FOR_EACH(child, &socket->children, struct unix_socket, child_node) {
		unix_drop_messages(child);
	}
}

void unix_collect(void)
{
	struct unix_socket *garbage = NULL;
	struct list found;

	if (is_collecting || is_dropping || list_is_empty(&in_flight) || !is_due()) {
		return;
	}
	is_collecting = true;
	list_init(&found);
	find_unreachable(&found);
	LIST_FOR_EACH(socket, &in_flight, struct unix_socket, flight_node) {
		socket->is_suspect = false;
		file_ref(socket->file);
		socket->next_garbage = garbage;
		garbage = socket;
	}
	list_append_all(&in_flight, &found);
	for (struct unix_socket *socket = garbage; socket != NULL; socket = socket->next_garbage) {
		empty_queues(socket);
	}
	while (garbage != NULL) {
		struct unix_socket *next = garbage->next_garbage;

		file_unref(garbage->file);
		garbage = next;
	}
	is_collecting = false;
}
