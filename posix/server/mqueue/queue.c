/* SPDX-License-Identifier: MIT */
/* A queue and its messages; see mqueue.h. */
#include <base/assert.h>
#include <helix/memory.h>
#include <posix/server/file/views.h>
#include <posix/server/mqueue/mqueue.h>
#include <posix/server/process/account.h>
#include <posix/server/process/process.h>

/* What stat() tells of every queue: as long as the text that can be read from it, and then some. */
constexpr uint64_t FILE_SIZE = 80;

/* ---- life ------------------------------------------------------------------------------------ */

static int64_t check_attributes(const struct mqueue_limits *limits, const struct process *maker,
	const struct linux_mq_attr *attributes)
{
	bool is_privileged =
		maker == NULL || credentials_has(&maker->credentials, LINUX_CAP_SYS_RESOURCE);
	int64_t n_max = is_privileged ? MQUEUE_MESSAGES_MAX : limits->n_messages_max;
	int64_t size_max = is_privileged ? MQUEUE_MESSAGE_SIZE_MAX : limits->message_size_max;

	return attributes->n_messages_max > 0 && attributes->message_size_max > 0 &&
			attributes->n_messages_max <= n_max &&
			attributes->message_size_max <= size_max
		? 0
		: -LINUX_EINVAL;
}

/* As if it were full of messages that all differ in priority. */
static uint64_t bytes_to_charge(const struct linux_mq_attr *attributes)
{
	uint64_t n = (uint64_t)attributes->n_messages_max;

	return n * ((uint64_t)attributes->message_size_max + LINUX_MQ_MESSAGE_BYTES) +
		min_u64(n, LINUX_MQ_PRIO_MAX) * LINUX_MQ_PRIORITY_BYTES;
}

static int64_t charge(struct mqueue *queue, const struct process *maker)
{
	if (maker == NULL) {
		return 0;
	}
	int64_t error = account_charge(maker->credentials.uid, ACCOUNT_MESSAGE_QUEUES,
		queue->n_charged_bytes, maker->limits[LIMIT_MSGQUEUE][0], &queue->account);

	return error == -LINUX_EDQUOT ? -LINUX_EMFILE : error;
}

static int32_t min_limit(int32_t a, int32_t b)
{
	return a < b ? a : b;
}

int64_t mqueue_create(struct mqueue_super *super, const struct process *maker,
	const struct node_spec *spec, const struct linux_mq_attr *attributes,
	struct mqueue **out_queue)
{
	const struct mqueue_limits *limits = &super->limits;
	struct linux_mq_attr usual = {
		.n_messages_max = min_limit(limits->n_messages_usual, limits->n_messages_max),
		.message_size_max = min_limit(limits->message_size_usual, limits->message_size_max),
	};

	attributes = attributes != NULL ? attributes : &usual;
	int64_t error = check_attributes(limits, maker, attributes);

	if (error < 0) {
		return error;
	}
	struct mqueue *queue = helix_calloc(1, sizeof(*queue));

	if (queue == NULL) {
		return -LINUX_ENOMEM;
	}
	queue->n_messages_max = (uint32_t)attributes->n_messages_max;
	queue->message_size_max = (uint32_t)attributes->message_size_max;
	queue->n_charged_bytes = bytes_to_charge(attributes);
	error = charge(queue, maker);
	if (error < 0) {
		helix_free(queue);
		return error;
	}
	inode_init(&queue->inode, &mqueue_inode_ops, &super->super, spec);
	queue->inode.size_bytes = FILE_SIZE;
	tree_init(&queue->messages);
	tree_init(&queue->senders);
	tree_init(&queue->receivers);
	wait_queue_init(&queue->changed);
	super->n_queues++;
	*out_queue = queue;
	return 0;
}

static struct mqueue_message *first_message(const struct mqueue *queue)
{
	return TREE_ENTRY(tree_first(&queue->messages), struct mqueue_message, node);
}

void mqueue_destroy(struct mqueue *queue)
{
	struct mqueue_message *message;

	ASSERT(tree_is_empty(&queue->senders) && tree_is_empty(&queue->receivers));
	mqueue_notify_forget(queue);
	while ((message = first_message(queue)) != NULL) {
		tree_remove(&queue->messages, &message->node);
		helix_free(message);
	}
	if (queue->account != NULL) {
		account_discharge(queue->account, ACCOUNT_MESSAGE_QUEUES, queue->n_charged_bytes);
	}
	container_of(queue->inode.super, struct mqueue_super, super)->n_queues--;
	helix_free(queue);
}

uint64_t mqueue_held_bytes(const struct file *file)
{
	const struct mqueue *queue = mqueue_of(file->inode);

	return queue->n_bytes + queue->n_messages * sizeof(struct mqueue_message);
}

/* ---- messages -------------------------------------------------------------------------------- */

/* The higher priority first, and of equals the one that came first. */
static int message_compare(const struct tree_node *a, const struct tree_node *b)
{
	uint32_t of_a = container_of(a, const struct mqueue_message, node)->priority;
	uint32_t of_b = container_of(b, const struct mqueue_message, node)->priority;

	return of_a > of_b ? -1 : of_a < of_b;
}

static void put(struct mqueue *queue, struct mqueue_message *message)
{
	ASSERT(!mqueue_is_full(queue));
	tree_insert(&queue->messages, &message->node, message_compare);
	queue->n_messages++;
	queue->n_bytes += message->size;
}

/* As Linux: all of its times are that of the last message. */
static void touch(struct mqueue *queue)
{
	inode_touch_modified(&queue->inode);
	queue->inode.atime_ns = queue->inode.mtime_ns;
}

void mqueue_touch_accessed(struct mqueue *queue)
{
	inode_touch_changed(&queue->inode);
	queue->inode.atime_ns = queue->inode.ctime_ns;
}

void mqueue_send(struct mqueue *queue, const struct process *sender, struct mqueue_message *message)
{
	touch(queue);
	if (mqueue_serve_receiver(queue, message)) {
		return;
	}
	put(queue, message);
	if (queue->n_messages == 1) {
		mqueue_notify(queue, sender);
	}
	wait_queue_wake(&queue->changed);
}

struct mqueue_message *mqueue_receive(struct mqueue *queue)
{
	struct mqueue_message *message = first_message(queue);

	if (message == NULL) {
		return NULL;
	}
	touch(queue);
	tree_remove(&queue->messages, &message->node);
	queue->n_messages--;
	queue->n_bytes -= message->size;
	struct mqueue_message *next = mqueue_serve_sender(queue);

	if (next != NULL) {
		put(queue, next);
	} else {
		wait_queue_wake(&queue->changed);
	}
	return message;
}
