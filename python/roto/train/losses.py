"""The published losses: focal 20, dice 1, predicted IoU 1 (L1), object score 1 (cross-entropy)."""

import dataclasses

import torch
from torch.nn import functional as F

FOCAL, DICE, IOU, SCORE = 20.0, 1.0, 1.0, 1.0
FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2
LOSS_STRIDE = 2  # masks are compared at half the input's size; targets are averaged down to it


@dataclasses.dataclass
class Target:
    soft: torch.Tensor  # [n, h / LOSS_STRIDE, w / LOSS_STRIDE] share of each cell that is object
    present: torch.Tensor  # [n] 1 if any of it is in sight
    weight: torch.Tensor  # [n] 0 to leave an object out

    @classmethod
    def of(cls, mask, weight):
        """mask [n, h, w] bool"""
        soft = F.avg_pool2d(mask.float()[:, None], LOSS_STRIDE)[:, 0]
        return cls(soft, mask.flatten(1).any(1).float(), weight)

    def rows(self, index):
        return Target(self.soft[index], self.present[index], self.weight[index])


def focal(logits, soft):
    """Mean over pixels: [n, m]"""
    p = logits.sigmoid()
    cross_entropy = F.binary_cross_entropy_with_logits(logits, soft, reduction="none")
    p_t = p * soft + (1 - p) * (1 - soft)
    alpha = FOCAL_ALPHA * soft + (1 - FOCAL_ALPHA) * (1 - soft)
    return (alpha * cross_entropy * (1 - p_t) ** FOCAL_GAMMA).flatten(2).mean(2)


def dice(logits, soft):
    p, soft = logits.sigmoid().flatten(2), soft.flatten(2)
    return 1 - (2 * (p * soft).sum(2) + 1) / (p.sum(2) + soft.sum(2) + 1)


def true_iou(logits, soft):
    a, b = (logits > 0).flatten(2), (soft > 0.5).flatten(2)
    return (a & b).sum(2) / (a | b).sum(2).clamp(min=1)


def of_output(out, target):
    """Sums over the objects of one answer: the loss, and the IoU of the chosen mask of those in
    sight. Mask losses are the best candidate's, the IoU loss is all candidates'; both need the
    object in sight."""
    size = target.soft.shape[1:]
    logits = F.interpolate(out.candidates, size=size, mode="bilinear")
    soft = target.soft[:, None].expand_as(logits)
    combined = FOCAL * focal(logits, soft) + DICE * dice(logits, soft)
    with torch.no_grad():
        iou = true_iou(logits, soft)
    iou_loss = (out.ious - iou).abs().mean(1)
    masks = combined.amin(1) + IOU * iou_loss
    score = F.binary_cross_entropy_with_logits(out.score[:, 0], target.present, reduction="none")
    total = (target.weight * (target.present * masks + SCORE * score)).sum()
    chosen = iou.gather(1, out.ious.argmax(1, keepdim=True))[:, 0]
    return total, (target.weight * target.present * chosen).sum()


def of_coarse(logits, target):
    """The auxiliary head's logits [n, h, w] at stride 16."""
    soft = F.adaptive_avg_pool2d(target.soft[:, None], logits.shape[1:])
    logits = logits[:, None].float()
    cross_entropy = F.binary_cross_entropy_with_logits(logits, soft, reduction="none")
    loss = cross_entropy.flatten(1).mean(1) * 2 + dice(logits, soft)[:, 0]
    return (target.weight * target.present * loss).sum()
