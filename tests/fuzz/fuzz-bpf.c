/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target: classic BPF programs for seccomp. Bytes: the call that the program looks at,
 * then its instructions. What passes the check runs to its end, inside, whatever the call is; and
 * what is said to be always allowed is.
 */
#include <base/assert.h>
#include <base/string.h>
#include <posix/server/seccomp/program.h>

#include <stdlib.h>

constexpr uint32_t ARCH = 0xc000003e;

void assert_fail(UNUSED const char *file, UNUSED int line, UNUSED const char *expression)
{
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct linux_seccomp_data call;

	if (size < sizeof(call)) {
		return 0;
	}
	memcpy(&call, data, sizeof(call));
	call.arch = ARCH;
	uint32_t n = (uint32_t)((size - sizeof(call)) / sizeof(struct linux_bpf));
	/* a block of that size, so that the sanitizer sees each step outside */
	struct linux_bpf *program = malloc(n * sizeof(*program) + 1);

	ASSERT(program != NULL);
	memcpy(program, data + sizeof(call), n * sizeof(*program));
	if (bpf_check(program, n)) {
		uint32_t said = bpf_run(program, &call);

		if (bpf_always_allows(program, (uint32_t)call.number, ARCH)) {
			ASSERT((said & LINUX_SECCOMP_RET_ACTION) == LINUX_SECCOMP_RET_ALLOW);
		}
	}
	free(program);
	return 0;
}
