"""The segmenter as PyTorch modules: the definition that the C engine runs.

Parameter names are those of the published SAM 2.1 checkpoints (Ravi et al. 2024), so one naming
serves this model and theirs. Images are [batch, channels, height, width], tokens
[batch, tokens, channels].
"""

from .config import ROTO_S, Config
from .segmenter import Segmenter
from .tracker import Tracker

__all__ = ["ROTO_S", "Config", "Segmenter", "Tracker"]
