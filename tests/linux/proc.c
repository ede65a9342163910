/* SPDX-License-Identifier: MIT */
/* What /proc says of processes and threads, and what can be written to it. */
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#define NOBODY 65534

static char text[65536];

/* The whole text of a file; "" if it cannot be read. */
static const char *read_text(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n, used = 0;

	text[0] = '\0';
	if (fd < 0) {
		return text;
	}
	while ((n = read(fd, text + used, sizeof(text) - 1 - (size_t)used)) > 0) {
		used += n;
	}
	text[used] = '\0';
	close(fd);
	return text;
}

static int write_text(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);
	ssize_t n = fd < 0 ? -1 : write(fd, value, strlen(value));
	int error = errno;

	close(fd);
	errno = error;
	return n == (ssize_t)strlen(value) ? 0 : -1;
}

/* ---- switches -------------------------------------------------------------------------------- */

static long field_of(const char *path, const char *name)
{
	const char *found = strstr(read_text(path), name);

	return found ? strtol(found + strlen(name), NULL, 10) : -1;
}

CASE(switches_are_counted)
{
	struct timespec moment = { .tv_nsec = 1000000 };
	struct rusage before, after;
	long waits = field_of("/proc/self/status", "\nvoluntary_ctxt_switches:\t");

	CHECK(waits >= 0);
	CHECK(field_of("/proc/self/status", "\nnonvoluntary_ctxt_switches:\t") >= 0);
	CHECK_EQ(getrusage(RUSAGE_THREAD, &before), 0);
	/* On a busy machine a moment may be over before the thread waits. */
	do {
		CHECK_EQ(nanosleep(&moment, NULL), 0);
		CHECK_EQ(getrusage(RUSAGE_THREAD, &after), 0);
	} while (after.ru_nvcsw < before.ru_nvcsw + 10);
	CHECK(after.ru_nivcsw >= before.ru_nivcsw);
	CHECK(field_of("/proc/self/status", "\nvoluntary_ctxt_switches:\t") >= waits + 10);
}

static long cache_value(int index, const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, name);
	return strtol(read_text(path), NULL, 10);
}

/* A machine may say nothing, as one behind another one that says nothing. */
CASE(caches_are_as_large_as_their_lines)
{
	for (int i = 0; i < 8 && cache_value(i, "level") > 0; i++) {
		long size = cache_value(i, "coherency_line_size") *
			cache_value(i, "physical_line_partition") *
			cache_value(i, "ways_of_associativity") * cache_value(i, "number_of_sets");

		CHECK_EQ(size, cache_value(i, "size") * 1024);
		CHECK_EQ(cache_value(i, "shared_cpu_list"), 0);
	}
}

/* ---- threads --------------------------------------------------------------------------------- */

static pthread_barrier_t barrier;
static pid_t tid_of_other;

static void *other_thread(void *unused)
{
	tid_of_other = (pid_t)syscall(SYS_gettid);
	prctl(PR_SET_NAME, "worker with a long name");
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return unused;
}

CASE(a_thread_has_its_own_name)
{
	char path[64], name[17] = "";
	pthread_t thread;

	prctl(PR_SET_NAME, "leader");
	pthread_barrier_init(&barrier, NULL, 2);
	CHECK_EQ(pthread_create(&thread, NULL, other_thread, NULL), 0);
	pthread_barrier_wait(&barrier);
	CHECK(!strcmp(read_text("/proc/self/comm"), "leader\n"));
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid_of_other);
	CHECK(!strcmp(read_text(path), "worker with a l\n"));
	CHECK_EQ(write_text(path, "odd\n"), 0); /* the end of line is part of it */
	CHECK(!strcmp(read_text(path), "odd\n\n"));
	CHECK_EQ(write_text(path, "renamed"), 0);
	CHECK(!strcmp(read_text(path), "renamed\n"));
	CHECK_EQ(prctl(PR_GET_NAME, name), 0);
	CHECK(!strcmp(name, "leader"));
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid_of_other);
	snprintf(name, sizeof(name), "%d (renamed", tid_of_other);
	CHECK(!strncmp(read_text(path), name, strlen(name)));
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid_of_other);
	CHECK(strstr(read_text(path), "Name:\trenamed\n"));
	snprintf(path, sizeof(path), "\nPid:\t%d\n", tid_of_other);
	CHECK(strstr(text, path));
	snprintf(path, sizeof(path), "\nTgid:\t%d\n", getpid());
	CHECK(strstr(text, path));
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

CASE(threads_have_folders_that_are_not_listed)
{
	char path[64], name[32];
	pthread_t thread;
	struct stat state;
	DIR *folder;

	pthread_barrier_init(&barrier, NULL, 2);
	CHECK_EQ(pthread_create(&thread, NULL, other_thread, NULL), 0);
	pthread_barrier_wait(&barrier);
	snprintf(path, sizeof(path), "/proc/%d/comm", tid_of_other);
	CHECK(!strcmp(read_text(path), "worker with a l\n"));
	snprintf(path, sizeof(path), "/proc/%d/status", tid_of_other);
	read_text(path);
	snprintf(path, sizeof(path), "\nPid:\t%d\n", tid_of_other);
	CHECK(strstr(text, path));
	snprintf(path, sizeof(path), "\nTgid:\t%d\n", getpid());
	CHECK(strstr(text, path));
	snprintf(path, sizeof(path), "/proc/%d/task/%d", tid_of_other, getpid());
	CHECK_EQ(stat(path, &state), 0);
	snprintf(name, sizeof(name), "%d", tid_of_other);
	folder = opendir("/proc");
	CHECK(folder != NULL);
	for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
		CHECK(strcmp(entry->d_name, name) != 0);
	}
	closedir(folder);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

static void *forking_thread(void *out_pid)
{
	prctl(PR_SET_NAME, "forker");
	pid_t pid = fork();

	if (pid == 0) {
		_exit(strcmp(read_text("/proc/self/comm"), "forker\n") != 0);
	}
	*(pid_t *)out_pid = pid;
	return NULL;
}

CASE(a_child_has_the_name_of_the_thread_that_forked)
{
	pthread_t thread;
	int status;
	pid_t pid;

	CHECK_EQ(pthread_create(&thread, NULL, forking_thread, &pid), 0);
	pthread_join(thread, NULL);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* ---- who is ended when memory is ------------------------------------------------------------- */

CASE(oom_score_adj_is_checked_and_inherited)
{
	const char *path = "/proc/self/oom_score_adj";
	int status;

	CHECK_EQ(write_text(path, "500\n"), 0);
	CHECK(!strcmp(read_text(path), "500\n"));
	CHECK_EQ(write_text(path, "3"), 0);
	CHECK(!strcmp(read_text(path), "3\n"));
	CHECK(write_text(path, "1001") < 0 && errno == EINVAL);
	CHECK(write_text(path, "-1001") < 0 && errno == EINVAL);
	CHECK(write_text(path, "many") < 0 && errno == EINVAL);
	pid_t pid = fork();

	if (pid == 0) {
		_exit(strcmp(read_text(path), "3\n") != 0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK(read_text("/proc/self/oom_score")[0] != '\0');
}

CASE(oom_score_adj_is_not_lowered_without_privilege)
{
	const char *path = "/proc/self/oom_score_adj";

	CHECK_EQ(write_text(path, "100"), 0);
	CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
	prctl(PR_SET_DUMPABLE, 1);
	CHECK_EQ(write_text(path, "300"), 0);
	CHECK_EQ(write_text(path, "100"), 0);
	CHECK(write_text(path, "-1") < 0 && errno == EACCES);
}

/* ---- logins ---------------------------------------------------------------------------------- */

/* What pam_loginuid does, in a process of its own: the others stay as they are. */
static int log_in(void)
{
	const char *path = "/proc/self/loginuid";
	char parent[64], session[16];
	int fd = open(path, O_RDWR | O_NOFOLLOW);

	snprintf(parent, sizeof(parent), "/proc/%d/loginuid", getppid());
	snprintf(session, sizeof(session), "%s", read_text("/proc/self/sessionid"));
	CHECK_EQ(ftruncate(fd, 0), 0);
	CHECK_EQ(write(fd, "1000", 4), 4);
	CHECK(!strcmp(read_text(path), "1000"));
	CHECK(strcmp(read_text("/proc/self/sessionid"), session) != 0);
	CHECK(write_text(parent, "1000") < 0 && errno == EPERM);
	CHECK(write_text(path, "many") < 0 && errno == EINVAL);
	CHECK(write_text(path, "-1") < 0 && errno == EINVAL);
	CHECK(write_text(path, "4294967296") < 0 && errno == ERANGE);
	CHECK(!strcmp(read_text(path), "1000"));

	pid_t pid = fork();
	int status;

	if (pid == 0) {
		bool is_inherited = !strcmp(read_text(path), "1000");

		_exit(!is_inherited || setresuid(NOBODY, NOBODY, NOBODY) != 0 ||
			prctl(PR_SET_DUMPABLE, 1) != 0 || write_text(path, "1001") == 0 ||
			errno != EPERM);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

CASE(login_ids_are_set_once_without_privilege_and_inherited)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		_exit(log_in() != 0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* ---- mappings -------------------------------------------------------------------------------- */

#define PAGE 4096ul

/* Whether maps has a line of exactly this range, and what it says. */
static bool maps_has(const char *memory, size_t n_pages, const char *rights, unsigned long offset,
	unsigned long inode, const char *name)
{
	char start[64], found_rights[8], found_name[256] = "";
	unsigned long found_offset = 0, found_inode = 0;

	snprintf(start, sizeof(start), "%lx-%lx ", (unsigned long)memory,
		(unsigned long)memory + n_pages * PAGE);
	const char *line = strstr(read_text("/proc/self/maps"), start);
	return line &&
		sscanf(line, "%*s %4s %lx %*x:%*x %lu %255[^\n]", found_rights, &found_offset,
			&found_inode, found_name) >= 3 &&
		!strcmp(found_rights, rights) && found_offset == offset && found_inode == inode &&
		!strcmp(found_name, name);
}

CASE(maps_names_files)
{
	char name[4096];
	int status, fd = open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0644);
	struct stat file;

	CHECK(fd >= 0 && getcwd(name, sizeof(name) - 8));
	strcat(name, "/mapped");
	CHECK_EQ(ftruncate(fd, 5 * PAGE), 0);
	CHECK_EQ(fstat(fd, &file), 0);
	char *shared = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 2 * PAGE);
	char *private = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, PAGE);
	CHECK(shared != MAP_FAILED && private != MAP_FAILED);
	CHECK(maps_has(shared, 2, "r--s", 2 * PAGE, file.st_ino, name));
	CHECK(maps_has(private, 4, "rw-p", PAGE, file.st_ino, name));
	CHECK_EQ(munmap(private + PAGE, PAGE), 0);
	CHECK_EQ(mprotect(private + 3 * PAGE, PAGE, PROT_READ), 0);
	pid_t pid = fork();
	bool is_right = maps_has(private, 1, "rw-p", PAGE, file.st_ino, name) &&
		maps_has(private + 2 * PAGE, 1, "rw-p", 3 * PAGE, file.st_ino, name) &&
		maps_has(private + 3 * PAGE, 1, "r--p", 4 * PAGE, file.st_ino, name);

	if (pid == 0) {
		_exit(!is_right);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(is_right && status == 0);
	/* the names of mappings that are gone are forgotten, this one is not */
	for (int i = 0; i < 200; i++) {
		char *brief = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
		CHECK(brief != MAP_FAILED);
		CHECK_EQ(munmap(brief, PAGE), 0);
	}
	CHECK(maps_has(shared, 2, "r--s", 2 * PAGE, file.st_ino, name));
	CHECK_EQ(unlink("mapped"), 0);
}

/* ---- namespaces ------------------------------------------------------------------------------ */

CASE(namespaces_have_names_and_numbers)
{
	static const char *const names[] = { "cgroup", "ipc", "mnt", "net", "pid", "user", "uts" };
	char path[64], link[64], expected[64];
	struct stat status, again;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		ssize_t n = readlink(path, link, sizeof(link) - 1);
		CHECK(n > 0);
		link[n] = '\0';
		CHECK_EQ(stat(path, &status), 0);
		snprintf(expected, sizeof(expected), "%s:[%lu]", names[i], status.st_ino);
		CHECK(!strcmp(link, expected));
		snprintf(
			path, sizeof(path), "/proc/%d/task/%d/ns/%s", getpid(), getpid(), names[i]);
		CHECK_EQ(stat(path, &again), 0);
		CHECK(again.st_ino == status.st_ino && again.st_dev == status.st_dev);
	}
	CHECK_ERRNO(stat("/proc/self/ns/other", &status), ENOENT);
}

static ino_t mounts_number(void)
{
	struct stat status;

	CHECK_EQ(stat("/proc/self/ns/mnt", &status), 0);
	return status.st_ino;
}

CASE(setns_goes_back_to_the_mounts_of_before)
{
	int fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	ino_t before = mounts_number();
	struct stat inside, outside;

	CHECK(fd >= 0);
	CHECK_EQ(unshare(CLONE_NEWNS), 0);
	CHECK(mounts_number() != before);
	CHECK_EQ(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	CHECK_EQ(stat("/dev", &outside), 0);
	CHECK_EQ(mount("none", "/dev", "tmpfs", 0, NULL), 0);
	CHECK_EQ(stat("/dev", &inside), 0);
	CHECK(inside.st_dev != outside.st_dev);
	CHECK_EQ(setns(fd, CLONE_NEWNS), 0);
	CHECK_EQ(mounts_number(), before);
	CHECK_EQ(stat("/dev", &inside), 0);
	CHECK(inside.st_dev == outside.st_dev);
}

CASE(setns_refuses)
{
	int mounts = open("/proc/self/ns/mnt", O_RDONLY);
	int user = open("/proc/self/ns/user", O_RDONLY);
	int file = open("/proc/self/comm", O_RDONLY);

	CHECK_ERRNO(setns(-1, 0), EBADF);
	CHECK_ERRNO(setns(file, 0), EINVAL);
	CHECK_ERRNO(setns(mounts, CLONE_NEWNET), EINVAL);
	CHECK_ERRNO(setns(user, 0), EINVAL);
	CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
	CHECK_ERRNO(setns(mounts, CLONE_NEWNS), EPERM);
}

/* ---- the system ------------------------------------------------------------------------------ */

CASE(unix_sockets_are_listed)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	unsigned flags, type, state;
	struct stat status;
	char line[128];

	snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "hati-proc-%d", getpid());
	snprintf(line, sizeof(line), "@hati-proc-%d\n", getpid());
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(line) - 1);
	CHECK_EQ(bind(fd, (void *)&name, size), 0);
	CHECK_EQ(listen(fd, 1), 0);
	CHECK_EQ(fstat(fd, &status), 0);
	const char *at = strstr(read_text("/proc/net/unix"), line);
	CHECK(at);
	while (at > text && at[-1] != '\n') {
		at--;
	}
	unsigned long inode = 0;
	CHECK_EQ(sscanf(at, "%*x: %*x %*x %x %x %x %lu", &flags, &type, &state, &inode), 4);
	CHECK(flags == 0x10000 && type == 1 && state == 1 && inode == status.st_ino);
	close(fd);
	CHECK(!strstr(read_text("/proc/net/unix"), line));
}

CASE(processors_are_listed)
{
	long n_cpus = sysconf(_SC_NPROCESSORS_CONF);
	char expected[32];

	snprintf(expected, sizeof(expected), n_cpus > 1 ? "0-%ld\n" : "0\n", n_cpus - 1);
	CHECK(!strcmp(read_text("/sys/devices/system/cpu/present"), expected));
	CHECK_EQ(atoi(read_text("/sys/devices/system/cpu/cpu0/topology/core_id")), 0);
	CHECK_EQ(access("/sys/devices/system/node/node0", F_OK), 0);
}

static int descriptor_table_size(void)
{
	char line[128];
	int size = -1;
	FILE *status = fopen("/proc/self/status", "r");

	while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
		(void)sscanf(line, "FDSize: %d", &size);
	}
	if (status != NULL) {
		fclose(status);
	}
	return size;
}

CASE(the_table_of_descriptors_grows_and_shrinks)
{
	int status;

	CHECK_EQ(dup2(0, 200), 200);
	CHECK(descriptor_table_size() > 200);
	CHECK_EQ(dup2(0, 1000), 1000);
	CHECK(descriptor_table_size() > 1000);
	CHECK_EQ(close(1000), 0);

	/* A child's is as large as it has to be, and keeps what there is. */
	pid_t child = fork();

	if (child == 0) {
		int size = descriptor_table_size();

		_exit(size > 200 && size < 1000 && fcntl(200, F_GETFD) == 0 &&
					dup2(200, 900) == 900 && fcntl(900, F_GETFD) == 0
				? 0
				: 1);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

CASES_MAIN()
