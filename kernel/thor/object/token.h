/* SPDX-License-Identifier: MIT */
/*
 * Tokens: objects that are nothing but an identity; and the authority, which is nothing but a
 * permission.
 */
#ifndef THOR_OBJECT_TOKEN_H
#define THOR_OBJECT_TOKEN_H

#include <thor/object/object.h>
#include <thor/sched/thread.h>

struct token {
	struct object object;
	struct thread_credentials credentials;
};

/** token_of() - the token around its object */
static inline struct token *token_of(struct object *object)
{
	return container_of(object, struct token, object);
}

/** token_create() - a new identity; the caller gets the one reference; -ERR_NO_MEMORY */
MUST_USE int token_create(struct token **out_token);

/** credentials_make() - an identity that nothing has had before and nobody can guess */
void credentials_make(struct thread_credentials *out_credentials);

/** authority_object() - the one authority; borrowed, lives for ever */
struct object *authority_object(void);

#endif
