/* SPDX-License-Identifier: MIT */
/*
 * From the checked syntax tree to C.
 *
 * emit_header() writes X.gen.h: enumerations, structures, prototypes. emit_source() writes X.gen.c:
 * for each structure and message a writer and a reader, which are plain lists of calls into
 * lib/bragi-rt. The rest of this header is what these share.
 */
#ifndef BRAGI_EMIT_H
#define BRAGI_EMIT_H

#include "syntax.h"

#include <stdio.h>

/** emit_header() - write the declarations of @file to @out */
void emit_header(FILE *out, const struct file *file);

/** emit_source() - write the code of @file to @out, which includes @header_name */
void emit_source(FILE *out, const struct file *file, const char *header_name);

/** emit_protocol_header() - the ops table and the prototypes of a protocol */
void emit_protocol_header(FILE *out, const struct file *file, const struct declaration *protocol);

/** emit_protocol_source() - the dispatcher and the client functions of a protocol */
void emit_protocol_source(FILE *out, const struct file *file, const struct declaration *protocol);

/** emit_message_init() - the function that gives a message its defaults */
void emit_message_init(FILE *out, const struct file *file, const struct declaration *message);

/* ---- names ----------------------------------------------------------------------------------- */

/** c_name() - a declared name with the namespace in front */
const char *c_name(const struct file *file, const char *name);

/** c_upper() - c_name() in capitals, for macros and constants */
const char *c_upper(const struct file *file, const char *name);

/** c_item_type() - the C type of a value, or of one item of an array */
const char *c_item_type(const struct file *file, const struct type *type);

/** c_member_type() - the C type of a member; of the items, if it is an array of fixed length */
const char *c_member_type(const struct file *file, const struct type *type);

/** c_codec() - what follows bragi_write_ or bragi_read_ for an integer or string: "uint32" */
const char *c_codec(const struct type *type);

/** type_is_bytes() - whether items are single bytes, which are copied or borrowed as a whole */
bool type_is_bytes(const struct type *type);

/* ---- pieces of text -------------------------------------------------------------------------- */

/**
 * emit_comment() - a comment of the source as a C comment
 * @indent: what stands in front of each line
 * @text: may be NULL: nothing is written
 */
void emit_comment(FILE *out, const char *indent, const char *text);

/** emit_file_comment() - the first lines of a generated file */
void emit_file_comment(FILE *out, const struct file *file);

/** has_protocol() - whether the file declares a protocol */
bool has_protocol(const struct file *file);

/** has_tags() - whether a message has tagged members */
bool has_tags(const struct declaration *message);

#endif
