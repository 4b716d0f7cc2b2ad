"""Weight initialization by name.

References
----------
Glorot, Bengio: Understanding the difficulty of training deep feedforward neural networks.
AISTATS 2010 (xavier). He, Zhang, Ren, Sun: Delving deep into rectifiers. ICCV 2015 (kaiming).
Saxe, McClelland, Ganguli: Exact solutions to the nonlinear dynamics of learning in deep linear
neural networks. ICLR 2014 (orthogonal). Klambauer et al.: Self-normalizing neural networks.
NeurIPS 2017 (lecun). Lin, Goyal, Girshick, He, Dollar: Focal loss for dense object detection. ICCV
2017 (bias of the output).
"""

import math
from collections.abc import Callable

import torch
from torch import nn

INITS = (
    "default",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "orthogonal",
    "xavier_normal",
    "xavier_uniform",
)

# Gains of torch.nn.init.calculate_gain; smooth relatives of relu share its gain.
_GAINS = {
    "elu": math.sqrt(2),
    "gelu": math.sqrt(2),
    "leaky_relu": nn.init.calculate_gain("leaky_relu", 0.01),
    "mish": math.sqrt(2),
    "relu": math.sqrt(2),
    "selu": 0.75,
    "silu": math.sqrt(2),
    "tanh": 5.0 / 3.0,
}


def activation_gain(activation: object) -> float:
    """Return the factor that keeps the variance through ``activation``; 1 where unknown."""
    return _GAINS.get(activation, 1.0) if isinstance(activation, str) else 1.0


def initialize_(
    layer: nn.Module, init: str | Callable[[torch.Tensor], object], gain: float = 1.0
) -> None:
    """Fill the weight of a linear or convolutional layer in place and zero its bias.

    Parameters
    ----------
    layer : Module
        With a ``weight`` of at least two dimensions and perhaps a ``bias``.
    init : str or callable
        "default" leaves what torch's constructor drew; a callable fills the weight it is given.
    gain : float, default=1.0
        Factor of the activation that follows, see :func:`activation_gain`.
    """
    if init == "default":
        return
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    fan_in = weight[0].numel()
    if callable(init):
        init(weight)
    elif init == "kaiming_normal":
        nn.init.normal_(weight, std=gain / math.sqrt(fan_in))
    elif init == "kaiming_uniform":
        bound = gain * math.sqrt(3.0 / fan_in)
        nn.init.uniform_(weight, -bound, bound)
    elif init == "lecun_normal":
        nn.init.normal_(weight, std=1.0 / math.sqrt(fan_in))
    elif init == "orthogonal":
        nn.init.orthogonal_(weight, gain)
    elif init == "xavier_normal":
        nn.init.xavier_normal_(weight, gain)
    elif init == "xavier_uniform":
        nn.init.xavier_uniform_(weight, gain)
    else:
        raise ValueError(f"init must be one of {list(INITS)} or a callable. Got {init!r} instead.")
    if isinstance(layer.bias, torch.Tensor):
        nn.init.zeros_(layer.bias)


@torch.no_grad()
def begin_at_shares_(output: nn.Module, shares: torch.Tensor) -> None:
    """Set the bias of an output layer so that classes begin with their shares as probabilities.

    Parameters
    ----------
    output : Module
        Linear or convolutional layer with an output for each class.
    shares : Tensor of shape (n_classes,)
        Those below 1e-4 count as 1e-4: a class may be missing from the first rows of a stream.

    Examples
    --------
    >>> layer = nn.Linear(1, 2)
    >>> begin_at_shares_(layer, torch.tensor([0.9, 0.1]))
    >>> layer.bias.detach().softmax(0)
    tensor([0.9000, 0.1000])
    """
    logits = shares.clamp(min=1e-4).log()
    assert isinstance(output.bias, torch.Tensor)
    output.bias.copy_(logits - logits.mean())
