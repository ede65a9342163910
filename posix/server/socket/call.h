/* SPDX-License-Identifier: MIT */
/* What calls.c asks of the families before there is a socket. */
#ifndef POSIX_SOCKET_CALL_H
#define POSIX_SOCKET_CALL_H

#include <posix/server/file/file.h>

/* socket() and socketpair() of the families, with the call's arguments. */
int64_t unix_call_socket(struct request *request);
int64_t unix_call_socketpair(struct request *request);
int64_t inet_call_socket(struct request *request);
int64_t netlink_call_socket(struct request *request);

#endif
