/* SPDX-License-Identifier: MIT */
/*
 * ninep: folders that a host shares, by 9P2000.L over virtio. One process for all such devices,
 * each of which is an object class=share, tag=... on mbus, whose lane speaks `volume` of
 * docs/protocols/fs.md, of which it knows `mount`. How it works: docs/internals/ninep.md.
 */
#include "contents.h"
#include "session.h"

#include <async/task.h>
#include <base/errors.h>
#include <protocols/mbus/mbus-client.h>
#include <protocols/svrctl/connect.h>
#include <protocols/svrctl/provide.h>

#define VOLUME_CALLS_MAX 2
#define REQUEST_SIZE_MAX 8192
#define REPLY_SIZE_MAX   2048
#define BLOCK_BYTES      4096
/* Those of the pager are for ever, and each device has one; the others serve calls. */
#define TASKS_MAX        (PAGER_TASKS + 32 + 4 * SESSION_CALLS_MAX)

static struct helix_loop loop;

/* ---- clients of a share ---------------------------------------------------------------------- */

struct client {
	struct transport_service service;
	struct share *share;
};

static int serve_mount(struct bragi_call *call, const struct fs_mount_request *request,
	struct fs_mount_reply *out_reply)
{
	struct client *client =
		container_of(transport_service_of_call(call), struct client, service);
	struct mount_options options;
	hel_handle lane = HEL_NULL;
	struct scope shield;

	if (!bragi_string_equals(request->type, "9p")) {
		return FS_ERROR_UNKNOWN_TYPE;
	}
	int error = mount_options_parse(request->options.text, request->options.length, &options);

	if (error != 0) {
		return error;
	}
	scope_begin_shield(call->task, &shield);
	error = session_mount(call->task, client->share, &options, &lane, &out_reply->root);
	(void)!scope_join(&shield);
	if (error == 0 && !bragi_handles_add(&call->to_send, lane)) {
		hel_close(HEL_THIS, lane);
		error = -ERR_NO_SPACE;
	}
	out_reply->block_bytes = BLOCK_BYTES;
	out_reply->is_shared = 1;
	return error;
}

#define REFUSE(call_name) \
	static int serve_##call_name(struct bragi_call *call UNUSED, \
		const struct fs_##call_name##_request *request UNUSED, \
		struct fs_##call_name##_reply *out_reply UNUSED) \
	{ \
		return FS_ERROR_UNSUPPORTED_HERE; /* there is no disk */ \
	}

REFUSE(info)
REFUSE(open)
REFUSE(rescan)
REFUSE(clear)
REFUSE(watch)
REFUSE(counters)

static const struct fs_volume_ops volume_ops = {
	.info = serve_info,
	.open = serve_open,
	.mount = serve_mount,
	.rescan = serve_rescan,
	.clear = serve_clear,
	.watch = serve_watch,
	.counters = serve_counters,
};

static void client_dispatch(struct bragi_call *call)
{
	(void)!fs_volume_dispatch(&volume_ops, call);
}

static void client_closed(struct transport_service *service)
{
	helix_free(container_of(service, struct client, service));
}

/* ---- devices --------------------------------------------------------------------------------- */

struct share_listener {
	struct connect_listener listener;
	struct share *share;
};

static void share_connected(
	struct connect_listener *listener, const char *name UNUSED, hel_handle lane)
{
	struct client *client = helix_calloc(1, sizeof(*client));
	const struct transport_service_config config = {
		.loop = &loop.loop,
		.lane = lane,
		.name = "share call",
		.dispatch = client_dispatch,
		.closed = client_closed,
		.n_calls_max = VOLUME_CALLS_MAX,
		.request_size_max = REQUEST_SIZE_MAX,
		.reply_size_max = REPLY_SIZE_MAX,
	};

	if (client != NULL) {
		client->share = container_of(listener, struct share_listener, listener)->share;
		if (transport_service_start(&client->service, &config) == 0) {
			return;
		}
	}
	helix_free(client);
	hel_close(HEL_THIS, lane);
}

static void share_control_ended(struct connect_listener *listener UNUSED)
{
}

static const struct connect_listener_ops listener_ops = {
	.connected = share_connected,
	.ended = share_control_ended,
};

static int publish(struct task *task, struct share *share)
{
	const struct mbus_pair properties[] = {
		{ "class", "share" },
		{ "tag", share->channel.tag },
	};
	struct share_listener *listener = helix_calloc(1, sizeof(*listener));
	int error = listener == NULL ? -ERR_NO_MEMORY
				     : mbus_publish(task, helix_start_handle("mbus"), properties,
					       ARRAY_SIZE(properties), &share->control);

	if (error != 0) {
		helix_free(listener);
		return error;
	}
	listener->share = share;
	connect_listen(&listener->listener, &listener_ops, &loop.loop, share->control);
	return 0;
}

/* A device that is being driven. */
struct drive {
	struct share *share;
	hel_handle lane;
};

static int drive_share(struct task *task, void *argument)
{
	struct drive drive = *(struct drive *)argument;
	struct share *share = drive.share;

	helix_free(argument);
	int error = channel_open(task, &share->channel, drive.lane);

	error = error != 0 ? error : publish(task, share);
	error = error != 0 ? error : channel_serve(task, &share->channel);
	helix_log(HEL_LOG_ERROR, "share %s is given up: %s", share->channel.tag, error_text(error));
	/* the device may still know our memory: it stays */
	return 0;
}

static void device_connected(const char *name UNUSED, hel_handle lane)
{
	static bool has_pager;
	struct share *share = helix_calloc(1, sizeof(*share));
	struct drive *drive = helix_malloc(sizeof(*drive));

	if (share == NULL || drive == NULL) {
		helix_free(share);
		helix_free(drive);
		hel_close(HEL_THIS, lane);
		return;
	}
	if (!has_pager) {
		has_pager = true;
		pager_start(&loop.loop);
	}
	share->loop = &loop;
	share->channel.loop = &loop.loop;
	*drive = (struct drive){ .share = share, .lane = lane };
	job_init(&share->job, "device", drive_share, drive);
	job_submit(&loop.loop, &share->job);
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	const struct helix_loop_config config = { .n_tasks_max = TASKS_MAX };

	return provide_run(&loop, &config, device_connected);
}
