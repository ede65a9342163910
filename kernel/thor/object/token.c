/* SPDX-License-Identifier: MIT */
/* Tokens and the authority: see token.h. */
#include <thor/object/token.h>

#include <base/assert.h>
#include <thor/time/random.h>

static void token_destroy(struct object *object)
{
	object_free(object);
}

static const struct object_class token_class = {
	.type = HEL_TYPE_TOKEN,
	.name = "token",
	.rights = HEL_RIGHT_READ | HEL_RIGHT_DERIVE,
	.destroy = token_destroy,
	.abandon = object_abandon_nothing,
};

static void authority_destroy(UNUSED struct object *object)
{
	UNREACHABLE();
}

static const struct object_class authority_class = {
	.type = HEL_TYPE_AUTHORITY,
	.name = "authority",
	.rights = HEL_RIGHTS_ALL,
	.destroy = authority_destroy,
	.abandon = object_abandon_nothing,
};

/* One reference is nobody's, so the count never falls to zero. */
static struct object authority = { .class = &authority_class, .references = 1, .identity = 1 };

struct object *authority_object(void)
{
	return &authority;
}

void credentials_make(struct thread_credentials *out_credentials)
{
	random_bytes(out_credentials->bytes, sizeof(out_credentials->bytes));
}

int token_create(struct token **out_token)
{
	struct token *token = object_create(&token_class, sizeof(*token));

	if (token == NULL) {
		return -ERR_NO_MEMORY;
	}
	credentials_make(&token->credentials);
	*out_token = token;
	return 0;
}
