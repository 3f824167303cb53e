"""Small layers that several parts share."""

from torch import nn
from torch.nn import functional as F


class LayerNorm2d(nn.Module):
    """Layer norm over the channels of an image, pixel by pixel."""

    def __init__(self, channels, eps=1e-6):
        super().__init__()
        self.norm_shape, self.eps = (channels,), eps
        ones = nn.LayerNorm(channels)
        self.weight, self.bias = ones.weight, ones.bias

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.norm_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class MLP(nn.Module):
    """Linear layers with an activation in between."""

    def __init__(self, in_dim, hidden_dim, out_dim, n_layers, activation=F.relu):
        super().__init__()
        self.activation = activation
        dims = [in_dim] + [hidden_dim] * (n_layers - 1) + [out_dim]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(dims, dims[1:]))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)


def tokens_of(image):
    """[n, c, h, w] -> [n, h w, c]"""
    return image.flatten(2).transpose(1, 2)


def image_of(tokens, h, w):
    """[n, h w, c] -> [n, c, h, w]"""
    return tokens.transpose(1, 2).unflatten(2, (h, w))
