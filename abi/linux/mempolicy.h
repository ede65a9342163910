/* SPDX-License-Identifier: MIT */
/* Memory policies: set_mempolicy(2), mbind(2). Linux' names and values. */
#ifndef ABI_LINUX_MEMPOLICY_H
#define ABI_LINUX_MEMPOLICY_H

#include <stdint.h>

enum linux_memory_policy : uint32_t {
	LINUX_MPOL_DEFAULT = 0,
	LINUX_MPOL_PREFERRED = 1,
	LINUX_MPOL_BIND = 2,
	LINUX_MPOL_INTERLEAVE = 3,
	LINUX_MPOL_LOCAL = 4,
	LINUX_MPOL_PREFERRED_MANY = 5,
	LINUX_MPOL_WEIGHTED_INTERLEAVE = 6,
	LINUX_MPOL_MAX = 7,
	/* added to the mode */
	LINUX_MPOL_F_NUMA_BALANCING = 1 << 13,
	LINUX_MPOL_F_RELATIVE_NODES = 1 << 14,
	LINUX_MPOL_F_STATIC_NODES = 1 << 15,
	LINUX_MPOL_MODE_FLAGS = 7 << 13,
};

enum linux_get_mempolicy : uint64_t {
	LINUX_MPOL_F_NODE = 1,
	LINUX_MPOL_F_ADDR = 2,
	LINUX_MPOL_F_MEMS_ALLOWED = 4,
};

enum linux_mbind : uint64_t {
	LINUX_MPOL_MF_STRICT = 1,
	LINUX_MPOL_MF_MOVE = 2,
	LINUX_MPOL_MF_MOVE_ALL = 4,
};

#endif
