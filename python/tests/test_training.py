"""Training on a tiny generated data set, on a CPU."""

import pytest
import torch

from roto.model import ROTO_S, Segmenter
from roto.train import export, smoke
from roto.train.compose import compose
from roto.train.loop import Loop, Options
from roto.train.motion import Random
from roto.train.prompts import click_inside, click_on_error, noisy_box
from roto.train.schedule import SMOKE


torch.set_num_threads(1)  # the same sums in the same order; and faster on tensors this small


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return smoke.tiny_bank(tmp_path_factory.mktemp("tiny"))


def test_loss_falls():
    assert smoke.smoke() == 0


def test_resumes_to_the_same_losses(bank, tmp_path):
    def run(folder, stop_at=0):
        options = Options(out=str(folder), plan="smoke", steps=4, log_every=1, stop_at=stop_at)
        return Loop(bank, options).run()

    whole = run(tmp_path / "whole")
    assert len(run(tmp_path / "broken", stop_at=2)) == 2
    assert run(tmp_path / "broken") == whole
    assert len(set(whole)) == 4


def test_goes_on_from_weights_slowly(bank, tmp_path):
    """Trained weights are what a new run starts from, and its first step hardly moves them."""

    def run(folder, **more):
        options = Options(out=str(folder), plan="smoke", steps=20, log_every=1, **more)
        loop = Loop(bank, options)
        loop.run()
        return loop

    run(tmp_path / "first", stop_at=2)
    saved = torch.load(tmp_path / "first" / "averaged.pt", weights_only=True)
    exported = tmp_path / "first.safetensors"
    export.save(saved, ROTO_S, exported)
    for start in (tmp_path / "first" / "averaged.pt", exported):
        out = tmp_path / f"from-{start.name}"
        loop = run(out, start=str(start), start_progress=0.5, stop_at=11)
        assert loop.step == 11 and loop.progress() == 0.55
        for name, value in loop.learner.model.state_dict().items():
            # As far as float16 rounds, and a first small step.
            torch.testing.assert_close(value, saved[name], rtol=1e-3, atol=2e-3, msg=name)
        assert Loop(bank, loop.options).started_at == 10  # a resumed run still knows


def test_clips_follow_the_seed_and_masks_the_objects(bank):
    shape = SMOKE[0].shapes[0]
    clips = [compose(bank, shape, Random("cpu", seed)) for seed in (1, 1, 2)]
    assert torch.equal(clips[0].frames, clips[1].frames)
    assert torch.equal(clips[0].masks, clips[1].masks)
    assert not torch.equal(clips[0].frames, clips[2].frames)
    c = clips[0]
    t, n, k = shape.frames, shape.clips, shape.targets
    assert c.frames.shape == (t, n, 3, shape.height, shape.width)
    assert c.masks.shape == (t, n, k, shape.height, shape.width)
    assert 0 <= c.frames.min() and c.frames.max() <= 255
    # Targets that count are in sight on the first frame, and two targets share no pixel there.
    in_sight = c.masks[0].flatten(2).any(2)
    assert in_sight[c.weight > 0].all() and c.weight.sum() > 0


def test_real_clips_keep_their_masks(bank):
    """The generated clip's object is red on every frame: its mask must lie on red pixels."""
    masks = bank.frames[:8, 3] == 1
    red = bank.frames[:8, 0].int() - bank.frames[:8, 2].int() > 60
    assert (masks & red).sum() > 0.9 * masks.sum()


def test_prompts():
    mask = torch.zeros(2, 32, 48, dtype=torch.bool)
    mask[0, 4:12, 8:20] = mask[1, 20:30, 30:40] = True
    for seed in range(5):
        g = torch.Generator().manual_seed(seed)
        noise = torch.rand(2, 32, 48, generator=g)
        for i, (x, y) in enumerate(click_inside(mask, noise)[:, 0].long().tolist()):
            assert mask[i, y, x]
        box = noisy_box(mask, 2 * torch.rand(2, 4, generator=g) - 1)
        exact = torch.tensor([[[8, 4], [19, 11]], [[30, 20], [39, 29]]])
        assert (box - exact).abs().max() <= 1.1 + 1e-5
        predicted = mask.clone()
        predicted[0, 4:8] = False  # missed
        predicted[1, :, :4] = True  # too much
        points, labels = click_on_error(mask, predicted, noise)
        assert labels.flatten().tolist() == [1, 0]
        assert points[0, 0, 1] < 8 and points[1, 0, 0] < 4


def test_export_round_trip(tmp_path):
    model = Segmenter(ROTO_S)
    path = tmp_path / "model.safetensors"
    export.save(model.state_dict(), ROTO_S, path)
    again = export.load(path)
    assert again.config == ROTO_S
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value.half().float()), name
    assert path.stat().st_size < 12_000_000
    broken = {**model.state_dict(), "no_obj_ptr": torch.full((1, 128), 1e6)}
    with pytest.raises(ValueError, match="no_obj_ptr does not fit"):
        export.save(broken, ROTO_S, path)
