#include "backend/cpu/kernel.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

kernel_prepare_fn *kernel_prepare_for(op_kind op)
{
    static kernel_prepare_fn *const table[OP_COUNT] = {
        [OP_CONV2D] = conv2d_prepare,
        [OP_LINEAR] = linear_prepare,
        [OP_UNARY] = unary_prepare,
        [OP_BINARY] = binary_prepare,
        [OP_POOL2D] = pool2d_prepare,
        [OP_RESIZE2D] = resize2d_prepare,
        [OP_CONCAT] = concat_prepare,
        [OP_SLICE] = slice_prepare,
        [OP_PAD] = pad_prepare,
        [OP_TRANSPOSE] = transpose_prepare,
        [OP_RESHAPE] = reshape_prepare,
        [OP_MATMUL] = matmul_prepare,
        [OP_CONV_TRANSPOSE2D] = conv_transpose2d_prepare,
        [OP_ATTENTION] = attention_prepare,
        [OP_LAYER_NORM] = layer_norm_prepare,
        [OP_SOFTMAX] = softmax_prepare,
        [OP_REDUCE] = reduce_prepare,
    };
    return (unsigned)op < OP_COUNT ? table[op] : NULL;
}

void *kernel_alloc(const kernel_site *site, size_t count, size_t item_bytes)
{
    kernel_memory *m = site->memory;
    size_t bytes = 0;
    if (!size_mul(count, item_bytes, &bytes)) {
        roto_fail(ROTO_ERROR_MEMORY, "out of memory: %zu items of %zu bytes", count, item_bytes);
        return NULL;
    }
    if (!memory_grow((void **)&m->blocks, &m->capacity, m->n_blocks + 1, sizeof(*m->blocks)))
        return NULL;
    void *block = memory_new_aligned(bytes ? bytes : 1);
    if (!block)
        return NULL;
    m->blocks[m->n_blocks++] = block;
    m->bytes += bytes;
    return block;
}

roto_status kernel_refuse(const kernel_site *site, const char *fmt, ...)
{
    char why[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof(why), fmt, args);
    va_end(args);
    return roto_fail(ROTO_ERROR_UNSUPPORTED, "cpu backend: %s '%s': %s", op_name(site->node->op),
                     site->node->name, why);
}

int kernel_n_tasks(const kernel_site *site, int64_t n_items, double item_cost_ns)
{
    /* Taking a task costs about 0.1 microseconds. With four tasks a thread the last one to finish
     * leaves the others idle for an eighth of the time at worst. */
    const double shortest_ns = 4000;
    const int per_thread = 8;
    double n = (double)n_items * item_cost_ns / shortest_ns;
    int most = site->n_threads == 1 ? 1 : site->n_threads * per_thread;
    int tasks = n < 1 ? 1 : n > most ? most : (int)n;
    return tasks > n_items ? (int)n_items : tasks;
}
