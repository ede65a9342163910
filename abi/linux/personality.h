/* SPDX-License-Identifier: MIT */
/* personality(2), as on Linux: what execve() heeds. */
#ifndef ABI_LINUX_PERSONALITY_H
#define ABI_LINUX_PERSONALITY_H

#include <stdint.h>

constexpr uint32_t LINUX_ADDR_NO_RANDOMIZE = 0x0040000;
/* What a program that gets rights by execve() does not inherit. */
constexpr uint32_t LINUX_PERSONALITY_CLEARED = 0x0740000;

#endif
