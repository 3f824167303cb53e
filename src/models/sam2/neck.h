/* models/sam2/neck.h - the feature pyramid (FpnNeck) and the decoder's high-resolution features. */
#ifndef MODELS_SAM2_NECK_H
#define MODELS_SAM2_NECK_H

#include "models/layers.h"
#include "models/sam2/config.h"

/* The pyramid's levels at strides 4 and 8 are read by the mask decoder's conv_s0 and conv_s1 alone,
 * and a 1x1 convolution after another is one, so that `s0` and `s1` hold both. */
typedef struct neck_weights {
    linear_weights s0, s1;     /* trunk features to d_model / 8 and d_model / 4 channels */
    linear_weights lateral[2]; /* of strides 16 and 32 */
} neck_weights;

neck_weights neck_bind(weights *w, const sam2_config *config);

typedef struct neck_features {
    tensor_id vision_features; /* [1, h, w, d_model] at stride 16 */
    tensor_id high_res_s0;     /* [1, 4 h, 4 w, d_model / 8] */
    tensor_id high_res_s1;     /* [1, 2 h, 2 w, d_model / 4] */
} neck_features;

neck_features neck_build(graph *g, const neck_weights *n, const tensor_id trunk[SAM2_LEVELS],
                         const sam2_size *size);

#endif
