/*
 * hot - a QEMU TCG plugin that says where a guest executes its instructions.
 *
 *     cc -O2 -shared -fPIC -o hot.so hot.c
 *     qemu-system-x86_64 -plugin file=./hot.so,out=FILE ...
 *
 * FILE gets a line per translation block: address, instructions in it, times it ran. hot.py adds
 * them up by function. Exact with one virtual CPU. The declarations stand in for qemu-plugin.h
 * (API version 1), which distributions leave out.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
struct qemu_plugin_tb;
enum { ADD_U64 = 0 };
typedef uint64_t plugin_id;

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int op, void *, uint64_t);
void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);

EXPORT int qemu_plugin_version = 1;

struct block {
    uint64_t address, n_insns, n_runs;
    struct block *next;
};

static struct block *blocks;
static FILE *out;

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
    struct block *block = calloc(1, sizeof(*block));

    (void)id;
    if (!block)
        return;
    block->address = qemu_plugin_tb_vaddr(tb);
    block->n_insns = qemu_plugin_tb_n_insns(tb);
    block->next = blocks;
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &block->n_runs, 1);
}

static void finish(plugin_id id, void *unused)
{
    (void)id;
    (void)unused;
    for (struct block *block = blocks; block; block = block->next)
        if (block->n_runs)
            fprintf(out, "%lx %lu %lu\n", block->address, block->n_insns, block->n_runs);
    fclose(out);
}

EXPORT int qemu_plugin_install(plugin_id id, const char *const *target, int argc, char **argv)
{
    (void)target;
    for (int i = 0; i < argc; i++)
        if (strncmp(argv[i], "out=", 4) == 0)
            out = fopen(argv[i] + 4, "w");
    if (!out)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return 0;
}
