#include "models/sam2/neck.h"

neck_weights neck_bind(weights *w, const sam2_config *config)
{
    const int64_t d = config->d_model;
    linear_weights lateral[SAM2_LEVELS];
    for (int level = 0; level < SAM2_LEVELS; level++) {
        /* Published from the lowest resolution to the highest. */
        const tensor_prefix prefix =
            tensor_prefix_make("image_encoder.neck.convs.%d.conv", SAM2_LEVELS - 1 - level);
        lateral[level] = conv1x1_bind(w, prefix.text, d, config->trunk_channels[level]);
    }
    const linear_weights conv_s0 = conv1x1_bind(w, "sam_mask_decoder.conv_s0", d / 8, d),
                         conv_s1 = conv1x1_bind(w, "sam_mask_decoder.conv_s1", d / 4, d);
    return (neck_weights){
        .s0 = linear_fold(w, &lateral[0], &conv_s0),
        .s1 = linear_fold(w, &lateral[1], &conv_s1),
        .lateral = {lateral[2], lateral[3]},
    };
}

neck_features neck_build(graph *g, const neck_weights *n, const tensor_id trunk[SAM2_LEVELS],
                         const sam2_size *size)
{
    graph_scope(g, "neck.");
    const resize2d_attr twice = {
        .kind = RESIZE_NEAREST, .coords = RESIZE_ASYMMETRIC, .out_h = size->h, .out_w = size->w};
    tensor_id top_down = graph_resize2d(g, linear_apply(g, &n->lateral[1], trunk[3]), &twice);
    return (neck_features){
        .vision_features = add(g, top_down, linear_apply(g, &n->lateral[0], trunk[2])),
        .high_res_s0 = linear_apply(g, &n->s0, trunk[0]),
        .high_res_s1 = linear_apply(g, &n->s1, trunk[1]),
    };
}
