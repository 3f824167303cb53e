#include "backend/cuda/module/executable.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

roto_status site_refuse(const dev_site *site, const char *fmt, ...)
{
    char why[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof(why), fmt, args);
    va_end(args);
    return roto_fail(ROTO_ERROR_UNSUPPORTED, "cuda backend: %s '%s': %s", op_name(site->node->op),
                     site->node->name, why);
}

roto_status site_add(dev_site *site, const char *kernel, launch_fn *launch, const void *params,
                     size_t params_bytes, int64_t flops)
{
    executable *e = site->e;
    if (e->measuring)
        return ROTO_OK;
    if (!memory_grow((void **)&e->steps, &e->step_capacity, e->n_steps + 1, sizeof(*e->steps)))
        return ROTO_ERROR_MEMORY;
    void *copy = memory_new_aligned(params_bytes);
    if (!copy)
        return ROTO_ERROR_MEMORY;
    memcpy(copy, params, params_bytes);
    e->steps[e->n_steps++] =
        (step){launch,
               copy,
               NULL,
               {.node = site->node->name, .op = site->node->op, .kernel = kernel, .flops = flops}};
    return ROTO_OK;
}

void site_release_with(dev_site *site, void (*release)(void *params))
{
    executable *e = site->e;
    if (!e->measuring)
        e->steps[e->n_steps - 1].release = release;
}

roto_status site_upload(dev_site *site, const void *data, size_t bytes, void **out)
{
    static char nowhere[1];
    *out = nowhere;
    if (site->e->measuring)
        return ROTO_OK;
    ROTO_TRY(device_memory_take(&site->e->memory, bytes, out));
    if (data)
        DEVICE_TRY(cudaMemcpy(*out, data, bytes, cudaMemcpyHostToDevice),
                   "copying %zu bytes of weights of '%s'", bytes, site->node->name);
    return ROTO_OK;
}

void *site_workspace(dev_site *site, size_t bytes)
{
    enum { ALIGN_BYTES = WORKSPACE_ALIGN_BYTES };
    char *at = site->workspace + site->workspace_used;
    site->workspace_used += (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    return at;
}

roto_status site_constant(dev_site *site, int input, const float **out)
{
    const dev_operand *o = &site->in[input];
    *out = NULL;
    if (input >= site->node->n_in || site->node->in[input] == TENSOR_NONE)
        return ROTO_OK;
    if (!o->constant)
        return site_refuse(site, "input %d has to be a constant", input);
    *out = o->at.data; /* the executable has put it there */
    return ROTO_OK;
}

roto_status site_epilogue(dev_site *site, const epilogue *epi, dev_epilogue *out)
{
    *out = (dev_epilogue){.act = unary_of(&epi->act), .residual_mode = (int32_t)epi->residual};
    if (epi->residual != RESIDUAL_NONE)
        out->residual = rows_of(&site->in[3]);
    return site_constant(site, 2, &out->bias);
}

roto_status site_plan_pack(dev_site *site, const dev_operand *x, const pack_wish *wish,
                           dev_rows *out, pack_params *p)
{
    const int64_t d = shape_last(&x->shape) / wish->heads, rows = shape_rows(&x->shape);
    if (x->at.is_bf16 && d == wish->padded && !wish->rope && !wish->valid &&
        operand_aligned(x, 8)) {
        *out = rows_of(x);
        p->out = NULL;
        return ROTO_OK;
    }
    *p = (pack_params){
        .x = rows_of(x),
        .rows = (int32_t)rows,
        .heads = wish->heads,
        .d = (int32_t)d,
        .d_padded = (int32_t)wish->padded,
        .fours = d % 4 == 0 && operand_aligned(x, 4),
        .rope = wish->rope,
        .tokens = (int32_t)(wish->tokens ? wish->tokens : rows),
        .rope_tokens = (int32_t)wish->rope_tokens,
        .rope_rows = (int32_t)(wish->rope_rows ? wish->rope_rows : 1),
    };
    if (wish->valid) {
        p->valid = rows_of(wish->valid);
        p->valid_batches = (int32_t)wish->valid->shape.dim[0];
    }
    const int64_t width = wish->heads * wish->padded;
    if (rows * width > INT32_MAX)
        return site_refuse(site, "more than 2^31 elements");
    p->out = site_workspace(site, (size_t)(rows * width) * sizeof(uint16_t));
    *out = (dev_rows){{p->out, 1}, width};
    return ROTO_OK;
}

roto_status site_pack(dev_site *site, const dev_operand *x, const pack_wish *wish, dev_rows *out)
{
    pack_params p;
    ROTO_TRY(site_plan_pack(site, x, wish, out, &p));
    return p.out ? site_add(site, "pack", pack_launch, &p, sizeof(p), 0) : ROTO_OK;
}
