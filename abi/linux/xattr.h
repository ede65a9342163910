/* SPDX-License-Identifier: MIT */
/* Extended attributes, as on Linux. */
#ifndef ABI_LINUX_XATTR_H
#define ABI_LINUX_XATTR_H

#include <stdint.h>

enum linux_xattr_flags : uint32_t { LINUX_XATTR_CREATE = 1, LINUX_XATTR_REPLACE = 2 };

#define LINUX_XATTR_SECURITY   "security."
#define LINUX_XATTR_SYSTEM     "system."
#define LINUX_XATTR_TRUSTED    "trusted."
#define LINUX_XATTR_USER       "user."
#define LINUX_XATTR_CAPABILITY "security.capability"

/* What security.capability begins with: revision and flags. */
constexpr uint32_t LINUX_CAPABILITY_REVISION_MASK = 0xff000000;
constexpr uint32_t LINUX_CAPABILITY_REVISION_2 = 0x02000000;
constexpr uint32_t LINUX_CAPABILITY_REVISION_3 = 0x03000000;
constexpr uint32_t LINUX_CAPABILITY_SIZE_2 = 20;
constexpr uint32_t LINUX_CAPABILITY_SIZE_3 = 24;

#endif
