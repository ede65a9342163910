/* SPDX-License-Identifier: MIT */
/* System V message queues. Senders wait for room, receivers for a message of their type. */
#include <base/format.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/handlers.h>
#include <posix/server/ipc/control.h>
#include <posix/server/process/process-internal.h>

struct message {
	struct list_node node;
	int64_t type;
	size_t size;
	uint8_t text[];
};

struct message_queue {
	struct ipc_object object;
	struct list messages;
	uint64_t n_messages, n_bytes, bytes_max;
	int64_t send_time, receive_time;
	uint32_t send_pid, receive_pid;
	struct wait_queue sent, received;
};

static struct ipc_table queues;

static struct message_queue *queue_of(struct ipc_object *object)
{
	return object != NULL ? container_of(object, struct message_queue, object) : NULL;
}

int64_t posix_msgget(struct request *request)
{
	int32_t key = (int32_t)request->args[0];
	uint32_t flags = (uint32_t)request->args[1];
	struct ipc_object *object;
	int64_t error =
		ipc_lookup(&queues, request->process, key, flags, MESSAGE_QUEUES_MAX, &object);

	if (error < 0) {
		return error;
	}
	if (object == NULL) {
		struct message_queue *queue = helix_calloc(1, sizeof(*queue));

		if (queue == NULL) {
			return -LINUX_ENOMEM;
		}
		list_init(&queue->messages);
		wait_queue_init(&queue->sent);
		wait_queue_init(&queue->received);
		queue->bytes_max = MESSAGE_QUEUE_BYTES;
		ipc_add(&queues, request->process, key, flags, &queue->object);
		object = &queue->object;
	}
	return object->id;
}

/* The queue of a call that may wait; NULL with *out_error. */
static struct message_queue *queue_of_call(
	struct request *request, uint32_t wanted, int64_t *out_error)
{
	struct message_queue *queue = queue_of(ipc_find(&queues, (int32_t)request->args[0]));

	*out_error = 0;
	if (queue == NULL) {
		*out_error = request->is_first_attempt ? -LINUX_EINVAL : -LINUX_EIDRM;
	} else if (!ipc_may(request->process, &queue->object, wanted)) {
		*out_error = -LINUX_EACCES;
	}
	return *out_error == 0 ? queue : NULL;
}

static int64_t wait_on(struct request *request, struct wait_queue *queue)
{
	request->interrupted_result = -LINUX_ERESTARTNOHAND;
	return request_wait_on(request, queue) != 0 ? -LINUX_ENOMEM : REQUEST_PARK;
}

/* ---- msgsnd ---------------------------------------------------------------------------------- */

/* args: queue, -, size with the type before the text, flags. */
int64_t posix_msgsnd(struct request *request)
{
	size_t size;
	const uint8_t *in = request_in(request, 1, &size);
	int64_t type, error;

	if (in == NULL || size < sizeof(type)) {
		return -LINUX_EFAULT;
	}
	memcpy(&type, in, sizeof(type));
	size -= sizeof(type);
	if (type < 1 || size > MESSAGE_SIZE_MAX || (int32_t)request->args[0] < 0) {
		return -LINUX_EINVAL;
	}
	struct message_queue *queue = queue_of_call(request, IPC_WRITE, &error);

	if (queue == NULL) {
		return error;
	}
	if (queue->n_bytes + size > queue->bytes_max || queue->n_messages + 1 > queue->bytes_max) {
		return (request->args[3] & LINUX_IPC_NOWAIT) != 0
			? -LINUX_EAGAIN
			: wait_on(request, &queue->received);
	}
	struct message *message = helix_malloc(sizeof(*message) + size);

	if (message == NULL) {
		return -LINUX_ENOMEM;
	}
	message->type = type;
	message->size = size;
	memcpy(message->text, in + sizeof(type), size);
	list_push_back(&queue->messages, &message->node);
	queue->n_messages++;
	queue->n_bytes += size;
	queue->send_time = ipc_now();
	queue->send_pid = request->process->pid;
	wait_queue_wake(&queue->sent);
	return 0;
}

/* ---- msgrcv ---------------------------------------------------------------------------------- */

/* The message that a receiver of @type gets, NULL: none yet. */
static struct message *choose(const struct message_queue *queue, int64_t type, bool is_except)
{
	struct message *best = NULL;

	LIST_FOR_EACH(message, &queue->messages, struct message, node) {
		if (type >= 0) {
			if (type == 0 || (message->type == type) != is_except) {
				return message;
			}
		} else if (message->type <= (type == INT64_MIN ? INT64_MAX : -type) &&
			(best == NULL || message->type < best->type)) {
			best = message;
		}
	}
	return best;
}

static void take(struct request *request, struct message_queue *queue, struct message *message)
{
	list_remove(&message->node);
	queue->n_messages--;
	queue->n_bytes -= message->size;
	queue->receive_time = ipc_now();
	queue->receive_pid = request->process->pid;
	helix_free(message);
	wait_queue_wake(&queue->received);
}

/* args: queue, -, size with the type before the text, type, flags; so is the result. */
int64_t posix_msgrcv(struct request *request)
{
	uint64_t flags = request->args[4], room = request->args[2] - sizeof(int64_t);
	int64_t type = (int64_t)request->args[3], error;

	if (request->args[2] < sizeof(type) || (int32_t)request->args[0] < 0) {
		return -LINUX_EINVAL;
	}
	if ((flags & LINUX_MSG_COPY) != 0) { /* as a Linux without checkpoints */
		unimplemented_count(request->number);
		return -LINUX_ENOSYS;
	}
	struct message_queue *queue = queue_of_call(request, IPC_READ, &error);

	if (queue == NULL) {
		return error;
	}
	struct message *message = choose(queue, type, (flags & LINUX_MSG_EXCEPT) != 0);

	if (message == NULL) {
		return (flags & LINUX_IPC_NOWAIT) != 0 ? -LINUX_ENOMSG
						       : wait_on(request, &queue->sent);
	}
	if (message->size > room && (flags & LINUX_MSG_NOERROR) == 0) {
		return -LINUX_E2BIG;
	}
	size_t size = min_size(message->size, room);
	uint8_t *out = request_bulk_buffer(request, sizeof(type) + size);

	if (out == NULL) {
		return -LINUX_ENOMEM;
	}
	memcpy(out, &message->type, sizeof(type));
	memcpy(out + sizeof(type), message->text, size);
	take(request, queue, message);
	return (int64_t)(sizeof(type) + size);
}

/* ---- msgctl ---------------------------------------------------------------------------------- */

static void queue_destroy(struct message_queue *queue)
{
	ipc_remove(&queues, &queue->object);
	wait_queue_wake(&queue->sent);
	wait_queue_wake(&queue->received);
	LIST_FOR_EACH_SAFE(message, &queue->messages, struct message, node) {
		helix_free(message);
	}
	helix_free(queue);
}

static int64_t queue_set(struct ipc_control *control, struct message_queue *queue)
{
	const struct linux_msqid_ds *in = control->in;

	if (in->bytes_max > MESSAGE_QUEUE_BYTES &&
		!process_has(control->process, LINUX_CAP_SYS_RESOURCE)) {
		return -LINUX_EPERM;
	}
	if (in->bytes_max == 0 || in->bytes_max > INT32_MAX) {
		return -LINUX_EINVAL;
	}
	int64_t error = ipc_set(&queue->object, &in->perm);

	if (error < 0) {
		return error;
	}
	queue->bytes_max = in->bytes_max;
	wait_queue_wake(&queue->received);
	wait_queue_wake(&queue->sent); /* who may no longer read is told */
	return 0;
}

static int64_t tell_limits(struct ipc_control *control, bool is_use)
{
	uint64_t n_messages = 0, n_bytes = 0;

	for (uint32_t i = 0; is_use && i < IPC_PLACES; i++) {
		const struct message_queue *queue = queue_of(queues.objects[i]);

		n_messages += queue != NULL ? queue->n_messages : 0;
		n_bytes += queue != NULL ? queue->n_bytes : 0;
	}
	*(struct linux_msginfo *)control->out = (struct linux_msginfo){
		.pool = is_use ? (int32_t)queues.n_objects
			       : (int32_t)(MESSAGE_QUEUES_MAX * MESSAGE_QUEUE_BYTES / 1024),
		.map = is_use ? (int32_t)n_messages : (int32_t)MESSAGE_QUEUE_BYTES,
		.headers = is_use ? (int32_t)n_bytes : (int32_t)MESSAGE_QUEUE_BYTES,
		.message_max = MESSAGE_SIZE_MAX,
		.bytes_max = MESSAGE_QUEUE_BYTES,
		.queues_max = MESSAGE_QUEUES_MAX,
		.segment_size = 16,
		.segments = 0xffff,
	};
	return ipc_last_index(&queues);
}

static void queue_encode(const struct message_queue *queue, struct linux_msqid_ds *out)
{
	*out = (struct linux_msqid_ds){
		.send_time = queue->send_time,
		.receive_time = queue->receive_time,
		.change_time = queue->object.change_time,
		.n_bytes = queue->n_bytes,
		.n_messages = queue->n_messages,
		.bytes_max = queue->bytes_max,
		.send_pid = queue->send_pid,
		.receive_pid = queue->receive_pid,
	};
	ipc_encode(&queue->object, &out->perm);
}

int64_t messages_control(struct ipc_control *control)
{
	struct message_queue *queue;

	switch (control->command) {
	case LINUX_IPC_INFO:
	case LINUX_MSG_INFO:
		if (control->out_size < sizeof(struct linux_msginfo)) {
			return -LINUX_EFAULT;
		}
		return tell_limits(control, control->command == LINUX_MSG_INFO);
	case LINUX_IPC_STAT:
	case LINUX_MSG_STAT:
	case LINUX_MSG_STAT_ANY:
	case LINUX_IPC_RMID:
	case LINUX_IPC_SET: queue = queue_of(ipc_control_find(control, &queues)); break;
	default: return -LINUX_EINVAL;
	}
	if (queue == NULL) {
		return control->error;
	}
	switch (control->command) {
	case LINUX_IPC_RMID: queue_destroy(queue); return 0;
	case LINUX_IPC_SET: return queue_set(control, queue);
	default:
		queue_encode(queue, control->out);
		return control->command == LINUX_IPC_STAT ? 0 : queue->object.id;
	}
}

/* ---- /proc/sysvipc --------------------------------------------------------------------------- */

size_t messages_print(uint64_t *cursor, char *buffer, size_t size)
{
	static const char heading[] =
		"       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  "
		"cgid      stime      rtime      ctime\n";

	if (*cursor == 0) {
		*cursor = 1;
		return format_to(buffer, size, "%s", heading);
	}
	const struct ipc_object *object = ipc_next(&queues, cursor);

	if (object == NULL) {
		return 0;
	}
	const struct message_queue *queue = container_of(object, struct message_queue, object);

	return format_to(buffer, size,
		"%10d %10d  %4o  %10llu %10llu %5u %5u %5u %5u %5u %5u %10lld %10lld %10lld\n",
		object->key, object->id, object->mode, (unsigned long long)queue->n_bytes,
		(unsigned long long)queue->n_messages, queue->send_pid, queue->receive_pid,
		object->uid, object->gid, object->cuid, object->cgid, (long long)queue->send_time,
		(long long)queue->receive_time, (long long)object->change_time);
}
