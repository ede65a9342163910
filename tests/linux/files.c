/* SPDX-License-Identifier: MIT */
/* Files in memory: names, modes, owners, links, offsets, directories, as POSIX and Linux say. */
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

static char root[4096];

/* A fresh folder, and we in it. */
static void enter(void)
{
	strcpy(root, "files-XXXXXX");
	if (!mkdtemp(root) || chdir(root) || !getcwd(root, sizeof(root))) {
		check_fail(__LINE__, "mkdtemp", 0);
	}
	umask(022);
}

static void put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
		check_fail(__LINE__, name, fd);
	}
	close(fd);
}

static bool holds(const char *name, const char *text)
{
	char buffer[256];
	int fd = open(name, O_RDONLY);
	ssize_t n = read(fd, buffer, sizeof(buffer));

	close(fd);
	return n == (ssize_t)strlen(text) && !memcmp(buffer, text, (size_t)n);
}

static mode_t mode_of(const char *name)
{
	struct stat status;

	return lstat(name, &status) ? 0 : status.st_mode;
}

CASE(open_flags)
{
	enter();
	CHECK_ERRNO(open("a", O_RDONLY), ENOENT);
	put("a", "hello");
	CHECK_ERRNO(open("a", O_RDONLY | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_ERRNO(open("a/b", O_RDONLY), ENOTDIR);
	CHECK_ERRNO(open("a", O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERRNO(open(".", O_WRONLY), EISDIR);
	CHECK_ERRNO(open("", O_RDONLY), ENOENT);
	CHECK_EQ(symlink("a", "link"), 0);
	CHECK_ERRNO(open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK_EQ(symlink("loop", "loop"), 0);
	CHECK_ERRNO(open("loop", O_RDONLY), ELOOP);
	int fd = open("a", O_RDWR | O_APPEND);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_EQ(write(fd, "!", 1), 1);
	CHECK(holds("a", "hello!"));
	CHECK_EQ(close(open("a", O_WRONLY | O_TRUNC)), 0);
	CHECK(holds("a", ""));
	CHECK_ERRNO(open("a/", O_RDONLY), ENOTDIR);
}

CASE(names_too_long)
{
	static char name[5000];

	enter();
	memset(name, 'x', 255);
	CHECK_EQ(close(open(name, O_CREAT | O_RDWR, 0600)), 0);
	name[255] = 'x';
	CHECK_ERRNO(open(name, O_CREAT | O_RDWR, 0600), ENAMETOOLONG);
	memset(name, '/', 4999);
	CHECK_ERRNO(open(name, O_RDONLY), ENAMETOOLONG);
	name[4000] = 0;
	CHECK(open(name, O_RDONLY) >= 0);
}

CASE(read_write_directions)
{
	char byte;
	int fd;

	enter();
	put("a", "x");
	fd = open("a", O_RDONLY);
	CHECK_ERRNO(write(fd, "y", 1), EBADF);
	CHECK_EQ(read(fd, &byte, 1), 1);
	CHECK_EQ(read(fd, &byte, 1), 0);
	close(fd);
	fd = open("a", O_WRONLY);
	CHECK_ERRNO(read(fd, &byte, 1), EBADF);
	CHECK_ERRNO(read(-1, &byte, 1), EBADF);
	CHECK_ERRNO(read(1000, &byte, 1), EBADF);
	CHECK_ERRNO(close(1000), EBADF);
	fd = open(".", O_RDONLY);
	CHECK_ERRNO(read(fd, &byte, 1), EISDIR);
}

CASE(seek_and_holes)
{
	char buffer[8192];
	int fd;

	enter();
	fd = open("a", O_RDWR | O_CREAT, 0600);
	CHECK_EQ(lseek(fd, 100000, SEEK_SET), 100000);
	CHECK_EQ(write(fd, "end", 3), 3);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 100003);
	CHECK_EQ(pread(fd, buffer, 8192, 50000), 8192);
	for (size_t i = 0; i < sizeof(buffer); i++) {
		CHECK_EQ(buffer[i], 0);
	}
	CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
	CHECK_ERRNO(lseek(fd, 0, 99), EINVAL);
	CHECK_EQ(pwrite(fd, "mid", 3, 10), 3);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 100003);
	CHECK_EQ(ftruncate(fd, 12), 0);
	CHECK_EQ(pread(fd, buffer, 100, 9), 3);
	CHECK_EQ(ftruncate(fd, 20), 0);
	CHECK_EQ(pread(fd, buffer, 100, 9), 11);
	CHECK_EQ(buffer[3], 0);
	CHECK_ERRNO(ftruncate(fd, -1), EINVAL);
	int ends[2];
	CHECK_EQ(pipe(ends), 0);
	CHECK_ERRNO(lseek(ends[0], 0, SEEK_CUR), ESPIPE);
}

CASE(large_files)
{
	static char block[1 << 20], back[1 << 20];
	int fd;

	enter();
	for (size_t i = 0; i < sizeof(block); i++) {
		block[i] = (char)(i * 31 + i / 4096);
	}
	fd = open("big", O_RDWR | O_CREAT, 0600);
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(write(fd, block, sizeof(block)), (long)sizeof(block));
	}
	CHECK_EQ(lseek(fd, 1 << 20, SEEK_SET), 1 << 20);
	CHECK_EQ(read(fd, back, sizeof(back)), (long)sizeof(back));
	CHECK(!memcmp(block, back, sizeof(block)));
	CHECK_EQ(pread(fd, back, 1000, (4 << 20) - 10), 10);
	unlink("big");
	CHECK_EQ(pread(fd, back, 1000, 5000), 1000);
	CHECK(!memcmp(block + 5000, back, 1000));
}

CASE(vectors)
{
	char a[3], b[5];
	struct iovec out[3] = { { "abc", 3 }, { "", 0 }, { "defgh", 5 } };
	struct iovec in[2] = { { a, 3 }, { b, 5 } };
	int fd;

	enter();
	fd = open("v", O_RDWR | O_CREAT, 0600);
	CHECK_EQ(writev(fd, out, 3), 8);
	lseek(fd, 0, SEEK_SET);
	CHECK_EQ(readv(fd, in, 2), 8);
	CHECK(!memcmp(a, "abc", 3) && !memcmp(b, "defgh", 5));
	CHECK_ERRNO(writev(fd, out, -1), EINVAL);
	CHECK_ERRNO(writev(fd, out, 2000), EINVAL);
}

CASE(stat_says_it_all)
{
	struct stat status, again;
	struct statx x;

	enter();
	put("a", "12345");
	CHECK_EQ(chmod("a", 0640), 0);
	CHECK_EQ(stat("a", &status), 0);
	CHECK_EQ(status.st_mode, S_IFREG | 0640);
	CHECK_EQ(status.st_size, 5);
	CHECK_EQ(status.st_nlink, 1);
	CHECK_EQ(status.st_uid, getuid());
	CHECK(status.st_ino != 0 && status.st_blksize > 0);
	int fd = open("a", O_RDONLY);
	CHECK_EQ(fstat(fd, &again), 0);
	CHECK_EQ(again.st_ino, status.st_ino);
	CHECK_EQ(again.st_dev, status.st_dev);
	CHECK_EQ(statx(AT_FDCWD, "a", 0, STATX_BASIC_STATS, &x), 0);
	CHECK_EQ(x.stx_size, 5);
	CHECK_EQ(x.stx_mode, S_IFREG | 0640);
	CHECK_EQ(fstatat(AT_FDCWD, ".", &again, 0), 0);
	CHECK(S_ISDIR(again.st_mode));
	CHECK_ERRNO(stat("nothing", &status), ENOENT);
	CHECK_ERRNO(fstat(77, &status), EBADF);
	CHECK_ERRNO(stat("a", (void *)8), EFAULT);
	CHECK_ERRNO(stat((void *)8, &status), EFAULT);
}

CASE(directories_and_link_counts)
{
	struct stat status;

	enter();
	CHECK_EQ(mkdir("d", 0777), 0);
	CHECK_EQ(mode_of("d"), S_IFDIR | 0755);
	CHECK_ERRNO(mkdir("d", 0777), EEXIST);
	CHECK_ERRNO(mkdir("no/d", 0777), ENOENT);
	CHECK_EQ(mkdir("d/e", 0700), 0);
	stat("d", &status);
	CHECK_EQ(status.st_nlink, 3);
	CHECK_ERRNO(rmdir("d"), ENOTEMPTY);
	CHECK_ERRNO(unlink("d"), EISDIR);
	CHECK_EQ(rmdir("d/e"), 0);
	stat("d", &status);
	CHECK_EQ(status.st_nlink, 2);
	CHECK_ERRNO(rmdir("d/."), EINVAL);
	CHECK_ERRNO(rmdir("d/.."), ENOTEMPTY);
	put("f", "");
	CHECK_ERRNO(rmdir("f"), ENOTDIR);
	CHECK_EQ(rmdir("d/"), 0);
	CHECK_ERRNO(rmdir("d"), ENOENT);
}

CASE(hard_and_symbolic_links)
{
	char target[16];
	struct stat status;

	enter();
	put("a", "one");
	CHECK_EQ(link("a", "b"), 0);
	stat("b", &status);
	CHECK_EQ(status.st_nlink, 2);
	CHECK_ERRNO(link("a", "b"), EEXIST);
	CHECK_ERRNO(link(".", "c"), EPERM);
	CHECK_EQ(unlink("a"), 0);
	CHECK(holds("b", "one"));
	CHECK_EQ(symlink("b", "s"), 0);
	CHECK(holds("s", "one"));
	CHECK_EQ(readlink("s", target, sizeof(target)), 1);
	CHECK_EQ(readlink("s", target, 0), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK_ERRNO(readlink("b", target, sizeof(target)), EINVAL);
	lstat("s", &status);
	CHECK(S_ISLNK(status.st_mode));
	CHECK_EQ(status.st_size, 1);
	CHECK_ERRNO(symlink("", "t"), ENOENT);
	CHECK_EQ(symlink("nowhere", "dangling"), 0);
	CHECK_ERRNO(open("dangling", O_RDONLY), ENOENT);
	CHECK_EQ(close(open("dangling", O_CREAT | O_WRONLY, 0600)), 0);
	CHECK(S_ISREG(mode_of("nowhere")));
}

CASE(rename_rules)
{
	enter();
	put("a", "A");
	put("b", "B");
	CHECK_EQ(rename("a", "b"), 0);
	CHECK(holds("b", "A"));
	CHECK_ERRNO(rename("a", "c"), ENOENT);
	mkdir("d", 0777);
	mkdir("d/e", 0777);
	mkdir("f", 0777);
	CHECK_ERRNO(rename("d", "d/e/x"), EINVAL);
	CHECK_ERRNO(rename("b", "d"), EISDIR);
	CHECK_ERRNO(rename("d", "b"), ENOTDIR);
	CHECK_ERRNO(rename("f", "d"), ENOTEMPTY);
	CHECK_EQ(rename("d", "f"), 0);
	CHECK_EQ(mode_of("f/e"), S_IFDIR | 0755);
	CHECK_EQ(rename("b", "b"), 0);
	CHECK_EQ(link("b", "b2"), 0);
	CHECK_EQ(rename("b", "b2"), 0);
	CHECK(holds("b", "A") && holds("b2", "A"));
	put("c", "C");
	CHECK_ERRNO(renameat2(AT_FDCWD, "c", AT_FDCWD, "b", RENAME_NOREPLACE), EEXIST);
	CHECK_EQ(renameat2(AT_FDCWD, "c", AT_FDCWD, "b", RENAME_EXCHANGE), 0);
	CHECK(holds("c", "A") && holds("b", "C"));
	CHECK_ERRNO(rename(".", "x"), EBUSY);
}

CASE(readdir_is_stable_under_unlink)
{
	struct dirent *entry;
	char name[32];
	int n = 0;
	DIR *directory;

	enter();
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "file-%d", i);
		put(name, "");
	}
	directory = opendir(".");
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] != '.') {
			CHECK_EQ(entry->d_type, DT_REG);
			CHECK_EQ(unlink(entry->d_name), 0);
			n++;
		}
	}
	CHECK_EQ(n, 500);
	closedir(directory);
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(rmdir(root), 0);
}

CASE(seekdir_finds_the_place_again)
{
	char first[64];
	long at;
	DIR *directory;

	enter();
	put("a", "");
	put("b", "");
	put("c", "");
	directory = opendir(".");
	readdir(directory);
	readdir(directory);
	at = telldir(directory);
	strcpy(first, readdir(directory)->d_name);
	readdir(directory);
	seekdir(directory, at);
	CHECK(!strcmp(first, readdir(directory)->d_name));
	rewinddir(directory);
	int n = 0;
	while (readdir(directory)) {
		n++;
	}
	CHECK_EQ(n, 5);
}

CASE(permissions_are_enforced)
{
	pid_t child;
	int status;

	enter();
	chmod(".", 0755);
	put("secret", "s");
	chmod("secret", 0600);
	put("group", "g");
	chmod("group", 0040);
	(void)!chown("group", 0, 4321);
	mkdir("closed", 0700);
	put("closed/file", "x");
	mkdir("sticky", 0777);
	chmod("sticky", 01777);
	put("sticky/mine", "x");
	child = fork();
	if (child == 0) {
		if (setgid(4321) || setuid(1234)) {
			_exit(1);
		}
		if (open("secret", O_RDONLY) >= 0 || errno != EACCES) {
			_exit(2);
		}
		if (open("group", O_RDONLY) < 0) {
			_exit(3);
		}
		if (open("closed/file", O_RDONLY) >= 0 || errno != EACCES) {
			_exit(4);
		}
		if (open("new", O_CREAT | O_WRONLY, 0600) >= 0 || errno != EACCES) {
			_exit(5);
		}
		if (unlink("sticky/mine") != -1 || errno != EPERM) {
			_exit(6);
		}
		if (chmod("secret", 0666) != -1 || errno != EPERM) {
			_exit(7);
		}
		if (chown("group", 1234, 4321) != -1 || errno != EPERM) {
			_exit(8);
		}
		if (access("secret", R_OK) != -1 || errno != EACCES || access("group", F_OK)) {
			_exit(9);
		}
		if (open("sticky/own", O_CREAT | O_WRONLY, 0600) < 0 || unlink("sticky/own")) {
			_exit(10);
		}
		_exit(0);
	}
	waitpid(child, &status, 0);
	CHECK_EQ(WEXITSTATUS(status), 0);
}

CASE(setgid_directories_pass_their_group)
{
	struct stat status;

	enter();
	mkdir("d", 0777);
	CHECK_EQ(chown("d", 0, 777), 0);
	CHECK_EQ(chmod("d", 02775), 0);
	put("d/f", "");
	mkdir("d/e", 0755);
	stat("d/f", &status);
	CHECK_EQ(status.st_gid, 777);
	stat("d/e", &status);
	CHECK_EQ(status.st_gid, 777);
	CHECK(status.st_mode & S_ISGID);
}

CASE(times)
{
	struct timespec set[2] = { { 1000, 500 }, { 2000, 600 } };
	struct stat status;

	enter();
	put("a", "x");
	CHECK_EQ(utimensat(AT_FDCWD, "a", set, 0), 0);
	stat("a", &status);
	CHECK_EQ(status.st_atim.tv_sec, 1000);
	CHECK_EQ(status.st_mtim.tv_sec, 2000);
	CHECK_EQ(status.st_mtim.tv_nsec, 600);
	set[0].tv_nsec = UTIME_OMIT;
	set[1].tv_nsec = UTIME_NOW;
	CHECK_EQ(utimensat(AT_FDCWD, "a", set, 0), 0);
	stat("a", &status);
	CHECK_EQ(status.st_atim.tv_sec, 1000);
	CHECK(status.st_mtim.tv_sec > 1700000000);
	int fd = open("a", O_RDWR);
	CHECK_EQ(futimens(fd, NULL), 0);
	set[0].tv_nsec = 2000000000;
	CHECK_ERRNO(utimensat(AT_FDCWD, "a", set, 0), EINVAL);
}

CASE(dup_family)
{
	int fd;

	enter();
	fd = open("a", O_RDWR | O_CREAT, 0600);
	int second = dup(fd);
	CHECK(second > fd);
	CHECK_EQ(write(fd, "abc", 3), 3);
	CHECK_EQ(lseek(second, 0, SEEK_CUR), 3);
	CHECK_EQ(dup2(fd, 40), 40);
	CHECK_EQ(dup2(fd, fd), fd);
	CHECK_ERRNO(dup2(900, 5), EBADF);
	CHECK_ERRNO(dup3(fd, fd, 0), EINVAL);
	CHECK_EQ(dup3(fd, 41, O_CLOEXEC), 41);
	CHECK_EQ(fcntl(41, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(40, F_GETFD), 0);
	CHECK_EQ(fcntl(fd, F_DUPFD, 50), 50);
	CHECK_EQ(fcntl(fd, F_DUPFD_CLOEXEC, 50), 51);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	CHECK_EQ(fcntl(fd, F_SETFL, O_NONBLOCK | O_APPEND), 0);
	CHECK_EQ(fcntl(second, F_GETFL) & (O_NONBLOCK | O_APPEND), O_NONBLOCK | O_APPEND);
	CHECK_ERRNO(fcntl(fd, 9999), EINVAL);
}

CASE(cwd_follows_renames)
{
	char path[256];

	enter();
	mkdir("d", 0755);
	CHECK_EQ(chdir("d"), 0);
	CHECK(getcwd(path, sizeof(path)) && !strcmp(path + strlen(path) - 2, "/d"));
	CHECK_EQ(rename("../d", "../moved"), 0);
	CHECK(getcwd(path, sizeof(path)) && !strcmp(path + strlen(path) - 6, "/moved"));
	CHECK_ERRNO(syscall(SYS_getcwd, path, 2), ERANGE);
	int fd = open("..", O_RDONLY);
	CHECK_EQ(fchdir(fd), 0);
	CHECK_EQ(rmdir("moved"), 0);
	put("f", "");
	CHECK_ERRNO(chdir("f"), ENOTDIR);
	CHECK_ERRNO(chdir("nothing"), ENOENT);
}

CASE(at_calls_are_relative)
{
	struct stat status;
	int fd;

	enter();
	mkdir("d", 0755);
	put("d/f", "x");
	fd = open("d", O_RDONLY | O_DIRECTORY);
	CHECK_EQ(fstatat(fd, "f", &status, 0), 0);
	CHECK_EQ(openat(fd, "nothing", O_RDONLY), -1);
	CHECK_EQ(mkdirat(fd, "e", 0755), 0);
	CHECK_EQ(unlinkat(fd, "e", AT_REMOVEDIR), 0);
	CHECK_EQ(linkat(fd, "f", fd, "g", 0), 0);
	CHECK_EQ(unlinkat(fd, "g", 0), 0);
	CHECK_EQ(faccessat(fd, "f", R_OK, 0), 0);
	CHECK_ERRNO(fstatat(999, "f", &status, 0), EBADF);
	int file = open("d/f", O_RDONLY);
	CHECK_ERRNO(fstatat(file, "f", &status, 0), ENOTDIR);
	CHECK_EQ(fstatat(999, "/tmp", &status, 0), 0);
}

CASE(umask_applies)
{
	enter();
	CHECK_EQ(umask(077), 022);
	put("a", "");
	CHECK_EQ(mode_of("a"), S_IFREG | 0600);
	CHECK_EQ(umask(0), 077);
	CHECK_EQ(mknod("fifo", S_IFIFO | 0666, 0), 0);
	CHECK_EQ(mode_of("fifo"), S_IFIFO | 0666);
}

CASE(devices)
{
	char buffer[100];
	int fd = open("/dev/null", O_RDWR);

	CHECK_EQ(read(fd, buffer, 100), 0);
	CHECK_EQ(write(fd, buffer, 100), 100);
	fd = open("/dev/zero", O_RDWR);
	memset(buffer, 1, 100);
	CHECK_EQ(read(fd, buffer, 100), 100);
	CHECK_EQ(buffer[0] | buffer[99], 0);
	fd = open("/dev/full", O_RDWR);
	CHECK_ERRNO(write(fd, buffer, 1), ENOSPC);
	fd = open("/dev/urandom", O_RDONLY);
	CHECK_EQ(read(fd, buffer, 100), 100);
	fd = open("/dev/null", O_RDONLY);
	CHECK_ERRNO(ioctl(fd, 0x5401, buffer), ENOTTY);
	CHECK_EQ(isatty(fd), 0);
}

CASE(notifications_can_be_cancelled)
{
	int fd = open("/tmp", O_RDONLY);

	CHECK_EQ(fcntl(fd, F_NOTIFY, DN_MULTISHOT), 0);
	CHECK_EQ(fcntl(fd, F_NOTIFY, 0), 0);
}

CASE(statfs_of_memory)
{
	struct statfs status;

	CHECK_EQ(statfs("/tmp", &status), 0);
	CHECK(status.f_bsize > 0 && status.f_blocks > 0 && status.f_bfree <= status.f_blocks);
	CHECK_EQ(statfs("/proc", &status), 0);
	CHECK_EQ(status.f_type, 0x9fa0);
}
CASE(fallocate_keeps_to_the_limit)
{
	struct rlimit limit = { 8192, RLIM_INFINITY };
	int fd = open("/tmp/limit", O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	unlink("/tmp/limit");
	signal(SIGXFSZ, SIG_IGN);
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
	CHECK_EQ(fallocate(fd, 0, 0, 8192), 0);
	CHECK_ERRNO(fallocate(fd, 0, 0, 8193), EFBIG);
	CHECK_ERRNO(fallocate(fd, 0, 16384, 1), EFBIG);
	CHECK_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 16384), 0);
	signal(SIGXFSZ, SIG_DFL);
	pid_t child = fork();

	if (child == 0) {
		fallocate(fd, 0, 8192, 1);
		_exit(0);
	}
	int status;

	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
}

CASES_MAIN()
