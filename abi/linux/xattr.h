/* SPDX-License-Identifier: MIT */
/* Extended attributes, as on Linux. */
#ifndef ABI_LINUX_XATTR_H
#define ABI_LINUX_XATTR_H

#include <stdint.h>

enum linux_xattr_flags : uint32_t { LINUX_XATTR_CREATE = 1, LINUX_XATTR_REPLACE = 2 };

#define LINUX_XATTR_SECURITY    "security."
#define LINUX_XATTR_SYSTEM      "system."
#define LINUX_XATTR_TRUSTED     "trusted."
#define LINUX_XATTR_USER        "user."
#define LINUX_XATTR_CAPABILITY  "security.capability"
#define LINUX_XATTR_ACL_ACCESS  "system.posix_acl_access"
#define LINUX_XATTR_ACL_DEFAULT "system.posix_acl_default"

/* Values of those two: a header and entries, by tag and id. */
constexpr uint32_t LINUX_ACL_VERSION = 2;

enum linux_acl_tag : uint16_t {
	LINUX_ACL_USER_OBJ = 1,
	LINUX_ACL_USER = 2,
	LINUX_ACL_GROUP_OBJ = 4,
	LINUX_ACL_GROUP = 8,
	LINUX_ACL_MASK = 16,
	LINUX_ACL_OTHER = 32,
};

struct linux_acl_header {
	uint32_t version;
} __attribute__((packed));

struct linux_acl_entry {
	uint16_t tag; /* enum linux_acl_tag */
	uint16_t permissions;
	uint32_t id; /* of LINUX_ACL_USER and _GROUP */
} __attribute__((packed));

/* What security.capability begins with: revision and flags. */
constexpr uint32_t LINUX_CAPABILITY_REVISION_MASK = 0xff000000;
constexpr uint32_t LINUX_CAPABILITY_REVISION_2 = 0x02000000;
constexpr uint32_t LINUX_CAPABILITY_REVISION_3 = 0x03000000;
constexpr uint32_t LINUX_CAPABILITY_SIZE_2 = 20;
constexpr uint32_t LINUX_CAPABILITY_SIZE_3 = 24;

#endif
