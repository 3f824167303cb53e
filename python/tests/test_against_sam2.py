"""The definition against the published SAM 2 code, weights copied by name, on random input.

Needs the `sam2` package (facebookresearch/sam2) on the path; skipped where it is missing. The image
trunk is ours in both: everything after it is compared, streaming, for each kind of prompt.
"""

import dataclasses

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sam2.modeling.sam2_base")

from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
from sam2.modeling.memory_attention import MemoryAttention, MemoryAttentionLayer
from sam2.modeling.memory_encoder import (
    CXBlock,
    Fuser,
    MaskDownSampler,
    MemoryEncoder,
)
from sam2.modeling.position_encoding import PositionEmbeddingSine
from sam2.modeling.sam.transformer import RoPEAttention
from sam2.modeling.sam2_base import SAM2Base

from roto.model import ROTO_S, Segmenter, Tracker

SIZE, FRAMES = 96, 12
IN_SIGHT = 12.0  # a bias of the object score with which all objects stay in sight
# What the published code has fixed, or can only do on squares.
CONFIG = dataclasses.replace(
    ROTO_S, image_pixels=SIZE * SIZE, memory_mask_stride=1, decoder_heads=8, decoder_mlp=2048
)


def published(ours):
    c, grid = CONFIG, (SIZE // 16, SIZE // 16)
    trunk = ours.image_encoder.trunk
    trunk.channel_list = list(reversed(c.trunk_channels))
    neck = FpnNeck(
        PositionEmbeddingSine(c.d_model),
        c.d_model,
        trunk.channel_list,
        fpn_interp_model="nearest",
        fpn_top_down_levels=[2, 3],
    )
    rope = dict(
        rope_theta=c.rope_theta,
        feat_sizes=grid,
        embedding_dim=c.d_model,
        num_heads=c.memory_attention_heads,
        downsample_rate=1,
        dropout=0.0,
    )
    layer = MemoryAttentionLayer(
        activation="relu",
        dim_feedforward=c.memory_attention_ffn,
        dropout=0.0,
        pos_enc_at_attn=False,
        self_attention=RoPEAttention(**rope),
        d_model=c.d_model,
        pos_enc_at_cross_attn_keys=True,
        pos_enc_at_cross_attn_queries=False,
        cross_attention=RoPEAttention(**rope, rope_k_repeat=True, kv_in_dim=c.mem_dim),
    )
    memory_encoder = MemoryEncoder(
        c.mem_dim,
        MaskDownSampler(c.d_model, kernel_size=3, stride=2, padding=1),
        Fuser(CXBlock(c.d_model), c.memory_fuser_layers),
        PositionEmbeddingSine(c.mem_dim),
        in_dim=c.d_model,
    )
    model = SAM2Base(
        ImageEncoder(trunk, neck, scalp=1),
        MemoryAttention(c.d_model, True, layer, c.memory_attention_layers),
        memory_encoder,
        num_maskmem=c.num_maskmem,
        image_size=SIZE,
        sigmoid_scale_for_mem_enc=c.mask_sigmoid_scale,
        sigmoid_bias_for_mem_enc=c.mask_sigmoid_bias,
        binarize_mask_from_pts_for_mem_enc=True,
        use_mask_input_as_output_without_sam=True,
        directly_add_no_mem_embed=True,
        use_high_res_features_in_sam=True,
        multimask_output_in_sam=True,
        multimask_min_pt_num=0,
        multimask_max_pt_num=1,
        multimask_output_for_tracking=True,
        use_multimask_token_for_obj_ptr=True,
        iou_prediction_use_sigmoid=True,
        memory_temporal_stride_for_eval=c.memory_temporal_stride,
        use_obj_ptrs_in_encoder=True,
        max_obj_ptrs_in_encoder=c.max_obj_ptrs,
        proj_tpos_enc_in_obj_ptrs=True,
        use_signed_tpos_enc_to_obj_ptrs=True,
        only_obj_ptrs_in_the_past_for_eval=True,
        pred_obj_scores=True,
        pred_obj_scores_mlp=True,
        fixed_no_obj_ptr=True,
        use_mlp_for_obj_ptr_proj=True,
        no_obj_embed_spatial=True,
        sam_mask_decoder_extra_args=dict(
            dynamic_multimask_via_stability=True,
            dynamic_multimask_stability_delta=c.stability_delta,
            dynamic_multimask_stability_thresh=c.stability_threshold,
        ),
    ).eval()
    model.load_state_dict(ours.state_dict())  # strict: the names and shapes agree
    return model


def published_track(model, frames, points=None, labels=None, mask=None, corrections=()):
    n = len(mask if mask is not None else points)
    outputs = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
    corrections = dict(corrections)
    tracked = []
    for t, frame in enumerate(frames):
        backbone = model.forward_image(frame.expand(n, -1, -1, -1))
        _, feats, pos, sizes = model._prepare_backbone_features(backbone)
        prompt = (points, labels) if t == 0 and points is not None else corrections.get(t)
        is_prompted = t == 0 or prompt is not None
        out = model.track_step(
            t,
            t == 0,
            feats,
            pos,
            sizes,
            prompt and {"point_coords": prompt[0], "point_labels": prompt[1]},
            mask if t == 0 else None,
            outputs,
            num_frames=1000,
        )
        outputs["cond_frame_outputs" if is_prompted else "non_cond_frame_outputs"][t] = out
        tracked.append(out)
    return tracked


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(4)
    ours = Segmenter(CONFIG).eval()
    with torch.no_grad():  # far from initial values, so that every term counts
        for name, p in ours.named_parameters():
            if "trunk" in name:
                p.mul_(2.2 if p.dim() > 1 else 1.0)
            elif "gamma" in name or "embed" in name or "tpos_enc" in name or "no_obj" in name:
                p.add_(0.5 * torch.randn_like(p))
            elif p.dim() == 1:
                p.add_(0.2 * torch.randn_like(p))
            else:
                p.mul_(4.0 if "cross_attn_image" in name or "memory_encoder" in name else 1.5)
        ours.sam_mask_decoder.pred_obj_score_head.layers[-1].weight.mul_(40)
    return ours, published(ours)


def set_score_bias(models, bias):
    for model in models:
        model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.data.fill_(bias)


@pytest.mark.parametrize("vanish", [False, True])
@pytest.mark.parametrize("prompt", ["click", "box", "mask", "correction"])
def test_track(models, prompt, vanish):
    ours, theirs = models
    set_score_bias(models, IN_SIGHT)
    g = torch.Generator().manual_seed(11)
    frames = [torch.randn(1, 3, SIZE, SIZE, generator=g) for _ in range(FRAMES)]
    first, corrections = {}, {}
    if prompt == "mask":
        mask = torch.zeros(3, 1, SIZE, SIZE)
        mask[0, :, 20:60, 30:80] = mask[1, :, 50:90, 5:77] = 1  # the third stays empty
        first = {"mask": mask}
    else:
        n_points = 2 if prompt == "box" else 1
        points = torch.rand(3, n_points, 2, generator=g) * SIZE
        labels = torch.tensor([[2, 3]] if prompt == "box" else [[1]]).expand(3, -1)
        first = {"points": points, "labels": labels}
    if prompt == "correction":
        for t in (4, 9):
            corrections[t] = (
                torch.rand(3, 1, 2, generator=g) * SIZE,
                torch.tensor([[1], [0], [1]]),
            )

    with torch.no_grad():
        expected = published_track(theirs, frames, **first, corrections=corrections)
        if vanish:  # centre the scores, so that some objects are in sight and some are not
            scores = torch.cat([out["object_score_logits"] for out in expected])
            set_score_bias(models, IN_SIGHT - scores.median().item())
            expected = published_track(theirs, frames, **first, corrections=corrections)
    tracker = Tracker(ours, num_prompted=3)
    seen = 0
    for t, frame in enumerate(frames):
        points, labels = corrections.get(t, (None, None))
        out = tracker.step(frame, **(first if t == 0 else {"points": points, "labels": labels}))
        for name, got, want in (
            ("score", out.score, expected[t]["object_score_logits"]),
            ("logits", out.logits, expected[t]["pred_masks"]),
            ("pointer", out.pointer, expected[t]["obj_ptr"]),
        ):
            error = (got - want).norm() / want.norm()
            assert error < 1e-3, f"frame {t}: {name} differs by {error:.1e}"
        seen += (out.score > 0).sum().item()
    assert seen > 0 and (seen < 3 * FRAMES or not vanish)
