/* SPDX-License-Identifier: MIT */
/*
 * Virtio ports: /dev/vport0pN, streams of bytes without a line discipline.
 *
 * /dev/virtio-ports/NAME is a link to it, /sys/class/virtio-ports/vport0pN/name holds the name. A
 * read gives what has come, or 0 when the other side has closed the stream. Only one program has a
 * port open at a time, as on Linux.
 */
#ifndef POSIX_TTY_PORT_H
#define POSIX_TTY_PORT_H

#include <posix/server/request.h>
#include <posix/server/tty/channel-owners.h>
#include <posix/server/tty/channel.h>

/**
 * ports_wait_drained() - park until every byte written to a port was taken by its device; 0 if so
 * now
 */
int64_t ports_wait_drained(struct request *request);

#endif
