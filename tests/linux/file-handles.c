/* SPDX-License-Identifier: MIT */
/* name_to_handle_at() and open_by_handle_at(). */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>

#define NOBODY 65534

struct room {
	struct file_handle handle;
	unsigned char bytes[MAX_HANDLE_SZ];
};

static char folder[64];

/* A fresh folder, and we in it. */
static void enter(void)
{
	strcpy(folder, "handles-XXXXXX");
	if (!mkdtemp(folder) || chmod(folder, 0755) || chdir(folder)) {
		check_fail(__LINE__, "mkdtemp", 0);
	}
}

static void leave(void)
{
	CHECK(chdir("..") == 0 && rmdir(folder) == 0);
}

static int put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	ssize_t n = write(fd, text, strlen(text));

	close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

static int name_to(struct room *room, int dirfd, const char *name, int *mount_id, int flags)
{
	room->handle.handle_bytes = MAX_HANDLE_SZ;
	return name_to_handle_at(dirfd, name, &room->handle, mount_id, flags);
}

static ino_t ino_of(const char *name)
{
	struct stat status = { 0 };

	CHECK(stat(name, &status) == 0);
	return status.st_ino;
}

CASE(handle_opens_its_file_under_any_name)
{
	struct room room;
	char text[8] = "";
	int mount_id = -1;

	enter();
	CHECK(put("a", "text") == 0);
	CHECK(name_to(&room, AT_FDCWD, "a", &mount_id, 0) == 0);
	CHECK(room.handle.handle_bytes > 0 && room.handle.handle_bytes <= MAX_HANDLE_SZ);
	CHECK(mount_id > 0);
	CHECK(rename("a", "b") == 0);
	int fd = open_by_handle_at(AT_FDCWD, &room.handle, O_RDWR);

	CHECK(fd >= 0);
	CHECK_EQ(read(fd, text, sizeof(text)), 4);
	CHECK(strcmp(text, "text") == 0);
	close(fd);
	/* Nothing but a place. */
	fd = open_by_handle_at(AT_FDCWD, &room.handle, O_PATH);
	CHECK(fd >= 0);
	CHECK_ERRNO(read(fd, text, sizeof(text)), EBADF);
	close(fd);
	CHECK_ERRNO(open_by_handle_at(AT_FDCWD, &room.handle, O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK(unlink("b") == 0);
	leave();
}

CASE(handle_of_a_folder)
{
	struct room room;
	struct stat status;
	int mount_id;

	enter();
	CHECK(mkdir("d", 0755) == 0 && put("d/f", "") == 0);
	CHECK(name_to(&room, AT_FDCWD, "d", &mount_id, 0) == 0);
	int fd = open_by_handle_at(AT_FDCWD, &room.handle, O_RDONLY | O_DIRECTORY);

	CHECK(fd >= 0);
	CHECK(fstatat(fd, "f", &status, 0) == 0 && status.st_ino == ino_of("d/f"));
	CHECK(fstatat(fd, "..", &status, 0) == 0 && status.st_ino == ino_of("."));
	CHECK(fchdir(fd) == 0 && ino_of("f") != 0 && chdir("..") == 0);
	close(fd);
	CHECK(unlink("d/f") == 0 && rmdir("d") == 0);
	CHECK_ERRNO(open_by_handle_at(AT_FDCWD, &room.handle, O_RDONLY), ESTALE);
	leave();
}

CASE(handle_of_a_file_that_is_gone_is_stale)
{
	struct room room;
	int mount_id;

	enter();
	CHECK(put("a", "") == 0);
	CHECK(name_to(&room, AT_FDCWD, "a", &mount_id, 0) == 0);
	CHECK(unlink("a") == 0 && put("a", "") == 0);
	CHECK_ERRNO(open_by_handle_at(AT_FDCWD, &room.handle, O_RDONLY), ESTALE);
	CHECK(put("b", "") == 0);
	CHECK(name_to(&room, AT_FDCWD, "a", &mount_id, 0) == 0);
	CHECK(rename("b", "a") == 0); /* over it */
	CHECK_ERRNO(open_by_handle_at(AT_FDCWD, &room.handle, O_RDONLY), ESTALE);
	CHECK(unlink("a") == 0);
	leave();
}

CASE(same_file_same_handle)
{
	struct room a, b;
	int mount_id;

	enter();
	CHECK(put("a", "") == 0 && symlink("a", "l") == 0);
	int fd = open("a", O_RDONLY);

	CHECK(name_to(&a, AT_FDCWD, "a", &mount_id, 0) == 0);
	CHECK(name_to(&b, fd, "", &mount_id, AT_EMPTY_PATH) == 0);
	CHECK(a.handle.handle_bytes == b.handle.handle_bytes);
	CHECK(memcmp(a.handle.f_handle, b.handle.f_handle, a.handle.handle_bytes) == 0);
	CHECK(name_to(&b, AT_FDCWD, "l", &mount_id, AT_SYMLINK_FOLLOW) == 0);
	CHECK(memcmp(a.handle.f_handle, b.handle.f_handle, a.handle.handle_bytes) == 0);
	CHECK(name_to(&b, AT_FDCWD, "l", &mount_id, 0) == 0); /* the link's own */
	CHECK(memcmp(a.handle.f_handle, b.handle.f_handle, a.handle.handle_bytes) != 0);
	CHECK_ERRNO(open_by_handle_at(AT_FDCWD, &b.handle, O_RDONLY), ELOOP);
	close(fd);
	CHECK(unlink("a") == 0 && unlink("l") == 0);
	leave();
}

CASE(room_for_the_handle_is_told)
{
	struct room room;
	int mount_id = -1;

	room.handle.handle_bytes = 0;
	CHECK_ERRNO(name_to_handle_at(AT_FDCWD, ".", &room.handle, &mount_id, 0), EOVERFLOW);
	CHECK(mount_id > 0);
	unsigned needed = room.handle.handle_bytes;

	CHECK(needed > 0);
	CHECK(name_to_handle_at(AT_FDCWD, ".", &room.handle, &mount_id, 0) == 0);
	CHECK_EQ(room.handle.handle_bytes, needed);
	room.handle.handle_bytes = MAX_HANDLE_SZ + 1;
	CHECK_ERRNO(name_to_handle_at(AT_FDCWD, ".", &room.handle, &mount_id, 0), EINVAL);
}

CASE(wrong_arguments)
{
	struct room room;
	int mount_id;

	CHECK_ERRNO(name_to(&room, AT_FDCWD, ".", &mount_id, 0x10000), EINVAL);
	CHECK_ERRNO(name_to(&room, AT_FDCWD, "", &mount_id, 0), ENOENT);
	CHECK_ERRNO(name_to(&room, AT_FDCWD, "nowhere", &mount_id, 0), ENOENT);
	CHECK_ERRNO(name_to(&room, -1, "nowhere", &mount_id, 0), EBADF);
	CHECK_ERRNO(name_to(&room, AT_FDCWD, "/proc/self/stat", &mount_id, 0), EOPNOTSUPP);
	CHECK_ERRNO(name_to_handle_at(AT_FDCWD, ".", NULL, &mount_id, 0), EFAULT);
	CHECK(name_to(&room, AT_FDCWD, ".", &mount_id, 0) == 0);
	CHECK_ERRNO(open_by_handle_at(-1, &room.handle, O_RDONLY), EBADF);
	room.handle.handle_bytes = 0;
	CHECK_ERRNO(open_by_handle_at(AT_FDCWD, &room.handle, O_RDONLY), EINVAL);
	room.handle.handle_bytes = MAX_HANDLE_SZ + 1;
	CHECK_ERRNO(open_by_handle_at(AT_FDCWD, &room.handle, O_RDONLY), EINVAL);
	CHECK(name_to(&room, AT_FDCWD, ".", &mount_id, 0) == 0);
	room.handle.handle_type = 77;
	CHECK_ERRNO(open_by_handle_at(AT_FDCWD, &room.handle, O_RDONLY), ESTALE);
}

CASE(opening_by_handle_wants_a_capability)
{
	struct room room;
	int mount_id;

	CHECK(name_to(&room, AT_FDCWD, ".", &mount_id, 0) == 0);
	CHECK(setuid(NOBODY) == 0);
	CHECK_ERRNO(open_by_handle_at(AT_FDCWD, &room.handle, O_RDONLY), EPERM);
}

CASES_MAIN()
