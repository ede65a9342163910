/* SPDX-License-Identifier: MIT */
/*
 * User notification: calls that a filter leaves to who has its listener, a file.
 *
 *      asked about -> INIT -- RECV --> SENT -- SEND --> REPLIED -> the call's result, or it is made
 *                       |                |
 *                       +----------------+-- a signal, the thread's end: forgotten
 *                                        +-- the listener is closed: ENOSYS
 *
 * The call's POSIX_FILTER_CALL is parked meanwhile, and owns the notification. A listener lives for
 * as long as its filter, its file or a notification does. Notifications are in a tree by id; those
 * that nobody has received are in a list, too.
 */
#include <abi/linux/fcntl.h>
#include <abi/linux/poll.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/seccomp/seccomp.h>

constexpr uint32_t COMMAND_RECEIVE = 0xc0502100;
constexpr uint32_t COMMAND_SEND = 0xc0182101;
constexpr uint32_t COMMAND_IS_VALID = 0x40082102;

enum notification_state : uint8_t {
	NOTIFICATION_INIT,
	NOTIFICATION_SENT,
	NOTIFICATION_REPLIED,
};

struct seccomp_listener {
	uint32_t references;
	bool is_filter_gone, is_closed;
	bool waits_for_answers; /* a call that was received can only be ended by death */
	uint64_t last_id;
	uint32_t n_sent; /* that wait for an answer */
	struct tree notifications;
	struct list unsent;
	struct wait_queue changed;
};

struct notification {
	struct tree_node node;
	struct list_node unsent_node;
	struct seccomp_listener *listener; /* referenced */
	struct request *request;
	uint64_t id;
	uint32_t tid;
	enum notification_state state;
	struct linux_seccomp_data call;
	struct linux_seccomp_response response; /* REPLIED */
	struct wait_queue answered;
};

/* ---- listeners ------------------------------------------------------------------------------- */

struct seccomp_listener *listener_create(bool waits_for_answers)
{
	struct seccomp_listener *listener = helix_calloc(1, sizeof(*listener));

	if (listener != NULL) {
		listener->references = 1;
		listener->waits_for_answers = waits_for_answers;
		tree_init(&listener->notifications);
		list_init(&listener->unsent);
		wait_queue_init(&listener->changed);
	}
	return listener;
}

bool listener_is_open(const struct seccomp_listener *listener)
{
	return listener != NULL && !listener->is_closed;
}

void listener_unref(struct seccomp_listener *listener)
{
	if (--listener->references == 0) {
		helix_free(listener);
	}
}

void listener_filter_gone(struct seccomp_listener *listener)
{
	listener->is_filter_gone = true;
	wait_queue_wake(&listener->changed);
	listener_unref(listener);
}

static int compare_id(const void *key, const struct tree_node *node)
{
	uint64_t a = *(const uint64_t *)key, b = container_of(node, struct notification, node)->id;

	return a < b ? -1 : a > b;
}

static int compare_nodes(const struct tree_node *a, const struct tree_node *b)
{
	return compare_id(&container_of(a, struct notification, node)->id, b);
}

static struct notification *notification_find(const struct seccomp_listener *listener, uint64_t id)
{
	return TREE_ENTRY(
		tree_find(&listener->notifications, &id, compare_id), struct notification, node);
}

/* ---- the call's side ------------------------------------------------------------------------- */

static struct notification *notification_of(const struct request *request)
{
	return (struct notification *)request->state[0];
}

/* Its request has ended, in whatever way. */
static void notification_release(struct request *request)
{
	struct notification *notification = notification_of(request);
	struct seccomp_listener *listener = notification->listener;

	if (notification->state == NOTIFICATION_INIT) {
		list_remove(&notification->unsent_node);
	}
	listener->n_sent -= notification->state == NOTIFICATION_SENT;
	tree_remove(&listener->notifications, &notification->node);
	wait_queue_deinit(&notification->answered);
	helix_free(notification);
	listener_unref(listener);
}

bool seccomp_begin_notification(struct request *request, struct seccomp_listener *listener,
	const struct linux_seccomp_data *call, int64_t *out_result)
{
	struct notification *notification;

	if (!listener_is_open(listener)) {
		return false;
	}
	notification = helix_calloc(1, sizeof(*notification));
	if (notification == NULL) {
		*out_result = -LINUX_ENOMEM;
		return true;
	}
	tree_node_init(&notification->node);
	list_node_init(&notification->unsent_node);
	wait_queue_init(&notification->answered);
	notification->listener = listener;
	notification->request = request;
	notification->id = ++listener->last_id;
	notification->tid = request->thread->tid;
	notification->call = *call;
	listener->references++;
	tree_insert(&listener->notifications, &notification->node, compare_nodes);
	list_push_back(&listener->unsent, &notification->unsent_node);
	request->state[0] = (uint64_t)notification;
	request->release = notification_release;
	wait_queue_wake(&listener->changed);
	*out_result = request_wait_on(request, &notification->answered) != 0 ? -LINUX_ENOMEM
									     : REQUEST_PARK;
	return true;
}

bool seccomp_end_notification(struct request *request, struct linux_seccomp_data *out_call,
	struct linux_seccomp_response *out_response)
{
	const struct notification *notification = notification_of(request);

	*out_call = notification->call;
	*out_response = (struct linux_seccomp_response){ .error = -LINUX_ENOSYS };
	if (notification->state == NOTIFICATION_REPLIED) {
		*out_response = notification->response;
		return true;
	}
	return notification->listener->is_closed;
}

int64_t seccomp_await_notification(struct request *request)
{
	return request_wait_on(request, &notification_of(request)->answered) != 0 ? -LINUX_ENOMEM
										  : REQUEST_PARK;
}

/* ---- the listener's side --------------------------------------------------------------------- */

static bool is_zero(const void *buffer, size_t size)
{
	const uint8_t *bytes = buffer;

	for (size_t i = 0; i < size; i++) {
		if (bytes[i] != 0) {
			return false;
		}
	}
	return true;
}

static int64_t receive(struct seccomp_listener *listener, struct request *request,
	struct linux_seccomp_notification *buffer)
{
	struct notification *notification =
		LIST_FIRST(&listener->unsent, struct notification, unsent_node);

	if (!is_zero(buffer, sizeof(*buffer))) {
		return -LINUX_EINVAL;
	}
	if (notification == NULL) {
		if (listener->is_filter_gone) {
			return -LINUX_ENOENT;
		}
		return request_wait_on(request, &listener->changed) != 0 ? -LINUX_ENOMEM
									 : REQUEST_PARK;
	}
	list_remove(&notification->unsent_node);
	notification->state = NOTIFICATION_SENT;
	listener->n_sent++;
	if (listener->waits_for_answers) {
		request_park_as_killable(notification->request);
	}
	*buffer = (struct linux_seccomp_notification){
		.id = notification->id,
		.pid = notification->tid,
		.data = notification->call,
	};
	wait_queue_wake(&listener->changed);
	return 0;
}

static int64_t send_response(
	struct seccomp_listener *listener, const struct linux_seccomp_response *response)
{
	struct notification *notification;

	if ((response->flags & ~LINUX_SECCOMP_RESPONSE_CONTINUE) != 0 ||
		(response->flags != 0 && (response->error != 0 || response->value != 0))) {
		return -LINUX_EINVAL;
	}
	notification = notification_find(listener, response->id);
	if (notification == NULL) {
		return -LINUX_ENOENT;
	}
	if (notification->state != NOTIFICATION_SENT) {
		return -LINUX_EINPROGRESS;
	}
	notification->state = NOTIFICATION_REPLIED;
	notification->response = *response;
	listener->n_sent--;
	wait_queue_wake(&notification->answered);
	return 0;
}

static int64_t is_valid(const struct seccomp_listener *listener, uint64_t id)
{
	const struct notification *notification = notification_find(listener, id);

	return notification != NULL && notification->state == NOTIFICATION_SENT ? 0 : -LINUX_ENOENT;
}

static int64_t listener_ioctl(struct file *file, struct request *request, uint32_t command,
	UNUSED uint64_t value, void *buffer, UNUSED size_t size)
{
	struct seccomp_listener *listener = file->data;
	uint64_t id;

	/* an address that is no program's */
	if ((request->null_mask & 1) != 0) {
		return -LINUX_EFAULT;
	}
	switch (command) {
	case COMMAND_RECEIVE: return receive(listener, request, buffer);
	case COMMAND_SEND: return send_response(listener, buffer);
	case COMMAND_IS_VALID: memcpy(&id, buffer, sizeof(id)); return is_valid(listener, id);
	default: return -LINUX_EINVAL;
	}
}

static uint32_t listener_poll(
	struct file *file, void (*queue_of)(void *context, struct wait_queue *queue), void *context)
{
	struct seccomp_listener *listener = file->data;

	if (queue_of != NULL) {
		queue_of(context, &listener->changed);
	}
	return (!list_is_empty(&listener->unsent) ? LINUX_POLLIN | LINUX_POLLRDNORM : 0) |
		(listener->n_sent != 0 ? LINUX_POLLOUT | LINUX_POLLWRNORM : 0) |
		(listener->is_filter_gone ? LINUX_POLLHUP : 0);
}

static void listener_release(struct file *file)
{
	struct seccomp_listener *listener = file->data;

	listener->is_closed = true;
	for (struct tree_node *node = tree_first(&listener->notifications); node != NULL;
		node = tree_next(node)) {
		wait_queue_wake(&container_of(node, struct notification, node)->answered);
	}
	listener_unref(listener);
}

static const struct file_ops listener_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "seccomp notify",
	.ioctl = listener_ioctl,
	.poll = listener_poll,
	.release = listener_release,
};

int64_t listener_open(struct request *request, struct seccomp_listener *listener)
{
	struct file *file;
	int64_t error = file_create_anonymous(request->process, &listener_file_ops,
		"seccomp notify", listener, LINUX_O_RDWR, &file);

	if (error < 0) {
		return error;
	}
	listener->references++;
	return file_install(request, file, true);
}
