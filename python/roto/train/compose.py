"""Clips with exact masks, composed on the GPU in batches of one shape.

A clip is a base (a photo under camera motion, or a real clip) and LAYERS cut-outs that move over it
one before the other. Its targets are drawn from the base's objects and the layers; a target's mask
is what the layers before it leave of it.
"""

import dataclasses
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .degrade import degrade
from .motion import displaced, elastic, grid, matrix, place, seen_through, wobble

LAYERS = 3
TEXTURE = 160  # side of a cut-out's texture
PRESENT = (0.85, 0.6, 0.5)  # chance of each layer, back to front; far less over real clips
PRESENT_REAL = (0.3, 0.2, 0.35)
MIN_TARGET_AREA = 0.0006  # of the first frame; smaller targets carry no weight
LAYER_SIZE = (0.06, 1.0)  # half a cut-out's side over half the screen's height, log-uniform
ZOOM_OUT = 0.35  # share of the real clips that are shown small, as an inset of another picture


@dataclasses.dataclass
class Shape:
    """What is fixed within a captured graph."""

    clips: int
    real_clips: int
    targets: int
    frames: int
    height: int
    width: int


@dataclasses.dataclass
class Clips:
    frames: Tensor  # [t, clips, 3, h, w] in 0..255
    masks: Tensor  # [t, clips, targets, h, w] bool
    weight: Tensor  # [clips, targets] 1 if the target is in sight on the first frame
    times: Tensor  # [clips, t] when each frame was taken, in frames of the clip


def compose(bank, shape, rng):
    n_real, n = shape.real_clips, shape.clips
    times = _times(shape, rng)
    views = _views(times, rng)
    base = _photo_base(bank, shape, times, views, rng)
    if n_real:
        real = _real_base(bank, shape, times[:n_real], views[:n_real], base[:n_real], rng)
        base = torch.cat((real, base[n_real:]))
    image, owned = base[:, :, :3], [base[:, :, 3], base[:, :, 4]]
    textures = _textures(bank, n, rng)
    maps, fields = _paths(shape, textures[1], times, rng)
    maps = [seen_through(m, views) for m in maps]
    visible = [m.clamp(0, 1) for m in owned]
    for i in range(LAYERS):
        chance = torch.full((n,), PRESENT[i], device=image.device)
        chance[:n_real] = PRESENT_REAL[i]
        present = (rng.uniform(n) < chance).float()
        image, visible = _lay(image, visible, textures[0][:, i], maps[i], fields[i], present, shape)
    masks, weight = _targets(torch.stack(visible, dim=2), shape.targets, rng)
    frames = degrade(image.flatten(0, 1), shape.frames, rng).unflatten(0, (n, shape.frames))
    # Spread the real clips evenly: prompts are dealt by position.
    order = torch.arange(n, device=image.device) * _coprime_step(n) % n
    return Clips(
        frames[order].transpose(0, 1).contiguous(),
        masks[order].permute(1, 0, 2, 3, 4).contiguous(),
        weight[order],
        times[order],
    )


def _coprime_step(n):
    """A step near n / golden ratio through 0..n-1 that visits all."""
    step = max(1, round(n * 0.382))
    while math.gcd(step, n) != 1:
        step += 1
    return step


def _times(shape, rng):
    """Frames of a clip are 1 to 4 apart, mostly few."""
    skip = 1 + rng.pick(torch.tensor([0.4, 0.3, 0.2, 0.1], device=rng.device), shape.clips)
    return skip[:, None] * torch.arange(shape.frames, device=rng.device).float()


def _views(times, rng):
    """Jerks of the camera, [clips, t, 3] as motion.seen_through() takes them: in half of the clips
    every frame looks at another part of the scene. A fast object looks like this, and a tracker
    that keeps its eye on one."""
    n, t = times.shape
    strength = rng.chance(0.5, n, 1, 1) * rng.uniform(n, 1, 1)
    scale = (0.16 * strength[:, :, 0] * rng.normal(n, t)).exp()
    return torch.cat((scale[..., None], 0.18 * strength * rng.normal(n, t, 2)), dim=2)


def _rgb_and_masks(planes, value_a, value_b):
    """planes uint8 [n, 4, h, w] -> float [n, 5, h, w]: colour and the masks of two values, where 0
    stands for any label and -1 for none."""
    label = planes[:, 3:]
    masks = []
    for value in (value_a, value_b):
        value = value[:, None, None, None]
        mask = torch.where(value == 0, label > 0, label == value.clamp(min=0))
        masks.append(mask & (value >= 0))
    return torch.cat((planes[:, :3].float(), *(m.float() for m in masks)), dim=1)


def _camera(rng, times, n, fit, focus, motion):
    """Screen-to-texture maps [n, t, 2, 3]. fit [n, 2]: half extents of the screen's largest upright
    rectangle in the texture; focus [n, 2] where to look."""
    zoom = (
        rng.uniform(n, 1, low=0.5, high=1.0) * (0.1 * motion[:, None] * wobble(rng, times, n)).exp()
    )
    stretch = (0.12 * rng.normal(n, 1)).exp()
    half_x, half_y = fit[:, :1] * zoom * stretch, fit[:, 1:] * zoom / stretch
    half_x, half_y = half_x.clamp(max=1.0), half_y.clamp(max=1.0)
    angle = 0.1 * rng.normal(n, 1) + 0.05 * motion[:, None] * wobble(rng, times, n)
    drift = 0.2 * motion[:, None, None] * wobble(rng, times, n, 2)
    x = (focus[:, :1] + drift[:, 0] * half_x).clamp(-1, 1)
    y = (focus[:, 1:] + drift[:, 1] * half_y).clamp(-1, 1)
    room_x, room_y = (1 - half_x).clamp(min=0.0), (1 - half_y).clamp(min=0.0)
    x, y = (
        torch.maximum(torch.minimum(x, room_x), -room_x),
        torch.maximum(torch.minimum(y, room_y), -room_y),
    )
    mirror = 1 - 2 * rng.chance(0.5, n, 1).float()
    cos, sin = angle.cos(), angle.sin()
    return matrix(cos * half_x * mirror, -sin * half_x, sin * half_y * mirror, cos * half_y, x, y)


def _fit(texture_aspect, screen_aspect):
    """Half extents in [0, 1] of the largest rectangle of the screen's aspect in a texture."""
    wide = (screen_aspect / texture_aspect).clamp(max=1.0)
    high = (texture_aspect / screen_aspect).clamp(max=1.0)
    return torch.stack((wide, high), -1)


def _warp(textures, maps, fields, shape):
    """textures [n * t or n, c, h, w], maps [n, t, 2, 3], fields [n, t, 2, cells] ->
    [n, t, c, H, W]"""
    n, t = maps.shape[:2]
    positions = grid(maps.flatten(0, 1), shape.height, shape.width)
    positions = displaced(positions, fields.flatten(0, 1))
    if textures.shape[0] == n:
        # One sheet of t screens a texture, so that textures need no copies.
        positions = positions.reshape(n, t * shape.height, shape.width, 2)
    out = F.grid_sample(textures, positions, padding_mode="reflection", align_corners=False)
    if textures.shape[0] == n:
        return out.unflatten(2, (t, shape.height)).transpose(1, 2)
    return out.unflatten(0, (n, t))


def _photo_base(bank, shape, times, views, rng):
    """Photos under camera motion; in most clips around an object, which also deforms."""
    n = times.shape[0]
    weights = bank.object_whole * 2 + 1
    row = rng.pick(weights, n)
    around = rng.chance(0.6, n)
    photo = torch.where(around, bank.object_photo[row], rng.integers(len(bank.photos), n))
    first, count = bank.photo_objects[bank.object_photo[row]].unbind(1)
    other = first + rng.integers(count, n)
    minus = torch.full_like(row, -1)
    value = torch.where(around, bank.object_value[row], minus)
    other_value = torch.where(around & (other != row), bank.object_value[other], minus)
    texture = _rgb_and_masks(bank.photos[photo], value, other_value)
    plain = rng.chance(0.08, n) & ~around
    blurred = texture[:, :3]
    for kernel, padding in (((25, 1), (12, 0)), ((1, 25), (0, 12))) * 2:
        blurred = F.avg_pool2d(blurred, kernel, 1, padding)
    texture[:, :3] = torch.where(plain[:, None, None, None], blurred, texture[:, :3])

    box = bank.object_box[row]
    focus = torch.where(
        around[:, None], (box[:, :2] + box[:, 2:]) - 1, 1.2 * rng.uniform(n, 2) - 0.6
    )
    focus = focus + 0.3 * rng.normal(n, 2)
    motion = (0.9 * rng.normal(n)).exp().clamp(max=3.0)
    fit = _fit(bank.photo_aspect[photo], shape.width / shape.height)
    maps = _camera(rng, times * 0.5, n, fit, focus, motion)
    amplitude = 0.035 * rng.uniform(n) * rng.chance(0.75, n)
    fields = elastic(rng, times, amplitude)
    return _warp(texture, seen_through(maps, views), fields, shape)


def _real_base(bank, shape, times, views, around, rng):
    """Real clips forwards or backwards, with a crop that drifts; some shrunk to an inset of
    `around` [n, t, 5, h, w], whose objects then do not count."""
    n = times.shape[0]
    row = rng.integers(len(bank.clips), n)
    first, count = bank.clips[row].unbind(1)
    span = times[:, -1].long()
    # A clip too short for its spacing plays back and forth.
    start = rng.integers((count - span).clamp(min=1), n)
    at = start[:, None] + torch.where(
        rng.chance(0.5, n)[:, None], times.long(), span[:, None] - times.long()
    )
    at = at % (2 * (count[:, None] - 1))
    at = torch.where(at >= count[:, None], 2 * (count[:, None] - 1) - at, at)
    frames = bank.frames[(first[:, None] + at).flatten()]
    repeat = frames.shape[0] // n
    other = bank.clip_others[row]
    other_value = torch.where(other != row, bank.clip_values[other], -1)
    texture = _rgb_and_masks(
        frames,
        bank.clip_values[row].repeat_interleave(repeat),
        other_value.repeat_interleave(repeat),
    )
    h, w = texture.shape[2:]
    fit = _fit(torch.full((n,), w / h, device=rng.device), shape.width / shape.height)
    focus = _center_of(texture[:, 3].unflatten(0, (n, repeat))[:, 0]) + 0.25 * rng.normal(n, 2)
    motion = 0.5 * rng.uniform(n)
    maps = _camera(rng, times, n, fit, focus, motion)
    fields = elastic(rng, times, 0.008 * rng.uniform(n))
    inset = _inset(times, rng)
    # A view of the inset, whose own screen is the clip's.
    scale = inset[..., :1] * views[..., :1]
    screen = torch.cat((scale, inset[..., :1] * views[..., 1:] + inset[..., 1:]), dim=2)
    clip = _warp(texture, seen_through(maps, screen), fields, shape)
    at = grid(_affine(screen).flatten(0, 1), shape.height, shape.width)
    inside = (at.abs().amax(-1) <= 1).unflatten(0, times.shape)[:, :, None]
    beside = torch.cat((around[:, :, :3], torch.zeros_like(around[:, :, 3:])), dim=2)
    return torch.where(inside | (inset[..., 0] == 1)[..., None, None, None], clip, beside)


def _inset(times, rng):
    """Where the screen's points lie on that of a clip which fills it or, in some, a window of it
    that drifts: (scale, shift x, shift y) [n, t, 3]."""
    n, t = times.shape
    half = rng.uniform(n, 1, 1, low=0.25, high=0.8)
    center = (1 - half) * rng.uniform(n, 1, 2, low=-1, high=1)
    center = center + 0.1 * half * wobble(rng, times, n, 2).transpose(1, 2)
    small = torch.cat(((1 / half).expand(n, t, 1), -center / half), dim=2)
    whole = torch.tensor([1.0, 0.0, 0.0], device=rng.device)
    return torch.where(rng.chance(ZOOM_OUT, n, 1, 1), small, whole)


def _affine(views):
    scale, x, y = views.unbind(-1)
    zero = torch.zeros_like(scale)
    return matrix(scale, zero, zero, scale, x, y)


def _center_of(masks):
    """Centres of masks [n, h, w] in [-1, 1]^2."""
    n, h, w = masks.shape
    total = masks.sum((1, 2)).clamp(min=1.0)
    x = (masks.sum(1) * torch.linspace(-1, 1, w, device=masks.device)).sum(1) / total
    y = (masks.sum(2) * torch.linspace(-1, 1, h, device=masks.device)).sum(1) / total
    return torch.stack((x, y), -1)


def _textures(bank, n, rng):
    """Cut-outs [n, LAYERS, 4, s, s] with alpha in 0..1, their aspects [n, LAYERS]. A layer often
    repeats the one below it, or takes its neighbour in the list: distractors that look alike."""
    m = n * LAYERS
    is_emoji = rng.chance(0.45, n, LAYERS)
    emoji = rng.integers(len(bank.emoji), n, LAYERS)
    row = rng.pick(bank.object_whole + 0.15, n, LAYERS)
    for i in range(1, LAYERS):
        alike = rng.chance(0.4, n)
        near = rng.integers(4, n) - 1  # the same, or up to two places away
        is_emoji[:, i] = torch.where(alike, is_emoji[:, i - 1], is_emoji[:, i])
        emoji[:, i] = torch.where(alike, (emoji[:, i - 1] + near) % len(bank.emoji), emoji[:, i])
        same_photo = torch.where(near > 0, row[:, i - 1], row[:, i])
        row[:, i] = torch.where(alike, same_photo, row[:, i])
    emoji, row = emoji.flatten(), row.flatten()

    photo = bank.object_photo[row]
    value = bank.object_value[row]
    cut = _rgb_and_masks(bank.photos[photo], value, torch.full_like(value, -1))[:, :4]
    soft = F.avg_pool2d(cut[:, 3:], 3, 1, 1)
    cut = torch.cat((cut[:, :3], soft), dim=1)
    box = bank.object_box[row]
    half = (box[:, 2:] - box[:, :2]) * 1.06  # in units of half the photo
    middle = box[:, :2] + box[:, 2:] - 1
    zero = torch.zeros_like(half[:, 0])
    maps = matrix(half[:, 0], zero, zero, half[:, 1], middle[:, 0], middle[:, 1])
    cut = F.grid_sample(cut, grid(maps, TEXTURE, TEXTURE), align_corners=False)
    aspect = half[:, 0] / half[:, 1] * bank.photo_aspect[photo]

    drawn = bank.emoji[emoji].float()
    drawn = torch.cat((drawn[:, :3], drawn[:, 3:] / 255), dim=1)
    drawn = F.interpolate(drawn, size=(TEXTURE, TEXTURE), mode="bilinear")
    choose = is_emoji.flatten()
    out = torch.where(choose[:, None, None, None], drawn, cut)
    # Each cut-out in its own light.
    gain = (0.15 * rng.normal(m, 3, 1, 1)).exp() * (0.2 * rng.normal(m, 1, 1, 1)).exp()
    out[:, :3] = (out[:, :3] * gain).clamp(0, 255)
    aspect = torch.where(choose, 1.0, aspect)
    return out.unflatten(0, (n, LAYERS)), aspect.unflatten(0, (n, LAYERS))


def _paths(shape, aspects, times, rng):
    """For each layer the maps [n, t, 2, 3] and displacement fields [n, t, 2, cells]."""
    n, t = times.shape
    screen = shape.width / shape.height
    maps, fields = [], []
    for i in range(LAYERS):
        steps = times * (0.6 * rng.normal(n, 1)).exp() * 0.6  # fast and slow objects
        reach = 0.12 + 0.5 * rng.uniform(n, 1, 1) ** 2
        path = reach * wobble(rng, steps, n, 2)
        path = path - path[:, :, :1]
        center = rng.uniform(n, 2, 1, low=-0.8, high=0.8) + path
        # Some leave in between and come back elsewhere.
        gone_at = 1 + rng.integers(t, n, 1)
        gone_for = 1 + rng.integers(2, n, 1)
        index = torch.arange(t, device=times.device)
        gone = (index >= gone_at) & (index < gone_at + gone_for) & rng.chance(0.15, n, 1)
        center = center + 6.0 * gone[:, None]
        low, high = (math.log(x) for x in LAYER_SIZE)
        size = (rng.uniform(n, 1, low=low, high=high) + 0.12 * wobble(rng, times, n)).exp()
        aspect = aspects[:, i, None] * (0.1 * rng.normal(n, 1) + 0.06 * wobble(rng, times, n)).exp()
        aspect = aspect.clamp(0.2, 5.0)
        half = torch.stack((size * aspect.sqrt(), size / aspect.sqrt()), -1)
        # A turn about the upright axis narrows and mirrors.
        turn = (rng.chance(0.2, n, 1) * 0.8) * wobble(rng, times * 0.5, n)
        flat = turn.cos()
        flat = torch.where(flat.abs() < 0.25, 0.25 * flat.sign() + 1e-3, flat)
        mirror = (1 - 2 * rng.chance(0.5, n, 1).float()) / flat
        angle = rng.normal(n, 1) * 0.25 + 0.2 * rng.normal(n, 1).abs() * wobble(rng, times * 0.6, n)
        shear = 0.1 * rng.normal(n, 1) + 0.05 * wobble(rng, times, n)
        maps.append(place(center.transpose(1, 2), half, angle, shear, mirror, screen))
        amplitude = 0.09 * rng.uniform(n) ** 1.5 * rng.chance(0.8, n)
        fields.append(elastic(rng, times, amplitude))
    return maps, fields


def _lay(image, visible, texture, maps, field, present, shape):
    """One more layer: the new image, and the visible parts with the layer's own added."""
    n, t = maps.shape[:2]
    positions = displaced(grid(maps.flatten(0, 1), shape.height, shape.width), field.flatten(0, 1))
    positions = positions.reshape(n, t * shape.height, shape.width, 2)
    # Colour past the border repeats; alpha ends there.
    colour = F.grid_sample(texture[:, :3], positions, padding_mode="border", align_corners=False)
    alpha = F.grid_sample(texture[:, 3:], positions, padding_mode="zeros", align_corners=False)
    colour = colour.unflatten(2, (t, shape.height)).transpose(1, 2)
    alpha = alpha.unflatten(2, (t, shape.height))[:, 0] * present[:, None, None, None]
    image = image + alpha[:, :, None] * (colour - image)
    return image, [v * (1 - alpha) for v in visible] + [alpha]


def _targets(visible, k, rng):
    """visible [n, t, candidates, h, w] -> masks [n, t, k, h, w], weights [n, k]."""
    masks = visible > 0.5
    n, t, c, h, w = masks.shape
    area = masks[:, 0].float().mean((2, 3))
    valid = (area > MIN_TARGET_AREA) & (area < 0.85)
    # The base's first object is worth more than chance: it is real, and whole.
    bonus = torch.tensor([0.5, 0.2] + [0.0] * (c - 2), device=masks.device)
    score = rng.uniform(n, c) + bonus + 10.0 * valid
    chosen = score.topk(k, dim=1).indices
    rows = torch.arange(n, device=masks.device)[:, None]
    masks = masks.transpose(1, 2)[rows, chosen].transpose(1, 2)
    return masks, valid[rows, chosen].float()
