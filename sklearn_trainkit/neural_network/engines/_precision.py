"""Mixed precision: cheap numbers in the forward pass, full ones in the weights.

References
----------
Micikevicius et al.: Mixed precision training. ICLR 2018.
"""

from collections.abc import Callable

import torch

PRECISIONS = {"full": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class MixedPrecision:
    """Runs forward passes in 16 bits and, for fp16, scales the loss so gradients do not vanish.

    Parameters
    ----------
    precision : {"full", "bf16", "fp16"}
    device_type : str
        "cpu" or "cuda".

    Examples
    --------
    >>> MixedPrecision("bf16", "cpu").run(torch.mm, torch.ones(2, 2), torch.ones(2, 2)).dtype
    torch.bfloat16
    """

    def __init__(self, precision: str, device_type: str) -> None:
        self._dtype = PRECISIONS[precision]
        self._device_type = device_type
        self._scaler = None
        if precision == "fp16":
            self._scaler = torch.amp.GradScaler(device_type)

    def run(self, function: Callable, *args: object) -> torch.Tensor:
        """Return ``function(*args)``, computed in 16 bits where that is safe."""
        if self._dtype is None:
            return function(*args)
        with torch.autocast(self._device_type, self._dtype):
            return function(*args)

    def backward(self, loss: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        """Leave unscaled gradients in the parameters, ready to be clipped."""
        if self._scaler is None:
            loss.backward()
            return
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(optimizer)

    def state_dict(self) -> dict:
        """Return the scale that fp16 has come to."""
        return {} if self._scaler is None else self._scaler.state_dict()

    def load_state_dict(self, state: dict) -> None:
        """Go on from a :meth:`state_dict`."""
        if self._scaler is not None and state:
            self._scaler.load_state_dict(state)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Take the optimizer's step; fp16 leaves it out where a gradient overflowed."""
        if self._scaler is None:
            optimizer.step()
            return
        self._scaler.step(optimizer)
        self._scaler.update()
