/* SPDX-License-Identifier: MIT */
/*
 * Nonsense: wild pointers, lengths and numbers to every call, mutated programs. Nothing may hang,
 * nothing but the caller may die, and the machine must be well afterwards.
 */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static unsigned long seed = 20261124;

static unsigned long draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/*
 * Calls that would end the case, block by right, or change the world of the test itself.
 */
/* clang-format off */
static const short left_out[] = {
	SYS_exit, SYS_exit_group, SYS_fork, SYS_vfork, SYS_clone, SYS_clone3, SYS_pause,
	SYS_rt_sigsuspend, SYS_rt_sigreturn, SYS_kill, SYS_tkill, SYS_tgkill, SYS_reboot,
	SYS_vhangup, SYS_ptrace, SYS_rt_sigtimedwait, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
	SYS_kexec_load, SYS_kexec_file_load, SYS_init_module, SYS_finit_module,
	SYS_delete_module, SYS_swapon, SYS_swapoff, SYS_mount, SYS_umount2, SYS_pivot_root,
	SYS_chroot, SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime,
	SYS_sethostname, SYS_setdomainname, SYS_unshare, SYS_setns, SYS_iopl, SYS_ioperm,
	SYS_acct, SYS_quotactl, SYS_syslog, SYS_sync, SYS_unlink, SYS_unlinkat, SYS_rmdir,
	SYS_rename, SYS_renameat, SYS_renameat2, SYS_chmod, SYS_fchmod, SYS_fchown,
	SYS_setrlimit, SYS_prlimit64,
	SYS_alarm, SYS_setitimer, SYS_nanosleep, SYS_clock_nanosleep, SYS_pidfd_send_signal,
	SYS_seccomp, SYS_prctl, SYS_mlockall, SYS_restart_syscall, SYS_semop, SYS_semtimedop,
	SYS_msgrcv, SYS_mq_timedreceive, SYS_munmap, SYS_mprotect, SYS_brk, SYS_mremap,
	SYS_arch_prctl, SYS_setsid, SYS_setpgid, SYS_close_range, SYS_close, SYS_dup2, SYS_dup3,
	SYS_io_uring_enter, SYS_rt_sigaction, SYS_sigaltstack, SYS_rt_sigprocmask,
	SYS_set_robust_list, SYS_set_tid_address, SYS_rseq, SYS_personality, SYS_setuid,
	SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setfsuid,
	SYS_setfsgid, SYS_setgroups, SYS_capset, SYS_pkey_mprotect, SYS_remap_file_pages,
	SYS_userfaultfd, SYS_futex, SYS_shmat, SYS_mmap, SYS_process_vm_writev,
	SYS_process_madvise, SYS_madvise, SYS_mlock, SYS_mlock2, SYS_memfd_secret,
	SYS_landlock_restrict_self, SYS_sched_setscheduler, SYS_sched_setparam,
	SYS_sched_setattr, SYS_ioprio_set, SYS_setpriority, SYS_umask, SYS_execve, SYS_execveat,
	SYS_wait4, SYS_waitid, SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_poll,
	SYS_ppoll, SYS_select, SYS_pselect6, SYS_accept, SYS_accept4, SYS_connect,
	SYS_fanotify_init, SYS_perf_event_open, SYS_bpf, SYS_add_key, SYS_request_key,
	SYS_keyctl, SYS_move_mount, SYS_fsmount, SYS_open_tree, SYS_mount_setattr, SYS_fsopen,
	SYS_fsconfig, SYS_fspick, SYS_lookup_dcookie, SYS_uselib, SYS_nfsservctl, SYS_vserver,
	SYS__sysctl, SYS_modify_ldt,
};
/* clang-format on */

static bool is_left_out(long number)
{
	for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++) {
		if (left_out[i] == number) {
			return true;
		}
	}
	return false;
}

static unsigned long wild(void)
{
	static const unsigned long values[] = {
		0,
		1,
		8,
		4095,
		4096,
		0x7fff00000000,
		0x7fff00001000,
		0x7fff00049000,
		0x7fff0004a480,
		0x7fff0004b000,
		0x7ffffffff000,
		0x800000000000,
		0xffff800000000000,
		0xffffffff80000000,
		~0ul,
		~0ul - 4095,
		0x7fffffffffffffff,
		1ul << 63,
		1ul << 40,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		3,
		100,
		1000000,
	};

	return draw() % 4 ? values[draw() % (sizeof(values) / sizeof(values[0]))] : draw();
}

CASE(wild_arguments_to_every_call)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		int null = open("/dev/null", O_RDWR);

		chdir("/proc");
		for (int i = 0; i < 3; i++) {
			dup2(null, i);
		}
		for (int round = 0; round < 12; round++) {
			for (long number = 0; number < 460; number++) {
				if (!is_left_out(number)) {
					syscall(number, wild(), wild(), wild(), wild(), wild(),
						wild());
				}
			}
		}
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status) || WIFSIGNALED(status));
}

CASE(waiting_calls_with_bad_pointers)
{
	CHECK_ERRNO(syscall(SYS_wait4, -1, 8, 0, 0), ECHILD);
	CHECK_ERRNO(syscall(SYS_poll, 8, 5, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_select, 10, 8, 0, 0, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_nanosleep, 8, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_execve, 8, 8, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, 8, 0, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, 0, 0, 7), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigprocmask, 0, 8, 0, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_futex, 8, 0, 0, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_futex, 9, 0, 0, 0), EINVAL);
}

CASE(buffers_that_end_too_early)
{
	char *at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ends[2];
	int zero = open("/dev/zero", O_RDONLY);

	munmap(at + 4096, 4096);
	CHECK_EQ(pipe(ends), 0);
	strcpy(at + 4090, "/tmp");
	struct stat status;
	CHECK_EQ(stat(at + 4090, &status), 0);
	memset(at + 4090, 'x', 6);
	CHECK_ERRNO(stat(at + 4090, &status), EFAULT);
	CHECK_ERRNO(stat("/tmp", (struct stat *)(at + 4090)), EFAULT);
	CHECK_ERRNO(write(ends[1], at + 4096, 10), EFAULT);
	CHECK_ERRNO(read(zero, at + 4096, 100000), EFAULT);
	CHECK_ERRNO(pipe((int *)(at + 4094)), EFAULT);
}

static size_t read_program(char **out)
{
	int fd = open("/bin/busybox", O_RDONLY);
	struct stat status;
	size_t done = 0;

	fstat(fd, &status);
	*out = malloc((size_t)status.st_size);
	while (done < (size_t)status.st_size) {
		ssize_t n = read(fd, *out + done, (size_t)status.st_size - done);

		if (n <= 0) {
			break;
		}
		done += (size_t)n;
	}
	close(fd);
	return done;
}

/* Headers are where a loader looks, so that is where most of the damage goes. */
CASE(mutated_programs)
{
	char *image, path[] = "/tmp/mutant-XXXXXX", *args[] = { path, NULL }, *env[] = { NULL };
	size_t size = read_program(&image);
	int fd = mkstemp(path);

	CHECK(size > 100000);
	close(fd);
	for (int i = 0; i < 200; i++) {
		unsigned char saved[16];
		size_t at[16];
		int n = 1 + (int)(draw() % 16), status;
		pid_t child;

		for (int k = 0; k < n; k++) {
			at[k] = draw() % (draw() % 4 ? 64 + 56 * 12 : size);
			saved[k] = (unsigned char)image[at[k]];
			image[at[k]] = draw() % 2 ? (char)draw() : (char)(draw() % 2 ? 0xff : 0);
		}
		fd = open(path, O_WRONLY | O_TRUNC);
		CHECK(fd >= 0);
		CHECK(write(fd, image, size) == (ssize_t)size);
		fchmod(fd, 0755);
		close(fd);
		for (int k = n - 1; k >= 0; k--) {
			image[at[k]] = (char)saved[k];
		}
		child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			struct rlimit limit = { 2, 2 };
			int null = open("/dev/null", O_RDWR);

			dup2(null, 0);
			dup2(null, 1);
			dup2(null, 2);
			setrlimit(RLIMIT_CPU, &limit);
			alarm(3);
			execve(path, args, env);
			_exit(1);
		}
		CHECK_EQ(waitpid(child, &status, 0), child);
	}
	unlink(path);
}

CASE(deep_recursion_of_paths)
{
	static char path[4096];
	int depth = 0;

	CHECK_EQ(chdir("/tmp"), 0);
	char base[] = "/tmp/deep-XXXXXX";
	CHECK(mkdtemp(base));
	CHECK_EQ(chdir(base), 0);
	while (depth < 300 && mkdir("d", 0755) == 0 && chdir("d") == 0) {
		depth++;
	}
	CHECK_EQ(depth, 300);
	CHECK(getcwd(path, sizeof(path)) != NULL);
	while (depth-- > 0) {
		CHECK_EQ(chdir(".."), 0);
		CHECK_EQ(rmdir("d"), 0);
	}
	CHECK_EQ(rmdir(base), 0);
}
CASES_MAIN()
