/* SPDX-License-Identifier: MIT */
/* Opening, naming, describing: openat2, O_PATH, O_TMPFILE, renameat2, times, shared folders. */
#include "check.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/vfs.h>

#define NOBODY 65534

static char root[64];

/* A fresh folder, and we in it. */
static void enter(void)
{
	strcpy(root, "names-XXXXXX");
	if (!mkdtemp(root) || chmod(root, 0777) || chdir(root)) {
		check_fail(__LINE__, "mkdtemp", 0);
	}
	umask(022);
}

static int put(const char *name)
{
	return close(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666));
}

static const char *fd_name(int fd)
{
	static char name[32];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return name;
}

static struct stat stat_of(const char *name)
{
	struct stat status = { 0 };

	if (lstat(name, &status)) {
		check_fail(__LINE__, name, 0);
	}
	return status;
}

static long open2(int dirfd, const char *name, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = { .flags = flags, .mode = mode, .resolve = resolve };

	return syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
}

/* ---- O_TMPFILE ----------------------------------------------------------------------------- */

CASE(temporary_file_gets_a_name)
{
	enter();
	time_t before = stat_of(".").st_mtim.tv_nsec;
	int fd = open(".", O_TMPFILE | O_RDWR, 0640);
	struct stat status;

	CHECK(fd >= 0);
	CHECK_EQ(stat_of(".").st_mtim.tv_nsec, before);
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK_EQ(status.st_nlink, 0);
	CHECK_EQ(status.st_mode, S_IFREG | 0640);
	CHECK_EQ(write(fd, "text", 4), 4);
	CHECK_EQ(linkat(AT_FDCWD, fd_name(fd), AT_FDCWD, "name", AT_SYMLINK_FOLLOW), 0);
	CHECK_EQ(stat_of("name").st_nlink, 1);
	CHECK_EQ(stat_of("name").st_size, 4);
	CHECK_EQ(linkat(fd, "", AT_FDCWD, "other", AT_EMPTY_PATH), 0);
	CHECK_EQ(stat_of("name").st_nlink, 2);
}

CASE(temporary_file_stays_without_one)
{
	enter();
	int fd = open(".", O_TMPFILE | O_WRONLY | O_EXCL, 0600);

	CHECK(fd >= 0);
	CHECK_ERRNO(linkat(AT_FDCWD, fd_name(fd), AT_FDCWD, "name", AT_SYMLINK_FOLLOW), ENOENT);
	put("file");
	fd = open("file", O_RDWR);
	CHECK_EQ(unlink("file"), 0);
	CHECK_ERRNO(linkat(AT_FDCWD, fd_name(fd), AT_FDCWD, "file", AT_SYMLINK_FOLLOW), ENOENT);
	CHECK_ERRNO(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
	CHECK_ERRNO(open(".", O_TMPFILE | O_RDWR | O_CREAT, 0600), EINVAL);
	put("file");
	CHECK_ERRNO(open("file", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
	CHECK_ERRNO(open("/proc", O_TMPFILE | O_RDWR, 0600), EOPNOTSUPP);
	CHECK_EQ(mkdir("closed", 0755), 0);
	CHECK_EQ(seteuid(NOBODY), 0);
	CHECK_ERRNO(open("closed", O_TMPFILE | O_RDWR, 0600), EACCES);
}

/* ---- O_PATH -------------------------------------------------------------------------------- */

CASE(path_descriptors)
{
	char text[16] = "";
	struct stat status;
	struct statfs space;

	enter();
	put("file");
	CHECK_EQ(symlink("file", "link"), 0);
	int fd = open("file", O_PATH | O_RDWR | O_TRUNC);
	CHECK_EQ(fcntl(fd, F_GETFL), O_PATH);
	CHECK_ERRNO(read(fd, text, 1), EBADF);
	CHECK_ERRNO(write(fd, text, 1), EBADF);
	CHECK_ERRNO(lseek(fd, 0, SEEK_SET), EBADF);
	CHECK_ERRNO(ftruncate(fd, 0), EBADF);
	CHECK_ERRNO(fchmod(fd, 0600), EBADF);
	CHECK_ERRNO(fchown(fd, 0, 0), EBADF);
	CHECK_ERRNO(fsync(fd), EBADF);
	CHECK_ERRNO(fcntl(fd, F_SETFL, O_APPEND), EBADF);
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK_EQ(fstatfs(fd, &space), 0);
	CHECK_EQ(fchownat(fd, "", 1, 1, AT_EMPTY_PATH), 0);
	CHECK_EQ(stat_of("file").st_uid, 1);
	CHECK(fcntl(fd, F_DUPFD, 0) >= 0);
	int again = open(fd_name(fd), O_RDWR);
	CHECK_EQ(write(again, "text", 4), 4);
	CHECK_EQ(linkat(fd, "", AT_FDCWD, "hard", AT_EMPTY_PATH), 0);
	CHECK_EQ(stat_of("hard").st_nlink, 2);
	CHECK_ERRNO(fchdir(fd), ENOTDIR);
	CHECK_ERRNO(openat(fd, "x", O_RDONLY), ENOTDIR);
	int link = open("link", O_PATH | O_NOFOLLOW);
	CHECK_EQ(fstat(link, &status), 0);
	CHECK(S_ISLNK(status.st_mode));
	CHECK_EQ(readlinkat(link, "", text, 16), 4);
	CHECK_ERRNO(readlinkat(fd, "", text, 16), ENOENT);
	CHECK_ERRNO(open(fd_name(link), O_RDONLY), ELOOP);
	CHECK_EQ(mkdir("folder", 0111), 0);
	int folder = open("folder", O_PATH | O_DIRECTORY);
	CHECK_EQ(fcntl(folder, F_GETFL), O_PATH | O_DIRECTORY);
	CHECK_EQ(mkdirat(folder, "in", 0755), 0);
	CHECK_EQ(fchdir(folder), 0);
	CHECK_EQ(access("in", F_OK), 0);
	CHECK_ERRNO(open("../file", O_PATH | O_DIRECTORY), ENOTDIR);
}

/* ---- openat2 ------------------------------------------------------------------------------- */

static void make_tree(void)
{
	enter();
	CHECK_EQ(mkdir("a", 0755), 0);
	CHECK_EQ(mkdir("a/b", 0755), 0);
	put("a/file");
	put("outside");
	CHECK_EQ(symlink("../outside", "a/up"), 0);
	CHECK_EQ(symlink("file", "a/link"), 0);
	CHECK_EQ(symlink("/file", "a/absolute"), 0);
	CHECK_EQ(symlink("/proc/self/root", "a/magic"), 0);
}

CASE(openat2_arguments)
{
	struct open_how how = { .flags = O_RDONLY };
	struct {
		struct open_how how;
		uint64_t more;
	} larger = { .how.flags = O_RDONLY };

	make_tree();
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "a/file", &how, 16), EINVAL);
	CHECK(syscall(SYS_openat2, AT_FDCWD, "a/file", &larger, sizeof(larger)) >= 0);
	larger.more = 1;
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "a/file", &larger, sizeof(larger)), E2BIG);
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "a/file", NULL, 24), EFAULT);
	CHECK_ERRNO(open2(AT_FDCWD, "a/file", 1ul << 40, 0, 0), EINVAL);
	CHECK_ERRNO(open2(AT_FDCWD, "a/file", O_RDONLY, 0600, 0), EINVAL);
	CHECK_ERRNO(open2(AT_FDCWD, "a/new", O_CREAT | O_WRONLY, 0200600, 0), EINVAL);
	CHECK_ERRNO(open2(AT_FDCWD, "a/file", O_PATH | O_RDWR, 0, 0), EINVAL);
	CHECK_ERRNO(open2(AT_FDCWD, "a/file", O_RDONLY, 0, 0x40), EINVAL);
	CHECK_ERRNO(
		open2(AT_FDCWD, "a/file", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT), EINVAL);
	CHECK(open2(AT_FDCWD, "a/new", O_CREAT | O_WRONLY, 0600, 0) >= 0);
	CHECK_EQ(stat_of("a/new").st_mode, S_IFREG | 0600);
	CHECK_EQ(fcntl((int)open2(AT_FDCWD, "a/new", O_RDONLY | O_CLOEXEC, 0, 0), F_GETFD), 1);
	CHECK_ERRNO(open2(AT_FDCWD, "a/new", O_WRONLY | O_TRUNC, 0, RESOLVE_CACHED), EAGAIN);
}

CASE(openat2_beneath)
{
	make_tree();
	int a = open("a", O_PATH | O_DIRECTORY);

	CHECK(open2(a, "file", O_RDONLY, 0, RESOLVE_BENEATH) >= 0);
	CHECK(open2(a, "b/../file", O_RDONLY, 0, RESOLVE_BENEATH) >= 0);
	CHECK(open2(a, "link", O_RDONLY, 0, RESOLVE_BENEATH) >= 0);
	CHECK_ERRNO(open2(a, "..", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(open2(a, "../outside", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(open2(a, "b/../../outside", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(open2(a, "up", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(open2(a, "absolute", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(open2(a, "/tmp", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(open2(a, "magic", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(open2(a, "../new", O_CREAT | O_WRONLY, 0600, RESOLVE_BENEATH), EXDEV);
	CHECK(open2(a, "b/new", O_CREAT | O_WRONLY, 0600, RESOLVE_BENEATH) >= 0);
}

CASE(openat2_in_root)
{
	struct stat status, expected;

	make_tree();
	int a = open("a", O_PATH | O_DIRECTORY);

	CHECK(open2(a, "/file", O_RDONLY, 0, RESOLVE_IN_ROOT) >= 0);
	CHECK(open2(a, "../../b/../file", O_RDONLY, 0, RESOLVE_IN_ROOT) >= 0);
	CHECK(open2(a, "absolute", O_RDONLY, 0, RESOLVE_IN_ROOT) >= 0);
	CHECK_ERRNO(open2(a, "up", O_RDONLY, 0, RESOLVE_IN_ROOT), ENOENT);
	CHECK_ERRNO(open2(a, "/outside", O_RDONLY, 0, RESOLVE_IN_ROOT), ENOENT);
	int fd = (int)open2(a, "../..", O_PATH, 0, RESOLVE_IN_ROOT);
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK_EQ(fstat(a, &expected), 0);
	CHECK_EQ(status.st_ino, expected.st_ino);
}

CASE(openat2_links)
{
	make_tree();
	int a = open("a", O_PATH | O_DIRECTORY);

	CHECK_ERRNO(open2(a, "link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), ELOOP);
	CHECK(open2(a, "link", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS) >= 0);
	CHECK(open2(a, "link", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS) >= 0);
	CHECK_ERRNO(open2(a, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS), ELOOP);
	CHECK_ERRNO(open2(a, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), ELOOP);
	CHECK(open2(a, "/proc/self/exe", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_MAGICLINKS) >= 0);
	CHECK_ERRNO(open2(AT_FDCWD, "/proc/1/status", O_RDONLY, 0, RESOLVE_NO_XDEV), EXDEV);
	int proc = open("/proc", O_PATH);
	CHECK(open2(proc, "1/status", O_RDONLY, 0, RESOLVE_NO_XDEV) >= 0);
	CHECK_ERRNO(open2(proc, "..", O_RDONLY, 0, RESOLVE_NO_XDEV), EXDEV);
	CHECK(open2(proc, "/", O_RDONLY, 0, RESOLVE_NO_XDEV) >= 0);
}

/* ---- rename and link ----------------------------------------------------------------------- */

CASE(rename_flags)
{
	enter();
	put("a");
	put("b");
	CHECK_ERRNO(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", 8), EINVAL);
	CHECK_ERRNO(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE | RENAME_EXCHANGE),
		EINVAL);
	CHECK_ERRNO(
		renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_WHITEOUT | RENAME_EXCHANGE), EINVAL);
	CHECK_ERRNO(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE), EEXIST);
	CHECK_ERRNO(renameat2(AT_FDCWD, "a", AT_FDCWD, "c", RENAME_EXCHANGE), ENOENT);
	ino_t a = stat_of("a").st_ino;
	CHECK_EQ(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE), 0);
	CHECK_EQ(stat_of("b").st_ino, a);
	CHECK_EQ(renameat2(AT_FDCWD, "b", AT_FDCWD, "c", RENAME_NOREPLACE | RENAME_WHITEOUT), 0);
	CHECK_EQ(stat_of("c").st_ino, a);
	CHECK_EQ(stat_of("b").st_mode, S_IFCHR);
	CHECK_EQ(stat_of("b").st_rdev, 0);
	CHECK_ERRNO(open("b", O_RDONLY), ENXIO);
	CHECK_EQ(seteuid(NOBODY), 0);
	CHECK_EQ(mknod("white", S_IFCHR | 0600, 0), 0);
	CHECK_ERRNO(mknod("black", S_IFCHR | 0600, makedev(1, 3)), EPERM);
}

CASE(link_limits)
{
	static char name[5000];

	enter();
	memset(name, 'x', 4096);
	CHECK_ERRNO(symlink(name, "link"), ENAMETOOLONG);
	name[4095] = 0;
	CHECK_EQ(symlink(name, "link"), 0);
	CHECK_EQ(readlink("link", name, 5000), 4095);
	CHECK_ERRNO(symlink("", "empty"), ENOENT);
	CHECK_ERRNO(open("link", O_RDONLY), ENAMETOOLONG);
	put("l0");
	for (int i = 0; i < 41; i++) {
		char from[8], to[8];

		snprintf(from, 8, "l%d", i);
		snprintf(to, 8, "l%d", i + 1);
		CHECK_EQ(symlink(from, to), 0);
	}
	CHECK(open("l40", O_RDONLY) >= 0);
	CHECK_ERRNO(open("l41", O_RDONLY), ELOOP);
	CHECK_ERRNO(link("l0/", "hard"), ENOTDIR);
	CHECK_ERRNO(link(".", "hard"), EPERM);
	CHECK_EQ(link("l1", "hard"), 0);
	CHECK(S_ISLNK(stat_of("hard").st_mode));
}

/* ---- shared folders ------------------------------------------------------------------------ */

CASE(sticky)
{
	enter();
	CHECK_EQ(mkdir("shared", 0777), 0);
	CHECK_EQ(chmod("shared", 01777), 0);
	put("shared/root");
	CHECK_EQ(chmod("shared/root", 0666), 0);
	CHECK_EQ(seteuid(NOBODY), 0);
	CHECK_ERRNO(unlink("shared/root"), EPERM);
	CHECK_ERRNO(rename("shared/root", "shared/mine"), EPERM);
	put("shared/own");
	CHECK_ERRNO(rename("shared/own", "shared/root"), EPERM);
	CHECK_ERRNO(
		renameat2(AT_FDCWD, "shared/own", AT_FDCWD, "shared/root", RENAME_EXCHANGE), EPERM);
	CHECK_EQ(rename("shared/own", "shared/mine"), 0);
	CHECK_EQ(unlink("shared/mine"), 0);
}

CASE(set_group_id)
{
	enter();
	CHECK_EQ(mkdir("group", 0777), 0);
	CHECK_EQ(chown("group", 0, 100), 0);
	CHECK_EQ(chmod("group", 02777), 0);
	CHECK_EQ(mkdir("group/in", 0755), 0);
	CHECK_EQ(stat_of("group/in").st_gid, 100);
	CHECK_EQ(stat_of("group/in").st_mode, S_IFDIR | 02755);
	put("group/file");
	CHECK_EQ(stat_of("group/file").st_gid, 100);
	CHECK_EQ(symlink("x", "group/link"), 0);
	CHECK_EQ(stat_of("group/link").st_gid, 100);
	CHECK_EQ(setgroups(0, NULL), 0);
	CHECK_EQ(setegid(NOBODY), 0);
	CHECK_EQ(seteuid(NOBODY), 0);
	umask(0);
	CHECK_EQ(close(open("group/program", O_CREAT | O_WRONLY, 02775)), 0);
	CHECK_EQ(stat_of("group/program").st_mode, S_IFREG | 0775);
	CHECK_EQ(close(open("group/data", O_CREAT | O_WRONLY, 02765)), 0);
	CHECK_EQ(chmod("group/data", 02777), 0);
	CHECK_EQ(stat_of("group/data").st_mode, S_IFREG | 0777);
	CHECK_ERRNO(chown("group/data", 0, (gid_t)-1), EPERM);
	CHECK_ERRNO(chown("group/data", (uid_t)-1, 7), EPERM);
	CHECK_EQ(chown("group/data", NOBODY, NOBODY), 0);
}

/* ---- times --------------------------------------------------------------------------------- */

#define NOW  UTIME_NOW
#define OMIT UTIME_OMIT

static int set_times(const char *name, long atime, long a_ns, long mtime, long m_ns)
{
	struct timespec times[2] = { { atime, a_ns }, { mtime, m_ns } };

	return utimensat(AT_FDCWD, name, times, 0);
}

CASE(times_in_a_folder)
{
	struct timeval times[2] = { { 5, 6 }, { 7, 999999 } };

	enter();
	put("file");
	int folder = open(".", O_RDONLY | O_DIRECTORY);

	CHECK_EQ(futimesat(folder, "file", times), 0);
	CHECK_EQ(stat_of("file").st_atim.tv_nsec, 6000);
	CHECK_EQ(stat_of("file").st_mtim.tv_sec, 7);
	CHECK_EQ(stat_of("file").st_mtim.tv_nsec, 999999000);
	CHECK_EQ(futimesat(folder, "file", NULL), 0);
	CHECK(stat_of("file").st_mtim.tv_sec > 100);
	times[1].tv_usec = 1000000;
	CHECK_ERRNO(futimesat(folder, "file", times), EINVAL);
	CHECK_ERRNO(futimesat(-1, "file", NULL), EBADF);
}

CASE(times)
{
	struct timespec omit[2] = { { 0, OMIT }, { 0, OMIT } };
	struct timespec now[2] = { { 0, NOW }, { 0, NOW } };

	enter();
	put("file");
	CHECK_EQ(set_times("file", 5, 6, -7, 8), 0);
	CHECK_EQ(stat_of("file").st_atim.tv_sec, 5);
	CHECK_EQ(stat_of("file").st_atim.tv_nsec, 6);
	CHECK_EQ(stat_of("file").st_mtim.tv_sec, -7);
	CHECK_EQ(stat_of("file").st_mtim.tv_nsec, 8);
	CHECK_EQ(set_times("file", 0, OMIT, 9, 0), 0);
	CHECK_EQ(stat_of("file").st_atim.tv_sec, 5);
	CHECK_EQ(stat_of("file").st_mtim.tv_sec, 9);
	CHECK_EQ(set_times("file", 0, NOW, 0, OMIT), 0);
	CHECK(stat_of("file").st_atim.tv_sec > 100);
	CHECK_EQ(stat_of("file").st_mtim.tv_sec, 9);
	CHECK_ERRNO(set_times("file", 0, 1000000000, 0, 0), EINVAL);
	CHECK_ERRNO(set_times("file", 0, -1, 0, 0), EINVAL);
	CHECK_ERRNO(set_times("nothing", 0, 0, 0, 0), ENOENT);
	CHECK_EQ(utimensat(AT_FDCWD, "nothing", omit, 0), 0);
	CHECK_ERRNO(utimensat(AT_FDCWD, "nothing", now, 8), EINVAL);
	int fd = open("file", O_RDONLY);
	CHECK_EQ(futimens(fd, omit), 0);
	CHECK_EQ(futimens(fd, now), 0);
	CHECK_ERRNO(syscall(SYS_utimensat, fd, NULL, now, AT_SYMLINK_NOFOLLOW), EINVAL);
	CHECK_ERRNO(syscall(SYS_utimensat, AT_FDCWD, NULL, now, 0), EFAULT);
	CHECK_EQ(utimensat(open("file", O_PATH), "", now, AT_EMPTY_PATH), 0);
	CHECK_EQ(symlink("nothing", "link"), 0);
	CHECK_EQ(utimensat(AT_FDCWD, "link", now, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_ERRNO(utimensat(AT_FDCWD, "link", now, 0), ENOENT);
	CHECK_EQ(chmod("file", 0666), 0);
	CHECK_EQ(seteuid(NOBODY), 0);
	CHECK_EQ(utimensat(AT_FDCWD, "file", now, 0), 0);
	CHECK_EQ(utimensat(AT_FDCWD, "file", NULL, 0), 0);
	CHECK_ERRNO(set_times("file", 1, 0, 1, 0), EPERM);
	CHECK_ERRNO(set_times("file", 0, NOW, 0, OMIT), EPERM);
	CHECK_EQ(seteuid(0), 0);
	CHECK_EQ(chmod("file", 0644), 0);
	CHECK_EQ(seteuid(NOBODY), 0);
	CHECK_ERRNO(utimensat(AT_FDCWD, "file", NULL, 0), EACCES);
}

CASE(described_by_statx)
{
	struct statx about;

	enter();
	put("file");
	CHECK_EQ(statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS | STATX_BTIME, &about), 0);
	CHECK_EQ(about.stx_mask & (STATX_BASIC_STATS | STATX_BTIME),
		STATX_BASIC_STATS | STATX_BTIME);
	CHECK_EQ(about.stx_mode, S_IFREG | 0644);
	CHECK_EQ(about.stx_nlink, 1);
	CHECK_EQ(about.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT, STATX_ATTR_MOUNT_ROOT);
	CHECK_EQ(about.stx_attributes & STATX_ATTR_MOUNT_ROOT, 0);
	CHECK_EQ(statx(AT_FDCWD, "/proc", 0, STATX_MNT_ID, &about), 0);
	CHECK_EQ(about.stx_attributes & STATX_ATTR_MOUNT_ROOT, STATX_ATTR_MOUNT_ROOT);
	CHECK_EQ(statx(open("file", O_PATH), "", AT_EMPTY_PATH, STATX_ALL, &about), 0);
	CHECK_ERRNO(statx(AT_FDCWD, "file", 0, 0x80000000, &about), EINVAL);
	CHECK_ERRNO(statx(AT_FDCWD, "file", AT_STATX_SYNC_TYPE, 0, &about), EINVAL);
	CHECK_ERRNO(statx(AT_FDCWD, "file", 0x1, 0, &about), EINVAL);
	CHECK_ERRNO(statx(AT_FDCWD, "", 0, 0, &about), ENOENT);
	CHECK_ERRNO(statx(AT_FDCWD, "file", 0, 0, NULL), EFAULT);
}

CASE(access_with_flags)
{
	enter();
	put("file");
	CHECK_EQ(chmod("file", 0600), 0);
	CHECK_EQ(symlink("nothing", "link"), 0);
	CHECK_EQ(syscall(SYS_faccessat2, AT_FDCWD, "link", F_OK, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_ERRNO(syscall(SYS_faccessat2, AT_FDCWD, "link", F_OK, 0), ENOENT);
	CHECK_ERRNO(syscall(SYS_faccessat2, AT_FDCWD, "file", 8, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_faccessat2, AT_FDCWD, "file", F_OK, 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_faccessat2, AT_FDCWD, "file", X_OK, 0), EACCES);
	CHECK_EQ(syscall(SYS_faccessat2, open("file", O_PATH), "", R_OK, AT_EMPTY_PATH), 0);
	CHECK_EQ(seteuid(NOBODY), 0);
	CHECK_EQ(syscall(SYS_faccessat2, AT_FDCWD, "file", R_OK, 0), 0);
	CHECK_ERRNO(syscall(SYS_faccessat2, AT_FDCWD, "file", R_OK, AT_EACCESS), EACCES);
}

CASES_MAIN()
