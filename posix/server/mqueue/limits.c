/* SPDX-License-Identifier: MIT */
/* What the files of /proc/sys/fs/mqueue say. */
#include <abi/linux/errno.h>
#include <base/assert.h>
#include <base/string.h>
#include <posix/server/mqueue/mqueue.h>

static const struct {
	const char *name;
	size_t offset; /* in struct mqueue_limits */
	int32_t usual, min, max;
} limits_known[] = {
	{ "queues_max", offsetof(struct mqueue_limits, queues_max), 256, INT32_MIN, INT32_MAX },
	{ "msg_max", offsetof(struct mqueue_limits, n_messages_max), 10, 1, MQUEUE_MESSAGES_MAX },
	{ "msgsize_max", offsetof(struct mqueue_limits, message_size_max), 8192, 128,
		MQUEUE_MESSAGE_SIZE_MAX },
	{ "msg_default", offsetof(struct mqueue_limits, n_messages_usual), 10, 1,
		MQUEUE_MESSAGES_MAX },
	{ "msgsize_default", offsetof(struct mqueue_limits, message_size_usual), 8192, 128,
		MQUEUE_MESSAGE_SIZE_MAX },
};

static size_t limit_index(const char *name)
{
	size_t i = 0;

	while (!str_equal(limits_known[i].name, name)) {
		i++;
		ASSERT(i < ARRAY_SIZE(limits_known));
	}
	return i;
}

static int32_t *limit_at(struct mqueue_limits *limits, size_t index)
{
	return (int32_t *)((uint8_t *)limits + limits_known[index].offset);
}

void mqueue_limits_init(struct mqueue_limits *limits)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits_known); i++) {
		*limit_at(limits, i) = limits_known[i].usual;
	}
}

int32_t mqueue_limit_get(struct mqueue_limits *limits, const char *name)
{
	return *limit_at(limits, limit_index(name));
}

int64_t mqueue_limit_set(struct mqueue_limits *limits, const char *name, int64_t value)
{
	size_t index = limit_index(name);

	if (value < limits_known[index].min || value > limits_known[index].max) {
		return -LINUX_EINVAL;
	}
	*limit_at(limits, index) = (int32_t)value;
	return 0;
}
