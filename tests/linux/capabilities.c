/* SPDX-License-Identifier: MIT */
/* Capabilities: sets, user ids, exec, and what a process without them may not do. */
#include "check.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define NOBODY          65534
#define BIT(capability) (1ull << (capability))

struct sets {
	unsigned long long effective, permitted, inheritable;
};

static struct sets get(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	CHECK_EQ(syscall(SYS_capget, &header, data), 0);
	return (struct sets){
		data[0].effective | (unsigned long long)data[1].effective << 32,
		data[0].permitted | (unsigned long long)data[1].permitted << 32,
		data[0].inheritable | (unsigned long long)data[1].inheritable << 32,
	};
}

static long set(struct sets sets)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = {
		{ (unsigned)sets.effective, (unsigned)sets.permitted, (unsigned)sets.inheritable },
		{ (unsigned)(sets.effective >> 32), (unsigned)(sets.permitted >> 32),
			(unsigned)(sets.inheritable >> 32) },
	};

	return syscall(SYS_capset, &header, data);
}

CASE(versions)
{
	struct __user_cap_header_struct header = { 0, 0 };
	struct __user_cap_data_struct data[2];

	CHECK_EQ(syscall(SYS_capget, &header, NULL), 0);
	CHECK_EQ(header.version, _LINUX_CAPABILITY_VERSION_3);
	header.version = 1;
	CHECK_ERRNO(syscall(SYS_capget, &header, data), EINVAL);
	CHECK_EQ(header.version, _LINUX_CAPABILITY_VERSION_3);
	header = (struct __user_cap_header_struct){ _LINUX_CAPABILITY_VERSION_1, 0 };
	memset(data, 0x55, sizeof(data));
	CHECK_EQ(syscall(SYS_capget, &header, data), 0);
	CHECK_EQ(data[1].effective, 0x55555555);
	header = (struct __user_cap_header_struct){ _LINUX_CAPABILITY_VERSION_3, -1 };
	CHECK_ERRNO(syscall(SYS_capget, &header, data), EINVAL);
	header.pid = 1;
	CHECK_EQ(syscall(SYS_capget, &header, data), 0);
	CHECK_ERRNO(syscall(SYS_capset, &header, data), EPERM);
}

CASE(what_is_given_up_does_not_come_back)
{
	struct sets all = get(), less = all;

	CHECK(all.permitted & BIT(CAP_CHOWN));
	CHECK(all.effective == all.permitted);
	less.effective &= ~BIT(CAP_CHOWN);
	CHECK_EQ(set(less), 0);
	close(open("file", O_WRONLY | O_CREAT, 0600));
	CHECK_ERRNO(chown("file", 1, 1), EPERM);
	CHECK_EQ(set(all), 0);
	CHECK_EQ(chown("file", 1, 1), 0);
	less.permitted &= ~BIT(CAP_CHOWN);
	CHECK_EQ(set(less), 0);
	CHECK_ERRNO(set(all), EPERM);
	less.effective |= BIT(CAP_CHOWN);
	CHECK_ERRNO(set(less), EPERM);
	unlink("file");
}

CASE(user_ids_take_them_and_give_them)
{
	struct sets all = get(), now;

	CHECK_EQ(setresuid(-1, NOBODY, -1), 0);
	now = get();
	CHECK(now.effective == 0 && now.permitted == all.permitted);
	CHECK_EQ(setresuid(-1, 0, -1), 0);
	CHECK(get().effective == all.permitted);
	CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
	now = get();
	CHECK(now.effective == 0 && now.permitted == 0);
}

CASE(keepcaps_keeps_the_permitted)
{
	struct sets all = get(), now;

	CHECK_EQ(prctl(PR_SET_KEEPCAPS, 1), 0);
	CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
	now = get();
	CHECK(now.effective == 0 && now.permitted == all.permitted);
	now.effective = BIT(CAP_SETUID);
	CHECK_EQ(set(now), 0);
	CHECK_EQ(setresuid(0, 0, 0), 0);
}

CASE(the_user_of_files_has_those_of_files)
{
	struct sets all = get();

	setfsuid(NOBODY);
	CHECK(!(get().effective & BIT(CAP_DAC_OVERRIDE)));
	CHECK(get().effective & BIT(CAP_SETUID));
	setfsuid(0);
	CHECK(get().effective == all.effective);
}

CASE(each_lets_do_its_own)
{
	struct sets all = get(), one = all;
	char name[] = "host";
	pid_t pid = fork();

	if (pid == 0) {
		setresuid(NOBODY, NOBODY, NOBODY);
		pause();
		_exit(0);
	}
	one.effective = BIT(CAP_KILL);
	CHECK_EQ(set(one), 0);
	CHECK_ERRNO(sethostname(name, 4), EPERM);
	CHECK_ERRNO(setresuid(5, 5, 5), EPERM);
	CHECK_ERRNO(setgroups(0, NULL), EPERM);
	CHECK_ERRNO(chroot("/"), EPERM);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	waitpid(pid, NULL, 0);

	one.effective = BIT(CAP_DAC_READ_SEARCH);
	CHECK_EQ(set(all), 0);
	close(open("theirs", O_WRONLY | O_CREAT, 0));
	CHECK_EQ(chown("theirs", 1, 1), 0);
	CHECK_EQ(set(one), 0);
	CHECK(open("theirs", O_RDONLY) >= 0);
	CHECK_ERRNO(open("theirs", O_WRONLY), EACCES);
	CHECK_ERRNO(chmod("theirs", 0777), EPERM);
	one.effective = BIT(CAP_FOWNER) | BIT(CAP_DAC_OVERRIDE);
	CHECK_EQ(set(one), 0);
	CHECK_EQ(chmod("theirs", 0600), 0);
	CHECK(open("theirs", O_WRONLY) >= 0);
	unlink("theirs");
}

CASE(bounding_set)
{
	CHECK_ERRNO(prctl(PR_CAPBSET_READ, 63), EINVAL);
	CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_CHOWN), 1);
	CHECK_EQ(prctl(PR_CAPBSET_DROP, CAP_CHOWN), 0);
	CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_CHOWN), 0);
	CHECK(get().permitted & BIT(CAP_CHOWN)); /* it is about what exec gives */
	CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
	CHECK_ERRNO(prctl(PR_CAPBSET_DROP, CAP_KILL), EPERM);
}

CASE(ambient_set)
{
	struct sets sets = get();

	CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0), 0);
	CHECK_ERRNO(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0), EPERM);
	sets.inheritable = BIT(CAP_KILL);
	CHECK_EQ(set(sets), 0);
	CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0), 0);
	CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0), 1);
	sets.inheritable = 0;
	CHECK_EQ(set(sets), 0);
	CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0), 0);
	CHECK_ERRNO(prctl(PR_CAP_AMBIENT, 9, CAP_KILL, 0, 0), EINVAL);
	CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), 0);
}

/* ---- exec ------------------------------------------------------------------------------------ */

/* What a program that is this one sees of its sets: "effective permitted". */
static void run_copy(
	const char *path, unsigned long long *out_effective, unsigned long long *out_permitted)
{
	int pipes[2];
	char text[64] = "";

	CHECK_EQ(pipe(pipes), 0);
	pid_t pid = fork();

	if (pid == 0) {
		dup2(pipes[1], 1);
		execl(path, path, "--print-sets", NULL);
		_exit(99);
	}
	close(pipes[1]);
	CHECK(read(pipes[0], text, sizeof(text) - 1) > 0);
	CHECK_EQ(sscanf(text, "%llx %llx", out_effective, out_permitted), 2);
	close(pipes[0]);
	waitpid(pid, NULL, 0);
}

static void copy_self(const char *to)
{
	int from = open("/proc/self/exe", O_RDONLY),
	    fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	char buffer[65536];
	ssize_t n;

	while ((n = read(from, buffer, sizeof(buffer))) > 0) {
		CHECK_EQ(write(fd, buffer, (size_t)n), n);
	}
	close(fd);
	close(from);
	CHECK_EQ(chmod(to, 0755), 0);
}

CASE(exec_gives_the_superuser_all_and_others_what_is_ambient)
{
	unsigned long long effective, permitted;
	struct sets sets = get();

	CHECK_EQ(chmod(".", 0755), 0);
	copy_self("copy");
	sets.effective = sets.permitted;
	run_copy("./copy", &effective, &permitted);
	CHECK(effective == sets.permitted && permitted == sets.permitted);
	sets.inheritable = BIT(CAP_KILL);
	CHECK_EQ(set(sets), 0);
	CHECK_EQ(prctl(PR_SET_KEEPCAPS, 1), 0);
	CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
	run_copy("./copy", &effective, &permitted);
	CHECK(effective == 0 && permitted == 0);
	CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0), 0);
	run_copy("./copy", &effective, &permitted);
	CHECK(effective == BIT(CAP_KILL) && permitted == BIT(CAP_KILL));
}

CASE(exec_gives_what_the_file_says)
{
	struct vfs_cap_data data = {
		.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
		.data = { { .permitted = (unsigned)BIT(CAP_NET_RAW) } },
	};
	unsigned long long effective, permitted;

	CHECK_EQ(chmod(".", 0755), 0);
	copy_self("copy");
	CHECK_EQ(setxattr("copy", "security.capability", &data, sizeof(data), 0), 0);
	CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
	run_copy("./copy", &effective, &permitted);
	CHECK(effective == BIT(CAP_NET_RAW) && permitted == BIT(CAP_NET_RAW));
	CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	run_copy("./copy", &effective, &permitted);
	CHECK(effective == 0 && permitted == 0);
}

__attribute__((constructor)) static void print_sets(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--print-sets")) {
		struct sets sets = get();

		printf("%llx %llx\n", sets.effective, sets.permitted);
		fflush(stdout);
		_exit(0);
	}
}

CASES_MAIN()
