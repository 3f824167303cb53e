/* track/mask_choice.h - which of a decoder's masks is the answer. */
#ifndef TRACK_MASK_CHOICE_H
#define TRACK_MASK_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

/* Every pixel's logit when the object is out of sight. */
#define MASK_NO_OBJECT_LOGIT (-1024.0f)

typedef struct mask_choice {
    int32_t mask;    /* 0: the single mask, 1..3: of the three */
    int32_t pointer; /* the mask whose token becomes the object's pointer */
    float iou;       /* predicted */
} mask_choice;

/* masks [4, n_pixels] and ious [4] of one object. With `multimask` the best of the three by
 * predicted IoU. Without, the single mask, unless its outline is not stable: when fewer than
 * `stability_threshold` of the pixels above -delta are above +delta, the best of the three again,
 * while the pointer stays the single mask's. */
mask_choice mask_choose(const float *masks, int64_t n_pixels, const float *ious, bool multimask,
                        float stability_delta, float stability_threshold);

#endif
