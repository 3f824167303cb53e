#include "track/mask_choice.h"

enum { N_MASKS = 4 };

static int32_t best_of_three(const float *ious)
{
    int32_t best = 1;
    for (int32_t i = 2; i < N_MASKS; i++) {
        if (ious[i] > ious[best])
            best = i;
    }
    return best;
}

static bool stable(const float *mask, int64_t n_pixels, float delta, float threshold)
{
    int64_t inner = 0, outer = 0;
    for (int64_t i = 0; i < n_pixels; i++) {
        inner += mask[i] > delta;
        outer += mask[i] > -delta;
    }
    return outer == 0 || (float)inner / (float)outer >= threshold;
}

mask_choice mask_choose(const float *masks, int64_t n_pixels, const float *ious, bool multimask,
                        float stability_delta, float stability_threshold)
{
    mask_choice choice = {.mask = 0, .pointer = 0};
    if (multimask)
        choice.mask = choice.pointer = best_of_three(ious);
    else if (!stable(masks, n_pixels, stability_delta, stability_threshold))
        choice.mask = best_of_three(ious);
    choice.iou = ious[choice.mask];
    return choice;
}
