/* SPDX-License-Identifier: MIT */
/* kcmp(): what it compares. */
#ifndef ABI_LINUX_KCMP_H
#define ABI_LINUX_KCMP_H

#include <stdint.h>

enum linux_kcmp_type : uint32_t {
	LINUX_KCMP_FILE,
	LINUX_KCMP_VM,
	LINUX_KCMP_FILES,
	LINUX_KCMP_FS,
	LINUX_KCMP_SIGHAND,
	LINUX_KCMP_IO,
	LINUX_KCMP_SYSVSEM,
	LINUX_KCMP_EPOLL_TFD,
	LINUX_KCMP_TYPES,
};

/* Of LINUX_KCMP_EPOLL_TFD: the n-th of the files that `epoll` watches under the number `fd`. */
struct linux_kcmp_epoll_slot {
	uint32_t epoll, fd, n;
};

#endif
