"""The recurrent network behind ``RecurrentNetClassifier`` and ``RecurrentNetRegressor``.

Sequences are padded with NaN at the end, and every batch is cut to its longest sequence. A
recurrence that runs forwards never sees the padding before the last true step; one that runs
backwards is given each sequence reversed within its own length. So the result for a sequence
depends neither on the padding nor on its neighbours. Packed sequences give the same numbers; on
the CPU a training step with them took 1.2 to 23 times as long where lengths differ, and about as
long to five times as long where they do not (one thread, batches of 16 to 128, 29 to 200 steps,
32 to 128 units).

References
----------
Elman: Finding structure in time. Cognitive Science 1990. Hochreiter, Schmidhuber: Long
short-term memory. Neural Computation 1997. Gers, Schmidhuber, Cummins: Learning to forget.
Neural Computation 2000 (forget gate, bias 1). Cho et al.: Learning phrase representations using
RNN encoder-decoder. EMNLP 2014 (GRU). Schuster, Paliwal: Bidirectional recurrent neural
networks. IEEE Transactions on Signal Processing 1997.
"""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from sklearn_trainkit.neural_network.modules._dropout import SeededDropout
from sklearn_trainkit.neural_network.modules._initialization import initialize_
from sklearn_trainkit.neural_network.modules._input_standardization import InputStandardization
from sklearn_trainkit.neural_network.modules._mlp_module import dropout_rates
from sklearn_trainkit.neural_network.modules._normalization import make_norm

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"gru": nn.GRU, "lstm": nn.LSTM, "tanh": nn.RNN}
POOLINGS = ("last", "max", "mean")

Init = str | Callable[[torch.Tensor], object]


class RecurrentLayer(nn.Module):
    """One recurrent layer with normalization, dropout and residual addition, in this order.

    Input shape (N, T, n_in), output shape (N, T, n_out), where ``n_out`` is ``units``, or twice
    that in both directions.

    Parameters
    ----------
    n_in, units : int
    cell : {"gru", "lstm", "tanh"}, default="lstm"
    bidirectional : bool, default=False
    norm : {"layer", "rms"} or None, default=None
    skip : {"add"} or None, default=None
        "add" adds the input, through a linear projection where the widths differ.
    dropout : float, default=0.0
    init : str or callable, default="default"

    Examples
    --------
    >>> layer = RecurrentLayer(3, 8, bidirectional=True, norm="layer", skip="add")
    >>> layer(torch.zeros(2, 5, 3)).shape
    torch.Size([2, 5, 16])
    """

    def __init__(
        self,
        n_in: int,
        units: int,
        *,
        cell: str = "lstm",
        bidirectional: bool = False,
        norm: str | None = None,
        skip: str | None = None,
        dropout: float = 0.0,
        init: Init = "default",
    ) -> None:
        super().__init__()
        self.n_out = 2 * units if bidirectional else units
        self.forwards = make_cell(cell, n_in, units, init)
        self.backwards = make_cell(cell, n_in, units, init) if bidirectional else None
        self.norm = make_norm(norm, self.n_out)
        self.dropout = SeededDropout(dropout) if dropout > 0 else None
        self.residual = skip == "add"
        self.projection = None
        if self.residual and n_in != self.n_out:
            self.projection = nn.Linear(n_in, self.n_out, bias=False)
            initialize_(self.projection, init)

    def forward(self, x: torch.Tensor, reversal: torch.Tensor | None = None) -> torch.Tensor:
        """Map (N, T, n_in) to (N, T, n_out).

        Parameters
        ----------
        x : Tensor of shape (N, T, n_in)
        reversal : Tensor of shape (N, T) or None, default=None
            See :func:`reversal_within`; None where all sequences fill T.
        """
        out = self.forwards(x)[0]
        if self.backwards is not None:
            back = reverse(self.backwards(reverse(x, reversal))[0], reversal)
            out = torch.cat([out, back], dim=2)
        if self.norm is not None:
            out = self.norm(out)
        if self.dropout is not None:
            out = self.dropout(out)
        if self.residual:
            out = out + (x if self.projection is None else self.projection(x))
        return out


class RecurrentModule(nn.Module):
    """Recurrent layers over NaN-padded sequences, pooled over time, and a linear output.

    Parameters
    ----------
    n_features : int
        Width of a step.
    n_outputs : int
    hidden_units : sequence of int, default=(64,)
        Units of each layer, in each direction; at least one.
    cell : {"gru", "lstm", "tanh"}, default="lstm"
    bidirectional : bool, default=False
    pooling : {"last", "max", "mean"} or None, default="last"
        "last" is the state after the last step of each direction, "mean" and "max" are taken
        over the true steps; None gives an output for each step, zeros at the padding.
    norm : {"layer", "rms"} or None, default=None
        Over the features of one step.
    skip : {"add"} or None, default=None
    dropout : float or sequence of float, default=0.0
    init : str or callable, default="default"
    standardize_X : bool, default=False
        Whether features are standardized first, by what ``standardization.learn`` was shown.

    Examples
    --------
    >>> x = torch.zeros(4, 7, 3)
    >>> x[0, 5:] = float("nan")  # a sequence of five steps
    >>> RecurrentModule(3, 2, hidden_units=(8, 8), cell="gru")(x).shape
    torch.Size([4, 2])
    """

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        *,
        hidden_units: Sequence[int] = (64,),
        cell: str = "lstm",
        bidirectional: bool = False,
        pooling: str | None = "last",
        norm: str | None = None,
        skip: str | None = None,
        dropout: float | Sequence[float] = 0.0,
        init: Init = "default",
        standardize_X: bool = False,
    ) -> None:
        super().__init__()
        self.standardization = InputStandardization(n_features, -1) if standardize_X else None
        self.pooling = pooling
        self.bidirectional = bidirectional
        self.layers = nn.ModuleList()
        width = n_features
        for units, rate in zip(
            hidden_units, dropout_rates(dropout, len(hidden_units)), strict=True
        ):
            layer = RecurrentLayer(
                width,
                units,
                cell=cell,
                bidirectional=bidirectional,
                norm=norm,
                skip=skip,
                dropout=rate,
                init=init,
            )
            self.layers.append(layer)
            width = layer.n_out
        self.output = nn.Linear(width, n_outputs)
        initialize_(self.output, init)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, T, n_features) to (N, n_outputs), or (N, T, n_outputs) without pooling."""
        n_steps = x.shape[1]
        first = x[..., 0]
        there = first == first  # NaN is not
        lengths = there.sum(dim=1)
        shortest, longest = (int(n) for n in lengths.aminmax())
        full = shortest == longest
        if longest < n_steps:
            x, there = x[:, :longest], there[:, :longest]
        if self.standardization is not None:
            x = self.standardization(x)
        if not full:
            x = x.masked_fill(~there[..., None], 0.0)
        reversal = None
        if self.bidirectional and not full:
            reversal = reversal_within(lengths, longest)
        for layer in self.layers:
            x = layer(x, reversal)
        if self.pooling is not None:
            return self.output(self._pooled(x, None if full else there, lengths))
        out = self.output(x)
        if not full:
            out = out.masked_fill(~there[..., None], 0.0)
        return nn.functional.pad(out, (0, 0, 0, n_steps - longest)) if longest < n_steps else out

    def _pooled(
        self, x: torch.Tensor, there: torch.Tensor | None, lengths: torch.Tensor
    ) -> torch.Tensor:
        if self.pooling == "mean":
            x = x if there is None else x.masked_fill(~there[..., None], 0.0)
            return x.sum(dim=1) / lengths[:, None].to(x.dtype)
        if self.pooling == "max":
            x = x if there is None else x.masked_fill(~there[..., None], -torch.inf)
            return x.amax(dim=1)
        last = x[torch.arange(len(x), device=x.device), lengths - 1]
        if not self.bidirectional:
            return last
        # The backward recurrence has seen the whole sequence at its first step.
        half = x.shape[2] // 2
        return torch.cat([last[:, :half], x[:, 0, half:]], dim=1)


def reversal_within(lengths: torch.Tensor, n_steps: int) -> torch.Tensor:
    """Return the index that turns each sequence round within its length.

    Parameters
    ----------
    lengths : Tensor of shape (N,)
    n_steps : int

    Returns
    -------
    index : Tensor of shape (N, n_steps)

    Examples
    --------
    >>> reversal_within(torch.tensor([3, 2]), 4).tolist()
    [[2, 1, 0, 3], [1, 0, 2, 3]]
    """
    step = torch.arange(n_steps, device=lengths.device)
    mirrored = lengths[:, None] - 1 - step
    return torch.where(mirrored >= 0, mirrored, step)


def reverse(x: torch.Tensor, reversal: torch.Tensor | None) -> torch.Tensor:
    """Return (N, T, C) in reverse order of time; its own inverse."""
    if reversal is None:
        return x.flip(1)
    return x.gather(1, reversal[..., None].expand_as(x))


def make_cell(cell: str, n_in: int, units: int, init: Init) -> nn.RNNBase:
    """Return torch's recurrent layer of this name, its weights drawn gate by gate.

    Parameters
    ----------
    cell : {"gru", "lstm", "tanh"}
    n_in, units : int
    init : str or callable
        "default" leaves torch's own. A name is for the weights of the input; the recurrent ones
        are then orthogonal, the biases zero, that of an LSTM's forget gate one. A callable fills
        both kinds of weights.
    """
    recurrent = CELLS[cell](n_in, units, batch_first=True)
    if init == "default":
        return recurrent
    with torch.no_grad():
        for name, parameter in recurrent.named_parameters():
            if name.startswith("bias"):
                parameter.zero_()
                if cell == "lstm" and name.startswith("bias_ih"):
                    # torch's order of gates: input, forget, candidate, output
                    parameter[units : 2 * units] = 1.0
                continue
            own = init if callable(init) or name.startswith("weight_ih") else "orthogonal"
            for gate in parameter.split(units):
                linear = nn.Linear(gate.shape[1], units)
                initialize_(linear, own)
                gate.copy_(linear.weight)
    return recurrent
