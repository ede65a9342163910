/* SPDX-License-Identifier: MIT */
/*
 * A process that goes round its seccomp filters: it makes its shim believe that there are none, so
 * that posix is asked for what the filters forbid. Prints what became of that. The address and the
 * layout are those of protocols/posix/wire.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define THREAD_PAGE   0x7fff0004a480ul /* of the first thread */
#define CALLS_END     (*(volatile uint64_t *)(THREAD_PAGE + 48))
#define CALLS_ALLOWED ((volatile uint64_t *)(THREAD_PAGE + 1048))
#define IS_RESTRICTED (*(volatile uint32_t *)(THREAD_PAGE + 1112))

/* <linux/filter.h> and <linux/seccomp.h>, which musl does not have */
struct instruction {
	uint16_t code;
	uint8_t jump_true, jump_false;
	uint32_t k;
};

#define LOAD(offset_)  { 0x20, 0, 0, (offset_) }
#define RETURN(value_) { 0x06, 0, 0, (value_) }
#define IS(value_)     { 0x15, 0, 1, (value_) }
#define NUMBER         0
#define ARGUMENT       16
#define ALLOWED        RETURN(0x7fff0000)
#define DENIED         RETURN(0x50000 | 77)
#define MODE_FILTER    2

static void restrict_itself(void)
{
	static const struct instruction filter[] = {
		LOAD(NUMBER),
		IS(SYS_uname),
		DENIED,
		IS(SYS_execve),
		DENIED,
		IS(SYS_execveat),
		DENIED,
		IS(SYS_lseek),
		DENIED,
		{ 0x15, 0, 3, SYS_socket },
		LOAD(ARGUMENT),
		IS(AF_INET),
		DENIED,
		ALLOWED,
	};
	const struct {
		uint16_t n;
		const struct instruction *filter;
	} program = { sizeof(filter) / sizeof(filter[0]), filter };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, MODE_FILTER, &program, 0, 0) != 0) {
		perror("seccomp");
	}
}

static void tell(const char *what, long result)
{
	if (result < 0) {
		printf("%s: errno %d\n", what, errno);
	} else {
		printf("%s: made\n", what);
	}
}

static void try_all(void)
{
	char *const nothing[] = { NULL };
	struct utsname name;
	struct stat stat_of_root;

	tell("uname", uname(&name));
	tell("execve", execve("/bin/true", nothing, nothing));
	tell("socket of INET", socket(AF_INET, SOCK_STREAM, 0));
	tell("socket of UNIX", socket(AF_UNIX, SOCK_STREAM, 0));
	tell("stat", stat("/", &stat_of_root));
}

/* Children that live on, each with a filter as large as it may be; the limit is the user's. */
static int take_memory(void)
{
	static struct instruction filter[4096];
	const struct {
		uint16_t n;
		const struct instruction *filter;
	} program = { 4096, filter };
	int n_refused = 0, n_children = 0;

	for (int i = 0; i < 4096; i++) {
		filter[i] = (struct instruction)ALLOWED;
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	while (n_children < 200 && n_refused == 0) {
		int ends[2];
		char is_refused = 1;

		pipe(ends);
		if (fork() == 0) {
			is_refused = prctl(PR_SET_SECCOMP, MODE_FILTER, &program, 0, 0) != 0;
			write(ends[1], &is_refused, 1);
			pause();
		}
		read(ends[0], &is_refused, 1);
		close(ends[0]);
		close(ends[1]);
		n_children++;
		n_refused += is_refused;
	}
	puts(n_children > 20 && n_refused == 1 ? "one user's filters are limited" : "no limit");
	fflush(stdout);
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	return 0;
}

int main(int argc, char **argv)
{
	int file = open("/file", O_RDWR | O_CREAT, 0600);
	char bytes[16];

	(void)argv;
	if (argc > 1) {
		return take_memory();
	}

	/* something that there would be a view of */
	write(file, "0123456789abcdef", 16);
	for (int i = 0; i < 50; i++) {
		pread(file, bytes, sizeof(bytes), 0);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	restrict_itself();
	puts("asking");
	try_all();
	tell("lseek", lseek(file, 0, SEEK_CUR));

	puts("all allowed in the page");
	for (int i = 0; i < 8; i++) {
		CALLS_ALLOWED[i] = ~0ul;
	}
	try_all();
	memset((void *)CALLS_ALLOWED, 0, 64);

	puts("asked for something else");
	tell("socket of UNIX", socket(AF_UNIX, SOCK_STREAM, 0));
	IS_RESTRICTED = 0;
	CALLS_END = 456;
	tell("socket of INET", socket(AF_INET, SOCK_STREAM, 0));
	tell("socket of UNIX", socket(AF_UNIX, SOCK_STREAM, 0));
	tell("uname", uname(&(struct utsname){ 0 }));
	tell("lseek", lseek(file, 0, SEEK_CUR));
	tell("getpid, which is its own", getpid());
	fflush(stdout);
	return 0;
}
