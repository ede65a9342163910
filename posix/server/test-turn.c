/* SPDX-License-Identifier: MIT */
/*
 * Turns under ThreadSanitizer: loops on threads of the host, over a kernel of queues and futexes.
 *
 * Clients are threads, too. Each sends requests to the loop that is its home and waits for the
 * answer to each, which comes at once, from a timer or an operation on any loop, or from a task.
 * What handlers touch is plain memory: a turn that two threads have is a race that the sanitizer
 * reports, and a wake-up that is lost is a client that waits for ever.
 */
#include <async/task.h>
#include <base/assert.h>
#include <base/errors.h>
#include <base/random.h>
#include <base/testing.h>
#include <helix/log.h>
#include <helix/memory.h>
#include <helix/start.h>
#include <helix/thread.h>
#include <posix/server/turn.h>

#include <pthread.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

constexpr uint32_t N_LOOPS = 4;
constexpr uint32_t N_CLIENTS = 9;
constexpr uint32_t N_ROUNDS = 1500;
constexpr uint32_t N_FLOOD = 700; /* elements without an answer; more than chunks have room for */
constexpr uint32_t ELEMENT_SIZE = 512;
constexpr uint32_t N_PENDING_MAX = N_CLIENTS * N_FLOOD;
constexpr uint64_t TIMEOUT_MAX_NS = 300000;

_Thread_local struct helix_thread *helix_self_of_test;

/* ---- the kernel ------------------------------------------------------------------------------ */

struct queue {
	struct hel_queue_params params;
	uint8_t *memory;
	struct hel_queue_header *header;
	struct hel_chunk *chunk;
	uint32_t supply_head;
	bool is_alerted;
	uint64_t pending[N_PENDING_MAX]; /* contexts of elements that find no chunk */
	uint32_t n_pending;
};

/* Handles 1 to N_LOOPS are the loops' queues; those behind them the clients'. */
static struct queue queues[1 + N_LOOPS + N_CLIENTS];
static uint32_t n_queues;
static pthread_mutex_t kernel = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER; /* anything */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Waits for any change, at most until the deadline; nobody needs to be told of that exactly. */
static void kernel_sleep(uint64_t deadline_ns)
{
	uint64_t now = now_ns();
	uint64_t left_ns = deadline_ns > now ? min_u64(deadline_ns - now, 1000000000) : 0;
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long)left_ns;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&changed, &kernel, &until);
}

static struct hel_chunk *next_chunk(struct queue *queue)
{
	if (queue->supply_head == __atomic_load_n(&queue->header->supply_tail, __ATOMIC_ACQUIRE)) {
		return NULL;
	}
	uint32_t index = queue->header->supply[queue->supply_head++ % HEL_SUPPLY_MAX];

	return (struct hel_chunk *)(queue->memory + hel_queue_chunks_offset(&queue->params) +
		(uint64_t)index * queue->params.chunk_size);
}

static bool write_element(struct queue *queue, uint64_t context)
{
	uint32_t room = queue->params.chunk_size - (uint32_t)sizeof(struct hel_chunk);
	uint32_t progress = queue->chunk != NULL ? queue->chunk->progress : 0;

	if (queue->chunk != NULL && progress + ELEMENT_SIZE > room) {
		__atomic_store_n(
			&queue->chunk->progress, progress | HEL_CHUNK_DONE, __ATOMIC_RELEASE);
		queue->chunk = NULL;
	}
	if (queue->chunk == NULL) {
		queue->chunk = next_chunk(queue);
		progress = 0;
		if (queue->chunk == NULL) {
			return false;
		}
	}
	*(struct hel_element *)(queue->chunk->elements + progress) = (struct hel_element){
		.size = ELEMENT_SIZE,
		.context = context,
		.flags = HEL_ELEMENT_MORE,
	};
	__atomic_store_n(&queue->chunk->progress, progress + ELEMENT_SIZE, __ATOMIC_RELEASE);
	__atomic_fetch_add(&queue->header->n_completions, 1, __ATOMIC_SEQ_CST);
	return true;
}

/* As the kernel does: only who drives the queue lets those come that have waited for a chunk. */
static void write_pending(struct queue *queue)
{
	uint32_t n_written = 0;

	while (n_written < queue->n_pending && write_element(queue, queue->pending[n_written])) {
		n_written++;
	}
	memmove(queue->pending, queue->pending + n_written,
		(queue->n_pending - n_written) * sizeof(queue->pending[0]));
	queue->n_pending -= n_written;
}

static void send_element(uint32_t handle, uint64_t context)
{
	struct queue *queue = &queues[handle];

	pthread_mutex_lock(&kernel);
	if (queue->n_pending != 0 || !write_element(queue, context)) {
		queue->pending[queue->n_pending++] = context;
	}
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&kernel);
}

static void take_records(struct queue *queue)
{
	uint32_t head = queue->header->submit_head;

	while (head != __atomic_load_n(&queue->header->submit_tail, __ATOMIC_ACQUIRE)) {
		const struct hel_record *record = (const struct hel_record *)(queue->memory +
			sizeof(struct hel_queue_header) + head % queue->params.submit_size);

		if (record->opcode == HEL_SUBMIT_ALERT) {
			queues[((const struct hel_alert_record *)record)->queue].is_alerted = true;
			pthread_cond_broadcast(&changed);
		}
		head += record->size;
	}
	__atomic_store_n(&queue->header->submit_head, head, __ATOMIC_RELEASE);
}

static int64_t drive(const uint64_t *arguments)
{
	struct queue *queue = &queues[arguments[0]];
	int64_t error = 0;

	pthread_mutex_lock(&kernel);
	take_records(queue);
	write_pending(queue);
	while ((arguments[1] & HEL_DRIVE_WAIT) != 0 &&
		queue->header->n_completions == (uint32_t)arguments[2]) {
		if (queue->is_alerted) {
			queue->is_alerted = false;
			error = -ERR_ALERTED;
			break;
		}
		if (now_ns() >= arguments[3]) {
			error = -ERR_TIMED_OUT;
			break;
		}
		kernel_sleep(arguments[3]);
	}
	pthread_mutex_unlock(&kernel);
	return error;
}

static int64_t futex_wait(const uint32_t *word, uint32_t expected)
{
	pthread_mutex_lock(&kernel);
	if (__atomic_load_n(word, __ATOMIC_SEQ_CST) == expected) {
		kernel_sleep(HEL_DEADLINE_NEVER);
	}
	pthread_mutex_unlock(&kernel);
	return 0;
}

static int64_t wake_all(void)
{
	pthread_mutex_lock(&kernel);
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&kernel);
	return 0;
}

static struct hel_outcome queue_create(const struct hel_queue_params *params)
{
	struct queue *queue = &queues[++n_queues];

	queue->params = *params;
	queue->memory = aligned_alloc(4096, hel_queue_memory_size(params));
	memset(queue->memory, 0, hel_queue_memory_size(params));
	queue->header = (struct hel_queue_header *)queue->memory;
	return (struct hel_outcome){ .value = n_queues };
}

struct hel_outcome hel_sim_call(uint32_t number, const uint64_t *arguments)
{
	switch (number) {
	case HEL_CALL_queue_create: return queue_create((const void *)arguments[0]);
	case HEL_CALL_drive: return (struct hel_outcome){ .error = drive(arguments) };
	case HEL_CALL_futex_wait:
		return (struct hel_outcome){ .error = futex_wait((const uint32_t *)arguments[0],
						     (uint32_t)arguments[1]) };
	case HEL_CALL_futex_wake: return (struct hel_outcome){ .error = wake_all() };
	case HEL_CALL_clock_get: return (struct hel_outcome){ .value = now_ns() };
	case HEL_CALL_clock_page: return (struct hel_outcome){ .error = -ERR_UNSUPPORTED };
	case HEL_CALL_space_protect:
	case HEL_CALL_close: return (struct hel_outcome){};
	default: abort();
	}
}

/* ---- the runtime ----------------------------------------------------------------------------- */

int helix_map(hel_handle memory, UNUSED uint64_t offset, uint64_t size_bytes, UNUSED uint32_t flags,
	void **out_pointer)
{
	*out_pointer = memory != HEL_NULL ? queues[memory].memory
					  : mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
						    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return 0;
}

void helix_unmap(UNUSED void *pointer, UNUSED uint64_t size_bytes)
{
}

void *helix_calloc(size_t n, size_t size)
{
	return calloc(n, size);
}

void helix_free(void *block)
{
	free(block);
}

void helix_fatal(const char *format, ...)
{
	puts(format);
	abort();
}

void helix_exit(void)
{
	abort();
}

static void (*thread_function)(struct helix_thread *thread);

static void *thread_begin(void *argument)
{
	helix_self_of_test = argument;
	thread_function(argument);
	return NULL;
}

void helix_threads_run(
	struct helix_thread **threads, uint32_t n, void (*run)(struct helix_thread *thread))
{
	pthread_t ids[N_LOOPS];

	thread_function = run;
	helix_has_threads = true;
	for (uint32_t i = 0; i < n; i++) {
		pthread_create(&ids[i], NULL, thread_begin, threads[i]);
	}
	for (;;) {
		pause();
	}
}

/* ---- clients --------------------------------------------------------------------------------- */

enum answer { ANSWER_NOW, ANSWER_BY_TIMER, ANSWER_BY_TASK, ANSWER_BY_OPERATION, ANSWERS };

struct client {
	struct helix_operation operation; /* first: what its elements name */
	uint32_t handle, home;
	uint32_t n_floods; /* elements to come that want no answer */
	struct random random;
	struct timer timer;
	struct job job;
	struct op op;
	uint64_t n_answers; /* of those the client knows of n_answered */
};

static struct client clients[N_CLIENTS];
static struct loop *homes[N_LOOPS];

/* Guarded by the turn. */
static bool is_anybody_here;
static uint64_t n_handled, n_timers, n_tasks, n_operations;

static void enter(void)
{
	ASSERT(!is_anybody_here);
	is_anybody_here = true;
}

static void leave(void)
{
	is_anybody_here = false;
}

static void answer(struct client *client)
{
	client->n_answers++;
	helix_loop_alert(helix_loop_of(turn_current()->loop), client->handle);
}

static void timer_fired(struct timer *timer)
{
	enter();
	n_timers++;
	answer(container_of(timer, struct client, timer));
	leave();
}

static int task_run(UNUSED struct task *task, void *argument)
{
	enter();
	n_tasks++;
	answer(argument);
	leave();
	return 0;
}

static void operation_done(struct op *op)
{
	enter();
	n_operations++;
	answer(op->owner);
	leave();
}

static enum op_result operation_start(UNUSED struct op *op)
{
	return OP_PENDING;
}

static const struct op_class operation_class = { .name = "test", .start = operation_start };

static void client_begin_answer(struct client *client)
{
	struct loop *loop = homes[random_below(&client->random, N_LOOPS)];

	switch (random_below(&client->random, ANSWERS)) {
	case ANSWER_BY_TIMER:
		turn_touch(loop);
		timer_arm(loop, &client->timer,
			loop_now_ns(loop) + random_below(&client->random, TIMEOUT_MAX_NS));
		break;
	case ANSWER_BY_TASK:
		job_init(&client->job, "test", task_run, client);
		job_submit(posix_loop(), &client->job);
		break;
	case ANSWER_BY_OPERATION:
		turn_touch(loop);
		op_init(&client->op, &operation_class);
		(void)!op_start(&client->op, loop, operation_done, client);
		op_complete(&client->op, 0);
		break;
	default: answer(client); break;
	}
}

static void client_take(struct helix_operation *operation, const struct hel_element *element)
{
	struct client *client = container_of(operation, struct client, operation);

	enter();
	n_handled++;
	if (client->n_floods > 0) {
		client->n_floods--;
	} else {
		client_begin_answer(client);
	}
	helix_loop_release(helix_loop_of(homes[client->home]), element);
	leave();
}

static const struct helix_operation_class client_class = {
	.op = { .name = "client" },
	.take = client_take,
};

static void client_await_answer(struct client *client)
{
	struct queue *queue = &queues[client->handle];

	pthread_mutex_lock(&kernel);
	while (!queue->is_alerted) {
		kernel_sleep(HEL_DEADLINE_NEVER);
	}
	queue->is_alerted = false;
	pthread_mutex_unlock(&kernel);
}

static void *client_run(void *argument)
{
	struct client *client = argument;

	for (uint32_t i = 0; i < N_ROUNDS; i++) {
		/* nobody looks at it before its element comes */
		client->n_floods = i % (N_ROUNDS / 3) == N_ROUNDS / 4 ? N_FLOOD : 0;
		for (uint32_t k = client->n_floods + 1; k > 0; k--) {
			send_element(1 + client->home, (uint64_t)&client->operation);
		}
		client_await_answer(client);
	}
	return NULL;
}

static void *serve(UNUSED void *argument)
{
	turns_run();
}

TEST(all_are_answered)
{
	uint64_t seed = test_seed(1);
	pthread_t server, threads[N_CLIENTS];

	CHECK_EQ(turns_init(N_LOOPS), 0);
	for (uint32_t i = 0; i < N_LOOPS; i++) {
		homes[(i + 1) % N_LOOPS] = turn_choose_home();
	}
	CHECK(homes[0] == posix_loop());
	n_queues += N_CLIENTS;
	pthread_create(&server, NULL, serve, NULL);
	for (uint32_t i = 0; i < N_CLIENTS; i++) {
		clients[i].handle = 1 + N_LOOPS + i;
		clients[i].home = i % N_LOOPS;
		random_init(&clients[i].random, seed + i);
		timer_init(&clients[i].timer, timer_fired);
		op_init(&clients[i].operation.op, &client_class.op);
		pthread_create(&threads[i], NULL, client_run, &clients[i]);
	}
	for (uint32_t i = 0; i < N_CLIENTS; i++) {
		pthread_join(threads[i], NULL);
		CHECK_EQ(clients[i].n_answers, N_ROUNDS);
	}
	CHECK_EQ(n_handled, N_CLIENTS * (N_ROUNDS + 3 * N_FLOOD));
	CHECK(n_timers > 0 && n_tasks > 0 && n_operations > 0);
}

TEST_MAIN()
