/* SPDX-License-Identifier: MIT */
/* Socket options. */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/socket/call.h>
#include <posix/server/socket/unix.h>

constexpr uint64_t SECOND_NS = UINT64_C(1000000000);
constexpr uint32_t BUFFER_MAX = 212992; /* what net.core.wmem_max says by default; doubled */
constexpr uint32_t BUFFER_FORCED_MAX = MIB(8);

struct linux_socket_time {
	int64_t seconds, microseconds;
};

static uint32_t buffer_size(uint32_t asked, uint32_t max)
{
	return (uint32_t)max_u64(2 * min_u64(asked, max), UNIX_BUFFER_MIN);
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

static int64_t option_set_number(
	struct request *request, struct unix_socket *socket, uint32_t option, int32_t value)
{
	bool is_privileged = credentials_has(&request->process->credentials, LINUX_CAP_NET_ADMIN);

	switch (option) {
	case LINUX_SO_PASSCRED: socket->passes_credentials = value != 0; return 0;
	case LINUX_SO_REUSEADDR: socket->reuses_address = value != 0; return 0;
	case LINUX_SO_BROADCAST:
	case LINUX_SO_KEEPALIVE: return 0; /* without meaning here, as on Linux */
	case LINUX_SO_SNDBUF: socket->send_max = buffer_size((uint32_t)value, BUFFER_MAX); break;
	case LINUX_SO_RCVBUF: socket->receive_max = buffer_size((uint32_t)value, BUFFER_MAX); break;
	case LINUX_SO_SNDBUFFORCE:
		if (!is_privileged) {
			return -LINUX_EPERM;
		}
		socket->send_max = buffer_size(value < 0 ? 0 : (uint32_t)value, BUFFER_FORCED_MAX);
		break;
	case LINUX_SO_RCVBUFFORCE:
		if (!is_privileged) {
			return -LINUX_EPERM;
		}
		socket->receive_max =
			buffer_size(value < 0 ? 0 : (uint32_t)value, BUFFER_FORCED_MAX);
		break;
	default: unimplemented_count(0xffff0000 | 54); return -LINUX_ENOPROTOOPT;
	}
	wait_queue_wake(&socket->changed);
	return 0;
}

int64_t posix_setsockopt(struct request *request)
{
	struct file *file;
	size_t size;
	const void *in = request_in(request, 3, &size);
	uint32_t option = (uint32_t)request->args[2];
	int32_t value;
	int64_t error = socket_of_call(request, &file);

	if (error < 0) {
		return error;
	}
	struct unix_socket *socket = file->data;

	if ((uint32_t)request->args[1] != LINUX_SOL_SOCKET) {
		return -LINUX_EOPNOTSUPP;
	}
	if ((int32_t)request->args[4] < (int32_t)sizeof(value)) {
		return -LINUX_EINVAL;
	}
	if (in == NULL) {
		return -LINUX_EFAULT;
	}
	if (option == LINUX_SO_RCVTIMEO) {
		return option_set_time(&socket->receive_timeout_ns, in, size);
	}
	if (option == LINUX_SO_SNDTIMEO) {
		return option_set_time(&socket->send_timeout_ns, in, size);
	}
	memcpy(&value, in, sizeof(value));
	return option_set_number(request, socket, option, value);
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
	case LINUX_SO_SNDBUF: *out_value = (int32_t)socket->send_max; return 0;
	case LINUX_SO_RCVBUF: *out_value = (int32_t)socket->receive_max; return 0;
	default: unimplemented_count(0xffff0000 | 55); return -LINUX_ENOPROTOOPT;
	}
}

/* The result is the size of the value. */
int64_t posix_getsockopt(struct request *request)
{
	struct file *file;
	uint32_t option = (uint32_t)request->args[2];
	int32_t value;
	int64_t error = socket_of_call(request, &file);
	void *out = request_out(request, 3, NULL);

	if (error < 0) {
		return error;
	}
	struct unix_socket *socket = file->data;

	if ((uint32_t)request->args[1] != LINUX_SOL_SOCKET) {
		return -LINUX_EOPNOTSUPP;
	}
	if (out == NULL) {
		return -LINUX_EFAULT;
	}
	if (option == LINUX_SO_RCVTIMEO) {
		return option_get_time(out, socket->receive_timeout_ns);
	}
	if (option == LINUX_SO_SNDTIMEO) {
		return option_get_time(out, socket->send_timeout_ns);
	}
	if (option == LINUX_SO_PEERCRED) {
		struct linux_ucred none = { 0, UINT32_MAX, UINT32_MAX };
		bool has_peer = socket->state == UNIX_CONNECTED || socket->state == UNIX_LISTENING;

		memcpy(out,
			!has_peer ? &none
				  : (socket->state == UNIX_LISTENING ? &socket->own
								     : &socket->peer_credentials),
			sizeof(none));
		return sizeof(none);
	}
	error = option_get_number(socket, option, &value);
	if (error < 0) {
		return error;
	}
	memcpy(out, &value, sizeof(value));
	return sizeof(value);
}
