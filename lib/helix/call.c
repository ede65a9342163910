/* SPDX-License-Identifier: MIT */
/* Conversations: see call.h. */
#include <helix/call.h>

#include <base/errors.h>

static void call_build(struct helix_exchange *exchange, const struct helix_call *call)
{
	helix_exchange_init(exchange, call->lane);
	helix_exchange_add_offer(exchange, false);
	helix_exchange_add_send(exchange, call->request, call->request_size);
	if (call->push != HEL_NULL) {
		helix_exchange_add_push(exchange, call->push, call->push_rights);
	}
	if (call->payload != NULL) {
		helix_exchange_add_send(exchange, call->payload, call->payload_size);
	}
	helix_exchange_add_receive(exchange, call->reply, call->reply_size_max);
	if (call->wants_pull) {
		helix_exchange_add_pull(exchange);
	}
	if (call->answer != NULL) {
		helix_exchange_add_receive(exchange, call->answer, call->answer_size_max);
	}
}

static int call_parse(struct helix_exchange *exchange, struct helix_call *call)
{
	unsigned n_before = 2u + (call->push != HEL_NULL) + (call->payload != NULL);
	int first_error = 0;

	for (unsigned i = 0; i < n_before; i++) {
		int error = helix_exchange_next(exchange);

		first_error = first_error != 0 ? first_error : error;
	}
	/* A server may answer without looking at all that we sent. */
	int error = helix_exchange_next_size(exchange, &call->reply_size);

	if (error != 0) {
		return first_error != 0 ? first_error : error;
	}
	if (call->wants_pull && helix_exchange_next_handle(exchange, &call->pulled) != 0) {
		call->pulled = HEL_NULL;
	}
	if (call->answer != NULL && helix_exchange_next_size(exchange, &call->answer_size) != 0) {
		call->answer_size = 0;
	}
	return 0;
}

int helix_call(struct task *task, struct helix_call *call)
{
	struct helix_exchange exchange;

	call->reply_size = 0;
	call->answer_size = 0;
	call->pulled = HEL_NULL;
	call_build(&exchange, call);
	int error = helix_exchange_await(task, &exchange);

	if (exchange.element != NULL && exchange.element->error == 0) {
		int parse_error = call_parse(&exchange, call);

		/* the error of the await knows why it was cancelled */
		error = parse_error == 0 || error == 0 ? parse_error : error;
	}
	helix_exchange_release(&exchange);
	return error;
}
