/* SPDX-License-Identifier: MIT */
/*
 * What programs want to know of the processor: the auxiliary vector, signal frames, /proc/cpuinfo.
 */
#include <base/format.h>
#include <base/string.h>
#include <posix/server/arch/x86_64/cpuid.h>
#include <posix/server/process/process-internal.h>

constexpr uint64_t HWCAP2_FSGSBASE = 2;
constexpr uint64_t SIGNAL_FRAME_MIN =
	1024; /* ucontext, siginfo, alignment, beside the extended state */
constexpr uint32_t LEAF_XSAVE = 0xd, LEAF_BRAND = 0x80000002;
constexpr uint64_t LEGACY_STATE_SIZE = 512 + 64, LEGACY_STATE_MASK = 3;

static uint64_t read_xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static void read_names(struct processor_info *info)
{
	struct cpuid leaf = cpuid(0, 0);

	memcpy(info->vendor, &leaf.b, 4);
	memcpy(info->vendor + 4, &leaf.d, 4);
	memcpy(info->vendor + 8, &leaf.c, 4);
	if (cpuid(0x80000000, 0).a < LEAF_BRAND + 2) {
		return;
	}
	for (uint32_t i = 0; i < 3; i++) {
		leaf = cpuid(LEAF_BRAND + i, 0);
		memcpy(info->brand + 16 * i, &leaf, 16);
	}
}

static void read_state_size(struct processor_info *info, uint32_t features_c)
{
	bool has_xsave = (features_c >> 27 & 1) != 0; /* OSXSAVE */

	info->xsave_size = has_xsave ? cpuid(LEAF_XSAVE, 0).b : LEGACY_STATE_SIZE;
	info->xsave_mask = has_xsave ? read_xcr0() : LEGACY_STATE_MASK;
	info->signal_stack_min = align_up(info->xsave_size + SIGNAL_FRAME_MIN, 16);
}

const struct processor_info *processor_info(void)
{
	static struct processor_info info;
	struct cpuid features;

	if (info.xsave_size != 0) {
		return &info;
	}
	features = cpuid(1, 0);
	info.hwcap = features.d;
	info.hwcap2 = (cpuid(7, 0).b & 1) != 0 ? HWCAP2_FSGSBASE : 0;
	info.stepping = features.a & 0xf;
	info.model = (features.a >> 4 & 0xf) | (features.a >> 12 & 0xf0);
	info.family = features.a >> 8 & 0xf;
	if (info.family == 0xf) {
		info.family += features.a >> 20 & 0xff;
	}
	read_names(&info);
	read_state_size(&info, features.c);
	return &info;
}

/* Bits of leaf 1 and 7 that programs look for in "flags". */
static const struct {
	uint8_t leaf, word, bit; /* word: 1 ebx, 2 ecx, 3 edx */
	const char *name;
} flag_names[] = {
	{ 1, 3, 0, "fpu" },
	{ 1, 3, 4, "tsc" },
	{ 1, 3, 8, "cx8" },
	{ 1, 3, 15, "cmov" },
	{ 1, 3, 23, "mmx" },
	{ 1, 3, 24, "fxsr" },
	{ 1, 3, 25, "sse" },
	{ 1, 3, 26, "sse2" },
	{ 1, 2, 0, "pni" },
	{ 1, 2, 1, "pclmulqdq" },
	{ 1, 2, 9, "ssse3" },
	{ 1, 2, 12, "fma" },
	{ 1, 2, 13, "cx16" },
	{ 1, 2, 19, "sse4_1" },
	{ 1, 2, 20, "sse4_2" },
	{ 1, 2, 22, "movbe" },
	{ 1, 2, 23, "popcnt" },
	{ 1, 2, 25, "aes" },
	{ 1, 2, 26, "xsave" },
	{ 1, 2, 28, "avx" },
	{ 1, 2, 29, "f16c" },
	{ 1, 2, 30, "rdrand" },
	{ 7, 1, 0, "fsgsbase" },
	{ 7, 1, 3, "bmi1" },
	{ 7, 1, 5, "avx2" },
	{ 7, 1, 8, "bmi2" },
	{ 7, 1, 9, "erms" },
	{ 7, 1, 16, "avx512f" },
	{ 7, 1, 18, "rdseed" },
	{ 7, 1, 19, "adx" },
	{ 7, 1, 29, "sha_ni" },
};

static size_t print_flags(char *buffer, size_t size)
{
	struct cpuid leaf1 = cpuid(1, 0), leaf7 = cpuid(7, 0);
	size_t used = format_to(buffer, size, "flags\t\t:");

	for (size_t i = 0; i < ARRAY_SIZE(flag_names); i++) {
		const struct cpuid *leaf = flag_names[i].leaf == 1 ? &leaf1 : &leaf7;
		uint32_t word = flag_names[i].word == 1 ? leaf->b
			: flag_names[i].word == 2       ? leaf->c
							: leaf->d;

		if ((word >> flag_names[i].bit & 1) != 0) {
			used += format_to(buffer + min_size(used, size),
				size - min_size(used, size), " %s", flag_names[i].name);
		}
	}
	return min_size(used, size);
}

size_t processor_print(char *buffer, size_t size, uint32_t n_cpus)
{
	const struct processor_info *info = processor_info();
	size_t used = 0;

	for (uint32_t i = 0; i < n_cpus; i++) {
		used += format_to(buffer + used, size - used,
			"processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n"
			"model name\t: %s\nstepping\t: %u\ncpu cores\t: %u\n",
			i, info->vendor, info->family, info->model, info->brand, info->stepping,
			n_cpus);
		used = min_size(used, size);
		used += print_flags(buffer + used, size - used);
		used += format_to(buffer + used, size - used,
			"\nclflush size\t: 64\naddress sizes\t: 48 bits virtual\n\n");
		used = min_size(used, size);
	}
	return used;
}
