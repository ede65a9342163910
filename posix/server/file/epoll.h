/* SPDX-License-Identifier: MIT */
/*
 * epoll: a set of watched files, and the list of those that may be ready.
 *
 * An item waits on the queues of its file all the time. When one is woken the item goes to the
 * ready list and whoever waits for the epoll is woken; whether the file really is ready is asked
 * when events are collected. A level-triggered item stays on the list until it was found not ready,
 * an edge-triggered one leaves it when it is reported.
 */
#ifndef POSIX_FILE_EPOLL_H
#define POSIX_FILE_EPOLL_H

#include <abi/linux/poll.h>
#include <posix/server/file/file.h>

/**
 * epoll_show() - what epoll_wait() on @file would report until one of the items is woken or changed
 * @n_max: how many events there may be
 * @out_n_events: all of them, also none
 *
 * Return: false if that is unknown: a ready item has one report only, its file does not announce
 * all changes, or there are too many.
 */
bool epoll_show(struct file *file, struct linux_epoll_event *out_events, uint32_t n_max,
	uint32_t *out_n_events);

/** epoll_watch_limit() - how many watches one user may have, fs.epoll.max_user_watches */
uint64_t epoll_watch_limit(void);

/**
 * epoll_watched() - the @n-th of the files that @file, an epoll, watches under the number @fd
 * @out_watched: borrowed
 *
 * Return: 0, -LINUX_EINVAL (@file is no epoll), -LINUX_ENOENT.
 */
int64_t epoll_watched(struct file *file, int32_t fd, uint32_t n, const struct file **out_watched);

/** epoll_forget_file() - the open file goes: nobody watches it any more */
void epoll_forget_file(struct file *file);

#endif
