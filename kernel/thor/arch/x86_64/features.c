/* SPDX-License-Identifier: MIT */
/* What the processor can do, and switching it on. */
#include <base/assert.h>

#include "machine.h"
#include "registers.h"

#define XCR0_X87_SSE 0x3u
#define XCR0_AVX     0x4u
#define XCR0_AVX512  0xe0u
#define FXSAVE_SIZE  512

struct features features;

static void features_detect_fpu(uint32_t max_leaf)
{
	features.fpu_size = FXSAVE_SIZE;
	if (!features.has_xsave || max_leaf < 0xd) {
		features.has_xsave = false;
		return;
	}
	struct cpuid leaf = cpuid_read(0xd, 0);

	features.xcr0 = leaf.eax & (XCR0_X87_SSE | XCR0_AVX | XCR0_AVX512);
	if ((features.xcr0 & XCR0_AVX) == 0 || (features.xcr0 & XCR0_AVX512) != XCR0_AVX512) {
		features.xcr0 &= ~(uint64_t)XCR0_AVX512;
	}
	features.has_xsaveopt = (cpuid_read(0xd, 1).eax & 1) != 0;
}

void features_detect(void)
{
	uint32_t max_leaf = cpuid_read(0, 0).eax;
	struct cpuid leaf = cpuid_read(1, 0);

	features.has_xsave = (leaf.ecx >> 26 & 1) != 0;
	features.has_rdrand = (leaf.ecx >> 30 & 1) != 0;
	features.has_x2apic = (leaf.ecx >> 21 & 1) != 0;
	features.cr3_bits = (leaf.ecx >> 17 & 1) != 0 ? CR3_PCID | CR3_KEEP : 0;
	if (max_leaf >= 7) {
		leaf = cpuid_read(7, 0);
		features.has_fsgsbase = (leaf.ebx & 1) != 0;
		features.has_smep = (leaf.ebx >> 7 & 1) != 0;
		features.has_smap = (leaf.ebx >> 20 & 1) != 0;
		features.has_umip = (leaf.ecx >> 2 & 1) != 0;
	}
	leaf = cpuid_read(0x80000001, 0);
	features.has_gigabyte_pages = (leaf.edx >> 26 & 1) != 0;
	features_detect_fpu(max_leaf);
}

void features_enable(void)
{
	uint64_t cr4 = cr4_read() | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	cr4 |= features.has_fsgsbase ? CR4_FSGSBASE : 0;
	cr4 |= features.has_smep ? CR4_SMEP : 0;
	cr4 |= features.has_smap ? CR4_SMAP : 0;
	cr4 |= features.has_umip ? CR4_UMIP : 0;
	cr4 |= features.has_xsave ? CR4_OSXSAVE : 0;
	/* CR3 has identifier 0 now, as it has to when this is set. */
	cr4 |= features.cr3_bits != 0 ? CR4_PCIDE : 0;
	cr4_write(cr4);
	cr0_write((cr0_read() & ~CR0_EM) | CR0_MP | CR0_NE | CR0_WP);
	if (features.has_xsave) {
		xcr0_write(features.xcr0);
		/* The size depends on what is enabled in XCR0. */
		features.fpu_size = cpuid_read(0xd, 0).ebx;
	}
	msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SCE);
}
