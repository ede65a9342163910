/* SPDX-License-Identifier: MIT */
/* POSIX message queues, as on Linux. */
#ifndef ABI_LINUX_MQUEUE_H
#define ABI_LINUX_MQUEUE_H

#include <stdint.h>

constexpr uint32_t LINUX_MQ_PRIO_MAX = 32768; /* priorities are below */

struct linux_mq_attr {
	int64_t flags; /* O_NONBLOCK or nothing */
	int64_t n_messages_max;
	int64_t message_size_max;
	int64_t n_messages;
	int64_t reserved[4];
};
static_assert(sizeof(struct linux_mq_attr) == 64);

/* What mq_notify() with SIGEV_THREAD sends to a socket: the caller's bytes but for the last one. */
constexpr uint32_t LINUX_NOTIFY_COOKIE_SIZE = 32;

enum linux_notify_reason : uint8_t {
	LINUX_NOTIFY_WOKENUP = 1, /* a message has come */
	LINUX_NOTIFY_REMOVED = 2, /* none will be told of */
};

/* As large as Linux' structures: RLIMIT_MSGQUEUE counts them. */
constexpr uint32_t LINUX_MQ_MESSAGE_BYTES = 48, LINUX_MQ_PRIORITY_BYTES = 48;

#endif
