/* SPDX-License-Identifier: MIT */
/*
 * POSIX message queues: mq_open() and its family, and the file system `mqueue` that has the names.
 *
 * A queue is an inode of that file system, a queue descriptor an ordinary file. So close(), dup(),
 * poll(), fstat() and modes are what they are of any file, and a queue lives until it has neither
 * name nor user. There is one file system; a mount of the type `mqueue` shows it. The calls find
 * names in it whether it is mounted or not.
 *
 *	mqueue_super ---- names (dentries) ----> mqueue <---- file <---- descriptor
 *	   limits                                  | messages, by priority and as they came
 *	                                           | senders and receivers that wait
 *	                                           | who is to be notified
 *
 * Messages are handed over. A sender gives his to the receiver that waits first, and a receiver who
 * makes room lets in that of the sender that waits first; each wakes that one and no other. So
 * receivers wait only while there is no message, and senders while there are as many as fit.
 *
 * Who waits first is who has the highest precedence as a thread, and among equals who came first.
 *
 * Messages, waits and their order are intrusive trees; handing over and waking allocate nothing.
 */
#ifndef POSIX_MQUEUE_H
#define POSIX_MQUEUE_H

#include <abi/linux/mqueue.h>
#include <abi/linux/signal.h>
#include <base/tree.h>
#include <posix/server/fs/ram-directory.h>
#include <posix/server/vfs/mount.h>

struct account;
struct netlink_notice;
struct process;
struct request;

/* /proc/sys/fs/mqueue */
struct mqueue_limits {
	int32_t queues_max;
	int32_t n_messages_max, message_size_max; /* for who has no CAP_SYS_RESOURCE */
	int32_t n_messages_usual, message_size_usual;
};

/* What not even the privileged may have. */
constexpr int32_t MQUEUE_MESSAGES_MAX = 65536;
constexpr int32_t MQUEUE_MESSAGE_SIZE_MAX = 16 * 1024 * 1024;

/* The file system, and the name space of the calls. */
struct mqueue_super {
	struct super super;
	struct mount mount; /* what the calls' files are in; in no tree */
	struct inode root;
	struct ram_directory names;
	struct mqueue_limits limits;
	uint32_t n_queues;
};

struct mqueue_message {
	struct tree_node node; /* while it is in a queue */
	uint32_t priority;
	size_t size;
	uint8_t bytes[];
};

/* Who is told once when a message comes to the empty queue and nobody waits for it. */
struct mqueue_notification {
	uint32_t pid; /* 0: nobody */
	uint64_t start_ns; /* of that process */
	uint64_t mm_serial; /* of the program that asked: another one is not signalled */
	int32_t notify; /* enum linux_sigevent_notify */
	int32_t signal;
	uint64_t value;
	struct netlink_notice *notice; /* of SIGEV_THREAD, with what it is to say */
	uint8_t cookie[LINUX_NOTIFY_COOKIE_SIZE];
};

struct mqueue {
	struct inode inode;
	uint32_t n_messages_max, message_size_max;
	uint32_t n_messages;
	uint64_t n_bytes; /* of all messages */
	struct tree messages; /* struct mqueue_message */
	struct tree senders, receivers; /* struct mqueue_wait, see wait.c */
	struct wait_queue changed; /* n_messages has; for poll */
	struct mqueue_notification notification;
	struct account *account; /* of who made it, which is charged with */
	uint64_t n_charged_bytes;
};

extern const struct file_ops mqueue_file_ops;
extern const struct inode_ops mqueue_inode_ops;

static inline struct mqueue *mqueue_of(struct inode *inode)
{
	return container_of(inode, struct mqueue, inode);
}

/* ---- file-system.c --------------------------------------------------------------------------- */

/** mqueue_init() - make the file system; 0 or -LINUX_ENOMEM */
int64_t mqueue_init(void);

/** mqueue_super() - the one that there is */
struct mqueue_super *mqueue_super(void);

/** mqueue_mount_create() - for the table of file system types */
int64_t mqueue_mount_create(const char *source, const char *options, struct super **out_super);

/**
 * mqueue_make() - make a queue and give it the name of the negative @dentry
 * @maker: whose limits count, and whose user is charged; NULL: the system
 * @attributes: NULL: the usual
 *
 * Return: 0, -LINUX_EINVAL, -LINUX_ENOSPC, -LINUX_EMFILE (RLIMIT_MSGQUEUE), -LINUX_ENOMEM.
 */
int64_t mqueue_make(struct dentry *dentry, const struct process *maker,
	const struct node_spec *spec, const struct linux_mq_attr *attributes);

/* ---- queue.c --------------------------------------------------------------------------------- */

/**
 * mqueue_create() - a queue without a name, with one reference
 *
 * Arguments and result are those of mqueue_make().
 */
int64_t mqueue_create(struct mqueue_super *super, const struct process *maker,
	const struct node_spec *spec, const struct linux_mq_attr *attributes,
	struct mqueue **out_queue);

/** mqueue_destroy() - the last reference is gone */
void mqueue_destroy(struct mqueue *queue);

/** mqueue_is_full() - a sender would have to wait */
static inline bool mqueue_is_full(const struct mqueue *queue)
{
	return queue->n_messages >= queue->n_messages_max;
}

/** mqueue_send() - give @message, which is taken, to a queue that is not full */
void mqueue_send(
	struct mqueue *queue, const struct process *sender, struct mqueue_message *message);

/** mqueue_receive() - the message that is first, which is the caller's then; NULL: there is none */
struct mqueue_message *mqueue_receive(struct mqueue *queue);

/** mqueue_touch_accessed() - it was used, but not for a message: access and status are of now */
void mqueue_touch_accessed(struct mqueue *queue);

/** mqueue_held_bytes() - what posix keeps for a queue */
uint64_t mqueue_held_bytes(const struct file *file);

/* ---- wait.c ---------------------------------------------------------------------------------- */

/**
 * mqueue_wait() - park a call until its turn comes
 * @file: is referenced until the request ends
 * @message: of a sender, which is taken if this parks; NULL: it receives
 * @deadline_ns: of the wall clock, UINT64_MAX: none
 *
 * Later attempts call mqueue_wait_result().
 *
 * Return: REQUEST_PARK, -LINUX_EAGAIN, -LINUX_ETIMEDOUT, -LINUX_ENOMEM.
 */
int64_t mqueue_wait(struct request *request, struct file *file, struct mqueue_message *message,
	uint64_t deadline_ns);

/**
 * mqueue_wait_result() - what has become of the wait of a request
 * @out_message: what a receiver was given: borrowed, it goes with the request; a sender's: NULL
 *
 * Return: 0, -LINUX_ETIMEDOUT, REQUEST_PARK, -LINUX_ENOMEM.
 */
int64_t mqueue_wait_result(struct request *request, const struct mqueue_message **out_message);

/** mqueue_serve_receiver() - give @message, which is taken, to who waits first; false: nobody */
bool mqueue_serve_receiver(struct mqueue *queue, struct mqueue_message *message);

/** mqueue_serve_sender() - the message of who waits first, who is done; NULL: nobody waits */
struct mqueue_message *mqueue_serve_sender(struct mqueue *queue);

/* ---- notify.c -------------------------------------------------------------------------------- */

/** mqueue_notify() - a message has come to the empty queue: tell whoever wants to know */
void mqueue_notify(struct mqueue *queue, const struct process *sender);

/** mqueue_notify_end() - @process, if it is who was to be told, is not to be any more */
bool mqueue_notify_end(struct mqueue *queue, const struct process *process);

/** mqueue_notify_forget() - whoever was to be told will not be */
void mqueue_notify_forget(struct mqueue *queue);

/* ---- limits.c -------------------------------------------------------------------------------- */

/** mqueue_limits_init() - Linux' */
void mqueue_limits_init(struct mqueue_limits *limits);

/** mqueue_limit_get() - by its name in /proc/sys/fs/mqueue */
int32_t mqueue_limit_get(struct mqueue_limits *limits, const char *name);

/** mqueue_limit_set() - 0 or -LINUX_EINVAL: beyond what it may be */
int64_t mqueue_limit_set(struct mqueue_limits *limits, const char *name, int64_t value);

#endif
