/* SPDX-License-Identifier: MIT */
/* Sockets: there are none yet, and programs are told so in the way they expect. */
#include <abi/linux/errno.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>

int64_t posix_socket(UNUSED struct request *request)
{
	return -LINUX_EAFNOSUPPORT;
}

int64_t posix_socketpair(UNUSED struct request *request)
{
	return -LINUX_EAFNOSUPPORT;
}

int64_t posix_connect(struct request *request)
{
	return file_of_fd(request, request->args[0]) == NULL ? -LINUX_EBADF : -LINUX_ENOTSOCK;
}
