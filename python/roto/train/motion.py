"""Smooth random motion: paths of affine maps, and fields of elastic displacement."""

import math

import torch

ELASTIC_CELLS = (5, 5)


class Random:
    """Draws on a device from one generator, so that a seed and a step give the same clips."""

    def __init__(self, device, seed):
        self.device = torch.device(device)
        self.generator = torch.Generator(self.device).manual_seed(seed)

    def uniform(self, *shape, low=0.0, high=1.0):
        u = torch.rand(shape, generator=self.generator, device=self.device)
        return low + (high - low) * u

    def normal(self, *shape):
        return torch.randn(shape, generator=self.generator, device=self.device)

    def integers(self, high, *shape):
        """Uniform in 0..high - 1; high is a number or a tensor of that shape."""
        return (self.uniform(*shape) * high).long()

    def chance(self, p, *shape):
        return self.uniform(*shape) < p

    def pick(self, weights, *shape):
        """Rows drawn in proportion to weights [n]."""
        n = math.prod(shape)
        rows = torch.multinomial(weights, n, replacement=True, generator=self.generator)
        return rows.reshape(shape)


def wobble(rng, times, *shape):
    """A smooth path for each of `shape`, about as far from 0 as a unit normal: [*shape, t].

    A straight line and two sines of random phase, periods from about 4 to 25 frames. times [n, t],
    n the first of shape.
    """
    t = times.reshape(times.shape[0], *[1] * (len(shape) - 1), times.shape[1])
    path = rng.normal(*shape, 1) * (t - t.mean(-1, keepdim=True)) * 0.15
    for _ in range(2):
        omega = rng.uniform(*shape, 1, low=0.25, high=1.5)
        phase = rng.uniform(*shape, 1, high=2 * math.pi)
        path = path + rng.normal(*shape, 1) * 0.7 * (omega * t + phase).sin()
    return path


def matrix(a, b, c, d, x, y):
    """[..., 2, 3]"""
    return torch.stack((torch.stack((a, b, x), -1), torch.stack((c, d, y), -1)), -2)


def place(center, half, angle, shear, mirror, screen_aspect):
    """The map from the screen's [-1, 1]^2 to a texture's, for a texture that stands at `center`
    with half extents `half` in units of the screen's half height. All [..., ] of one shape, center
    and half with a last dimension of (x, y)."""
    cos, sin = angle.cos(), angle.sin()
    # screen -> square pixels about the centre -> turned -> sheared -> texture
    sx, sy = mirror / half[..., 0], 1.0 / half[..., 1]
    a, b = (cos + shear * -sin) * sx, (sin + shear * cos) * sx
    c, d = -sin * sy, cos * sy
    x = center[..., 0] * screen_aspect
    y = center[..., 1]
    return matrix(a * screen_aspect, b, c * screen_aspect, d, -(a * x + b * y), -(c * x + d * y))


def seen_through(maps, views):
    """Maps [..., 2, 3] of a screen whose every point p shows what was at scale * p + shift; views
    [..., 3] are (scale, shift x, shift y)."""
    scale, shift = views[..., :1, None], views[..., 1:, None]
    turn, move = maps[..., :2], maps[..., 2:]
    return torch.cat((turn * scale, turn @ shift + move), -1)


def grid(maps, h, w):
    """Sampling positions [n, h, w, 2] of affine maps [n, 2, 3]."""
    return torch.nn.functional.affine_grid(maps, (maps.shape[0], 1, h, w), align_corners=False)


def elastic(rng, times, amplitude):
    """Displacement fields [n, t, 2, cells] over a texture's [-1, 1]^2, fixed at the first frame's
    shape; amplitude [n]."""
    n = times.shape[0]
    path = wobble(rng, times, n, 2, *ELASTIC_CELLS)
    path = path * amplitude[:, None, None, None, None]
    return path.permute(0, 4, 1, 2, 3)


def displaced(positions, field):
    """positions [n, h, w, 2] moved by field [n, 2, cells] at these positions."""
    sample = torch.nn.functional.grid_sample
    moved = sample(field, positions, align_corners=False, padding_mode="border")
    return positions + moved.permute(0, 2, 3, 1)
