/* SPDX-License-Identifier: MIT */
/*
 * Classic BPF programs as seccomp takes them: checked once, then run for each call. No side
 * effects, and no memory of their own: they are the caller's.
 *
 * A program has an accumulator, an index register and 16 words of scratch memory. Its jumps lead
 * forward only, so it takes at most as many steps as it has instructions. What has passed the check
 * reads no word of memory that it has not written on every way there, divides by no constant zero,
 * and ends with a return.
 */
#ifndef POSIX_SECCOMP_PROGRAM_H
#define POSIX_SECCOMP_PROGRAM_H

#include <abi/linux/seccomp.h>
#include <base/types.h>

/** bpf_check() - whether Linux would take these @n instructions as a seccomp filter */
bool bpf_check(const struct linux_bpf *program, uint32_t n);

/** bpf_run() - what the program, which has passed the check, says to a call */
uint32_t bpf_run(const struct linux_bpf *program, const struct linux_seccomp_data *data);

/**
 * bpf_always_allows() - whether it allows calls of that number whatever else they are
 *
 * Says no also where it would have to follow more than one way.
 */
bool bpf_always_allows(const struct linux_bpf *program, uint32_t number, uint32_t arch);

#endif
