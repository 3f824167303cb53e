/* models/sam2/model.h - a SAM 2-class model: a config, weights, and the graphs they make for a
 * size.
 *
 * A frame goes through four graphs: the frame graph once; then for the objects due, in batches,
 * memory attention, the mask decoder and the memory encoder. */
#ifndef MODELS_SAM2_MODEL_H
#define MODELS_SAM2_MODEL_H

#include "models/sam2/mask_decoder.h"
#include "models/sam2/memory_attention.h"
#include "models/sam2/memory_encoder.h"
#include "models/sam2/neck.h"
#include "models/sam2/prompt_encoder.h"
#include "models/sam2/tensors.h"
#include "models/sam2/trunk.h"

typedef struct sam2_model {
    sam2_config config;
    checkpoint *file; /* whose memory the weights are, and its tensors; NULL: the caller's */
    sam2_tensors tensors;
    weights *weights;
    const trunk_table *trunk;
    void *trunk_weights;
    neck_weights neck;
    memory_attention_weights memory_attention;
    memory_encoder_weights memory_encoder;
    prompt_encoder_weights prompt_encoder;
    mask_decoder_weights mask_decoder;

    /* Learned vectors. */
    const float *maskmem_tpos_enc;     /* [num_maskmem, mem_dim] */
    const float *no_mem_embed;         /* [d_model], for frames without memory */
    const float *no_obj_ptr;           /* [d_model], the pointer of an object out of sight */
    const float *no_obj_embed_spatial; /* [mem_dim], added to its memory */
    linear_weights obj_ptr_tpos_proj;  /* a pointer's age, d_model to mem_dim */
    conv_weights mask_downsample;      /* 4x4 with stride 4: a mask as a prompt for its pointer */
} sam2_model;

/* The config and tensors as in a file; see weights.h and config.h for what is refused. The tensors'
 * data has to outlive the model. */
roto_status sam2_model_new(const char *config_text, int64_t config_bytes,
                           const named_tensor *tensors, int n_tensors, sam2_model **out);
void sam2_model_free(sam2_model *m); /* NULL is fine */

/* Inputs and outputs by index. Each graph borrows the model's weights. */
enum { FRAME_IN_IMAGE }; /* [1, image_h, image_w, 3], normalised */
enum {
    FRAME_OUT_FEATURES,        /* [1, h, w, d_model] */
    FRAME_OUT_HIGH_RES_S0,     /* [1, mask_h, mask_w, d_model / 8] */
    FRAME_OUT_HIGH_RES_S1,     /* [1, 2 h, 2 w, d_model / 4] */
    FRAME_OUT_MEMORY_FEATURES, /* [1, h, w, d_model] */
    FRAME_OUT_X,               /* [1, h * w, d_model] */
    FRAME_OUT_Q,               /* [1, h * w, d_model] */
    FRAME_N_OUT
};
roto_status sam2_frame_graph(const sam2_model *m, const sam2_size *size, graph **out);

/* A window of n_conditioning + num_maskmem - 1 memories and n_conditioning + max_obj_ptrs - 1
 * pointers, in this order. */
int64_t sam2_window_spatial(const sam2_config *config, int64_t n_conditioning);
int64_t sam2_window_pointers(const sam2_config *config, int64_t n_conditioning);
int64_t sam2_window_tokens(const sam2_config *config, const sam2_size *size,
                           int64_t n_conditioning);

/* Where the tokens of a memory are, [memory tokens, mem_dim]; no time. */
void sam2_memory_places(const sam2_config *config, const sam2_size *size, float *out);

enum {
    ATTENTION_IN_X,
    ATTENTION_IN_Q,
    ATTENTION_IN_MEMORY,    /* [batch, tokens, mem_dim] */
    ATTENTION_IN_POSITIONS, /* [batch, tokens, mem_dim] */
    ATTENTION_IN_VALID      /* [batch, tokens] of 0 or 1 */
};
enum { ATTENTION_OUT_FEATURES };
roto_status sam2_memory_attention_graph(const sam2_model *m, const sam2_size *size, int64_t batch,
                                        int64_t n_conditioning, graph **out);

/* n_sparse 0: the form for frames without prompts, with the first three inputs alone. */
enum {
    DECODER_IN_FEATURES, /* [batch, h, w, d_model] */
    DECODER_IN_HIGH_RES_S0,
    DECODER_IN_HIGH_RES_S1,
    DECODER_IN_SPARSE,   /* [batch, n_sparse, d_model] */
    DECODER_IN_VALID,    /* [batch, SAM2_N_OUTPUT_TOKENS + n_sparse] */
    DECODER_IN_MASK,     /* logits [batch, mask_h, mask_w, 1] */
    DECODER_IN_HAS_MASK, /* [batch, 1, 1, 1] of 0 or 1 */
    DECODER_IN_NO_MEMORY /* [batch, 1, 1, 1] of 0, or 1: features of a frame without memory */
};
enum {
    DECODER_OUT_MASKS,        /* logits [batch, SAM2_N_MASKS, mask_h * mask_w] */
    DECODER_OUT_IOUS,         /* [batch, SAM2_N_MASKS] */
    DECODER_OUT_OBJECT_SCORE, /* [batch, 1] */
    DECODER_OUT_POINTERS,     /* [batch, SAM2_N_MASKS, d_model] */
    DECODER_N_OUT
};
roto_status sam2_mask_decoder_graph(const sam2_model *m, const sam2_size *size, int64_t batch,
                                    int64_t n_sparse, graph **out);

/* Many prompts of one point each on the same features, as automatic masks need them. */
enum {
    POINTS_IN_FEATURES, /* [1, h, w, d_model], of a frame without memory */
    POINTS_IN_HIGH_RES_S0,
    POINTS_IN_HIGH_RES_S1,
    POINTS_IN_SPARSE, /* [batch, SAM2_POINT_TOKENS, d_model] */
};
enum { POINTS_OUT_MASKS, POINTS_OUT_IOUS };
enum { SAM2_POINT_TOKENS = 2 /* the point and a padding */ };
roto_status sam2_point_decoder_graph(const sam2_model *m, const sam2_size *size, int64_t batch,
                                     graph **out);

enum {
    ENCODER_IN_FRAME_FEATURES,
    ENCODER_IN_MASK,  /* logits [batch, mask_h, mask_w, 1] */
    ENCODER_IN_ABSENT /* [batch, 1, 1] of 0, or 1: the object is out of sight */
};
enum { ENCODER_OUT_MEMORY }; /* [batch, memory tokens, mem_dim] */
roto_status sam2_memory_encoder_graph(const sam2_model *m, const sam2_size *size, int64_t batch,
                                      graph **out);

#endif
