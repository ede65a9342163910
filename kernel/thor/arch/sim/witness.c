/* SPDX-License-Identifier: MIT */
/* What calls, operations and actions ended with: see thor/arch/witness.h. */
#include <thor/arch/witness.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

constexpr uint32_t WITNESS_NUMBERS = 256;
constexpr uint32_t WITNESS_ERRORS = 64;

enum witness_kind { WITNESS_CALL, WITNESS_OPERATION, WITNESS_ACTION, WITNESS_REFUSAL };

static const char *const witness_names[] = { "call", "operation", "action", "refusal" };

/* Bit n: it ended with error n. Written by one host thread at a time: virtual CPUs are fibres. */
static uint64_t witness_seen[ARRAY_SIZE(witness_names)][WITNESS_NUMBERS];

static void witness_write(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%d", getenv("HATI_WITNESS"), getpid());
	FILE *file = fopen(path, "w");

	if (file == NULL) {
		return;
	}
	for (uint32_t kind = 0; kind < ARRAY_SIZE(witness_names); kind++) {
		for (uint32_t number = 0; number < WITNESS_NUMBERS; number++) {
			for (uint32_t error = 0; error < WITNESS_ERRORS; error++) {
				if ((witness_seen[kind][number] >> error & 1) != 0) {
					fprintf(file, "%s %u %u\n", witness_names[kind], number,
						error);
				}
			}
		}
	}
	fclose(file);
}

__attribute__((constructor)) static void witness_start(void)
{
	if (getenv("HATI_WITNESS") != NULL) {
		atexit(witness_write);
	}
}

static void witness(enum witness_kind kind, uint32_t number, int64_t error)
{
	if (number < WITNESS_NUMBERS && error <= 0 && error > -(int64_t)WITNESS_ERRORS) {
		witness_seen[kind][number] |= (uint64_t)1 << -error;
	}
}

void arch_witness_completion(uint32_t opcode, int32_t error)
{
	witness(WITNESS_OPERATION, opcode, error);
}

void arch_witness_action(uint32_t type, int32_t error)
{
	witness(WITNESS_ACTION, type, error);
}

void arch_witness_refusal(uint32_t type, int32_t error)
{
	witness(WITNESS_REFUSAL, type, error);
}

void sim_witness_call(uint32_t number, int64_t error)
{
	witness(WITNESS_CALL, number, error);
}
