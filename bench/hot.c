/*
 * hot - a QEMU TCG plugin that says where a guest executes its instructions.
 *
 *     cc -O2 -shared -fPIC -o hot.so hot.c
 *     qemu-system-x86_64 -plugin file=./hot.so,out=FILE[,batch=1] ...
 *
 * FILE gets a line per translation block: address, instructions in it, times it ran, its bytes.
 * hot.py adds them up by function. With batch=1 only the last batch of osbench's last benchmark
 * counts (between two of its marks), else all from the start on. Exact with one virtual CPU. The
 * declarations stand in for qemu-plugin.h (API version 1), which distributions leave out.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { NO_REGS = 0, ADD_U64 = 0 };
typedef uint64_t plugin_id;

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int op, void *, uint64_t);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *,
                                            void (*)(unsigned cpu, void *), int flags, void *);
void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);

EXPORT int qemu_plugin_version = 1;

struct block {
    uint64_t address, n_insns, n_runs, n_before, n_batch;
    struct block *next;
    size_t n_bytes;
    uint8_t bytes[];
};

static struct block *blocks;
static FILE *out;
static bool only_batch, in_batch;

/* osbench marks where a benchmark begins, then the end and the beginning of batches by turns. */
static void bench(unsigned cpu, void *unused)
{
    (void)cpu;
    (void)unused;
    in_batch = true;                         /* so that the next mark ends nothing that counts */
}

static void batch(unsigned cpu, void *unused)
{
    (void)cpu;
    (void)unused;
    for (struct block *block = blocks; block; block = block->next)
        if (in_batch)
            block->n_batch = block->n_runs - block->n_before;
        else
            block->n_before = block->n_runs;
    in_batch = !in_batch;
}

static void look(struct qemu_plugin_insn *insn)
{
    const uint8_t *b = qemu_plugin_insn_data(insn);

    if (qemu_plugin_insn_size(insn) == 3 && b[0] == 0x48 && b[1] == 0x87 &&
        (b[2] == 0xc9 || b[2] == 0xdb))
        qemu_plugin_register_vcpu_insn_exec_cb(insn, b[2] == 0xc9 ? bench : batch, NO_REGS, NULL);
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
    size_t n = qemu_plugin_tb_n_insns(tb), n_bytes = 0;
    struct block *block = malloc(sizeof(*block) + 16 * n);

    (void)id;
    if (!block)
        return;
    *block = (struct block){.address = qemu_plugin_tb_vaddr(tb), .n_insns = n, .next = blocks};
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        size_t size = qemu_plugin_insn_size(insn);

        memcpy(block->bytes + n_bytes, qemu_plugin_insn_data(insn), size);
        n_bytes += size;
        if (only_batch)
            look(insn);
    }
    block->n_bytes = n_bytes;
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &block->n_runs, 1);
}

static void finish(plugin_id id, void *unused)
{
    (void)id;
    (void)unused;
    for (struct block *block = blocks; block; block = block->next) {
        uint64_t n = only_batch ? block->n_batch : block->n_runs;

        if (!n)
            continue;
        fprintf(out, "%lx %lu %lu ", block->address, block->n_insns, n);
        for (size_t i = 0; i < block->n_bytes; i++)
            fprintf(out, "%02x", block->bytes[i]);
        fputc('\n', out);
    }
    fclose(out);
}

EXPORT int qemu_plugin_install(plugin_id id, const char *const *target, int argc, char **argv)
{
    (void)target;
    for (int i = 0; i < argc; i++)
        if (strncmp(argv[i], "out=", 4) == 0)
            out = fopen(argv[i] + 4, "w");
        else if (strcmp(argv[i], "batch=1") == 0)
            only_batch = true;
    if (!out)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return 0;
}
