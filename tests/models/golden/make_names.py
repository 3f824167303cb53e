"""Writes hugging_face_names.txt: for each tensor of SAM 2.1 tiny its name in Hugging Face's
transformers and in the official checkpoints. Needs transformers; python/ has to be on the path.

The rules here say the same as src/models/sam2/published_names.c, in the other direction. That they
are right is checked against the names and shapes of transformers' own model.
"""

import pathlib
import re

import torch
import transformers
from roto.model.config import HIERA_T
from roto.model.segmenter import Segmenter

MLP = r"(iou_prediction_head|pred_obj_score_head|output_hypernetworks_mlps\.\d|obj_ptr_proj)"

RULES = [
    (r"^image_encoder\.trunk\.(.*)\.mlp\.layers\.0\.", r"image_encoder.trunk.\1.mlp.proj_in."),
    (r"^image_encoder\.trunk\.(.*)\.mlp\.layers\.1\.", r"image_encoder.trunk.\1.mlp.proj_out."),
    (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
    (r"^image_encoder\.neck\.convs\.(\d)\.conv\.", r"vision_encoder.neck.convs.\1."),
    (r"patch_embed\.proj\.", "patch_embed.projection."),
    (MLP + r"\.layers\.0\.", r"\1.proj_in."),
    (MLP + r"\.layers\.1\.", r"\1.layers.0."),
    (MLP + r"\.layers\.2\.", r"\1.proj_out."),
    (r"transformer\.(layers\.\d)\.mlp\.layers\.0\.", r"transformer.\1.mlp.proj_in."),
    (r"transformer\.(layers\.\d)\.mlp\.layers\.1\.", r"transformer.\1.mlp.proj_out."),
    (r"output_upscaling\.0\.", "upscale_conv1."),
    (r"output_upscaling\.1\.", "upscale_layer_norm."),
    (r"output_upscaling\.3\.", "upscale_conv2."),
    (r"mask_downscaling\.0\.", "mask_embed.conv1."),
    (r"mask_downscaling\.1\.", "mask_embed.layer_norm1."),
    (r"mask_downscaling\.3\.", "mask_embed.conv2."),
    (r"mask_downscaling\.4\.", "mask_embed.layer_norm2."),
    (r"mask_downscaling\.6\.", "mask_embed.conv3."),
    (r"mask_downsampler\.encoder\.12\.", "mask_downsampler.final_conv."),
    (
        r"mask_downsampler\.encoder\.(0|3|6|9)\.",
        lambda m: f"mask_downsampler.layers.{int(m[1]) // 3}.conv.",
    ),
    (
        r"mask_downsampler\.encoder\.(1|4|7|10)\.",
        lambda m: f"mask_downsampler.layers.{int(m[1]) // 3}.layer_norm.",
    ),
    (r"^memory_encoder\.out_proj\.", "memory_encoder.projection."),
    (r"pix_feat_proj", "feature_projection"),
    (r"\.fuser\.", ".memory_fuser."),
    (r"\.gamma$", ".scale"),
    (r"\.dwconv\.", ".depthwise_conv."),
    (r"\.pwconv", ".pointwise_conv"),
    (r"\.out_proj\.", ".o_proj."),
    (r"\.norm", ".layer_norm"),
    (r"^sam_mask_decoder\.", "mask_decoder."),
    (r"pe_layer\.positional_encoding_gaussian_matrix", "shared_embedding.positional_embedding"),
    (r"^sam_prompt_encoder\.point_embeddings\.\d\.", "prompt_encoder.point_embed."),
    (r"^sam_prompt_encoder\.", "prompt_encoder."),
    (r"^maskmem_tpos_enc$", "memory_temporal_positional_encoding"),
    (r"^no_mem_embed$", "no_memory_embedding"),
    (r"^no_mem_pos_enc$", "no_memory_positional_encoding"),
    (r"^no_obj_ptr$", "no_object_pointer"),
    (r"^no_obj_embed_spatial$", "occlusion_spatial_embedding_parameter"),
    (r"^obj_ptr_tpos_proj\.", "temporal_positional_encoding_projection_layer."),
    (r"^obj_ptr_proj\.", "object_pointer_proj."),
]


def hugging_face_name(name):
    for pattern, replacement in RULES:
        name = re.sub(pattern, replacement, name)
    return name


def main():
    with torch.device("meta"):
        official = Segmenter(HIERA_T).state_dict()
        config = transformers.Sam2VideoConfig(
            enable_temporal_pos_encoding_for_object_pointers=True,
            enable_occlusion_spatial_embedding=True,
        )
        theirs = transformers.Sam2VideoModel(config).state_dict()
    theirs.pop("shared_image_embedding.positional_embedding")
    names = {name: hugging_face_name(name) for name in official}
    assert set(names.values()) == set(theirs)
    for name, other in names.items():
        assert official[name].shape == theirs[other].shape or "point_embed" in other, name
    lines = [f"{other} {name}\n" for name, other in names.items()]
    (pathlib.Path(__file__).parent / "hugging_face_names.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
