/* SPDX-License-Identifier: MIT */
/* The vDSO: that there is one, that its names are found, and what interrupts it. */
#include "check.h"

#include <elf.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

typedef int gettime_fn(clockid_t, struct timespec *);

/* The address of a name of the vDSO, as a C library finds it; NULL: it has none. */
static void *find(const char *name)
{
	const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *header = (const void *)base;
	const Elf64_Phdr *segments = (const void *)(base + header->e_phoff);
	const Elf64_Dyn *dynamic = NULL;
	const char *bias = NULL, *names = NULL;
	const Elf64_Sym *symbols = NULL;
	const uint32_t *hash = NULL;

	for (int i = 0; i < header->e_phnum; i++) {
		if (segments[i].p_type == PT_LOAD && !bias) {
			bias = base + segments[i].p_offset - segments[i].p_vaddr;
		} else if (segments[i].p_type == PT_DYNAMIC) {
			dynamic = (const void *)(base + segments[i].p_offset);
		}
	}
	for (; bias && dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
		const void *at = bias + dynamic->d_un.d_ptr;

		switch (dynamic->d_tag) {
		case DT_STRTAB: names = at; break;
		case DT_SYMTAB: symbols = at; break;
		case DT_HASH: hash = at; break;
		default: break;
		}
	}
	for (uint32_t i = 0; hash && names && symbols && i < hash[1]; i++) {
		if (!strcmp(names + symbols[i].st_name, name) && symbols[i].st_shndx != SHN_UNDEF) {
			return (void *)(uintptr_t)(bias + symbols[i].st_value);
		}
	}
	return NULL;
}

CASE(the_names_are_there)
{
	CHECK(getauxval(AT_SYSINFO_EHDR));
	CHECK(!memcmp((void *)getauxval(AT_SYSINFO_EHDR), ELFMAG, SELFMAG));
	CHECK(find("__vdso_clock_gettime"));
	CHECK(find("__vdso_clock_getres"));
	CHECK(find("__vdso_gettimeofday"));
	CHECK(find("__vdso_time"));
	CHECK(find("__vdso_getcpu"));
	CHECK(!find("__vdso_other"));
}

static int64_t ns_of(const struct timespec *time)
{
	return time->tv_sec * 1000000000 + time->tv_nsec;
}

CASE(it_agrees_with_the_calls)
{
	gettime_fn *gettime = (gettime_fn *)(uintptr_t)find("__vdso_clock_gettime");
	struct timespec before, now, after;

	for (clockid_t clock = 0; clock <= CLOCK_TAI; clock++) {
		if (clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE) {
			continue; /* the last tick: before what was read before */
		}
		int result = (int)syscall(SYS_clock_gettime, clock, &before);
		int expected = result ? -errno : 0;

		CHECK_EQ(gettime(clock, &now), expected);
		if (!result) {
			CHECK_EQ(syscall(SYS_clock_gettime, clock, &after), 0);
			CHECK(ns_of(&before) <= ns_of(&now) && ns_of(&now) <= ns_of(&after));
		}
	}
	CHECK_EQ(gettime(77, &now), -EINVAL);
}

static volatile sig_atomic_t n_signals;

static void count_signal(int signal)
{
	struct timespec now;

	(void)signal;
	n_signals = n_signals + 1;
	clock_gettime(CLOCK_MONOTONIC, &now);
}

CASE(signals_interrupt_it)
{
	gettime_fn *gettime = (gettime_fn *)(uintptr_t)find("__vdso_clock_gettime");
	struct itimerval often = { { 0, 200 }, { 0, 200 } };
	struct timespec last = { 0, 0 }, now;

	signal(SIGALRM, count_signal);
	CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
	while (n_signals < 200) {
		CHECK_EQ(gettime(CLOCK_MONOTONIC, &now), 0);
		CHECK(ns_of(&last) <= ns_of(&now));
		last = now;
	}
	memset(&often, 0, sizeof(often));
	setitimer(ITIMER_REAL, &often, NULL);
}

CASE(a_bad_pointer_is_the_programs_fault)
{
	gettime_fn *gettime = (gettime_fn *)(uintptr_t)find("__vdso_clock_gettime");
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		gettime(CLOCK_MONOTONIC, (struct timespec *)16);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

CASES_MAIN()
