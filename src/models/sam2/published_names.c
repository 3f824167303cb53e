#include "models/sam2/published_names.h"

#include <stddef.h>
#include <string.h>

typedef struct renaming {
    const char *from, *to;
} renaming;

/* # stands for a number, % for one part between dots, * for all that follows; each comes back at
 * its place on the right. The first row that fits counts. From the state_dict() of both sides'
 * models and transformers' convert_sam2_video_to_hf.py and convert_edgetam_video_to_hf.py. */
static const renaming renamings[] = {
    /* The model's own vectors */
    {"memory_temporal_positional_encoding", "maskmem_tpos_enc"},
    {"no_memory_embedding", "no_mem_embed"},
    {"no_memory_positional_encoding", "no_mem_pos_enc"},
    {"no_object_pointer", "no_obj_ptr"},
    {"occlusion_spatial_embedding_parameter", "no_obj_embed_spatial"},
    {"temporal_positional_encoding_projection_layer.*", "obj_ptr_tpos_proj.*"},
    {"object_pointer_proj.proj_in.*", "obj_ptr_proj.layers.0.*"},
    {"object_pointer_proj.layers.0.*", "obj_ptr_proj.layers.1.*"},
    {"object_pointer_proj.proj_out.*", "obj_ptr_proj.layers.2.*"},
    {"mask_downsample.*", "mask_downsample.*"},

    /* Image encoder: Hiera, RepViT, neck */
    {"vision_encoder.backbone.patch_embed.projection.*", "image_encoder.trunk.patch_embed.proj.*"},
    {"vision_encoder.backbone.blocks.#.layer_norm*", "image_encoder.trunk.blocks.#.norm*"},
    {"vision_encoder.backbone.blocks.#.mlp.proj_in.*",
     "image_encoder.trunk.blocks.#.mlp.layers.0.*"},
    {"vision_encoder.backbone.blocks.#.mlp.proj_out.*",
     "image_encoder.trunk.blocks.#.mlp.layers.1.*"},
    {"vision_encoder.backbone.timm_model.*", "image_encoder.trunk.body.*"},
    {"vision_encoder.backbone.*", "image_encoder.trunk.*"},
    {"vision_encoder.neck.convs.#.*", "image_encoder.neck.convs.#.conv.*"},

    /* Memory attention */
    {"memory_attention.layers.#.%.o_proj.*", "memory_attention.layers.#.%.out_proj.*"},
    {"memory_attention.layers.#.mlp.up_proj.*", "memory_attention.layers.#.linear1.*"},
    {"memory_attention.layers.#.mlp.down_proj.*", "memory_attention.layers.#.linear2.*"},
    {"memory_attention.layers.#.layer_norm*", "memory_attention.layers.#.norm*"},
    {"memory_attention.layer_norm.*", "memory_attention.norm.*"},
    {"memory_attention.*", "memory_attention.*"},

    /* Memory encoder */
    {"memory_encoder.mask_downsampler.layers.0.conv.*",
     "memory_encoder.mask_downsampler.encoder.0.*"},
    {"memory_encoder.mask_downsampler.layers.0.layer_norm.*",
     "memory_encoder.mask_downsampler.encoder.1.*"},
    {"memory_encoder.mask_downsampler.layers.1.conv.*",
     "memory_encoder.mask_downsampler.encoder.3.*"},
    {"memory_encoder.mask_downsampler.layers.1.layer_norm.*",
     "memory_encoder.mask_downsampler.encoder.4.*"},
    {"memory_encoder.mask_downsampler.layers.2.conv.*",
     "memory_encoder.mask_downsampler.encoder.6.*"},
    {"memory_encoder.mask_downsampler.layers.2.layer_norm.*",
     "memory_encoder.mask_downsampler.encoder.7.*"},
    {"memory_encoder.mask_downsampler.layers.3.conv.*",
     "memory_encoder.mask_downsampler.encoder.9.*"},
    {"memory_encoder.mask_downsampler.layers.3.layer_norm.*",
     "memory_encoder.mask_downsampler.encoder.10.*"},
    {"memory_encoder.mask_downsampler.final_conv.*",
     "memory_encoder.mask_downsampler.encoder.12.*"},
    {"memory_encoder.feature_projection.*", "memory_encoder.pix_feat_proj.*"},
    {"memory_encoder.memory_fuser.layers.#.scale", "memory_encoder.fuser.layers.#.gamma"},
    {"memory_encoder.memory_fuser.layers.#.depthwise_conv.*",
     "memory_encoder.fuser.layers.#.dwconv.*"},
    {"memory_encoder.memory_fuser.layers.#.layer_norm.*", "memory_encoder.fuser.layers.#.norm.*"},
    {"memory_encoder.memory_fuser.layers.#.pointwise_conv*",
     "memory_encoder.fuser.layers.#.pwconv*"},
    {"memory_encoder.projection.*", "memory_encoder.out_proj.*"},

    /* EdgeTAM's perceiver, but for its keys and values, which are one tensor officially */
    {"spatial_perceiver.latents_1d", "spatial_perceiver.latents"},
    {"spatial_perceiver.latents_2d", "spatial_perceiver.latents_2d"},
    {"spatial_perceiver.layer_norm.*", "spatial_perceiver.norm.*"},
    {"spatial_perceiver.layers.#.layer_norm_input.*", "spatial_perceiver.layers.#.attn.norm_x.*"},
    {"spatial_perceiver.layers.#.layer_norm_latents.*",
     "spatial_perceiver.layers.#.attn.norm_latents.*"},
    {"spatial_perceiver.layers.#.layer_norm_self.*", "spatial_perceiver.layers.#.self_attn.norm.*"},
    {"spatial_perceiver.layers.#.cross_attention.q_proj.*",
     "spatial_perceiver.layers.#.attn.to_q.*"},
    {"spatial_perceiver.layers.#.cross_attention.o_proj.*",
     "spatial_perceiver.layers.#.attn.to_out.*"},
    {"spatial_perceiver.layers.#.self_attention.q_proj.*",
     "spatial_perceiver.layers.#.self_attn.to_q.*"},
    {"spatial_perceiver.layers.#.self_attention.o_proj.*",
     "spatial_perceiver.layers.#.self_attn.to_out.*"},
    {"spatial_perceiver.layers.#.mlp.layer_norm.*", "spatial_perceiver.layers.#.ff.0.*"},
    {"spatial_perceiver.layers.#.mlp.up_proj.*", "spatial_perceiver.layers.#.ff.1.*"},
    {"spatial_perceiver.layers.#.mlp.down_proj.*", "spatial_perceiver.layers.#.ff.3.*"},
    {"spatial_perceiver.layers.#.self_mlp.layer_norm.*", "spatial_perceiver.layers.#.self_ff.0.*"},
    {"spatial_perceiver.layers.#.self_mlp.up_proj.*", "spatial_perceiver.layers.#.self_ff.1.*"},
    {"spatial_perceiver.layers.#.self_mlp.down_proj.*", "spatial_perceiver.layers.#.self_ff.3.*"},

    /* Prompt encoder, but for its points, which are one tensor at Hugging Face */
    {"prompt_encoder.shared_embedding.positional_embedding",
     "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"},
    {"prompt_encoder.mask_embed.conv1.*", "sam_prompt_encoder.mask_downscaling.0.*"},
    {"prompt_encoder.mask_embed.layer_norm1.*", "sam_prompt_encoder.mask_downscaling.1.*"},
    {"prompt_encoder.mask_embed.conv2.*", "sam_prompt_encoder.mask_downscaling.3.*"},
    {"prompt_encoder.mask_embed.layer_norm2.*", "sam_prompt_encoder.mask_downscaling.4.*"},
    {"prompt_encoder.mask_embed.conv3.*", "sam_prompt_encoder.mask_downscaling.6.*"},
    {"prompt_encoder.no_mask_embed.*", "sam_prompt_encoder.no_mask_embed.*"},
    {"prompt_encoder.not_a_point_embed.*", "sam_prompt_encoder.not_a_point_embed.*"},

    /* Mask decoder */
    {"mask_decoder.transformer.layers.#.%.o_proj.*",
     "sam_mask_decoder.transformer.layers.#.%.out_proj.*"},
    {"mask_decoder.transformer.layers.#.mlp.proj_in.*",
     "sam_mask_decoder.transformer.layers.#.mlp.layers.0.*"},
    {"mask_decoder.transformer.layers.#.mlp.proj_out.*",
     "sam_mask_decoder.transformer.layers.#.mlp.layers.1.*"},
    {"mask_decoder.transformer.layers.#.layer_norm*",
     "sam_mask_decoder.transformer.layers.#.norm*"},
    {"mask_decoder.transformer.%.o_proj.*", "sam_mask_decoder.transformer.%.out_proj.*"},
    {"mask_decoder.transformer.layer_norm_final_attn.*",
     "sam_mask_decoder.transformer.norm_final_attn.*"},
    {"mask_decoder.transformer.*", "sam_mask_decoder.transformer.*"},
    {"mask_decoder.upscale_conv1.*", "sam_mask_decoder.output_upscaling.0.*"},
    {"mask_decoder.upscale_layer_norm.*", "sam_mask_decoder.output_upscaling.1.*"},
    {"mask_decoder.upscale_conv2.*", "sam_mask_decoder.output_upscaling.3.*"},
    {"mask_decoder.output_hypernetworks_mlps.#.proj_in.*",
     "sam_mask_decoder.output_hypernetworks_mlps.#.layers.0.*"},
    {"mask_decoder.output_hypernetworks_mlps.#.layers.0.*",
     "sam_mask_decoder.output_hypernetworks_mlps.#.layers.1.*"},
    {"mask_decoder.output_hypernetworks_mlps.#.proj_out.*",
     "sam_mask_decoder.output_hypernetworks_mlps.#.layers.2.*"},
    {"mask_decoder.%.proj_in.*", "sam_mask_decoder.%.layers.0.*"},
    {"mask_decoder.%.layers.0.*", "sam_mask_decoder.%.layers.1.*"},
    {"mask_decoder.%.proj_out.*", "sam_mask_decoder.%.layers.2.*"},
    {"mask_decoder.*", "sam_mask_decoder.*"},
};

enum { MAX_CAPTURES = 3 };

typedef struct capture {
    const char *text;
    size_t bytes;
} capture;

static bool fits(const char *pattern, const char *name, capture captures[MAX_CAPTURES])
{
    int n = 0;
    for (; *pattern; pattern++) {
        size_t bytes;
        switch (*pattern) {
        case '#':
            bytes = strspn(name, "0123456789");
            break;
        case '%':
            bytes = strcspn(name, ".");
            break;
        case '*':
            bytes = strlen(name);
            break;
        default:
            if (*name++ != *pattern)
                return false;
            continue;
        }
        if (bytes == 0 || n == MAX_CAPTURES)
            return false;
        captures[n++] = (capture){name, bytes};
        name += bytes;
    }
    return *name == 0;
}

static bool fill_in(const char *to, const capture *captures, char out[SAM2_TENSOR_NAME_BYTES])
{
    size_t used = 0;
    for (; *to; to++) {
        const capture c = strchr("#%*", *to) ? *captures++ : (capture){to, 1};
        if (c.bytes >= SAM2_TENSOR_NAME_BYTES - used)
            return false;
        memcpy(out + used, c.text, c.bytes);
        used += c.bytes;
    }
    out[used] = 0;
    return true;
}

bool sam2_official_name(const char *name, char out[SAM2_TENSOR_NAME_BYTES])
{
    for (size_t i = 0; i < sizeof(renamings) / sizeof(renamings[0]); i++) {
        capture captures[MAX_CAPTURES];
        if (fits(renamings[i].from, name, captures))
            return fill_in(renamings[i].to, captures, out);
    }
    return false;
}
