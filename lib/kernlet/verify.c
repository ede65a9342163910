/* SPDX-License-Identifier: MIT */
/*
 * The verifier of kernlets.
 *
 * One pass. Jumps go forward only, so when an instruction's turn comes all ways to it have been
 * seen, and the state before it is what they have in common: a register is known to be a number, or
 * an address of a binding or of the frame *with a constant offset*, or it cannot be used.
 *
 * Addresses exist only here: each load and store gets a note of what it accesses, and the native
 * code has no register with an address in it. So whatever would let an address out (to store it, to
 * compare it, to return it) is refused.
 */
#include <kernlet/program.h>

#include <base/string.h>

constexpr int64_t OFFSET_MAX = 1 << 20; /* of addresses, either way */

struct verifier {
	struct kernlet_program *program;
	struct kernlet_states *states;
	struct kernlet_state now;
	uint32_t index;
	uint32_t n_accesses;
};

#define REFUSE(verifier_, ...) kernlet_refuse((verifier_)->program, (verifier_)->index, __VA_ARGS__)

static const struct kernlet_value a_number = { .kind = KERNLET_VALUE_NUMBER };

static struct kernlet_value known_number(int64_t number)
{
	return (struct kernlet_value){ KERNLET_VALUE_NUMBER, true, 0, number };
}

static bool value_is_address(const struct kernlet_value *value)
{
	return value->kind == KERNLET_VALUE_BINDING || value->kind == KERNLET_VALUE_FRAME;
}

/* ---- states */

static void value_merge(struct kernlet_value *value, const struct kernlet_value *other)
{
	bool is_same = value->kind == other->kind && value->is_known == other->is_known &&
		value->binding == other->binding && value->number == other->number;

	if (is_same) {
		return;
	}
	if (value->kind == KERNLET_VALUE_UNSET || other->kind == KERNLET_VALUE_UNSET) {
		*value = (struct kernlet_value){ .kind = KERNLET_VALUE_UNSET };
	} else if (value->kind == KERNLET_VALUE_NUMBER && other->kind == KERNLET_VALUE_NUMBER) {
		*value = a_number;
	} else {
		*value = (struct kernlet_value){ .kind = KERNLET_VALUE_MIXED };
	}
}

static void state_merge(struct kernlet_state *state, const struct kernlet_state *other)
{
	if (!state->is_reached) {
		*state = *other;
		state->is_reached = true;
		return;
	}
	for (unsigned i = 0; i < BPF_REGISTERS; i++) {
		value_merge(&state->registers[i], &other->registers[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(state->frame_written); i++) {
		state->frame_written[i] &= other->frame_written[i];
	}
}

/* The instruction at @target may follow, if there is one. */
static int verifier_go(struct verifier *verifier, int64_t target)
{
	const struct kernlet_program *program = verifier->program;

	if (target <= verifier->index) {
		return REFUSE(verifier, "a loop: unroll it (KERNLET_UNROLL)");
	}
	if (target >= program->n_instructions) {
		return REFUSE(verifier, "the code has no end");
	}
	state_merge(&verifier->states->before[target], &verifier->now);
	return 0;
}

/* ---- operands */

/* A register that is read and has to be something. */
static int verifier_use(struct verifier *verifier, unsigned number, struct kernlet_value *out_value)
{
	if (number >= BPF_REGISTERS) {
		return REFUSE(verifier, "there is no r%u", number);
	}
	*out_value = verifier->now.registers[number];
	switch (out_value->kind) {
	case KERNLET_VALUE_UNSET: return REFUSE(verifier, "r%u is not set on all ways", number);
	case KERNLET_VALUE_MIXED:
		return REFUSE(verifier, "r%u is an address that depends on the way", number);
	default: return 0;
	}
}

static int verifier_use_number(
	struct verifier *verifier, unsigned number, struct kernlet_value *out_value)
{
	int error = verifier_use(verifier, number, out_value);

	if (error == 0 && value_is_address(out_value)) {
		return REFUSE(verifier, "r%u is an address: it cannot be used as a number", number);
	}
	return error;
}

/* The second operand of arithmetic and jumps. */
static int verifier_operand(struct verifier *verifier, const struct bpf_instruction *instruction,
	struct kernlet_value *out_value)
{
	if (bpf_has_source_register(instruction)) {
		return instruction->immediate != 0
			? REFUSE(verifier, "opcode %#x is unknown", instruction->opcode)
			: verifier_use(verifier, bpf_source(instruction), out_value);
	}
	*out_value = known_number(instruction->immediate);
	return bpf_source(instruction) != 0
		? REFUSE(verifier, "opcode %#x is unknown", instruction->opcode)
		: 0;
}

static int verifier_set(struct verifier *verifier, unsigned number, struct kernlet_value value)
{
	if (number >= BPF_REGISTER_FRAME) {
		return REFUSE(verifier, "r%u cannot be written", number);
	}
	verifier->now.registers[number] = value;
	return 0;
}

/* ---- arithmetic */

static int verify_address(struct verifier *verifier, const struct bpf_instruction *instruction,
	struct kernlet_value left, const struct kernlet_value *right)
{
	uint8_t operation = bpf_operation_of(instruction);
	bool is_add = operation == BPF_ADD;
	struct kernlet_value address = value_is_address(&left) ? left : *right;
	const struct kernlet_value *number = value_is_address(&left) ? right : &left;

	if (bpf_class_of(instruction) != BPF_ALU64 || (!is_add && operation != BPF_SUB) ||
		value_is_address(number) || (!is_add && !value_is_address(&left))) {
		return REFUSE(verifier, "an address can only be moved by a constant");
	}
	if (!number->is_known) {
		return REFUSE(verifier, "an address is moved by what is not constant");
	}
	if (number->number < -OFFSET_MAX || number->number > OFFSET_MAX) {
		return REFUSE(verifier, "an address is moved too far");
	}
	address.number += is_add ? number->number : -number->number;
	if (address.number < -OFFSET_MAX || address.number > OFFSET_MAX) {
		return REFUSE(verifier, "an address is moved too far");
	}
	verifier->program->notes[verifier->index].place = KERNLET_PLACE_ADDRESS;
	return verifier_set(verifier, bpf_destination(instruction), address);
}

/* Constants that addresses are moved by: sums and products suffice for them. */
static struct kernlet_value fold(const struct bpf_instruction *instruction,
	const struct kernlet_value *left, const struct kernlet_value *right)
{
	uint64_t a = (uint64_t)left->number;
	uint64_t b = (uint64_t)right->number;
	uint64_t result;

	if (!left->is_known || !right->is_known) {
		return a_number;
	}
	switch (bpf_operation_of(instruction)) {
	case BPF_ADD: result = a + b; break;
	case BPF_SUB: result = a - b; break;
	case BPF_MUL: result = a * b; break;
	case BPF_OR: result = a | b; break;
	case BPF_AND: result = a & b; break;
	default: return a_number;
	}
	return known_number(
		(int64_t)(bpf_class_of(instruction) == BPF_ALU ? (uint32_t)result : result));
}

static int verify_move(struct verifier *verifier, const struct bpf_instruction *instruction)
{
	struct kernlet_value value;
	int error = verifier_operand(verifier, instruction, &value);

	if (error != 0) {
		return error;
	}
	if (bpf_class_of(instruction) == BPF_ALU) {
		if (value_is_address(&value)) {
			return REFUSE(verifier, "half of an address is used");
		}
		value.number = (uint32_t)value.number;
	} else if (value_is_address(&value)) {
		verifier->program->notes[verifier->index].place = KERNLET_PLACE_ADDRESS;
	}
	return verifier_set(verifier, bpf_destination(instruction), value);
}

/* One operand: negation and byte order. */
static int verify_unary(struct verifier *verifier, const struct bpf_instruction *instruction)
{
	struct kernlet_value value;
	int32_t width = instruction->immediate;
	bool is_valid = bpf_source(instruction) == 0;

	if (bpf_operation_of(instruction) == BPF_END) {
		is_valid = is_valid && bpf_class_of(instruction) == BPF_ALU &&
			(width == 16 || width == 32 || width == 64);
	} else {
		is_valid = is_valid && width == 0 && !bpf_has_source_register(instruction);
	}
	if (!is_valid) {
		return REFUSE(verifier, "opcode %#x is unknown", instruction->opcode);
	}
	int error = verifier_use_number(verifier, bpf_destination(instruction), &value);

	return error != 0 ? error : verifier_set(verifier, bpf_destination(instruction), a_number);
}

static int verify_arithmetic(struct verifier *verifier, const struct bpf_instruction *instruction)
{
	struct kernlet_value left, right;
	uint8_t operation = bpf_operation_of(instruction);

	if (instruction->offset != 0 || operation > BPF_END) {
		return REFUSE(verifier, "opcode %#x is unknown: compile with -mcpu=v3",
			instruction->opcode);
	}
	if (operation == BPF_NEG || operation == BPF_END) {
		return verify_unary(verifier, instruction);
	}
	if (operation == BPF_MOV) {
		return verify_move(verifier, instruction);
	}
	int error = verifier_operand(verifier, instruction, &right);

	if (error == 0) {
		error = verifier_use(verifier, bpf_destination(instruction), &left);
	}
	if (error != 0) {
		return error;
	}
	return value_is_address(&left) || value_is_address(&right)
		? verify_address(verifier, instruction, left, &right)
		: verifier_set(
			  verifier, bpf_destination(instruction), fold(instruction, &left, &right));
}

static int verify_constant(struct verifier *verifier, const struct bpf_instruction *instruction)
{
	struct kernlet_program *program = verifier->program;
	uint32_t index = verifier->index;
	const struct bpf_instruction *second = instruction + 1;

	if (instruction->opcode != BPF_LDDW || index + 1 >= program->n_instructions ||
		second->opcode != 0 || second->registers != 0 || second->offset != 0 ||
		instruction->offset != 0 || bpf_source(instruction) != 0) {
		return REFUSE(verifier, "opcode %#x is unknown", instruction->opcode);
	}
	struct kernlet_value value =
		known_number((int64_t)((uint64_t)(uint32_t)second->immediate << 32 |
			(uint32_t)instruction->immediate));

	if (program->bindings_loaded[index] != 0) {
		value = (struct kernlet_value){ KERNLET_VALUE_BINDING, true,
			(uint8_t)(program->bindings_loaded[index] - 1), instruction->immediate };
		program->notes[index].place = KERNLET_PLACE_ADDRESS;
		if (value.number < -OFFSET_MAX || value.number > OFFSET_MAX) {
			return REFUSE(verifier, "an address is moved too far");
		}
	}
	return verifier_set(verifier, bpf_destination(instruction), value);
}

/* ---- memory */

static int verify_window(
	struct verifier *verifier, uint8_t binding, int64_t offset, uint32_t width, bool is_store)
{
	struct kernlet_program *program = verifier->program;
	const struct hel_kernlet_slot *slot = &program->slots[binding];
	const char *name = program->names[binding];

	if (slot->kind == HEL_KERNLET_PARAMETER && !is_store) {
		program->notes[verifier->index] =
			(struct kernlet_note){ KERNLET_PLACE_PARAMETER, binding, 0 };
		return offset == 0 && width == 8
			? 0
			: REFUSE(verifier, "%s is a parameter: all of it is read at once", name);
	}
	if (slot->kind != HEL_KERNLET_WINDOW) {
		return REFUSE(verifier, "%s is no memory that can be %s", name,
			is_store ? "written" : "read");
	}
	if (is_store && (slot->rights & HEL_RIGHT_WRITE) == 0) {
		return REFUSE(verifier, "%s can only be read", name);
	}
	if (offset < 0 || offset > (int64_t)slot->size_bytes - width) {
		return REFUSE(verifier, "%u bytes at %lld: %s has %u bytes", width,
			(long long)offset, name, slot->size_bytes);
	}
	if (offset % width != 0) {
		return REFUSE(verifier, "%u bytes at %lld of %s are not aligned", width,
			(long long)offset, name);
	}
	if (++verifier->n_accesses > HEL_KERNLET_ACCESSES_MAX) {
		return REFUSE(
			verifier, "more than %u accesses and calls", HEL_KERNLET_ACCESSES_MAX);
	}
	program->notes[verifier->index] =
		(struct kernlet_note){ KERNLET_PLACE_WINDOW, binding, (int32_t)offset };
	return 0;
}

static int verify_frame(struct verifier *verifier, int64_t offset, uint32_t width, bool is_store)
{
	struct kernlet_program *program = verifier->program;
	uint64_t *written = verifier->now.frame_written;

	if (offset < -BPF_FRAME_SIZE || offset > -(int64_t)width) {
		return REFUSE(verifier, "%u bytes at %lld are outside the frame of %d bytes", width,
			(long long)offset, BPF_FRAME_SIZE);
	}
	for (uint32_t i = 0; i < width; i++) {
		uint32_t byte = (uint32_t)(offset + BPF_FRAME_SIZE) + i;
		uint64_t bit = UINT64_C(1) << byte % 64;

		if (is_store) {
			written[byte / 64] |= bit;
		} else if ((written[byte / 64] & bit) == 0) {
			return REFUSE(verifier, "a variable on the stack is not set on all ways");
		}
	}
	program->notes[verifier->index] =
		(struct kernlet_note){ KERNLET_PLACE_FRAME, 0, (int32_t)offset };
	program->frame_size =
		(uint32_t)max_u64(program->frame_size, align_up((uint64_t)-offset, 8));
	return 0;
}

static int verify_access(struct verifier *verifier, const struct bpf_instruction *instruction,
	unsigned base_register, bool is_store)
{
	struct kernlet_value base;
	uint32_t width = bpf_width(instruction);
	int error = verifier_use(verifier, base_register, &base);

	if (error != 0) {
		return error;
	}
	int64_t offset = base.number + instruction->offset;

	switch (base.kind) {
	case KERNLET_VALUE_BINDING:
		return verify_window(verifier, base.binding, offset, width, is_store);
	case KERNLET_VALUE_FRAME: return verify_frame(verifier, offset, width, is_store);
	default:
		return REFUSE(
			verifier, "r%u is no address of a binding or of the stack", base_register);
	}
}

static int verify_memory(struct verifier *verifier, const struct bpf_instruction *instruction)
{
	enum bpf_class class = bpf_class_of(instruction);
	struct kernlet_value value;
	int error = 0;

	if ((instruction->opcode & 0xe0) != BPF_MODE_MEMORY ||
		(class != BPF_ST && instruction->immediate != 0) ||
		(class == BPF_ST && bpf_source(instruction) != 0)) {
		return REFUSE(verifier, "opcode %#x is unknown: no atomic operations, -mcpu=v3",
			instruction->opcode);
	}
	if (class == BPF_LDX) {
		error = verify_access(verifier, instruction, bpf_source(instruction), false);
		return error != 0 ? error
				  : verifier_set(verifier, bpf_destination(instruction), a_number);
	}
	if (class == BPF_STX) {
		error = verifier_use_number(verifier, bpf_source(instruction), &value);
	}
	return error != 0
		? error
		: verify_access(verifier, instruction, bpf_destination(instruction), true);
}

/* ---- calls and jumps */

static const struct helper {
	const char *name;
	enum hel_kernlet_kind kind; /* of the first argument's binding; 0: it has none */
	unsigned n_numbers;         /* arguments behind that */
} helpers[] = {
	[HEL_KERNLET_CLOCK_NS] = { "kernlet_clock_ns", 0, 0 },
	[HEL_KERNLET_EVENT_RAISE] = { "kernlet_event_raise", HEL_KERNLET_EVENT, 1 },
	[HEL_KERNLET_PORT_READ] = { "kernlet_port_read", HEL_KERNLET_PORTS, 2 },
	[HEL_KERNLET_PORT_WRITE] = { "kernlet_port_write", HEL_KERNLET_PORTS, 3 },
};

/* Ports: the offset is the first number, the width the second one. */
static int verify_ports(
	struct verifier *verifier, uint8_t binding, const struct kernlet_value *numbers)
{
	const struct hel_kernlet_slot *slot = &verifier->program->slots[binding];
	int64_t offset = numbers[0].number;
	int64_t width = numbers[1].number;

	if (!numbers[0].is_known || !numbers[1].is_known) {
		return REFUSE(verifier, "a port's offset and width have to be constants");
	}
	if ((width != 1 && width != 2 && width != 4) || offset < 0 ||
		offset > (int64_t)slot->size_bytes - width) {
		return REFUSE(verifier, "port %lld, %lld bytes: %s has %u ports", (long long)offset,
			(long long)width, verifier->program->names[binding], slot->size_bytes);
	}
	return 0;
}

static int verify_arguments(struct verifier *verifier, const struct helper *helper)
{
	struct kernlet_value binding, numbers[4] = {};
	unsigned first = helper->kind != 0 ? 2 : 1;
	int error = 0;

	for (unsigned i = 0; i < helper->n_numbers && error == 0; i++) {
		error = verifier_use_number(verifier, first + i, &numbers[i]);
	}
	if (helper->kind == 0 || error != 0) {
		return error;
	}
	error = verifier_use(verifier, 1, &binding);
	if (error != 0) {
		return error;
	}
	if (binding.kind != KERNLET_VALUE_BINDING || binding.number != 0 ||
		verifier->program->slots[binding.binding].kind != helper->kind) {
		return REFUSE(
			verifier, "the first argument of %s is of another kind", helper->name);
	}
	verifier->program->notes[verifier->index] =
		(struct kernlet_note){ KERNLET_PLACE_BINDING, binding.binding, 0 };
	return helper->kind == HEL_KERNLET_PORTS ? verify_ports(verifier, binding.binding, numbers)
						 : 0;
}

static int verify_call(struct verifier *verifier, const struct bpf_instruction *instruction)
{
	uint32_t number = (uint32_t)instruction->immediate - 1;

	if (bpf_source(instruction) != 0) {
		return REFUSE(verifier, "calls a function: mark it KERNLET_INLINE");
	}
	if (instruction->opcode != (BPF_JMP | BPF_CALL) || instruction->registers != 0 ||
		instruction->offset != 0 || number >= ARRAY_SIZE(helpers)) {
		return REFUSE(
			verifier, "calls helper %d, which there is not", instruction->immediate);
	}
	int error = verify_arguments(verifier, &helpers[number]);

	if (error != 0) {
		return error;
	}
	if (++verifier->n_accesses > HEL_KERNLET_ACCESSES_MAX) {
		return REFUSE(
			verifier, "more than %u accesses and calls", HEL_KERNLET_ACCESSES_MAX);
	}
	for (unsigned i = 1; i <= 5; i++) {
		verifier->now.registers[i] = (struct kernlet_value){};
	}
	return verifier_set(verifier, 0, a_number);
}

static int verify_exit(struct verifier *verifier, const struct bpf_instruction *instruction)
{
	struct kernlet_value value;

	if (instruction->opcode != (BPF_JMP | BPF_EXIT) || instruction->registers != 0 ||
		instruction->offset != 0 || instruction->immediate != 0) {
		return REFUSE(verifier, "opcode %#x is unknown", instruction->opcode);
	}
	return verifier_use_number(verifier, 0, &value);
}

static int verify_jump(struct verifier *verifier, const struct bpf_instruction *instruction)
{
	uint8_t jump = bpf_operation_of(instruction);
	int64_t target = (int64_t)verifier->index + 1 + instruction->offset;
	struct kernlet_value left, right;

	if (jump > BPF_JSLE || (jump == BPF_JA && instruction->opcode != (BPF_JMP | BPF_JA)) ||
		(jump == BPF_JA && (instruction->registers != 0 || instruction->immediate != 0))) {
		return REFUSE(verifier, "opcode %#x is unknown: compile with -mcpu=v3",
			instruction->opcode);
	}
	if (jump == BPF_JA) {
		return verifier_go(verifier, target);
	}
	int error = verifier_operand(verifier, instruction, &right);

	if (error == 0) {
		error = verifier_use_number(verifier, bpf_destination(instruction), &left);
	}
	if (error == 0 && value_is_address(&right)) {
		error = REFUSE(verifier, "an address is compared");
	}
	if (error == 0) {
		error = verifier_go(verifier, target);
	}
	return error != 0 ? error : verifier_go(verifier, (int64_t)verifier->index + 1);
}

/* ---- all */

static int verify_instruction(struct verifier *verifier, const struct bpf_instruction *instruction)
{
	enum bpf_class class = bpf_class_of(instruction);
	int64_t next = (int64_t)verifier->index + (class == BPF_LD ? 2 : 1);
	int error;

	switch (class) {
	case BPF_ALU:
	case BPF_ALU64: error = verify_arithmetic(verifier, instruction); break;
	case BPF_LD: error = verify_constant(verifier, instruction); break;
	case BPF_LDX:
	case BPF_ST:
	case BPF_STX: error = verify_memory(verifier, instruction); break;
	default:
		if (bpf_operation_of(instruction) == BPF_EXIT) {
			return verify_exit(verifier, instruction);
		}
		if (bpf_operation_of(instruction) != BPF_CALL) {
			return verify_jump(verifier, instruction);
		}
		error = verify_call(verifier, instruction);
		break;
	}
	return error != 0 ? error : verifier_go(verifier, next);
}

static void state_begin(struct kernlet_state *state)
{
	*state = (struct kernlet_state){ .is_reached = true };
	state->registers[1] = a_number;
	state->registers[BPF_REGISTER_FRAME] =
		(struct kernlet_value){ KERNLET_VALUE_FRAME, true, 0, 0 };
}

int kernlet_verify(struct kernlet_program *program, struct kernlet_states *states)
{
	struct verifier verifier = { .program = program, .states = states };
	int error = 0;

	for (uint32_t i = 0; i < program->n_instructions; i++) {
		states->before[i].is_reached = false;
	}
	state_begin(&states->before[0]);
	for (uint32_t i = 0; i < program->n_instructions && error == 0; i++) {
		bool is_second_half = i > 0 && program->code[i - 1].opcode == BPF_LDDW &&
			states->before[i - 1].is_reached;

		verifier.index = i;
		verifier.now = states->before[i];
		if (is_second_half) {
			error = verifier.now.is_reached
				? REFUSE(&verifier, "a jump into a constant")
				: 0;
		} else if (!verifier.now.is_reached) {
			error = REFUSE(&verifier, "there is no way to here: a second function?");
		} else {
			error = verify_instruction(&verifier, &program->code[i]);
		}
	}
	return error;
}
