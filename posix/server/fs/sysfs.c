/* SPDX-License-Identifier: MIT */
/* sysfs: a tmpfs that the system fills. */
#include <abi/linux/errno.h>
#include <base/format.h>
#include <base/string.h>
#include <helix/start.h>
#include <posix/server/fs/caches.h>
#include <posix/server/fs/sysfs.h>
#include <posix/server/fs/tmpfs.h>
#include <posix/server/vfs/dentry.h>

/* The text of a set of at most 256 processors. */
constexpr size_t MASK_TEXT_MAX = 80;
constexpr uint32_t CACHES_MAX = 16; /* of one processor */

static struct super *sysfs;

int64_t sysfs_make_folder(const char *path)
{
	return tmpfs_make_path(
		sysfs->root, path, &(struct node_spec){ .mode = LINUX_S_IFDIR | 0755 }, NULL, NULL);
}

int64_t sysfs_make_link(const char *path, const char *target)
{
	return tmpfs_make_path(sysfs->root, path,
		&(struct node_spec){ .mode = LINUX_S_IFLNK | 0777 }, target, NULL);
}

int64_t sysfs_link(const char *path, const char *target)
{
	char text[512];
	size_t used = 0;

	text[0] = '\0';
	for (const char *at = strchr(path, '/'); at != NULL; at = strchr(at + 1, '/')) {
		used += format_to(text + used, sizeof(text) - used, "../");
		if (used >= sizeof(text)) {
			return -LINUX_ENAMETOOLONG;
		}
	}
	if (format_to(text + used, sizeof(text) - used, "%s", target) >= sizeof(text) - used) {
		return -LINUX_ENAMETOOLONG;
	}
	return sysfs_make_link(path, text);
}

int64_t sysfs_make_file(const char *path, const void *data, size_t size, uint32_t mode)
{
	struct node_spec spec = { .mode = LINUX_S_IFREG | mode };
	struct dentry *dentry;
	int64_t error = tmpfs_make_path(sysfs->root, path, &spec, NULL, &dentry);

	if (error < 0 && error != -LINUX_EEXIST) {
		return error;
	}
	if (error == -LINUX_EEXIST) {
		error = dentry->inode->ops->truncate(dentry->inode, 0);
	}
	int64_t n_bytes =
		error == 0 && size > 0 ? tmpfs_write(dentry->inode, data, size, 0) : error;

	dentry_unref(dentry);
	return n_bytes < 0 ? n_bytes : 0;
}

int64_t sysfs_make_live(const char *path, sysfs_print_fn print, uint64_t key)
{
	const struct node_spec spec = { .mode = LINUX_S_IFREG | 0444 };
	struct dentry *dentry;
	int64_t error = tmpfs_make_path(sysfs->root, path, &spec, NULL, &dentry);

	if (error == 0) {
		error = sysfs_live_init(dentry->inode, print, key);
		dentry_unref(dentry);
	} else if (error == -LINUX_EEXIST) {
		dentry_unref(dentry);
	}
	return error;
}

int64_t sysfs_make_text(const char *path, const char *text)
{
	return sysfs_make_file(path, text, strlen(text), 0444);
}

void sysfs_remove(const char *path)
{
	tmpfs_remove_path(sysfs->root, path);
}

int64_t sysfs_mount_create(
	UNUSED const char *source, UNUSED const char *options, struct super **out_super)
{
	super_ref(sysfs);
	*out_super = sysfs;
	return 0;
}

/* What thor does: where it was asked for, and only from the start. */
static int64_t sysfs_make_large_pages(void)
{
	static const struct {
		const char *path, *text;
	} files[] = {
		{ "kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n" },
		{ "kernel/mm/transparent_hugepage/defrag",
			"always defer defer+madvise madvise [never]\n" },
		{ "kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n" },
		{ "kernel/mm/transparent_hugepage/shmem_enabled",
			"always within_size [advise] never deny force\n" },
	};
	int64_t error = sysfs_make_folder("kernel/mm/transparent_hugepage");

	for (size_t i = 0; i < ARRAY_SIZE(files) && error == 0; i++) {
		error = sysfs_make_text(files[i].path, files[i].text);
	}
	return error;
}

/* ---- processors, in one package and one node of memory --------------------------------------- */

/* As bitmaps are printed: words of 32 bits, the highest first. */
static size_t print_mask(char *buffer, size_t size, uint32_t first, uint32_t n_bits, uint32_t n_all)
{
	size_t used = 0;

	for (uint32_t word = (n_all + 31) / 32; word-- > 0;) {
		uint32_t bits = 0;

		for (uint32_t i = 0; i < 32; i++) {
			uint32_t bit = word * 32 + i;

			bits |= (uint32_t)(bit >= first && bit - first < n_bits) << i;
		}
		used += format_to(buffer + used, size - used, word > 0 ? "%08x," : "%08x\n", bits);
	}
	return used;
}

static void print_range(char *buffer, size_t size, uint32_t first, uint32_t n_cpus)
{
	format_to(buffer, size, n_cpus > 1 ? "%u-%u\n" : "%u\n", first, first + n_cpus - 1);
}

static void print_list(char *buffer, size_t size, uint32_t n_cpus)
{
	print_range(buffer, size, 0, n_cpus);
}

/* A file devices/system/<where>/<name>. */
static int64_t make_system_text(const char *where, const char *name, const char *text)
{
	char path[96];

	format_to(path, sizeof(path), "devices/system/%s/%s", where, name);
	return sysfs_make_text(path, text);
}

static int64_t sysfs_make_cpu(uint32_t cpu, uint32_t n_cpus)
{
	char where[32], path[64], number[16], own[MASK_TEXT_MAX], all[MASK_TEXT_MAX], list[32];

	format_to(where, sizeof(where), "cpu/cpu%u/topology", cpu);
	format_to(path, sizeof(path), "devices/system/%s", where);
	format_to(number, sizeof(number), "%u\n", cpu);
	print_mask(own, sizeof(own), cpu, 1, n_cpus);
	print_mask(all, sizeof(all), 0, n_cpus, n_cpus);
	print_list(list, sizeof(list), n_cpus);
	const struct {
		const char *name, *text;
	} files[] = {
		{ "core_id", number },
		{ "core_siblings", all },
		{ "core_siblings_list", list },
		{ "physical_package_id", "0\n" },
		{ "thread_siblings", own },
		{ "thread_siblings_list", number },
	};
	int64_t error = sysfs_make_folder(path);

	for (size_t i = 0; i < ARRAY_SIZE(files) && error == 0; i++) {
		error = make_system_text(where, files[i].name, files[i].text);
	}
	return error;
}

/* Whoever has the numbers of one block of a power of two can share a cache. */
static uint32_t sharing_block(uint32_t n_sharing, uint32_t n_cpus)
{
	uint32_t n = 1;

	while (n < n_sharing && n < n_cpus) {
		n *= 2;
	}
	return n;
}

static int64_t sysfs_make_cache(
	uint32_t cpu, uint32_t n_cpus, uint32_t index, const struct processor_cache *cache)
{
	static const char *const types[] = {
		[CACHE_DATA] = "Data\n",
		[CACHE_INSTRUCTION] = "Instruction\n",
		[CACHE_UNIFIED] = "Unified\n",
	};
	uint32_t block = sharing_block(cache->n_sharing, n_cpus);
	uint32_t first = cpu / block * block, n_sharing = (uint32_t)min_u64(block, n_cpus - first);
	uint64_t size =
		(uint64_t)cache->line_bytes * cache->n_partitions * cache->n_ways * cache->n_sets;
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "coherency_line_size", cache->line_bytes },
		{ "id", cpu / block },
		{ "level", cache->level },
		{ "number_of_sets", cache->n_sets },
		{ "physical_line_partition", cache->n_partitions },
		{ "ways_of_associativity", cache->n_ways },
	};
	char where[48], text[MASK_TEXT_MAX];
	int64_t error = 0;

	format_to(where, sizeof(where), "cpu/cpu%u/cache/index%u", cpu, index);
	for (size_t i = 0; i < ARRAY_SIZE(numbers) && error == 0; i++) {
		format_to(text, sizeof(text), "%llu\n", (unsigned long long)numbers[i].value);
		error = make_system_text(where, numbers[i].name, text);
	}
	if (error == 0) {
		error = make_system_text(where, "type", types[cache->type]);
	}
	if (error == 0) {
		format_to(text, sizeof(text), "%lluK\n", (unsigned long long)size / 1024);
		error = make_system_text(where, "size", text);
	}
	if (error == 0) {
		print_range(text, sizeof(text), first, n_sharing);
		error = make_system_text(where, "shared_cpu_list", text);
	}
	if (error == 0) {
		print_mask(text, sizeof(text), first, n_sharing, n_cpus);
		error = make_system_text(where, "shared_cpu_map", text);
	}
	return error;
}

/* All processors are taken to be like the one that this runs on. */
static int64_t sysfs_make_caches(uint32_t cpu, uint32_t n_cpus)
{
	struct processor_cache cache;
	int64_t error = 0;

	for (uint32_t index = 0; index < CACHES_MAX && error == 0 && processor_cache(index, &cache);
		index++) {
		char path[64];

		format_to(path, sizeof(path), "devices/system/cpu/cpu%u/cache/index%u", cpu, index);
		error = sysfs_make_folder(path);
		if (error == 0) {
			error = sysfs_make_cache(cpu, n_cpus, index, &cache);
		}
	}
	return error;
}

static int64_t sysfs_make_processors(uint32_t n_cpus)
{
	char list[32], mask[MASK_TEXT_MAX];

	print_list(list, sizeof(list), n_cpus);
	print_mask(mask, sizeof(mask), 0, n_cpus, n_cpus);
	const struct {
		const char *where, *name, *text;
	} files[] = {
		{ "cpu", "kernel_max", "255\n" },
		{ "cpu", "offline", "\n" },
		{ "cpu", "online", list },
		{ "cpu", "possible", list },
		{ "cpu", "present", list },
	};
	int64_t error = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && error == 0; i++) {
		error = make_system_text(files[i].where, files[i].name, files[i].text);
	}
	for (uint32_t cpu = 0; cpu < n_cpus && error == 0; cpu++) {
		error = sysfs_make_cpu(cpu, n_cpus);
		if (error == 0) {
			error = sysfs_make_caches(cpu, n_cpus);
		}
	}
	return error == 0 ? sysfs_make_node(sysfs->root, n_cpus, list, mask) : error;
}

/* ---- the interface of the loopback ----------------------------------------------------------- */

/* Nothing is counted: no packet is ever made. */
static int64_t sysfs_make_statistics(void)
{
	static const char *const names[] = {
		"collisions",
		"multicast",
		"rx_bytes",
		"rx_compressed",
		"rx_crc_errors",
		"rx_dropped",
		"rx_errors",
		"rx_fifo_errors",
		"rx_frame_errors",
		"rx_length_errors",
		"rx_missed_errors",
		"rx_nohandler",
		"rx_over_errors",
		"rx_packets",
		"tx_aborted_errors",
		"tx_bytes",
		"tx_carrier_errors",
		"tx_compressed",
		"tx_dropped",
		"tx_errors",
		"tx_fifo_errors",
		"tx_heartbeat_errors",
		"tx_packets",
		"tx_window_errors",
	};
	int64_t error = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names) && error == 0; i++) {
		char path[80];

		format_to(path, sizeof(path), "devices/virtual/net/lo/statistics/%s", names[i]);
		error = sysfs_make_text(path, "0\n");
	}
	return error;
}

static int64_t sysfs_make_loopback(void)
{
	static const struct {
		const char *name, *text;
	} files[] = {
		{ "addr_assign_type", "0\n" },
		{ "addr_len", "6\n" },
		{ "address", "00:00:00:00:00:00\n" },
		{ "broadcast", "00:00:00:00:00:00\n" },
		{ "carrier", "1\n" },
		{ "carrier_changes", "0\n" },
		{ "carrier_down_count", "0\n" },
		{ "carrier_up_count", "0\n" },
		{ "dev_id", "0x0\n" },
		{ "dev_port", "0\n" },
		{ "dormant", "0\n" },
		{ "flags", "0x9\n" },
		{ "ifalias", "" },
		{ "ifindex", "1\n" },
		{ "iflink", "1\n" },
		{ "link_mode", "0\n" },
		{ "mtu", "65536\n" },
		{ "netdev_group", "0\n" },
		{ "operstate", "unknown\n" },
		{ "proto_down", "0\n" },
		{ "tx_queue_len", "1000\n" },
		{ "type", "772\n" },
		{ "uevent", "INTERFACE=lo\nIFINDEX=1\n" },
	};
	int64_t error = sysfs_make_folder("devices/virtual/net/lo");

	for (size_t i = 0; i < ARRAY_SIZE(files) && error == 0; i++) {
		char path[64];

		format_to(path, sizeof(path), "devices/virtual/net/lo/%s", files[i].name);
		error = sysfs_make_text(path, files[i].text);
	}
	if (error == 0) {
		error = sysfs_make_link(
			"devices/virtual/net/lo/subsystem", "../../../../class/net");
	}
	if (error == 0) {
		error = sysfs_make_link("class/net/lo", "../../devices/virtual/net/lo");
	}
	return error == 0 ? sysfs_make_statistics() : error;
}

int64_t sysfs_init(void)
{
	static const char *const folders[] = {
		"block",
		"bus",
		"class/net",
		"class/tty",
		"class/block",
		"class/input",
		"dev/char",
		"dev/block",
		"devices/system/cpu",
		"firmware",
		"fs/cgroup",
		"kernel/mm/hugepages",
		"module",
		"power",
	};
	struct tmpfs_options options = tmpfs_default_options();

	options.type = "sysfs";
	options.mode = 0555;
	int64_t error = tmpfs_create(&options, &sysfs);

	if (error < 0) {
		return error;
	}
	sysfs->n_mounts++; /* it stays when nobody mounts it */
	for (size_t i = 0; i < ARRAY_SIZE(folders) && error == 0; i++) {
		error = sysfs_make_folder(folders[i]);
	}
	if (error == 0) {
		error = sysfs_make_large_pages();
	}
	if (error == 0) {
		error = sysfs_make_loopback();
	}
	return error == 0 ? sysfs_make_processors(helix_start()->n_cpus) : error;
}
