#include "backend/cuda/module/linear_few.h"

#include "base/error.h"

/* With more, tiles of 64 rows read x fewer times. */
enum { MOST_ROWS = 128 };

bool linear_few_suits(const dev_site *site, const gemm_params *p)
{
    const dev_operand *x = &site->in[0];
    return gemm_rows_are_rows(p) && !p->scatter && p->rows <= MOST_ROWS && p->channels % 8 == 0 &&
           operand_aligned(x, x->at.is_bf16 ? 8 : 4);
}

roto_status linear_few_add(dev_site *site, gemm_params *p, const weight_order *order, int64_t flops)
{
    p->x = rows_of(&site->in[0]);
    p->k = p->channels;
    p->k_stride = p->k;
    p->w.is_bf16 = 1;
    ROTO_TRY(weights_upload_bf16(site, order, p->channels, &p->w.data));
    p->vector = p->columns % 4 == 0 && site_result_aligned(site, 4) ? 4 : 1;
    return site_add(site, "linear.few", linear_few_launch, p, sizeof(*p), flops);
}
