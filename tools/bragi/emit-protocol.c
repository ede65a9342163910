/* SPDX-License-Identifier: MIT */
/* Ops tables, dispatchers and client functions of protocols: see emit.h and lib/bragi-rt/call.h. */
#include "emit.h"

/* The names that the code for one method needs. */
struct method_names {
	const char *protocol;
	const char *method;
	const char *request;
	const char *reply; /* NULL: one-way */
};

static struct method_names method_names(
	const struct file *file, const struct declaration *protocol, const struct method *method)
{
	return (struct method_names){
		.protocol = c_name(file, protocol->name),
		.method = method->name,
		.request = c_name(file, method->request->name),
		.reply = method->reply != NULL ? c_name(file, method->reply->name) : NULL,
	};
}

static void emit_hook(FILE *out, const struct method_names *names)
{
	fprintf(out, "\tint (*%s)(struct bragi_call *call, const struct %s *request", names->method,
		names->request);
	if (names->reply != NULL) {
		fprintf(out, ",\n\t\tstruct %s *out_reply", names->reply);
	}
	fputs(");\n", out);
}

static void emit_client_signature(FILE *out, const struct method_names *names)
{
	fprintf(out,
		"int %s_%s(struct task *task, struct bragi_client *client,\n"
		"\tstruct bragi_exchange *exchange, const struct %s *request",
		names->protocol, names->method, names->request);
	if (names->reply != NULL) {
		fprintf(out, ",\n\tstruct %s *out_reply", names->reply);
	}
	fputc(')', out);
}

void emit_protocol_header(FILE *out, const struct file *file, const struct declaration *protocol)
{
	const char *name = c_name(file, protocol->name);

	fprintf(out, "struct %s_ops {\n", name);
	LIST_FOR_EACH(method, &protocol->methods, struct method, node) {
		struct method_names names = method_names(file, protocol, method);

		emit_comment(out, "\t", method->documentation);
		emit_hook(out, &names);
	}
	fprintf(out,
		"};\n\n"
		"/*\n"
		" * Serve one request: decode it, call its hook, encode the one reply. The error\n"
		" * of a hook or a malformed request becomes the reply's `error`. Returns 0, or\n"
		" * -ERR_X if there is no reply to send although the client may wait for one.\n"
		" */\n"
		"MUST_USE int %s_dispatch(const struct %s_ops *ops, struct bragi_call *call);\n\n"
		"/*\n"
		" * Call the server and wait. 0, an error of the transport, or the reply's\n"
		" * `error`; the reply borrows from the exchange.\n"
		" */\n",
		name, name);
	LIST_FOR_EACH(method, &protocol->methods, struct method, node) {
		struct method_names names = method_names(file, protocol, method);

		fputs("MUST_USE ", out);
		emit_client_signature(out, &names);
		fputs(";\n", out);
	}
}

static void emit_serve_call(FILE *out, const struct method_names *names)
{
	fprintf(out,
		"\nstatic int %s_serve_%s(const struct %s_ops *ops, struct bragi_call *call)\n{\n"
		"\tstruct %s request;\n\tstruct %s reply;\n"
		"\tint error = %s_decode(\n"
		"\t\t&request, call->request, call->request_size, &call->arena);\n\n",
		names->protocol, names->method, names->protocol, names->request, names->reply,
		names->request);
	fprintf(out,
		"\tASSERT(ops->%s != NULL);\n\t%s_init(&reply);\n"
		"\tif (error == 0) {\n\t\terror = ops->%s(call, &request, &reply);\n"
		"\t\treply.error = error;\n\t}\n",
		names->method, names->reply, names->method);
	fprintf(out,
		"\tif (error == 0) {\n"
		"\t\terror = %s_encode(\n"
		"\t\t\t&reply, call->reply, call->reply_size_max, &call->reply_size);\n\t}\n"
		"\tif (error != 0) {\n\t\t%s_init(&reply);\n\t\treply.error = error;\n"
		"\t\terror = %s_encode(\n"
		"\t\t\t&reply, call->reply, call->reply_size_max, &call->reply_size);\n\t}\n"
		"\treturn error;\n}\n",
		names->reply, names->reply, names->reply);
}

static void emit_serve_send(FILE *out, const struct method_names *names)
{
	fprintf(out,
		"\nstatic int %s_serve_%s(const struct %s_ops *ops, struct bragi_call *call)\n{\n"
		"\tstruct %s request;\n"
		"\tint error = %s_decode(\n"
		"\t\t&request, call->request, call->request_size, &call->arena);\n\n"
		"\tASSERT(ops->%s != NULL);\n"
		"\treturn error != 0 ? error : ops->%s(call, &request);\n}\n",
		names->protocol, names->method, names->protocol, names->request, names->request,
		names->method, names->method);
}

static void emit_client(FILE *out, const struct method_names *names)
{
	fputc('\n', out);
	emit_client_signature(out, names);
	fprintf(out,
		"\n{\n"
		"\tint error = %s_encode(\n"
		"\t\trequest, exchange->buffer, exchange->buffer_size,\n"
		"\t\t&exchange->request_size);\n\n"
		"\tif (error == 0) {\n"
		"\t\terror = bragi_exchange_transact(task, client, exchange);\n\t}\n",
		names->request);
	if (names->reply != NULL) {
		fprintf(out,
			"\tif (error == 0) {\n"
			"\t\terror = %s_decode(out_reply, bragi_exchange_reply_data(exchange),\n"
			"\t\t\texchange->reply_size, &exchange->arena);\n\t}\n"
			"\treturn error != 0 ? error : out_reply->error;\n}\n",
			names->reply);
	} else {
		fputs("\treturn error;\n}\n", out);
	}
}

void emit_protocol_source(FILE *out, const struct file *file, const struct declaration *protocol)
{
	const char *name = c_name(file, protocol->name);

	LIST_FOR_EACH(method, &protocol->methods, struct method, node) {
		struct method_names names = method_names(file, protocol, method);

		if (names.reply != NULL) {
			emit_serve_call(out, &names);
		} else {
			emit_serve_send(out, &names);
		}
	}
	fprintf(out,
		"\nint %s_dispatch(const struct %s_ops *ops, struct bragi_call *call)\n{\n"
		"\tcall->reply_size = 0;\n"
		"\tswitch (bragi_message_id(call->request, call->request_size)) {\n",
		name, name);
	LIST_FOR_EACH(method, &protocol->methods, struct method, node) {
		fprintf(out, "\tcase %s_ID:\n\t\treturn %s_serve_%s(ops, call);\n",
			c_upper(file, method->request->name), name, method->name);
	}
	fputs("\tdefault:\n\t\treturn -ERR_PROTOCOL;\n\t}\n}\n", out);
	LIST_FOR_EACH(method, &protocol->methods, struct method, node) {
		struct method_names names = method_names(file, protocol, method);

		emit_client(out, &names);
	}
}
