/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/numa_maps: the policy of each mapping, or of the thread where that has none, and how
 * many of its pages are on the one node. Policies are what the shim says they are.
 */
#include <base/string.h>
#include <posix/server/process/print-maps.h>
#include <protocols/posix/label.h>

static const char *const policy_names[] = {
	[LINUX_MPOL_DEFAULT] = "default",
	[LINUX_MPOL_PREFERRED] = "prefer",
	[LINUX_MPOL_BIND] = "bind",
	[LINUX_MPOL_INTERLEAVE] = "interleave",
	[LINUX_MPOL_LOCAL] = "local",
	[LINUX_MPOL_PREFERRED_MANY] = "prefer (many)",
	[LINUX_MPOL_WEIGHTED_INTERLEAVE] = "weighted interleave",
};

static void print_policy(struct printer *printer, uint64_t policy)
{
	uint32_t mode = posix_policy_mode(policy), flags = mode & LINUX_MPOL_MODE_FLAGS;
	uint32_t kind = mode & ~LINUX_MPOL_MODE_FLAGS;

	if (kind >= ARRAY_SIZE(policy_names)) {
		kind = LINUX_MPOL_DEFAULT;
	}
	print(printer, "%s", policy_names[kind]);
	if (flags != 0) {
		uint32_t nodes = flags & ~LINUX_MPOL_F_NUMA_BALANCING;

		print(printer, "=%s%s%s",
			nodes == LINUX_MPOL_F_STATIC_NODES             ? "static"
				: nodes == LINUX_MPOL_F_RELATIVE_NODES ? "relative"
								       : "",
			nodes != 0 && nodes != flags ? "|" : "", nodes != flags ? "balancing" : "");
	}
	/* Whatever nodes it names, there is one. */
	if (kind != LINUX_MPOL_DEFAULT && kind != LINUX_MPOL_LOCAL) {
		print(printer, ":0");
	}
}

static void print_pages(struct printer *printer, const struct hel_mapping_info *info)
{
	unsigned long long n_pages = info->resident_bytes / HEL_PAGE_SIZE;

	if (info->kind == HEL_MEMORY_COPY_ON_WRITE) {
		print(printer, " anon=%llu dirty=%llu", n_pages, n_pages);
	} else {
		print(printer, " mapped=%llu", n_pages);
	}
	print(printer, " N0=%llu kernelpagesize_kB=%llu", n_pages,
		(unsigned long long)HEL_PAGE_SIZE / 1024);
}

void print_numa_mapping(struct printer *printer, const struct hel_mapping_info *info,
	const char *name, uint64_t policy)
{
	uint64_t own = info->label & POSIX_LABEL_POLICY;

	print(printer, "%08llx ", (unsigned long long)info->address);
	print_policy(printer, own != 0 ? own : policy & POSIX_LABEL_POLICY);
	if (str_equal(name, "[heap]")) {
		print(printer, " heap");
	} else if (str_equal(name, "[stack]")) {
		print(printer, " stack");
	} else if (name[0] != '[' && name[0] != '\0') {
		print(printer, " file=%s", name);
	}
	if (info->resident_bytes != 0) {
		print_pages(printer, info);
	}
	print(printer, "\n");
}
