/* SPDX-License-Identifier: MIT */
/* Mounts: flags, bind mounts, moving, umount2, chroot, and a tree of one's own with unshare. */
#include "check.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

static char root[4096];

/* A fresh folder with folders a and b, and we in it, in a tree of mounts that is ours alone. */
static void enter(void)
{
	strcpy(root, "mounts-XXXXXX");
	if (!mkdtemp(root) || chmod(root, 0755) || chdir(root) || !getcwd(root, sizeof(root))) {
		check_fail(__LINE__, "mkdtemp", 0);
	}
	CHECK_EQ(unshare(CLONE_NEWNS), 0);
	CHECK_EQ(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	CHECK_EQ(mkdir("a", 0755), 0);
	CHECK_EQ(mkdir("b", 0755), 0);
}

static int make(const char *name)
{
	return close(open(name, O_WRONLY | O_CREAT, 0666));
}

static int exists(const char *name)
{
	return access(name, F_OK) == 0;
}

/* How many lines of /proc/self/mountinfo hold the text. */
static int lines_with(const char *text)
{
	FILE *file = fopen("/proc/self/mountinfo", "r");
	char line[1000];
	int n_lines = 0;

	CHECK(file != NULL);
	while (fgets(line, sizeof(line), file)) {
		n_lines += strstr(line, text) != NULL;
	}
	fclose(file);
	return n_lines;
}

CASE(mount_and_umount)
{
	enter();
	CHECK_EQ(mount("source", "a", "tmpfs", 0, "size=64k,mode=700"), 0);
	struct stat status;
	CHECK_EQ(stat("a", &status), 0);
	CHECK_EQ(status.st_mode, S_IFDIR | 0700);
	make("a/file");
	CHECK_ERRNO(rmdir("a"), EBUSY);
	CHECK_ERRNO(rename("a", "c"), EBUSY);
	int fd = open("a/file", O_RDONLY);
	CHECK_ERRNO(umount("a"), EBUSY);
	close(fd);
	CHECK_ERRNO(umount2("a/file", 0), EINVAL);
	CHECK_ERRNO(umount2("a", 0x100), EINVAL);
	CHECK_ERRNO(umount2("nothing", 0), ENOENT);
	CHECK_EQ(umount("a"), 0);
	CHECK(!exists("a/file"));
	CHECK_ERRNO(umount("a"), EINVAL);
	CHECK_ERRNO(mount("x", "a", "nothing", 0, NULL), ENODEV);
	CHECK_ERRNO(mount("x", "nothing", "tmpfs", 0, NULL), ENOENT);
	make("file");
	CHECK_ERRNO(mount("x", "file", "tmpfs", 0, NULL), ENOTDIR);
	CHECK_ERRNO(mount("x", "a", "tmpfs", 0, "nothing=1"), EINVAL);
}

CASE(busy_and_lazy)
{
	enter();
	CHECK_EQ(mount("x", "a", "tmpfs", 0, NULL), 0);
	CHECK_EQ(mkdir("a/in", 0755), 0);
	CHECK_EQ(mount("x", "a/in", "tmpfs", 0, NULL), 0);
	CHECK_ERRNO(umount("a"), EBUSY);
	CHECK_EQ(umount2("a", MNT_DETACH), 0);
	CHECK(!exists("a/in"));
	CHECK_EQ(lines_with("/a"), 0);
}

CASE(expiring)
{
	enter();
	CHECK_EQ(mount("x", "a", "tmpfs", 0, NULL), 0);
	CHECK_ERRNO(umount2("a", MNT_EXPIRE | MNT_DETACH), EINVAL);
	CHECK_ERRNO(umount2("a", MNT_EXPIRE | MNT_FORCE), EINVAL);
	CHECK_ERRNO(umount2("a", MNT_EXPIRE), EAGAIN);
	make("a/use");
	CHECK_ERRNO(umount2("a", MNT_EXPIRE), EAGAIN);
	CHECK_EQ(umount2("a", MNT_EXPIRE), 0);
	CHECK_ERRNO(umount("a"), EINVAL);
}

CASE(links_as_targets)
{
	enter();
	CHECK_EQ(symlink("a", "link"), 0);
	CHECK_EQ(mount("x", "link", "tmpfs", 0, NULL), 0);
	CHECK_ERRNO(umount2("link", UMOUNT_NOFOLLOW), EINVAL);
	CHECK_EQ(umount2("link", 0), 0);
}

CASE(bound)
{
	enter();
	make("a/file");
	CHECK_EQ(mkdir("a/in", 0755), 0);
	CHECK_EQ(mount("x", "a/in", "tmpfs", 0, NULL), 0);
	make("a/in/deep");
	CHECK_EQ(mount("a", "b", NULL, MS_BIND, NULL), 0);
	CHECK(exists("b/file"));
	CHECK(!exists("b/in/deep"));
	make("b/new");
	CHECK(exists("a/new"));
	CHECK_EQ(umount("b"), 0);
	CHECK_EQ(mount("a", "b", NULL, MS_BIND | MS_REC, NULL), 0);
	CHECK(exists("b/in/deep"));
	CHECK_ERRNO(umount("b"), EBUSY);
	CHECK_EQ(umount2("b", MNT_DETACH), 0);
	CHECK(exists("a/in/deep"));
	make("file");
	CHECK_EQ(mount("a/file", "file", NULL, MS_BIND, NULL), 0);
	CHECK_ERRNO(unlink("file"), EBUSY);
	CHECK_EQ(umount("file"), 0);
	CHECK_ERRNO(mount("a/file", "b", NULL, MS_BIND, NULL), ENOTDIR);
	CHECK_ERRNO(mount("a", "file", NULL, MS_BIND, NULL), ENOTDIR);
	CHECK_ERRNO(mount("nothing", "b", NULL, MS_BIND, NULL), ENOENT);
	CHECK_EQ(mount(".", "b", NULL, MS_BIND | MS_REC, NULL), 0);
	CHECK(exists("b/a/in/deep"));
	CHECK(!exists("b/b/a"));
}

CASE(read_only)
{
	struct statfs about;

	enter();
	CHECK_EQ(mount("a", "b", NULL, MS_BIND | MS_RDONLY, NULL), 0);
	CHECK_EQ(make("b/file"), 0);
	CHECK_EQ(mount(NULL, "b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID, NULL), 0);
	CHECK_ERRNO(open("b/new", O_CREAT | O_WRONLY, 0600), EROFS);
	CHECK_ERRNO(open("b/file", O_WRONLY), EROFS);
	CHECK_ERRNO(unlink("b/file"), EROFS);
	CHECK_ERRNO(mkdir("b/folder", 0700), EROFS);
	CHECK_ERRNO(chmod("b/file", 0600), EROFS);
	CHECK_ERRNO(access("b/file", W_OK), EROFS);
	CHECK_EQ(access("b/file", R_OK), 0);
	CHECK_EQ(make("a/new"), 0);
	CHECK_EQ(statfs("b", &about), 0);
	CHECK_EQ(about.f_flags & (MS_RDONLY | MS_NOSUID | MS_NODEV), MS_RDONLY | MS_NOSUID);
	CHECK_ERRNO(mount(NULL, "b/file", NULL, MS_REMOUNT | MS_BIND, NULL), EINVAL);
	CHECK_EQ(mount(NULL, "b", NULL, MS_REMOUNT | MS_BIND, NULL), 0);
	CHECK_EQ(unlink("b/file"), 0);
}

CASE(without_access_times)
{
	struct timespec old[2] = { { 1, 0 }, { 2, 0 } };
	struct stat status;
	char c;

	enter();
	CHECK_EQ(mount("x", "a", "tmpfs", MS_NOATIME, NULL), 0);
	int fd = open("a/file", O_RDWR | O_CREAT, 0600);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_EQ(futimens(fd, old), 0);
	CHECK_EQ(pread(fd, &c, 1, 0), 1);
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK_EQ(status.st_atim.tv_sec, 1);
	CHECK_EQ(lines_with("noatime"), 1);
}

CASE(no_devices_no_programs)
{
	enter();
	CHECK_EQ(mount("x", "a", "tmpfs", MS_NODEV | MS_NOEXEC, NULL), 0);
	CHECK_EQ(mknod("a/null", S_IFCHR | 0666, 0x103), 0);
	CHECK_ERRNO(open("a/null", O_RDONLY), EACCES);
	close(open("a/program", O_WRONLY | O_CREAT, 0777));
	CHECK_ERRNO(execl("a/program", "x", NULL), EACCES);
	CHECK_ERRNO(access("a/program", X_OK), EACCES);
	int fd = open("a/program", O_RDWR);
	CHECK_EQ(ftruncate(fd, 4096), 0);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED);
	CHECK_EQ(errno, EPERM);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED);
}

CASE(moved)
{
	enter();
	CHECK_EQ(mount("x", "a", "tmpfs", 0, NULL), 0);
	make("a/file");
	CHECK_EQ(mkdir("a/in", 0755), 0);
	CHECK_ERRNO(mount("a", "a/in", NULL, MS_MOVE, NULL), ELOOP);
	CHECK_ERRNO(mount("b", "a", NULL, MS_MOVE, NULL), EINVAL);
	CHECK_EQ(mount("a", "b", NULL, MS_MOVE, NULL), 0);
	CHECK(exists("b/file"));
	CHECK(!exists("a/file"));
	CHECK_EQ(rmdir("a"), 0);
	CHECK_EQ(chdir("b/in"), 0);
	CHECK_EQ(chdir("../.."), 0);
	CHECK(exists("b"));
	CHECK_EQ(umount("b"), 0);
}

CASE(propagation)
{
	enter();
	CHECK_EQ(mount(NULL, "/", NULL, MS_PRIVATE, NULL), 0);
	CHECK_ERRNO(mount(NULL, "a", NULL, MS_PRIVATE, NULL), EINVAL);
	CHECK_ERRNO(mount(NULL, "/", NULL, MS_PRIVATE | MS_SLAVE, NULL), EINVAL);
	CHECK_EQ(mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL), 0);
}

CASE(own_tree)
{
	int to_child[2], to_parent[2], status;
	char c;

	enter();
	CHECK_EQ(pipe(to_child), 0);
	CHECK_EQ(pipe(to_parent), 0);
	CHECK_EQ(mount("x", "a", "tmpfs", 0, NULL), 0);
	make("a/shared");
	pid_t child = fork();
	if (child == 0) {
		int bad = unshare(CLONE_NEWNS) != 0;

		bad |= mount("x", "b", "tmpfs", 0, NULL) != 0;
		bad |= make("b/hidden") | !exists("a/shared") | umount("a");
		bad |= exists("a/shared") | make("from-child");
		bad |= lines_with(root) != 1;
		write(to_parent[1], "x", 1);
		read(to_child[0], &c, 1);
		bad |= !exists("b/hidden");
		_exit(bad);
	}
	CHECK_EQ(read(to_parent[0], &c, 1), 1);
	CHECK(exists("a/shared") && !exists("b/hidden") && exists("from-child"));
	CHECK_EQ(lines_with(root), 1);
	CHECK_EQ(write(to_child[1], "x", 1), 1);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK_EQ(umount("a"), 0);
}

/* The same with clone, where the parent keeps its tree. */
CASE(cloned_with_own_tree)
{
	int status;

	enter();
	CHECK_ERRNO(syscall(SYS_clone, CLONE_NEWNS | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL);
	pid_t child = (pid_t)syscall(SYS_clone, CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
	if (child == 0) {
		_exit(mount("x", "a", "tmpfs", 0, NULL) || make("a/hidden"));
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK(!exists("a/hidden"));
	CHECK_EQ(seteuid(65534), 0);
	CHECK_ERRNO(syscall(SYS_clone, CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0), EPERM);
}

CASE(own_contexts)
{
	enter();
	CHECK_EQ(unshare(0), 0);
	CHECK_EQ(unshare(CLONE_FS | CLONE_FILES), 0);
	CHECK_ERRNO(unshare(1), EINVAL);
	CHECK_EQ(seteuid(65534), 0);
	CHECK_ERRNO(unshare(CLONE_NEWNS), EPERM);
	CHECK_ERRNO(mount("x", "a", "tmpfs", 0, NULL), EPERM);
	CHECK_ERRNO(umount("a"), EPERM);
	CHECK_ERRNO(chroot("a"), EPERM);
}

CASE(changed_root)
{
	char name[100];

	enter();
	CHECK_EQ(mkdir("a/in", 0755), 0);
	make("a/file");
	CHECK_EQ(symlink("/file", "a/link"), 0);
	int out = open(".", O_RDONLY);
	CHECK_ERRNO(chroot("a/file"), ENOTDIR);
	CHECK_ERRNO(chroot("nothing"), ENOENT);
	CHECK_EQ(chroot("a"), 0);
	CHECK(exists("/file") && exists("/link") && exists("/../../file"));
	CHECK_EQ(chdir("/in"), 0);
	CHECK(getcwd(name, sizeof(name)) != NULL);
	CHECK(!strcmp(name, "/in"));
	CHECK_EQ(chdir("../../.."), 0);
	CHECK(getcwd(name, sizeof(name)) != NULL);
	CHECK(!strcmp(name, "/"));
	CHECK_EQ(fchdir(out), 0);
	CHECK_ERRNO(chdir("nothing"), ENOENT);
	CHECK_EQ(chroot("."), 0);
	CHECK(exists("/a/file"));
}

CASE(odd_names_and_what_is_bound_are_told)
{
	char line[8192];

	enter();
	CHECK_EQ(mkdir("a b", 0755), 0);
	CHECK_EQ(mount("so\turce", "a b", "tmpfs", 0, NULL), 0);
	snprintf(line, sizeof(line), " / %s/a\\040b rw", root);
	CHECK_EQ(lines_with(line), 1);
	CHECK_EQ(lines_with(" - tmpfs so\\011urce "), 1);
	CHECK_EQ(mkdir("a b/sub", 0755), 0);
	CHECK_EQ(mount("a b/sub", "b", NULL, MS_BIND, NULL), 0);
	snprintf(line, sizeof(line), " /sub %s/b rw", root);
	CHECK_EQ(lines_with(line), 1);
}

CASE(a_tree_of_mounts_cannot_hold_itself)
{
	int before = open("/proc/self/ns/mnt", O_RDONLY), after, pipes[2];
	char path[64];
	cpu_set_t one;

	/* newer Linuxes number trees by batches per processor: on one the younger has the larger */
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	CHECK_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
	enter();
	CHECK_EQ(close(open("file", O_WRONLY | O_CREAT, 0666)), 0);
	CHECK_ERRNO(mount("/proc/self/ns/mnt", "file", NULL, MS_BIND, NULL), EINVAL);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", before);
	CHECK_ERRNO(mount(path, "file", NULL, MS_BIND, NULL), EINVAL);
	CHECK_EQ(mount("/proc/self/ns/uts", "file", NULL, MS_BIND, NULL), 0);
	CHECK_EQ(umount("file"), 0);
	CHECK_EQ(pipe(pipes), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", pipes[0]);
	CHECK_ERRNO(mount(path, "file", NULL, MS_BIND, NULL), EINVAL);

	/* an older one may hold a younger */
	before = open("/proc/self/ns/mnt", O_RDONLY);
	CHECK_EQ(unshare(CLONE_NEWNS), 0);
	after = open("/proc/self/ns/mnt", O_RDONLY);
	CHECK_EQ(setns(before, 0), 0);
	CHECK_EQ(chdir(root), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", after);
	CHECK_EQ(mount(path, "file", NULL, MS_BIND, NULL), 0);
	CHECK_EQ(close(after), 0);
	CHECK_EQ(setns(open("file", O_RDONLY), CLONE_NEWNS), 0);
}

static long size_of(const char *name)
{
	struct stat status;

	return lstat(name, &status) == 0 ? (long)status.st_size : -1;
}

CASE(sizes_of_directories)
{
	enter();
	CHECK_EQ(mount("x", "a", "tmpfs", 0, NULL), 0);
	CHECK_EQ(size_of("a"), 40);
	CHECK_EQ(mkdir("a/one", 0755) || mkdir("a/two", 0755), 0);
	make("a/one/file");
	make("a/two/file");
	CHECK_EQ(size_of("a"), 80);
	CHECK_EQ(size_of("a/one"), 60);
	CHECK_EQ(rename("a/one/file", "a/two/other"), 0);
	CHECK_EQ(size_of("a/one"), 40);
	CHECK_EQ(size_of("a/two"), 80);
	CHECK_EQ(rename("a/two/other", "a/two/file"), 0);
	CHECK_EQ(size_of("a/two"), 60);
	CHECK_EQ(rmdir("a/one"), 0);
	CHECK_EQ(size_of("a"), 60);
	CHECK_EQ(umount("a"), 0);
}

CASES_MAIN()
