/* SPDX-License-Identifier: MIT */
/*
 * What the shim writes into the labels of mappings (hel_space_label), and a memory policy into the
 * thread page.  CONTRACT: the shim makes them, posix prints them in /proc.
 *
 * The machine has one node of memory, so a policy has no effect, but it is remembered and told
 * back, of threads, their children and mappings. It is one number, 0: none, and as a label it goes
 * to children with its mapping. What else a label says does not.
 */
#ifndef PROTOCOLS_POSIX_LABEL_H
#define PROTOCOLS_POSIX_LABEL_H

#include <abi/hel/hel.h>
#include <abi/linux/mempolicy.h>

/* As many as programs may name; node 0 is there. */
constexpr uint32_t POSIX_NODES_MAX = 32;

enum posix_label : uint64_t {
	POSIX_LABEL_NODES = 0xffff'ffff, /* bit n: node n */
	POSIX_LABEL_MODE = UINT64_C(0xffff) << 32, /* enum linux_memory_policy with its flags */
	POSIX_LABEL_POLICY = POSIX_LABEL_NODES | POSIX_LABEL_MODE,
	POSIX_LABEL_LOCKED = UINT64_C(1) << 48, /* mlock */
};

constexpr uint32_t POSIX_LABEL_MODE_SHIFT = 32;
static_assert((POSIX_LABEL_POLICY & ~HEL_LABEL_FORKED) == 0);
static_assert((POSIX_LABEL_LOCKED & HEL_LABEL_FORKED) == 0);

/** posix_policy_mode() - enum linux_memory_policy of a policy, with its flags */
static inline uint32_t posix_policy_mode(uint64_t policy)
{
	return (uint32_t)((policy & POSIX_LABEL_MODE) >> POSIX_LABEL_MODE_SHIFT);
}

#endif
