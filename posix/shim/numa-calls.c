/* SPDX-License-Identifier: MIT */
/*
 * NUMA on a machine with one node: policies are checked as Linux does, remembered and told back,
 * and change nothing; pages are where they should be wherever that is.
 *
 * A policy is one number (protocols/posix/label.h). A thread's is in its thread page, whose
 * children get it; a mapping's in its label, which thor splits, moves and forks with the mapping.
 * Which nodes a policy has is what Linux tells of it: those that the program named if they are kept
 * (MPOL_F_STATIC_NODES, MPOL_F_RELATIVE_NODES), otherwise those of them that are there.
 */
#include <hel/hel-calls.h>
#include <protocols/posix/label.h>

#include "calls.h"

constexpr uint64_t NODES_HERE = 1;
constexpr uint64_t WORD_BITS = 64;
constexpr uint64_t MASK_BITS_MAX = HEL_PAGE_SIZE * 8;
constexpr uint32_t MODES_WITH_NODES = LINUX_MPOL_F_STATIC_NODES | LINUX_MPOL_F_RELATIVE_NODES;
constexpr uint64_t MOVE_FLAGS = LINUX_MPOL_MF_MOVE | LINUX_MPOL_MF_MOVE_ALL;
constexpr uint64_t MBIND_FLAGS = LINUX_MPOL_MF_STRICT | MOVE_FLAGS;

static uint64_t page_align_up(uint64_t size)
{
	return (size + HEL_PAGE_SIZE - 1) & ~(HEL_PAGE_SIZE - 1);
}

/* ---- sets of nodes --------------------------------------------------------------------------- */

/* The first bits of a word of the program's. */
static int get_word(uint64_t address, uint64_t index, uint64_t n_bits, uint64_t *out_word)
{
	uint64_t word;

	if (shim_get(&word, address + index * sizeof(word), sizeof(word))) {
		return -LINUX_EFAULT;
	}
	*out_word = n_bits < WORD_BITS ? word & ((1ull << n_bits) - 1) : word;
	return 0;
}

/*
 * A set of which the program says that it has @n_max bits, one more than it has. Bits beyond the
 * nodes that there can be must be 0; as on Linux they are looked at in whole words, from the end.
 */
static int64_t get_nodes(uint64_t address, uint64_t n_max, uint64_t *out_nodes)
{
	uint64_t n_bits = n_max - 1, word;

	*out_nodes = 0;
	if (!n_bits || !address) {
		return 0;
	}
	if (n_bits > MASK_BITS_MAX) {
		return -LINUX_EINVAL;
	}
	while (n_bits > POSIX_NODES_MAX) {
		uint64_t n = n_bits < WORD_BITS ? n_bits : WORD_BITS;

		if (get_word(address, (n_bits - 1) / WORD_BITS, n, &word)) {
			return -LINUX_EFAULT;
		}
		if (n_bits - n >= POSIX_NODES_MAX) {
			n_bits -= n;
		} else {
			n_bits = POSIX_NODES_MAX;
			word &= ~((1ull << POSIX_NODES_MAX) - 1);
		}
		if (word) {
			return -LINUX_EINVAL;
		}
	}
	return get_word(address, 0, n_bits, out_nodes);
}

/* Into a set of the program's; it has no more than one word of nodes, and zeros behind that. */
static int64_t put_nodes(uint64_t address, uint64_t n_max, uint64_t nodes)
{
	uint64_t size = (n_max - 1 + WORD_BITS - 1) / WORD_BITS * sizeof(nodes);

	if (size > HEL_PAGE_SIZE) {
		return -LINUX_EINVAL;
	}
	if (size > sizeof(nodes)) {
		if (!shim_is_user_range(address, size) ||
			shim_clear_long((void *)(address + sizeof(nodes)), size - sizeof(nodes))) {
			return -LINUX_EFAULT;
		}
		size = sizeof(nodes);
	}
	return size ? shim_put(address, &nodes, size) : 0;
}

/* ---- policies -------------------------------------------------------------------------------- */

static int64_t check_mode(uint64_t mode)
{
	uint32_t kind = (uint32_t)mode & ~LINUX_MPOL_MODE_FLAGS;

	if (kind >= LINUX_MPOL_MAX || (mode & MODES_WITH_NODES) == MODES_WITH_NODES) {
		return -LINUX_EINVAL;
	}
	if (mode & LINUX_MPOL_F_NUMA_BALANCING && kind != LINUX_MPOL_BIND &&
		kind != LINUX_MPOL_PREFERRED_MANY) {
		return -LINUX_EINVAL;
	}
	return 0;
}

/* Of a checked mode and the nodes that the program named. */
static int64_t make_policy(uint64_t mode, uint64_t nodes, uint64_t *out_policy)
{
	uint32_t kind = (uint32_t)mode & ~LINUX_MPOL_MODE_FLAGS;
	uint32_t flags = (uint32_t)mode & LINUX_MPOL_MODE_FLAGS;

	if (kind == LINUX_MPOL_DEFAULT) {
		*out_policy = 0;
		return nodes ? -LINUX_EINVAL : 0;
	}
	if (kind == LINUX_MPOL_PREFERRED && !nodes) {
		kind = LINUX_MPOL_LOCAL;
	}
	if (kind == LINUX_MPOL_LOCAL) {
		if (nodes || flags & MODES_WITH_NODES) {
			return -LINUX_EINVAL;
		}
	} else if (flags & LINUX_MPOL_F_RELATIVE_NODES ? !nodes : !(nodes & NODES_HERE)) {
		return -LINUX_EINVAL;
	}
	if (!(flags & MODES_WITH_NODES)) {
		nodes &= NODES_HERE;
	}
	*out_policy = (uint64_t)(kind | flags) << POSIX_LABEL_MODE_SHIFT | nodes;
	return 0;
}

int64_t shim_set_mempolicy(SHIM_ARGS)
{
	uint64_t nodes, policy;
	int64_t error = check_mode((uint32_t)a0);

	SHIM_UNUSED;
	if (!error) {
		error = get_nodes(a1, a2, &nodes);
	}
	if (!error) {
		error = make_policy((uint32_t)a0, nodes, &policy);
	}
	if (!error) {
		shim_thread()->memory_policy = policy;
	}
	return error;
}

/* The label of the mapping at an address; -LINUX_EFAULT. */
static int64_t label_at(uint64_t address, uint64_t *out_label)
{
	struct hel_mapping_info info;

	if (address >= POSIX_SHIM_REGION || hel_space_query(HEL_THIS, address, &info) ||
		info.address > address) {
		return -LINUX_EFAULT;
	}
	*out_label = info.label;
	return 0;
}

/* The node of the page at an address, which is touched for that, or that interleaves next. */
static int64_t node_of(uint64_t policy, uint64_t address, bool is_address)
{
	uint32_t kind = posix_policy_mode(policy) & ~LINUX_MPOL_MODE_FLAGS;

	if (is_address) {
		return hel_space_populate(
			       HEL_THIS, address & ~(HEL_PAGE_SIZE - 1), HEL_PAGE_SIZE, 0)
			? -LINUX_EFAULT
			: 0;
	}
	return kind == LINUX_MPOL_INTERLEAVE || kind == LINUX_MPOL_WEIGHTED_INTERLEAVE
		? 0
		: -LINUX_EINVAL;
}

/* What to tell: the mode, or a node, and a set of nodes. */
static int64_t find_policy(
	uint64_t address, uint64_t flags, uint32_t *out_mode, uint64_t *out_nodes)
{
	uint64_t policy = shim_thread()->memory_policy;
	int64_t result = 0;

	if (flags & ~(LINUX_MPOL_F_NODE | LINUX_MPOL_F_ADDR | LINUX_MPOL_F_MEMS_ALLOWED)) {
		return -LINUX_EINVAL;
	}
	if (flags & LINUX_MPOL_F_MEMS_ALLOWED) {
		*out_mode = 0;
		*out_nodes = NODES_HERE;
		return flags == LINUX_MPOL_F_MEMS_ALLOWED ? 0 : -LINUX_EINVAL;
	}
	if (flags & LINUX_MPOL_F_ADDR) {
		result = label_at(address, &policy);
	} else if (address) {
		result = -LINUX_EINVAL;
	}
	if (!result && flags & LINUX_MPOL_F_NODE) {
		result = node_of(policy, address, flags & LINUX_MPOL_F_ADDR);
	}
	*out_mode = flags & LINUX_MPOL_F_NODE ? 0 : posix_policy_mode(policy);
	*out_nodes = policy & POSIX_LABEL_NODES;
	return result;
}

int64_t shim_get_mempolicy(SHIM_ARGS)
{
	uint64_t nodes;
	uint32_t mode;

	SHIM_UNUSED;
	if (a1 && a2 < 1) {
		return -LINUX_EINVAL;
	}
	int64_t error = find_policy(a3, a4, &mode, &nodes);

	if (error) {
		return error;
	}
	if (a0 && shim_put(a0, &mode, sizeof(mode))) {
		return -LINUX_EFAULT;
	}
	return a1 ? put_nodes(a1, a2, nodes) : 0;
}

/* ---- mbind ----------------------------------------------------------------------------------- */

/* Whether a page of a range is there. */
static bool has_pages(uint64_t start, uint64_t end)
{
	struct hel_mapping_info info;

	for (uint64_t at = start; at < end && !hel_space_query(HEL_THIS, at, &info);) {
		if (info.address >= end) {
			break;
		}
		uint64_t first = info.address > at ? info.address : at;
		uint64_t last = info.address + info.size_bytes;
		uint8_t states[256];

		last = last < end ? last : end;
		for (; info.resident_bytes && first < last;
			first += sizeof(states) * HEL_PAGE_SIZE) {
			uint64_t left = (last - first) / HEL_PAGE_SIZE;
			size_t n = left < sizeof(states) ? (size_t)left : sizeof(states);

			if (hel_space_pages(HEL_THIS, first, states, n)) {
				return false;
			}
			for (size_t i = 0; i < n; i++) {
				if (states[i] & (HEL_PAGE_ENTERED | HEL_PAGE_OWN)) {
					return true;
				}
			}
		}
		at = last;
	}
	return false;
}

/* Whether a range is mapped: throughout, or somewhere. */
static bool is_mapped(uint64_t start, uint64_t end, bool may_have_holes)
{
	struct hel_mapping_info info;

	for (uint64_t at = start; at < end; at = info.address + info.size_bytes) {
		if (hel_space_query(HEL_THIS, at, &info)) {
			return false;
		}
		if (may_have_holes) {
			return info.address < end && info.address < POSIX_SHIM_REGION;
		}
		if (info.address > at) {
			return false;
		}
	}
	return true;
}

/*
 * Gives the mappings of a range, which is not empty, a policy. The nodes where its pages may be are
 * those that the program named. Pages elsewhere can be moved, which changes nothing here, but they
 * are an error for who is strict and moves none.
 */
static int64_t bind_range(uint64_t start, uint64_t end, uint64_t policy, bool is_wrong_if_there)
{
	if (end > POSIX_SHIM_REGION) {
		if (policy || start >= POSIX_SHIM_REGION) {
			return -LINUX_EFAULT;
		}
		end = POSIX_SHIM_REGION;
	}
	if (!is_mapped(start, end, !policy)) {
		return -LINUX_EFAULT;
	}
	if (policy && is_wrong_if_there && has_pages(start, end)) {
		return -LINUX_EIO;
	}
	int error = hel_space_label(HEL_THIS, start, end - start, POSIX_LABEL_POLICY, policy);

	return error == -ERR_NOT_FOUND ? 0 : shim_errno_of(error);
}

int64_t shim_mbind(SHIM_ARGS)
{
	uint64_t end = a0 + page_align_up(a1), nodes, policy;
	int64_t error = check_mode((uint32_t)a2);

	(void)number;
	if (!error) {
		error = get_nodes(a3, a4, &nodes);
	}
	if (error) {
		return error;
	}
	a5 = (uint32_t)a5;
	if (a5 & ~MBIND_FLAGS) {
		return -LINUX_EINVAL;
	}
	if (a5 & LINUX_MPOL_MF_MOVE_ALL) {
		error = shim_request(POSIX_PAGES, 0, POSIX_PAGES_OF_ALL, 0, 0, 0, 0);
		if (error < 0) {
			return error;
		}
	}
	if (a0 & (HEL_PAGE_SIZE - 1) || end < a0) {
		return -LINUX_EINVAL;
	}
	if (end == a0) {
		return 0;
	}
	error = make_policy((uint32_t)a2, nodes, &policy);
	return error
		? error
		: bind_range(a0, end, policy, a5 == LINUX_MPOL_MF_STRICT && !(nodes & NODES_HERE));
}

/*
 * The one home that there can be is where pages are anyway, and nothing tells it, so it is not
 * kept. What must be there, and be of a kind that has a home, is checked mapping by mapping.
 */
int64_t shim_set_mempolicy_home_node(SHIM_ARGS)
{
	uint64_t end = a0 + page_align_up(a1);
	struct hel_mapping_info info;
	int64_t result = -LINUX_ENOENT;

	SHIM_UNUSED;
	if (a0 & (HEL_PAGE_SIZE - 1) || a3 || a2 >= POSIX_NODES_MAX || !(NODES_HERE >> a2 & 1) ||
		end < a0) {
		return -LINUX_EINVAL;
	}
	if (end == a0) {
		return 0;
	}
	for (uint64_t at = a0; at < end && !hel_space_query(HEL_THIS, at, &info) &&
		info.address < end && info.address < POSIX_SHIM_REGION;
		at = info.address + info.size_bytes) {
		uint32_t mode = posix_policy_mode(info.label) & ~LINUX_MPOL_MODE_FLAGS;

		if (mode == LINUX_MPOL_DEFAULT) {
			continue;
		}
		if (mode != LINUX_MPOL_BIND && mode != LINUX_MPOL_PREFERRED_MANY) {
			return -LINUX_EOPNOTSUPP;
		}
		result = 0;
	}
	return result;
}

/* ---- moving pages ---------------------------------------------------------------------------- */

constexpr size_t MOVE_BATCH = 64;
static_assert(MOVE_BATCH * sizeof(uint64_t) <= POSIX_INLINE_MAX);

/* What move_pages() answers for pages: their node, 0, or why they have none. */
static int64_t ask_pages(
	uint64_t pid, uint64_t flags, const uint64_t *addresses, int32_t *out_status, size_t n)
{
	uint8_t states[MOVE_BATCH];
	struct shim_call call;

	shim_call_init(&call, POSIX_PAGES);
	call.header.args[0] = (uint32_t)pid;
	call.header.args[1] = flags & LINUX_MPOL_MF_MOVE_ALL ? POSIX_PAGES_OF_ALL : 0;
	call.header.args[2] = n;
	shim_call_in(&call, addresses, n * sizeof(addresses[0]));
	shim_call_out(&call, states, n);
	int64_t result = shim_call_run(&call);

	for (size_t i = 0; i < n && result >= 0; i++) {
		out_status[i] = !(states[i] & HEL_PAGE_COVERED) ? -LINUX_EFAULT
			: states[i] & HEL_PAGE_RESIDENT         ? 0
								: -LINUX_ENOENT;
	}
	return result;
}

/* How many of the nodes, before the first that is none, and what to answer for that. */
static int64_t check_nodes(uint64_t address, size_t n, size_t *out_n)
{
	for (*out_n = 0; *out_n < n; ++*out_n) {
		int32_t node;

		if (shim_get(&node, address + *out_n * sizeof(node), sizeof(node))) {
			return -LINUX_EFAULT;
		}
		if (node < 0 || node >= (int32_t)POSIX_NODES_MAX || !(NODES_HERE >> node & 1)) {
			return -LINUX_ENODEV;
		}
	}
	return 0;
}

int64_t shim_move_pages(SHIM_ARGS)
{
	uint64_t addresses[MOVE_BATCH];
	int32_t status[MOVE_BATCH];
	size_t n = 0;

	(void)number;
	a5 = (uint32_t)a5;
	if (a5 & ~MOVE_FLAGS) {
		return -LINUX_EINVAL;
	}
	int64_t error = ask_pages(a0, a5, addresses, status, 0);

	for (uint64_t done = 0; done < a1 && error >= 0; done += n) {
		uint64_t left = a1 - done;
		int64_t bad_node = 0;

		n = left < MOVE_BATCH ? (size_t)left : MOVE_BATCH;
		if (shim_get(addresses, a2 + done * sizeof(addresses[0]),
			    n * sizeof(addresses[0]))) {
			return -LINUX_EFAULT;
		}
		if (a3) {
			bad_node = check_nodes(a3 + done * sizeof(int32_t), n, &n);
		}
		error = ask_pages(a0, a5, addresses, status, n);
		if (error >= 0 &&
			shim_put(a4 + done * sizeof(status[0]), status, n * sizeof(status[0]))) {
			return -LINUX_EFAULT;
		}
		if (bad_node) {
			return bad_node;
		}
	}
	return error;
}

int64_t shim_migrate_pages(SHIM_ARGS)
{
	uint64_t from, to;
	int64_t error = get_nodes(a2, a1, &from);

	SHIM_UNUSED;
	if (!error) {
		error = get_nodes(a3, a1, &to);
	}
	if (error) {
		return error;
	}
	error = shim_request(POSIX_PAGES, (uint32_t)a0,
		to & ~NODES_HERE ? POSIX_PAGES_ELSEWHERE : 0, 0, 0, 0, 0);
	return error ? error : to & NODES_HERE ? 0 : -LINUX_EINVAL;
}
