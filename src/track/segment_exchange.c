#include "track/segment_exchange.h"

#include "base/error.h"
#include "models/sam2/model.h"

segment_exchange segment_exchange_make(const backend_table *table, backend *b,
                                       const segment_row *row)
{
    return (segment_exchange){.table = table, .backend = b, .row = *row};
}

typedef struct part {
    buffer **place;
    buffer_kind kind;
    size_t floats; /* of a row */
} part;

enum { N_PARTS = 8 };

static void list_parts(segment_exchange *x, part parts[N_PARTS])
{
    const segment_row *row = &x->row;
    const part all[N_PARTS] = {
        {&x->valid, BUFFER_HOST, row->valid},
        {&x->pointer_positions, BUFFER_HOST, row->pointer_positions},
        {&x->mask, BUFFER_HOST, row->mask},
        {&x->absent, BUFFER_HOST, 1},
        {&x->masks, BUFFER_HOST, SAM2_N_MASKS * row->mask},
        {&x->ious, BUFFER_HOST, SAM2_N_MASKS},
        {&x->scores, BUFFER_HOST, 1},
        {&x->pointers, BUFFER_DEVICE, row->pointers},
    };
    for (int i = 0; i < N_PARTS; i++)
        parts[i] = all[i];
}

static void drop(segment_exchange *x)
{
    part parts[N_PARTS];
    list_parts(x, parts);
    for (int i = 0; i < N_PARTS; i++) {
        x->table->buffer_free(*parts[i].place);
        *parts[i].place = NULL;
    }
    x->n_rows = 0;
}

void segment_exchange_free(segment_exchange *x)
{
    if (x->table)
        drop(x);
    *x = (segment_exchange){0};
}

roto_status segment_exchange_reserve(segment_exchange *x, int32_t n)
{
    if (n <= x->n_rows)
        return ROTO_OK;
    int32_t n_rows = 1;
    while (n_rows < n)
        n_rows *= 2;
    drop(x);
    part parts[N_PARTS];
    list_parts(x, parts);
    for (int i = 0; i < N_PARTS; i++)
        ROTO_TRY(x->table->buffer_new(x->backend, parts[i].kind, (size_t)n_rows * parts[i].floats,
                                      parts[i].place));
    x->n_rows = n_rows;
    return ROTO_OK;
}
