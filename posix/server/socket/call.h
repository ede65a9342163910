/* SPDX-License-Identifier: MIT */
/* What the handlers of socket calls share. */
#ifndef POSIX_SOCKET_CALL_H
#define POSIX_SOCKET_CALL_H

#include <posix/server/file/file.h>

/** socket_of_call() - the socket behind args[0]; 0, -LINUX_EBADF, -LINUX_ENOTSOCK */
int64_t socket_of_call(struct request *request, struct file **out_file);

#endif
