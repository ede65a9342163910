/* SPDX-License-Identifier: MIT */
/* System V IPC: shared memory, semaphores, message queues. */
#include "check.h"

#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>

#define PAGE 4096L

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

static key_t key_of_this_test(void)
{
	return 0x48610000 + (getpid() & 0xffff);
}

static int wait_status(pid_t child)
{
	int status;

	return waitpid(child, &status, 0) == child ? status : -1;
}

static struct shmid_ds segment_state(int id)
{
	struct shmid_ds state = { 0 };

	CHECK_EQ(shmctl(id, IPC_STAT, &state), 0);
	return state;
}

/* ---- keys and permissions -------------------------------------------------------------------- */

CASE(keys_find_objects_until_they_are_removed)
{
	key_t key = key_of_this_test();
	int id = shmget(key, PAGE, IPC_CREAT | IPC_EXCL | 0600);

	CHECK(id >= 0);
	CHECK_EQ(shmget(key, 0, 0), id);
	CHECK_EQ(shmget(key, PAGE, IPC_CREAT | 0600), id);
	CHECK_ERRNO(shmget(key, PAGE, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
	CHECK_ERRNO(shmget(key, PAGE + 1, 0), EINVAL);
	CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
	CHECK_ERRNO(shmget(key, 0, 0), ENOENT);
	CHECK_ERRNO(shmctl(id, IPC_RMID, NULL), EINVAL);
	CHECK_ERRNO(shmget(IPC_PRIVATE, 0, 0600), EINVAL);
}

CASE(strangers_are_refused)
{
	key_t key = key_of_this_test();
	int id = semget(key, 1, IPC_CREAT | 0640), queue = msgget(key, IPC_CREAT | 0600);
	union semun value = { .val = 1 };

	CHECK(id >= 0 && queue >= 0);
	pid_t child = fork();

	if (child == 0) {
		if (setgid(54321) || setuid(54321)) {
			_exit(1);
		}
		bool is_refused = semctl(id, 0, GETVAL) == -1 && errno == EACCES &&
			semctl(id, 0, SETVAL, value) == -1 && errno == EACCES &&
			semctl(id, 0, IPC_RMID) == -1 && errno == EPERM &&
			msgctl(queue, IPC_RMID, NULL) == -1 && errno == EPERM &&
			msgget(key, 0600) == -1 && errno == EACCES && msgget(key, 0) == queue;
		_exit(is_refused ? 0 : 1);
	}
	CHECK_EQ(wait_status(child), 0);
	CHECK_EQ(semctl(id, 0, IPC_RMID), 0);
	CHECK_EQ(msgctl(queue, IPC_RMID, NULL), 0);
}

/* ---- shared memory --------------------------------------------------------------------------- */

CASE(shared_memory_is_shared)
{
	int id = shmget(IPC_PRIVATE, 3 * PAGE - 5, 0600);
	char *here = shmat(id, NULL, 0), *there = shmat(id, NULL, SHM_RDONLY);

	CHECK(here != (void *)-1 && there != (void *)-1 && here != there);
	strcpy(here + PAGE, "hello");
	CHECK_EQ(strcmp(there + PAGE, "hello"), 0);
	CHECK_ERRNO(mprotect(there, PAGE, PROT_READ | PROT_WRITE), EACCES);
	CHECK_EQ(segment_state(id).shm_nattch, 2);
	CHECK_EQ(segment_state(id).shm_segsz, 3 * PAGE - 5);
	CHECK_EQ(segment_state(id).shm_cpid, getpid());
	CHECK_EQ(shmdt(there), 0);
	CHECK_ERRNO(shmdt(there), EINVAL);
	CHECK_ERRNO(shmdt(here + 1), EINVAL);

	pid_t child = fork();

	if (child == 0) {
		_exit(segment_state(id).shm_nattch == 2 && strcpy(here, "child") ? 0 : 1);
	}
	CHECK_EQ(wait_status(child), 0);
	CHECK_EQ(strcmp(here, "child"), 0);
	CHECK_EQ(segment_state(id).shm_nattch, 1);
	CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
	CHECK(segment_state(id).shm_perm.mode & SHM_DEST);
	CHECK_EQ(shmdt(here), 0);
	CHECK_ERRNO(shmat(id, NULL, 0), EINVAL);
}

CASE(shared_memory_goes_where_it_is_told)
{
	int id = shmget(IPC_PRIVATE, 2 * PAGE, 0600);
	char *place =
		mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK_ERRNO(shmat(id, place, 0), EINVAL);
	CHECK_ERRNO(shmat(id, place + 1, SHM_REMAP), EINVAL);
	CHECK_ERRNO(shmat(id, NULL, SHM_REMAP), EINVAL);
	CHECK(shmat(id, place + PAGE + 1, SHM_REMAP | SHM_RND) == place + PAGE);
	place[PAGE] = 'x';
	CHECK_EQ(munmap(place + PAGE, PAGE), 0);
	CHECK_EQ(segment_state(id).shm_nattch, 1);
	CHECK_EQ(munmap(place + 2 * PAGE, PAGE), 0);
	CHECK_EQ(segment_state(id).shm_nattch, 0);
	char *again = shmat(id, NULL, 0);

	CHECK_EQ(again[0], 'x');
	CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
}

/* ---- semaphores ------------------------------------------------------------------------------ */

static int operate(int id, int number, int change, int flags)
{
	struct sembuf operation = { (unsigned short)number, (short)change, (short)flags };

	return semop(id, &operation, 1);
}

CASE(semaphore_operations_are_atomic)
{
	int id = semget(IPC_PRIVATE, 3, 0600);
	unsigned short values[3] = { 1, 2, 3 };
	struct sembuf both[] = { { 0, -1, 0 }, { 1, -5, IPC_NOWAIT } };
	struct timespec soon = { 0, 1000000 };

	CHECK(id >= 0);
	CHECK_EQ(semctl(id, 0, SETALL, (union semun){ .array = values }), 0);
	CHECK_ERRNO(semop(id, both, 2), EAGAIN);
	CHECK_EQ(semctl(id, 0, GETVAL), 1);
	both[1].sem_op = -2;
	CHECK_EQ(semop(id, both, 2), 0);
	memset(values, 9, sizeof(values));
	CHECK_EQ(semctl(id, 0, GETALL, (union semun){ .array = values }), 0);
	CHECK(values[0] == 0 && values[1] == 0 && values[2] == 3);
	CHECK_EQ(semctl(id, 1, GETPID), getpid());
	CHECK_EQ(operate(id, 0, 0, 0), 0);
	CHECK_ERRNO(operate(id, 2, 0, IPC_NOWAIT), EAGAIN);
	CHECK_ERRNO(operate(id, 2, 32767, 0), ERANGE);
	CHECK_ERRNO(operate(id, 3, 1, 0), EFBIG);
	CHECK_ERRNO(semop(id, both, 0), EINVAL);
	both[0] = (struct sembuf){ 0, -1, 0 };
	CHECK_ERRNO(semtimedop(id, both, 1, &soon), EAGAIN);
	CHECK_ERRNO(semctl(id, 0, SETVAL, (union semun){ .val = 32768 }), ERANGE);
	CHECK_ERRNO(semctl(id, 3, GETVAL), EINVAL);
	CHECK_ERRNO(semctl(id, 0, 0x10000), EINVAL);
	CHECK_EQ(semctl(id, 0, IPC_RMID), 0);
	CHECK_ERRNO(operate(id, 0, 1, 0), EINVAL);
}

static void wait_until_one_waits(int id, int command)
{
	while (semctl(id, 0, command) != 1) {
		usleep(1000);
	}
}

CASE(semaphores_are_waited_for)
{
	int id = semget(IPC_PRIVATE, 1, 0600);
	pid_t child = fork();

	if (child == 0) {
		_exit(operate(id, 0, -2, 0) == 0 && operate(id, 0, -1, 0) == -1 && errno == EIDRM
				? 0
				: 1);
	}
	wait_until_one_waits(id, GETNCNT);
	CHECK_EQ(operate(id, 0, 1, 0), 0);
	CHECK_EQ(operate(id, 0, 1, 0), 0);
	CHECK_EQ(operate(id, 0, 0, 0), 0);
	wait_until_one_waits(id, GETNCNT);
	CHECK_EQ(semctl(id, 0, GETZCNT), 0);
	CHECK_EQ(semctl(id, 0, IPC_RMID), 0);
	CHECK_EQ(wait_status(child), 0);
}

static void do_nothing(int signal)
{
	(void)signal;
}

CASE(signals_end_waiting_for_semaphores)
{
	int id = semget(IPC_PRIVATE, 1, 0600);
	pid_t child = fork();

	if (child == 0) {
		struct sigaction action = { .sa_handler = do_nothing, .sa_flags = SA_RESTART };

		sigaction(SIGUSR1, &action, NULL);
		_exit(operate(id, 0, -1, 0) == -1 && errno == EINTR ? 0 : 1);
	}
	wait_until_one_waits(id, GETNCNT);
	kill(child, SIGUSR1);
	CHECK_EQ(wait_status(child), 0);
	CHECK_EQ(semctl(id, 0, GETNCNT), 0);
	CHECK_EQ(semctl(id, 0, IPC_RMID), 0);
}

CASE(the_end_of_a_process_undoes)
{
	int id = semget(IPC_PRIVATE, 2, 0600);

	CHECK_EQ(semctl(id, 0, SETVAL, (union semun){ .val = 5 }), 0);
	pid_t child = fork();

	if (child == 0) {
		operate(id, 0, -3, SEM_UNDO);
		operate(id, 0, 1, SEM_UNDO);
		operate(id, 1, 7, SEM_UNDO);
		semctl(id, 1, SETVAL, (union semun){ .val = 4 });
		_exit(semctl(id, 0, GETVAL) == 3 ? 0 : 1);
	}
	CHECK_EQ(wait_status(child), 0);
	CHECK_EQ(semctl(id, 0, GETVAL), 5);
	CHECK_EQ(semctl(id, 1, GETVAL), 4);
	CHECK_EQ(semctl(id, 0, IPC_RMID), 0);
}

/* ---- messages -------------------------------------------------------------------------------- */

struct text {
	long type;
	char text[8193];
};

static int send_text(int id, long type, const char *text, int flags)
{
	struct text message = { .type = type };

	strcpy(message.text, text);
	return msgsnd(id, &message, strlen(text), flags);
}

/* Whether the next message of `which` has that type and text. */
static bool receives(int id, long which, int flags, long type, const char *text)
{
	struct text message;
	ssize_t size = msgrcv(id, &message, sizeof(message.text), which, flags | IPC_NOWAIT);

	return size == (ssize_t)strlen(text) && message.type == type &&
		memcmp(message.text, text, (size_t)size) == 0;
}

CASE(messages_are_chosen_by_type)
{
	static struct text message = { .type = 1 };
	int id = msgget(IPC_PRIVATE, 0600);
	struct msqid_ds state;

	CHECK(id >= 0);
	CHECK_EQ(send_text(id, 3, "three", 0), 0);
	CHECK_EQ(send_text(id, 1, "one", 0), 0);
	CHECK_EQ(send_text(id, 2, "", 0), 0);
	CHECK_EQ(send_text(id, 3, "three again", 0), 0);
	CHECK_EQ(msgctl(id, IPC_STAT, &state), 0);
	CHECK(state.msg_qnum == 4 && state.msg_lspid == getpid() && state.msg_lrpid == 0);
	CHECK(receives(id, -2, 0, 1, "one"));
	CHECK(receives(id, 3, MSG_EXCEPT, 2, ""));
	CHECK(receives(id, 0, 0, 3, "three"));
	CHECK_ERRNO(msgrcv(id, &message, 3, 0, 0), E2BIG);
	CHECK_EQ(msgrcv(id, &message, 5, 0, MSG_NOERROR), 5);
	CHECK_ERRNO(msgrcv(id, &message, 5, 0, IPC_NOWAIT), ENOMSG);
	CHECK_ERRNO(send_text(id, 0, "x", 0), EINVAL);
	message.type = 1;
	CHECK_ERRNO(msgsnd(id, &message, 8193, 0), EINVAL);
	CHECK_EQ(msgsnd(id, &message, 8192, 0), 0);
	CHECK_EQ(msgsnd(id, &message, 8192, 0), 0);
	CHECK_ERRNO(send_text(id, 1, "x", IPC_NOWAIT), EAGAIN);
	CHECK_EQ(msgrcv(id, &message, 8192, 1, 0), 8192);
	CHECK_EQ(msgctl(id, IPC_RMID, NULL), 0);
	CHECK_ERRNO(msgrcv(id, &message, 8192, 1, 0), EINVAL);
}

CASE(messages_are_waited_for)
{
	int id = msgget(IPC_PRIVATE, 0600);
	pid_t child = fork();

	if (child == 0) {
		struct text message;

		if (msgrcv(id, &message, 10, 7, 0) != 5 || send_text(id, 8, "answer", 0)) {
			_exit(1);
		}
		_exit(msgrcv(id, &message, 10, 9, 0) == -1 && errno == EIDRM ? 0 : 1);
	}
	CHECK_EQ(send_text(id, 6, "other", 0), 0);
	CHECK_EQ(send_text(id, 7, "seven", 0), 0);
	struct text message;

	CHECK_EQ(msgrcv(id, &message, 10, 8, 0), 6);
	CHECK_EQ(msgctl(id, IPC_RMID, NULL), 0);
	CHECK(WIFEXITED(wait_status(child))); /* if it came too late to wait, it is EINVAL */
}

CASE(limits_are_told)
{
	struct shminfo shared;
	struct seminfo semaphores;
	struct msginfo messages;
	struct shm_info use;

	CHECK(shmctl(0, IPC_INFO, (void *)&shared) >= 0 && shared.shmmni >= 128);
	CHECK(semctl(0, 0, IPC_INFO, &semaphores) >= 0 && semaphores.semvmx == 32767);
	CHECK(msgctl(0, IPC_INFO, (void *)&messages) >= 0 && messages.msgmax >= 8192);
	int id = shmget(IPC_PRIVATE, PAGE, 0600);

	CHECK(shmctl(0, SHM_INFO, (void *)&use) >= 0 && use.used_ids >= 1);
	CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
}

/* Whether /proc/sysvipc/@kind begins with @heading and has a line for the object. */
static bool is_listed(const char *kind, const char *heading, key_t key, int id, int mode)
{
	char path[32], line[512];
	int found_key, found_id, found_mode;
	bool is_found = false;

	snprintf(path, sizeof(path), "/proc/sysvipc/%s", kind);
	FILE *file = fopen(path, "r");

	CHECK(file != NULL);
	CHECK(fgets(line, sizeof(line), file) != NULL);
	CHECK(strstr(line, heading) != NULL);
	while (fgets(line, sizeof(line), file) != NULL) {
		CHECK_EQ(sscanf(line, "%d %d %o", &found_key, &found_id, &found_mode), 3);
		is_found |= found_key == key && found_id == id && found_mode == mode;
	}
	fclose(file);
	return is_found;
}

CASE(proc_lists_what_there_is)
{
	key_t key = key_of_this_test();
	int segment = shmget(key, PAGE, IPC_CREAT | 0600);
	int set = semget(key, 3, IPC_CREAT | 0640), queue = msgget(key, IPC_CREAT | 0604);

	CHECK(segment >= 0 && set >= 0 && queue >= 0);
	CHECK(is_listed("shm", "nattch", key, segment, 0600));
	CHECK(is_listed("sem", "nsems", key, set, 0640));
	CHECK(is_listed("msg", "cbytes", key, queue, 0604));
	CHECK_EQ(shmctl(segment, IPC_RMID, NULL), 0);
	CHECK_EQ(semctl(set, 0, IPC_RMID), 0);
	CHECK_EQ(msgctl(queue, IPC_RMID, NULL), 0);
	CHECK(!is_listed("shm", "shmid", key, segment, 0600));
	CHECK(!is_listed("sem", "semid", key, set, 0640));
	CHECK(!is_listed("msg", "msqid", key, queue, 0604));
}

CASE(sets_are_as_large_as_linuxs)
{
	union semun value = { .val = 7 };
	struct semid_ds status;
	struct seminfo limits;
	int id = semget(IPC_PRIVATE, 32000, 0600);

	CHECK(id >= 0);
	CHECK_EQ(semctl(id, 31999, SETVAL, value), 0);
	CHECK_EQ(semctl(id, 31999, GETVAL), 7);
	CHECK_ERRNO(semctl(id, 32000, GETVAL), EINVAL);
	value.buf = &status;
	CHECK_EQ(semctl(id, 0, IPC_STAT, value), 0);
	CHECK_EQ(status.sem_nsems, 32000);
	status.sem_perm.uid = (uid_t)-1;
	CHECK_ERRNO(semctl(id, 0, IPC_SET, value), EINVAL);
	CHECK_EQ(semctl(id, 0, IPC_RMID), 0);
	CHECK_ERRNO(semget(IPC_PRIVATE, 32001, 0600), EINVAL);
	value.info = &limits;
	CHECK(semctl(0, 0, IPC_INFO, value) >= 0);
	CHECK(limits.semmni == 32000 && limits.semmsl == 32000 && limits.semopm == 500);
}

CASE(many_attachments)
{
	enum { N_ATTACHMENTS = 300 };
	static char *places[N_ATTACHMENTS];
	struct shmid_ds status;
	int id = shmget(IPC_PRIVATE, 4096, 0600);

	CHECK(id >= 0);
	for (int i = 0; i < N_ATTACHMENTS; i++) {
		places[i] = shmat(id, NULL, 0);
		CHECK(places[i] != (char *)-1);
	}
	*places[0] = 42;
	CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
	for (int i = 0; i < N_ATTACHMENTS; i += 2) {
		CHECK_EQ(shmdt(places[i]), 0);
		CHECK_ERRNO(shmdt(places[i]), EINVAL);
	}
	CHECK_EQ(shmctl(id, IPC_STAT, &status), 0);
	CHECK_EQ(status.shm_nattch, N_ATTACHMENTS / 2);
	for (int i = N_ATTACHMENTS - 1; i > 0; i -= 2) {
		CHECK_EQ(*places[i], 42);
		CHECK_EQ(shmdt(places[i]), 0);
	}
	CHECK_ERRNO(shmctl(id, IPC_STAT, &status), EINVAL);
}

CASES_MAIN()
