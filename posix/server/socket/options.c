/* SPDX-License-Identifier: MIT */
/* Socket options: those that all families have, and those of AF_UNIX. */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/socket/transfer.h>

constexpr uint64_t SECOND_NS = UINT64_C(1000000000);
constexpr uint32_t BUFFER_MAX = 212992; /* what net.core.wmem_max says by default; doubled */
constexpr uint32_t BUFFER_MIN = 4608;
constexpr uint32_t BUFFER_FORCED_MAX = MIB(8);

struct linux_socket_time {
	int64_t seconds, microseconds;
};

static uint32_t buffer_size(uint32_t asked, uint32_t max)
{
	return (uint32_t)max_u64(2 * min_u64(asked, max), BUFFER_MIN);
}

static int64_t option_set_time(uint64_t *timeout_ns, const void *in, size_t size)
{
	struct linux_socket_time time;

	if (size < sizeof(time)) {
		return -LINUX_EINVAL;
	}
	memcpy(&time, in, sizeof(time));
	if (time.microseconds < 0 || time.microseconds >= 1000000) {
		return -LINUX_EDOM;
	}
	if (time.seconds < 0) {
		*timeout_ns = 0;
	} else if ((time.seconds == 0 && time.microseconds == 0) ||
		time.seconds > INT64_MAX / 2 / (int64_t)SECOND_NS) {
		*timeout_ns = HEL_DEADLINE_NEVER;
	} else {
		*timeout_ns =
			(uint64_t)time.seconds * SECOND_NS + (uint64_t)time.microseconds * 1000;
	}
	return 0;
}

int64_t socket_set_common(struct request *request, const struct socket_buffers *buffers,
	const struct socket_option *option)
{
	bool is_forced =
		option->number == LINUX_SO_SNDBUFFORCE || option->number == LINUX_SO_RCVBUFFORCE;
	int32_t value = 0;

	if (option->number == LINUX_SO_RCVTIMEO) {
		return option_set_time(buffers->receive_timeout_ns, option->value, option->size);
	}
	if (option->number == LINUX_SO_SNDTIMEO) {
		return option_set_time(buffers->send_timeout_ns, option->value, option->size);
	}
	memcpy(&value, option->value, min_size(sizeof(value), option->size));
	if (is_forced && !credentials_has(&request->process->credentials, LINUX_CAP_NET_ADMIN)) {
		return -LINUX_EPERM;
	}
	uint32_t size = is_forced ? buffer_size(value < 0 ? 0 : (uint32_t)value, BUFFER_FORCED_MAX)
				  : buffer_size((uint32_t)value, BUFFER_MAX);

	switch (option->number) {
	case LINUX_SO_SNDBUF:
	case LINUX_SO_SNDBUFFORCE: *buffers->send_max = size; return 0;
	case LINUX_SO_RCVBUF:
	case LINUX_SO_RCVBUFFORCE: *buffers->receive_max = size; return 0;
	default: return -LINUX_ENOPROTOOPT;
	}
}

static int64_t option_get_time(void *out, uint64_t timeout_ns)
{
	uint64_t ns = timeout_ns == HEL_DEADLINE_NEVER ? 0 : timeout_ns;
	struct linux_socket_time time = {
		.seconds = (int64_t)(ns / SECOND_NS),
		.microseconds = (int64_t)(ns % SECOND_NS / 1000),
	};

	memcpy(out, &time, sizeof(time));
	return sizeof(time);
}

int64_t socket_get_common(const struct socket_buffers *buffers, const struct socket_option *option)
{
	switch (option->number) {
	case LINUX_SO_RCVTIMEO: return option_get_time(option->value, *buffers->receive_timeout_ns);
	case LINUX_SO_SNDTIMEO: return option_get_time(option->value, *buffers->send_timeout_ns);
	case LINUX_SO_SNDBUF: memcpy(option->value, buffers->send_max, sizeof(uint32_t)); break;
	case LINUX_SO_RCVBUF: memcpy(option->value, buffers->receive_max, sizeof(uint32_t)); break;
	default: return -LINUX_ENOPROTOOPT;
	}
	return sizeof(uint32_t);
}

/* ---- AF_UNIX --------------------------------------------------------------------------------- */

static struct socket_buffers unix_buffers(struct unix_socket *socket)
{
	return (struct socket_buffers){
		.send_max = &socket->send_max,
		.receive_max = &socket->receive_max,
		.send_timeout_ns = &socket->send_timeout_ns,
		.receive_timeout_ns = &socket->receive_timeout_ns,
	};
}

int64_t unix_set_option(
	struct request *request, struct file *file, const struct socket_option *option)
{
	struct unix_socket *socket = file->data;
	struct socket_buffers buffers = unix_buffers(socket);
	int32_t value;

	if (option->level != LINUX_SOL_SOCKET) {
		return -LINUX_EOPNOTSUPP;
	}
	memcpy(&value, option->value, sizeof(value));
	switch (option->number) {
	case LINUX_SO_PASSCRED: socket->passes_credentials = value != 0; return 0;
	case LINUX_SO_REUSEADDR: socket->reuses_address = value != 0; return 0;
	case LINUX_SO_BROADCAST:
	case LINUX_SO_KEEPALIVE: return 0; /* without meaning here, as on Linux */
	default: break;
	}
	int64_t result = socket_set_common(request, &buffers, option);

	if (result == -LINUX_ENOPROTOOPT) {
		unimplemented_count(0xffff0000 | 54);
	}
	wait_queue_wake(&socket->changed);
	return result;
}

static int64_t option_get_number(struct unix_socket *socket, uint32_t option, int32_t *out_value)
{
	switch (option) {
	case LINUX_SO_TYPE: *out_value = (int32_t)socket->type; return 0;
	case LINUX_SO_DOMAIN: *out_value = LINUX_AF_UNIX; return 0;
	case LINUX_SO_PROTOCOL:
	case LINUX_SO_BROADCAST:
	case LINUX_SO_KEEPALIVE: *out_value = 0; return 0;
	case LINUX_SO_ERROR:
		*out_value = socket->was_reset ? LINUX_ECONNRESET : 0;
		socket->was_reset = false;
		return 0;
	case LINUX_SO_ACCEPTCONN: *out_value = socket->state == UNIX_LISTENING; return 0;
	case LINUX_SO_PASSCRED: *out_value = socket->passes_credentials; return 0;
	case LINUX_SO_REUSEADDR: *out_value = socket->reuses_address; return 0;
	default: unimplemented_count(0xffff0000 | 55); return -LINUX_ENOPROTOOPT;
	}
}

int64_t unix_get_option(struct file *file, const struct socket_option *option)
{
	struct unix_socket *socket = file->data;
	struct socket_buffers buffers = unix_buffers(socket);
	int32_t value;

	if (option->level != LINUX_SOL_SOCKET) {
		return -LINUX_EOPNOTSUPP;
	}
	if (option->number == LINUX_SO_PEERCRED) {
		struct linux_ucred none = { 0, UINT32_MAX, UINT32_MAX };
		bool has_peer = socket->state == UNIX_CONNECTED || socket->state == UNIX_LISTENING;

		memcpy(option->value,
			!has_peer ? &none
				  : (socket->state == UNIX_LISTENING ? &socket->own
								     : &socket->peer_credentials),
			sizeof(none));
		return sizeof(none);
	}
	int64_t result = socket_get_common(&buffers, option);

	if (result != -LINUX_ENOPROTOOPT) {
		return result;
	}
	result = option_get_number(socket, option->number, &value);
	if (result < 0) {
		return result;
	}
	memcpy(option->value, &value, sizeof(value));
	return sizeof(value);
}
