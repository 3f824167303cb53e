#include "models/sam2/recognise.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The trunks that were published: sam2/configs of facebookresearch/sam2. */
typedef struct hiera_size {
    const char *name;
    int channels, n_blocks; /* which tell them apart */
    int heads, blocks[4], windows[4], global_blocks[3], pos_embed;
} hiera_size;

static const hiera_size hiera_sizes[] = {
    {"tiny", 96, 12, 1, {1, 2, 7, 2}, {8, 4, 14, 7}, {5, 7, 9}, 7},
    {"small", 96, 16, 1, {1, 2, 11, 2}, {8, 4, 14, 7}, {7, 10, 13}, 7},
    {"base_plus", 112, 24, 2, {2, 3, 16, 3}, {8, 4, 14, 7}, {12, 16, 20}, 14},
    {"large", 144, 48, 2, {2, 6, 36, 4}, {8, 4, 16, 8}, {23, 33, 43}, 7},
};

static const named_tensor *find(const named_tensor *tensors, int n, const char *name)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(tensors[i].name, name) == 0)
            return &tensors[i];
    }
    return NULL;
}

/* 1 + the highest N in image_encoder.trunk.blocks.N. */
static int count_blocks(const named_tensor *tensors, int n)
{
    static const char prefix[] = "image_encoder.trunk.blocks.";
    long highest = -1;
    for (int i = 0; i < n; i++) {
        if (strncmp(tensors[i].name, prefix, sizeof(prefix) - 1) != 0)
            continue;
        const long block = strtol(tensors[i].name + sizeof(prefix) - 1, NULL, 10);
        highest = block > highest && block < 1000 ? block : highest;
    }
    return (int)highest + 1;
}

static roto_status find_hiera(const named_tensor *tensors, int n, const named_tensor *patch,
                              const hiera_size **out)
{
    const int channels =
        patch->shape.rank > 0 && patch->shape.dim[0] < 10000 ? (int)patch->shape.dim[0] : 0;
    const int n_blocks = count_blocks(tensors, n);
    for (size_t i = 0; i < sizeof(hiera_sizes) / sizeof(hiera_sizes[0]); i++) {
        *out = &hiera_sizes[i];
        if ((*out)->channels == channels && (*out)->n_blocks == n_blocks)
            return ROTO_OK;
    }
    return roto_fail(ROTO_ERROR_UNSUPPORTED,
                     "a Hiera of %d channels and %d blocks; published are tiny (96, 12), small "
                     "(96, 16), base_plus (112, 24) and large (144, 48)",
                     channels, n_blocks);
}

/* What all models of SAM 2 have in common. */
#define COMMON                                                                                     \
    "\"family\":\"sam2\",\"image_size\":1024,\"image_mean\":[0.485,0.456,0.406],"                  \
    "\"image_std\":[0.229,0.224,0.225],\"d_model\":256,\"memory_attention_heads\":1,"              \
    "\"memory_attention_ffn\":2048,\"rope_theta\":10000,\"mem_dim\":64,\"memory_mask_stride\":1,"  \
    "\"memory_fuser_layers\":2,\"mask_sigmoid_scale\":20,\"mask_sigmoid_bias\":-10,"               \
    "\"num_maskmem\":7,\"memory_temporal_stride\":1,\"max_obj_ptrs\":16,\"memory_bf16\":true,"     \
    "\"mask_in_channels\":16,\"decoder_layers\":2,\"decoder_heads\":8,\"decoder_mlp\":2048,"       \
    "\"decoder_downsample\":2,\"num_multimask\":3,\"iou_head_layers\":3,\"iou_head_hidden\":256,"  \
    "\"stability_delta\":0.05,\"stability_threshold\":0.98"

/* SAM 2.1 marks the memory of objects out of sight and tells the age of pointers. */
static void write_hiera(const hiera_size *h, bool marks, bool ages,
                        char config[SAM2_CONFIG_TEXT_BYTES])
{
    const int c = h->channels;
    snprintf(config, SAM2_CONFIG_TEXT_BYTES,
             "{\"name\":\"%s_hiera_%s\"," COMMON ",\"trunk\":\"hiera\","
             "\"trunk_channels\":[%d,%d,%d,%d],\"trunk_blocks\":[%d,%d,%d,%d],\"trunk_heads\":%d,"
             "\"trunk_windows\":[%d,%d,%d,%d],\"trunk_global_blocks\":[%d,%d,%d],"
             "\"trunk_pos_embed\":%d,\"memory_attention_layers\":4,"
             "\"no_obj_embed_spatial\":%s,\"pointer_time\":%s}",
             marks || ages ? "sam2.1" : "sam2", h->name, c, 2 * c, 4 * c, 8 * c, h->blocks[0],
             h->blocks[1], h->blocks[2], h->blocks[3], h->heads, h->windows[0], h->windows[1],
             h->windows[2], h->windows[3], h->global_blocks[0], h->global_blocks[1],
             h->global_blocks[2], h->pos_embed, marks || ages ? "true" : "false",
             marks || ages ? "true" : "false");
}

/* facebookresearch/EdgeTAM's edgetam.yaml; it goes without what SAM 2.1 added. */
static void write_edgetam(char config[SAM2_CONFIG_TEXT_BYTES])
{
    snprintf(config, SAM2_CONFIG_TEXT_BYTES,
             "{\"name\":\"edgetam\"," COMMON ",\"trunk\":\"repvit_m1\","
             "\"trunk_channels\":[48,96,192,384],\"memory_attention_layers\":2,"
             "\"perceiver_layers\":2,\"perceiver_latents\":256,\"perceiver_latents_2d\":256,"
             "\"no_obj_embed_spatial\":false,\"pointer_time\":false}");
}

roto_status sam2_recognise(const named_tensor *tensors, int n, char config[SAM2_CONFIG_TEXT_BYTES])
{
    static const char patch_name[] = "image_encoder.trunk.patch_embed.proj.weight",
                      stem_name[] = "image_encoder.trunk.body.stem.conv1.c.weight";
    const named_tensor *patch = find(tensors, n, patch_name);
    if (find(tensors, n, stem_name)) {
        write_edgetam(config);
        return ROTO_OK;
    }
    if (!patch)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "there is no \"roto.config\" in the metadata, and neither the tensor "
                         "'%s', by which SAM 2 is known, nor '%s' of EdgeTAM",
                         patch_name, stem_name);
    const hiera_size *hiera = NULL;
    ROTO_TRY(find_hiera(tensors, n, patch, &hiera));
    write_hiera(hiera, find(tensors, n, "no_obj_embed_spatial"),
                find(tensors, n, "obj_ptr_tpos_proj.weight"), config);
    return ROTO_OK;
}
