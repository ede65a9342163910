/* SPDX-License-Identifier: MIT */
/*
 * Tests of requests: parking, waking, timeouts, cancels, many queues; and a fuzz of a small server.
 *
 * The example object is a pipe that carries single tokens: a counter with a limit and two wait
 * queues.
 */
#include <async/request.h>
#include <async/test-loop.h>
#include <base/errors.h>
#include <base/testing.h>

#define MS      1000000ull
#define N_PIPES 3

struct pipe {
	int n_tokens;
	int n_tokens_max;
	struct wait_queue readers;
	struct wait_queue writers;
};

struct call {
	struct request request;
	int n_attempts;
	int n_replies;
	int error;
	struct wait_op more_waits[N_PIPES - 1];
};

static struct test_loop test_loop;

static struct call *call_of(struct request *request)
{
	return container_of(request, struct call, request);
}

static void pipe_init(struct pipe *pipe, int n_tokens_max)
{
	*pipe = (struct pipe){ .n_tokens_max = n_tokens_max };
	wait_queue_init(&pipe->readers);
	wait_queue_init(&pipe->writers);
}

static int pipe_read_attempt(struct request *request)
{
	struct pipe *pipe = request->object;

	call_of(request)->n_attempts++;
	if (pipe->n_tokens == 0) {
		return request_wait_on(request, &pipe->readers) != 0 ? -ERR_NO_SPACE : REQUEST_PARK;
	}
	pipe->n_tokens--;
	wait_queue_wake_one(&pipe->writers, 0);
	return request_finish(request, 1);
}

static int pipe_write_attempt(struct request *request)
{
	struct pipe *pipe = request->object;

	call_of(request)->n_attempts++;
	if (pipe->n_tokens == pipe->n_tokens_max) {
		return request_wait_on(request, &pipe->writers) != 0 ? -ERR_NO_SPACE : REQUEST_PARK;
	}
	pipe->n_tokens++;
	wait_queue_wake_one(&pipe->readers, 0);
	return request_finish(request, 1);
}

/* Poll: which of an array of pipes can be read? */
static int pipe_poll_attempt(struct request *request)
{
	struct pipe *pipes = request->object;

	call_of(request)->n_attempts++;
	for (int i = 0; i < N_PIPES; i++) {
		if (pipes[i].n_tokens > 0) {
			/* A poller takes nothing: the wake-up must reach a reader, too. */
			wait_queue_wake_one(&pipes[i].readers, 0);
			return request_finish(request, i);
		}
	}
	for (int i = 0; i < N_PIPES; i++) {
		int error = request_wait_on(request, &pipes[i].readers);

		if (error != 0) {
			return error;
		}
	}
	return REQUEST_PARK;
}

/* A bounded job: wait for a "disk", then put a token. */
static int slow_write_run(struct task *task, struct request *request)
{
	struct pipe *pipe = request->object;
	int error = task_sleep_until(task, task_now_ns(task) + 3 * MS);

	if (error != 0) {
		return error;
	}
	pipe->n_tokens++;
	wait_queue_wake_one(&pipe->readers, 0);
	return request_finish(request, 1);
}

static int immediate_attempt(struct request *request)
{
	return request_finish(request, 42);
}

static const struct request_class read_class = {
	.name = "read",
	.kind = REQUEST_ATTEMPT,
	.attempt = pipe_read_attempt,
};
static const struct request_class write_class = {
	.name = "write",
	.kind = REQUEST_ATTEMPT,
	.attempt = pipe_write_attempt,
};
static const struct request_class poll_class = {
	.name = "poll",
	.kind = REQUEST_ATTEMPT,
	.attempt = pipe_poll_attempt,
};
static const struct request_class slow_write_class = {
	.name = "slow write",
	.kind = REQUEST_TASK,
	.run = slow_write_run,
};
static const struct request_class immediate_class = {
	.name = "immediate",
	.kind = REQUEST_IMMEDIATE,
	.attempt = immediate_attempt,
};

static void call_reply(struct request *request, int error)
{
	struct call *call = call_of(request);

	call->n_replies++;
	call->error = error;
}

static const struct request_sink call_sink = { .reply = call_reply };

static void call_init(struct call *call, const struct request_class *class, void *object)
{
	*call = (struct call){ 0 };
	request_init(&call->request, &test_loop.loop, class, &call_sink);
	call->request.object = object;
	call->request.more_waits = call->more_waits;
	call->request.n_more_waits_max = ARRAY_SIZE(call->more_waits);
}

static void call_submit(struct call *call, const struct request_class *class, void *object)
{
	call_init(call, class, object);
	request_submit(&call->request);
}

static void begin(void)
{
	test_loop_init(&test_loop, &(struct test_loop_options){ 0 });
}

/* Let everything that can happen happen, then check what became of a call. */
static void check_call(const struct call *call, int n_replies, int error)
{
	CHECK_EQ(call->n_replies, n_replies);
	if (n_replies > 0) {
		CHECK_EQ(call->error, error);
	}
}

TEST(immediate_replies_inside_submit)
{
	struct call call;

	begin();
	call_submit(&call, &immediate_class, NULL);
	check_call(&call, 1, 0);
	CHECK_EQ(call.request.result, 42);
	test_loop_deinit(&test_loop);
}

TEST(parked_read_is_repeated_when_woken)
{
	struct pipe pipe;
	struct call read;
	struct call write;

	begin();
	pipe_init(&pipe, 1);
	call_submit(&read, &read_class, &pipe);
	test_loop_run(&test_loop);
	check_call(&read, 0, 0);
	CHECK_EQ(read.n_attempts, 1);
	call_submit(&write, &write_class, &pipe);
	check_call(&write, 1, 0);
	check_call(&read, 0, 0);
	test_loop_run(&test_loop);
	check_call(&read, 1, 0);
	CHECK_EQ(read.n_attempts, 2);
	CHECK_EQ(pipe.n_tokens, 0);
	test_loop_deinit(&test_loop);
}

TEST(nonblocking_gets_again)
{
	struct pipe pipe;
	struct call read;

	begin();
	pipe_init(&pipe, 1);
	call_init(&read, &read_class, &pipe);
	read.request.is_nonblocking = true;
	request_submit(&read.request);
	check_call(&read, 1, -ERR_AGAIN);
	CHECK(wait_queue_is_empty(&pipe.readers));
	test_loop_deinit(&test_loop);
}

TEST(deadline_and_cancel)
{
	struct pipe pipe;
	struct call timed;
	struct call cancelled;

	begin();
	pipe_init(&pipe, 1);
	call_init(&timed, &read_class, &pipe);
	timed.request.deadline_ns = test_loop.now_ns + 9 * MS;
	request_submit(&timed.request);
	call_submit(&cancelled, &read_class, &pipe);
	request_cancel(&cancelled.request, -ERR_KICKED);
	test_loop_run(&test_loop);
	check_call(&timed, 1, -ERR_TIMED_OUT);
	check_call(&cancelled, 1, -ERR_KICKED);
	CHECK_EQ(test_loop.now_ns, 1000000000 + 9 * MS);
	CHECK(wait_queue_is_empty(&pipe.readers));
	test_loop_deinit(&test_loop);
}

TEST(wake_given_to_a_leaving_request_is_not_lost)
{
	struct pipe pipe;
	struct call first;
	struct call second;
	struct call write;

	begin();
	pipe_init(&pipe, 1);
	call_submit(&first, &read_class, &pipe);
	call_submit(&second, &read_class, &pipe);
	call_submit(&write, &write_class, &pipe); /* wakes `first` */
	request_cancel(&first.request, -ERR_KICKED);
	test_loop_run(&test_loop);
	check_call(&first, 1, 0); /* took it all the same */
	check_call(&second, 0, 0);
	request_cancel(&second.request, -ERR_KICKED);
	test_loop_run(&test_loop);
	check_call(&second, 1, -ERR_KICKED);
	test_loop_deinit(&test_loop);
}

TEST(poll_waits_on_many_queues)
{
	struct pipe pipes[N_PIPES];
	struct call poll;
	struct call write;

	begin();
	for (int i = 0; i < N_PIPES; i++) {
		pipe_init(&pipes[i], 1);
	}
	call_submit(&poll, &poll_class, pipes);
	test_loop_run(&test_loop);
	check_call(&poll, 0, 0);
	call_submit(&write, &write_class, &pipes[2]);
	test_loop_run(&test_loop);
	check_call(&poll, 1, 0);
	CHECK_EQ(poll.request.result, 2);
	CHECK_EQ(poll.n_attempts, 2);
	for (int i = 0; i < N_PIPES; i++) {
		CHECK(wait_queue_is_empty(&pipes[i].readers));
	}
	test_loop_deinit(&test_loop);
}

TEST(too_many_queues)
{
	struct pipe pipes[N_PIPES];
	struct call poll;

	begin();
	for (int i = 0; i < N_PIPES; i++) {
		pipe_init(&pipes[i], 1);
	}
	call_init(&poll, &poll_class, pipes);
	poll.request.n_more_waits_max = 1;
	request_submit(&poll.request);
	test_loop_run(&test_loop);
	check_call(&poll, 1, -ERR_NO_SPACE);
	test_loop_deinit(&test_loop);
}

TEST(task_request)
{
	struct pipe pipe;
	struct call good;
	struct call cancelled;
	struct call timed;

	begin();
	pipe_init(&pipe, 10);
	call_submit(&good, &slow_write_class, &pipe);
	call_submit(&cancelled, &slow_write_class, &pipe);
	request_cancel(&cancelled.request, -ERR_KICKED);
	call_init(&timed, &slow_write_class, &pipe);
	timed.request.deadline_ns = test_loop.now_ns + MS;
	request_submit(&timed.request);
	test_loop_run(&test_loop);
	check_call(&good, 1, 0);
	check_call(&cancelled, 1, -ERR_KICKED);
	check_call(&timed, 1, -ERR_TIMED_OUT);
	CHECK_EQ(pipe.n_tokens, 1);
	test_loop_deinit(&test_loop);
}

/* ---- a random server: whatever happens, one reply each and no token lost --------------------- */

#define N_CALLS 400

struct fuzz {
	struct call calls[N_CALLS];
	struct pipe pipes[N_PIPES];
	struct random *random;
	int n_submitted;
	struct timer ticks;
};

static void fuzz_submit_one(struct fuzz *fuzz)
{
	static const struct request_class *const classes[] = {
		&read_class,
		&read_class,
		&write_class,
		&slow_write_class,
		&poll_class,
	};
	const struct request_class *class =
		classes[random_below(fuzz->random, ARRAY_SIZE(classes))];
	struct call *call = &fuzz->calls[fuzz->n_submitted++];
	struct pipe *pipe = &fuzz->pipes[random_below(fuzz->random, N_PIPES)];

	call_init(call, class, class == &poll_class ? fuzz->pipes : pipe);
	call->request.is_nonblocking = random_chance(fuzz->random, 8);
	if (random_chance(fuzz->random, 4)) {
		call->request.deadline_ns = test_loop.now_ns + random_below(fuzz->random, 20) * MS;
	}
	request_submit(&call->request);
}

static void fuzz_tick(struct timer *timer)
{
	struct fuzz *fuzz = container_of(timer, struct fuzz, ticks);

	for (uint64_t n = random_below(fuzz->random, 4); n > 0 && fuzz->n_submitted < N_CALLS;
		n--) {
		fuzz_submit_one(fuzz);
	}
	if (random_chance(fuzz->random, 3) && fuzz->n_submitted > 0) {
		uint64_t index = random_below(fuzz->random, (uint64_t)fuzz->n_submitted);

		request_cancel(&fuzz->calls[index].request, -ERR_KICKED);
	}
	if (fuzz->n_submitted < N_CALLS) {
		timer_arm(&test_loop.loop, timer,
			test_loop.now_ns + random_below(fuzz->random, 3) * MS);
	}
}

/* Every call has one reply and a possible error; tokens balance. */
static void fuzz_check(const struct fuzz *fuzz)
{
	int n_tokens = 0;

	for (int i = 0; i < N_PIPES; i++) {
		n_tokens += fuzz->pipes[i].n_tokens;
		CHECK(wait_queue_is_empty(&fuzz->pipes[i].readers));
		CHECK(wait_queue_is_empty(&fuzz->pipes[i].writers));
	}
	for (int i = 0; i < N_CALLS; i++) {
		const struct call *call = &fuzz->calls[i];

		CHECK_EQ(call->n_replies, 1);
		if (call->error == 0 && call->request.class == &read_class) {
			n_tokens++;
		} else if (call->error == 0 && call->request.class != &poll_class) {
			n_tokens--;
		}
		CHECK(call->error == 0 || call->error == -ERR_AGAIN || call->error == -ERR_KICKED ||
			call->error == -ERR_TIMED_OUT || call->error == -ERR_CANCELLED);
	}
	CHECK_EQ(n_tokens, 0);
}

static void fuzz_once(uint64_t seed, size_t n_tasks_max, uint64_t cancel_one_in)
{
	static struct fuzz fuzz;

	fuzz = (struct fuzz){ .random = &test_loop.random };
	test_loop_init(&test_loop,
		&(struct test_loop_options){
			.seed = seed,
			.n_tasks_max = n_tasks_max,
			.cancel_one_in = cancel_one_in,
		});
	for (int i = 0; i < N_PIPES; i++) {
		pipe_init(&fuzz.pipes[i], 2);
	}
	timer_init(&fuzz.ticks, fuzz_tick);
	timer_arm(&test_loop.loop, &fuzz.ticks, 0);
	test_loop_run(&test_loop);
	CHECK_EQ(fuzz.n_submitted, N_CALLS);
	for (int i = 0; i < N_CALLS; i++) {
		request_cancel(&fuzz.calls[i].request, -ERR_KICKED);
	}
	test_loop_run(&test_loop);
	fuzz_check(&fuzz);
	test_loop_deinit(&test_loop);
}

TEST(fuzz_of_a_small_server)
{
	uint64_t seed = test_seed(1);

	for (uint64_t round = 0; round < 300; round++) {
		fuzz_once(seed + round, round % 3 == 0 ? 2 : 32, round % 2 == 0 ? 5 : 0);
	}
}

TEST_MAIN()
