"""Times of work on this GPU, by PyTorch's events."""
import torch


def times_ms(run, n):
    """Milliseconds of each of n runs, after three that are not counted."""
    for _ in range(3):
        run()
    times = []
    for _ in range(n):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return times
