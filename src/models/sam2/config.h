/* models/sam2/config.h - the numbers that tell one SAM 2-class model from another.
 *
 * SAM 2: Ravi et al. 2024, "Segment Anything in Images and Videos". Field names follow the official
 * configuration files where they have a name there. */
#ifndef MODELS_SAM2_CONFIG_H
#define MODELS_SAM2_CONFIG_H

#include <roto/error.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    SAM2_LEVELS = 4,        /* feature levels of a trunk, at strides 4, 8, 16 and 32 */
    SAM2_STRIDE = 16,       /* of the features that masks, memories and prompts meet on */
    SAM2_MASK_STRIDE = 4,   /* of mask logits */
    SAM2_GLOBAL_BLOCKS = 3, /* of each published Hiera */
    SAM2_MAX_LAYERS = 8,
    SAM2_MAX_DOWNSAMPLER_LAYERS = 4,
    SAM2_NAME_BYTES = 64
};

typedef struct sam2_config {
    char name[SAM2_NAME_BYTES];

    /* Input: either square of image_size, or following the frame's shape with about image_pixels in
     * all and sides that are multiples of image_multiple. */
    int32_t image_size, image_pixels, image_multiple;
    float image_mean[3], image_std[3];

    char trunk[SAM2_NAME_BYTES];
    int32_t trunk_channels[SAM2_LEVELS]; /* from stride 4 to stride 32 */
    /* Of the trunk "hiera" alone, see hiera.c. */
    int32_t trunk_blocks[SAM2_LEVELS];  /* of each stage */
    int32_t trunk_heads;                /* of the first stage; each further one doubles them */
    int32_t trunk_windows[SAM2_LEVELS]; /* sides of the attention windows of each stage, cells */
    int32_t trunk_global_blocks[SAM2_GLOBAL_BLOCKS]; /* blocks that attend to the whole picture */
    int32_t trunk_pos_embed; /* side of the position embedding that is stretched over the grid */
    int32_t d_model;

    int32_t memory_attention_layers, memory_attention_heads, memory_attention_ffn;
    float rope_theta;

    int32_t mem_dim;            /* channels of a memory */
    int32_t memory_mask_stride; /* of the mask that the memory encoder reads */
    int32_t memory_fuser_layers;
    bool no_obj_embed_spatial; /* the memory of an object out of sight is marked (SAM 2.1) */
    /* EdgeTAM: memories are condensed to latents, see perceiver.h; 0 layers: they are not. */
    int32_t perceiver_layers, perceiver_latents, perceiver_latents_2d;
    float mask_sigmoid_scale, mask_sigmoid_bias; /* of probabilities on their way into a memory */

    int32_t num_maskmem;            /* spatial memories of a frame: 1 prompted + the recent ones */
    int32_t memory_temporal_stride; /* recent memories: the last frame and every n-th before */
    int32_t max_obj_ptrs;
    bool pointer_time; /* memory attention is told the age of pointers (SAM 2.1) */
    bool memory_bf16;  /* memories are rounded to bfloat16, as the official code does */

    int32_t mask_in_channels; /* of the prompt encoder's mask branch */
    int32_t decoder_layers, decoder_heads, decoder_mlp, decoder_downsample;
    int32_t num_multimask;
    int32_t iou_head_layers, iou_head_hidden;
    float stability_delta, stability_threshold; /* of the single mask, see mask_choice.h */

    int32_t max_hole_area; /* holes of a mask up to so many pixels at its stride are filled */
} sam2_config;

/* Parses the JSON object under the metadata key "roto.config". Unknown, repeated and missing fields
 * and values out of range are ROTO_ERROR_FORMAT, by name. `text` need not end with a NUL. */
roto_status sam2_config_parse(const char *text, int64_t text_bytes, sam2_config *out);

/* Sizes that follow from the config and a frame's size, all in cells of their stride. */
typedef struct sam2_size {
    int32_t image_w, image_h; /* the model's input, pixels */
    int32_t w, h;             /* the grid at stride 16 */
    int32_t mask_w, mask_h;   /* the mask logits at stride 4 */
} sam2_size;

sam2_size sam2_size_for(const sam2_config *config, int32_t frame_w, int32_t frame_h);

/* Tokens of a memory: one a cell, or the perceiver's latents. */
int64_t sam2_memory_tokens(const sam2_config *config, const sam2_size *size);

/* Side of the square that the perceiver's 2-D latents form. */
int32_t sam2_perceiver_side(const sam2_config *config);

/* Tokens that one object pointer is cut into. */
int32_t sam2_pointer_tokens(const sam2_config *config);

#endif
