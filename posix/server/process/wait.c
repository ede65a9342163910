/* SPDX-License-Identifier: MIT */
/*
 * wait4 and waitid: news of children and of traced threads, each told once.
 *
 * A child whose first thread another process traces shows its end to that one first. What a tracer
 * that is the parent hears of are the stops of the thread, not those of the process.
 */
#include <abi/linux/resource.h>
#include <abi/linux/wait.h>
#include <base/string.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/pidfd.h>
#include <posix/server/process/usage.h>
#include <posix/server/signal/signal.h>
#include <posix/server/trace/trace.h>

/*
 * The children of whom there may be something to tell are on a list of their parent, so that who
 * has many and waits for any does not look at all of them each time.
 */
void process_has_news(struct process *process)
{
	struct process_internal *internal = process->internal;

	if (process->parent != NULL && !list_node_is_linked(&internal->news_node)) {
		list_push_back(&process->parent->internal->news, &internal->news_node);
	}
}

struct wait_query {
	uint32_t type;  /* enum linux_wait_type */
	uint32_t id;
	uint32_t options;
};

struct wait_news {
	struct process *child; /* NULL: a thread that has ended */
	struct trace *trace; /* NULL: of a child that the caller does not trace */
	uint32_t pid, uid;
	uint32_t status; /* as wait4 tells it */
	int code, code_status; /* as waitid tells it */
};

/* Who traces the child's first thread, NULL: nobody does. */
static const struct process *tracer_of(const struct process *child)
{
	const struct trace *trace = child->internal->leader_trace;

	return trace != NULL ? trace->tracer : NULL;
}

static bool matches(const struct process *child, const struct wait_query *query)
{
	bool is_clone = child->internal->exit_signal != LINUX_SIGCHLD;

	if (query->type == LINUX_P_PID && child->pid != query->id) {
		return false;
	}
	if (query->type == LINUX_P_PGID && child->group->pgid != query->id) {
		return false;
	}
	return (query->options & LINUX_WALL) != 0 || tracer_of(child) == child->parent ||
		is_clone == ((query->options & LINUX_WCLONE) != 0);
}

static void describe_end(uint32_t status, struct wait_news *out_news)
{
	uint32_t died = status & 0x7f;

	out_news->status = status;
	if (died == 0) {
		out_news->code = LINUX_CLD_EXITED;
		out_news->code_status = (int)(status >> 8 & 0xff);
	} else {
		out_news->code =
			(status & LINUX_STATUS_CORE) != 0 ? LINUX_CLD_DUMPED : LINUX_CLD_KILLED;
		out_news->code_status = (int)died;
	}
}

/* What there is to tell of this child, if anything; takes it unless it is to stay. */
static bool take_news(struct process *child, uint32_t options, struct wait_news *out_news)
{
	struct process_internal *internal = child->internal;
	bool stays = (options & LINUX_WNOWAIT) != 0;
	const struct process *tracer = tracer_of(child);

	*out_news = (struct wait_news){
		.child = child, .pid = child->pid, .uid = child->credentials.uid
	};
	if (internal->state == PROCESS_ZOMBIE && (options & LINUX_WEXITED) != 0 &&
		(tracer == NULL || tracer == child->parent)) {
		describe_end(internal->status, out_news);
		return true;
	}
	if (tracer != NULL && tracer == child->parent) {
		return false;
	}
	if (internal->has_stop_news && (options & LINUX_WSTOPPED) != 0) {
		internal->has_stop_news = stays;
		out_news->status = linux_status_stopped((uint32_t)internal->stop_signal);
		out_news->code = LINUX_CLD_STOPPED;
		out_news->code_status = internal->stop_signal;
		return true;
	}
	if (internal->has_continue_news && (options & LINUX_WCONTINUED) != 0) {
		internal->has_continue_news = stays;
		out_news->status = LINUX_STATUS_CONTINUED;
		out_news->code = LINUX_CLD_CONTINUED;
		out_news->code_status = LINUX_SIGCONT;
		return true;
	}
	return false;
}

static bool matches_trace(
	const struct request *request, const struct trace *trace, const struct wait_query *query)
{
	uint32_t pgid = trace->phase == TRACE_ENDED ? trace->pgid : trace->process->group->pgid;

	if ((query->type == LINUX_P_PID && trace->tid != query->id) ||
		(query->type == LINUX_P_PGID && pgid != query->id)) {
		return false;
	}
	return (query->options & LINUX_WNOTHREAD) == 0 || trace->tracer_tid == request->thread->tid;
}

/* What there is to tell of a traced thread; its stops are told also to who asks for ends only. */
static bool take_trace_news(struct trace *trace, uint32_t options, struct wait_news *out_news)
{
	*out_news = (struct wait_news){
		.child = trace->process,
		.trace = trace,
		.pid = trace->tid,
		.uid = trace->phase == TRACE_ENDED ? trace->uid : trace->process->credentials.uid,
	};
	if (trace->phase == TRACE_ENDED) {
		describe_end(trace->status, out_news);
		return (options & LINUX_WEXITED) != 0;
	}
	if (!trace->has_news) {
		return false;
	}
	trace->has_news = (options & LINUX_WNOWAIT) != 0;
	out_news->status = linux_status_stopped(trace->status);
	out_news->code = LINUX_CLD_TRAPPED;
	out_news->code_status = (int)trace->status;
	return true;
}

static bool find_trace_news(const struct request *request, const struct wait_query *query,
	bool *has_match, struct wait_news *out_news)
{
	LIST_FOR_EACH(trace, &request->process->internal->tracees, struct trace, node) {
		if (matches_trace(request, trace, query)) {
			*has_match = true;
			if (take_trace_news(trace, query->options, out_news)) {
				return true;
			}
		}
	}
	return false;
}

/* An end was told: nothing of the child, or of the traced thread, is left for the caller. */
static void reap(const struct wait_news *news)
{
	struct process *child = news->child;

	if (news->trace == NULL) {
		if (child->internal->state == PROCESS_ZOMBIE) {
			process_reap(child);
		}
	} else if (news->trace->phase == TRACE_ENDED) {
		trace_forget(news->trace);
		if (child != NULL) {
			process_tell_end(child);
		}
	}
}

static bool has_news(const struct process_internal *child)
{
	return child->state == PROCESS_ZOMBIE || child->has_stop_news || child->has_continue_news;
}

/* Looks only at children of whom there may be something to tell; drops those that were asked. */
static bool find_child_news(
	struct process *parent, const struct wait_query *query, struct wait_news *out_news)
{
	if (query->type == LINUX_P_PID) {
		struct process *child = process_find(query->id);

		return child != NULL && child->parent == parent && matches(child, query) &&
			take_news(child, query->options, out_news);
	}
	LIST_FOR_EACH_SAFE(child, &parent->internal->news, struct process_internal, news_node) {
		if (!has_news(child)) {
			list_remove(&child->news_node);
		} else if (matches(process_of(child), query) &&
			take_news(process_of(child), query->options, out_news)) {
			return true;
		}
	}
	return false;
}

/* Whether there will ever be something to tell; mostly the first child matches. */
static bool has_child(const struct process *parent, const struct wait_query *query)
{
	if (query->type == LINUX_P_PID) {
		const struct process *child = process_find(query->id);

		return child != NULL && child->parent == parent && matches(child, query);
	}
	LIST_FOR_EACH(child, &parent->internal->children, struct process_internal, sibling_node) {
		if (matches(process_of(child), query)) {
			return true;
		}
	}
	return false;
}

/* 1: news; 0: none now (WNOHANG); REQUEST_PARK; -LINUX_ECHILD. */
static int64_t find_news(
	struct request *request, const struct wait_query *query, struct wait_news *out_news)
{
	bool has_match = false;

	if (find_child_news(request->process, query, out_news)) {
		return 1;
	}
	if (find_trace_news(request, query, &has_match, out_news)) {
		return 1;
	}
	if (!has_match && !has_child(request->process, query)) {
		return -LINUX_ECHILD;
	}
	if ((query->options & LINUX_WNOHANG) != 0) {
		return 0;
	}
	if (request_wait_on(request, &request->process->internal->child_wait) != 0) {
		return -LINUX_ENOMEM;
	}
	return REQUEST_PARK;
}

static void put_usage(struct request *request, unsigned i, const struct process *child)
{
	struct linux_rusage *out = request_out(request, i, NULL);
	struct usage usage;

	if (out != NULL && child != NULL) {
		process_usage(child, &usage);
		usage_add(&usage, &child->internal->dead_children);
		usage_encode(&usage, out);
	}
}

int64_t posix_wait4(struct request *request)
{
	int32_t pid = (int32_t)request->args[0];
	uint32_t options = (uint32_t)request->args[2];
	struct wait_query query = { .options = options | LINUX_WEXITED };
	struct wait_news news;
	uint32_t *out_status;
	int64_t result;

	if ((options &
		    ~(LINUX_WNOHANG | LINUX_WUNTRACED | LINUX_WCONTINUED | LINUX_WNOTHREAD |
			    LINUX_WALL | LINUX_WCLONE)) != 0) {
		return -LINUX_EINVAL;
	}
	if (pid == INT32_MIN) {
		return -LINUX_ESRCH;
	}
	if (pid > 0) {
		query.type = LINUX_P_PID;
		query.id = (uint32_t)pid;
	} else if (pid != -1) {
		query.type = LINUX_P_PGID;
		query.id = pid == 0 ? request->process->group->pgid : (uint32_t)-pid;
	}
	result = find_news(request, &query, &news);
	if (result != 1) {
		return result;
	}
	out_status = request_out(request, 1, NULL);
	if (out_status != NULL) {
		*out_status = news.status;
	}
	put_usage(request, 3, news.child);
	result = news.pid;
	reap(&news);
	return result;
}

/* As find_news(), and tells the caller. */
static int64_t wait_by_id(struct request *request, const struct wait_query *query)
{
	struct wait_news news;
	int64_t result = find_news(request, query, &news);

	if (result != 1) {
		return result;
	}
	struct posix_signal_info *out_info = request_out(request, 2, NULL);

	if (out_info != NULL) {
		signal_info_encode(
			&(struct signal_info){
				.signal = LINUX_SIGCHLD,
				.code = news.code,
				.pid = news.pid,
				.uid = news.uid,
				.status = news.code_status,
			},
			out_info);
	}
	put_usage(request, 4, news.child);
	if ((query->options & LINUX_WNOWAIT) == 0) {
		reap(&news);
	}
	return 1;
}

/* The file is held while the request waits: its descriptor may be closed or become another's. */
static int64_t wait_by_pidfd(struct request *request, struct wait_query *query)
{
	struct file *file = file_of_call(request, query->id);
	struct process *subject;
	bool waits = (query->options & LINUX_WNOHANG) == 0;
	int64_t result = file == NULL ? -LINUX_EBADF : pidfd_process(file, &subject);

	if (result < 0) {
		return result;
	}
	if (subject == NULL) {
		return -LINUX_ECHILD;
	}
	query->type = LINUX_P_PID;
	query->id = subject->pid;
	if ((file->flags & LINUX_O_NONBLOCK) != 0) {
		query->options |= LINUX_WNOHANG;
	}
	result = wait_by_id(request, query);
	if (result == 0 && waits) {
		result = -LINUX_EAGAIN;
	}
	return file_end_call(request, file, result);
}

int64_t posix_waitid(struct request *request)
{
	struct wait_query query = {
		.type = (uint32_t)request->args[0],
		.id = (uint32_t)request->args[1],
		.options = (uint32_t)request->args[3],
	};

	if ((query.options & (LINUX_WEXITED | LINUX_WSTOPPED | LINUX_WCONTINUED)) == 0) {
		return -LINUX_EINVAL;
	}
	int64_t result = -LINUX_EINVAL;

	switch (query.type) {
	case LINUX_P_PGID:
		if (query.id == 0) {
			query.id = request->process->group->pgid;
		}
		[[fallthrough]];
	case LINUX_P_ALL:
	case LINUX_P_PID: result = wait_by_id(request, &query); break;
	case LINUX_P_PIDFD: result = wait_by_pidfd(request, &query); break;
	default: break;
	}
	return result == 1 ? 0 : result;
}
