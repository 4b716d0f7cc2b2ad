"""One dense network that compiled code trains: its memory, and its batches."""

from typing import Any, NamedTuple

import numpy as np
import torch

from sklearn_trainkit.neural_network.batches._tensor_loader import TensorLoader, TensorRows
from sklearn_trainkit.neural_network.compiled._optimizer_states import OptimizerState
from sklearn_trainkit.neural_network.compiled._program import Program, write_program
from sklearn_trainkit.neural_network.kernels._code import training_steps
from sklearn_trainkit.neural_network.kernels._codes import Field, LossKind, Part
from sklearn_trainkit.neural_network.modules._losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    RegressionLoss,
)
from sklearn_trainkit.neural_network.modules._module_hooks import has_hooks
from sklearn_trainkit.neural_network.stacking._module_block import ModuleBlock, check_unshared
from sklearn_trainkit.neural_network.stacking._stacked_layers import NotStackableError
from sklearn_trainkit.neural_network.stacking._stacked_optimizers import SharedSteps

__all__ = ["CompiledNetwork"]

# So many products, and random numbers, at a time: an interruption waits for part of a second.
_WORK_AT_A_TIME = 1 << 31
_WORDS_AT_A_TIME = 1 << 19
# Of samples that are read batch by batch.
_BYTES_AT_A_TIME = 1 << 21
_REGRESSION = {
    "absolute_error": LossKind.ABSOLUTE_ERROR,
    "huber": LossKind.HUBER,
    "squared_error": LossKind.SQUARED_ERROR,
}


class CompiledNetwork:
    """A network in training.

    Until ``release`` the parameters are views of a block, which may be read and written into, but
    not replaced, and its own optimizer knows of learning rates only.

    Parameters
    ----------
    run : Trainee

    Raises
    ------
    NotStackableError
        If a layer, or the loss, is not compiled.
    """

    def __init__(self, run: Any) -> None:
        net = run.net
        check_unshared(net.module_)
        self._run = run
        self._has_codes = type(net.criterion_) is CrossEntropy
        self._block = ModuleBlock([net.module_])
        try:
            self._prepare(run.loader)
        except BaseException:
            self._block.detach()
            raise

    def _prepare(self, loader: TensorLoader) -> None:
        values, net = self._block.values, self._run.net
        rows = loader.rows
        sizes = [stop - start for start, stop in loader.bounds]
        eps = torch.finfo(values.dtype).eps
        program = write_program(
            net.module_, rows.sample_shape[0], max(sizes), self._block.columns, eps
        )
        n = values.shape[1]
        gradients = values.new_zeros((1, 2 * n))
        self._block.gradients = gradients[:, :n]
        self._block.show_gradients()
        self._steps = SharedSteps(self._block, [self._run], 0, 1, len(loader))
        self._state = OptimizerState(net.optimizer_, self._steps.state, values)
        self._program: Program = program
        dtype = values.numpy().dtype
        self._dtype = str(dtype)
        self._memory = (
            program.lines,
            program.reals,
            values.numpy()[0],
            gradients.numpy()[0],
            np.zeros(program.n_running, dtype),
            *(_space(size, dtype) for size in (program.n_work, program.n_slots, program.n_scales)),
        )
        self._running = self._memory[4]
        self._n_outputs = int(program.lines[-1][Field.N_OUT])
        self._loss = _loss_arguments(net.criterion_, self._n_outputs, dtype)
        places = self._block.columns.values()
        limits = self._run.settings.clippings
        self._clipping = (
            np.array([(start, *_unit(shape)) for start, _, shape in places], dtype=np.int64),
            np.array([np.inf if limit is None else limit for limit in limits]),
        )
        self._sizes, self._bounds = sizes, np.array(loader.bounds, dtype=np.int64)
        self._take_data(rows)

    def train_epoch(self) -> tuple[list[float], list[int]]:
        """Train an epoch; return losses and sizes of the steps taken.

        The last loss may be one that is not finite: its step was not taken.
        """
        run, net = self._run, self._run.net
        n_steps = len(self._sizes)
        last = net.n_steps_ + n_steps - 1
        epoch = self._begin_epoch()
        self._take_norms()
        done = 0
        try:
            for start, stop, is_heard in self._pieces():
                bits = self._draw(start, stop)
                if is_heard:
                    taken = self._call(Part.GRADIENTS, epoch, start, stop, bits)
                    if np.isfinite(epoch.losses[start]):
                        index = torch.from_numpy(epoch.order[slice(*self._bounds[start])])
                        run.listeners.hear_gradients(run.named, run.loader.rows.take(index))
                        self._call(Part.UPDATE, epoch, start, stop, bits)
                else:
                    taken = self._call(Part.ALL, epoch, start, stop, bits)
                done += taken
                if not np.isfinite(epoch.losses[done - 1]):
                    break
        finally:  # somebody may interrupt, and keep the network
            self._state.tell()
            self._give_norms(done)
        run.rates.set(net.optimizer_, last)
        if epoch.outputs.size:
            self._tell_of_outputs(epoch, int(np.isfinite(epoch.losses[:done]).sum()))
        return epoch.losses[:done].tolist(), self._sizes[:done]

    def _begin_epoch(self) -> "_Epoch":
        run, net = self._run, self._run.net
        if run.loader.rows is not self._rows:  # a callback has brought them into other units
            self._take_data(run.loader.rows)
        n_steps = len(self._sizes)
        rates = run.rates.of_epoch(net.n_steps_, n_steps)
        lr = net.optimizer_.param_groups[0]["lr"]
        every_rate = np.full(n_steps, lr) if rates is None else np.array(rates)[:, 0].copy()
        order, losses = run.loader.draw_order().numpy(), np.zeros(n_steps)
        shape = (len(order), self._n_outputs) if run.listeners.collect_outputs else (0, 0)
        return _Epoch(order, every_rate, losses, np.empty(shape, self._dtype))

    def _call(self, part: Part, epoch: "_Epoch", start: int, stop: int, bits: Any) -> int:
        """Have the compiled code take some steps; return how many losses it has noted."""
        data, batches = self._data_of(epoch.order, start, stop)
        taken: int = training_steps(self._dtype)(
            int(part),
            self._memory,
            data,
            (*batches, bits),
            self._loss,
            self._clipping,
            self._state.arguments,
            epoch.rates[start:stop],
            epoch.losses[start:stop],
            epoch.outputs[self._bounds[start][0] :] if self._is_streamed else epoch.outputs,
        )
        return taken

    def _data_of(self, order: Any, start: int, stop: int) -> tuple[Any, Any]:
        """Return samples, targets and weights, and the order and the bounds of some steps."""
        bounds = self._bounds[start:stop]
        if not self._is_streamed:
            return self._arrays, (order, bounds)
        first, last = bounds[0][0], bounds[-1][1]
        rows = self._rows.take(torch.from_numpy(order[first:last]))
        return self._as_arrays(rows), (np.arange(last - first), bounds - first)

    def _tell_of_outputs(self, epoch: "_Epoch", n_steps: int) -> None:
        """Give those who collect what the network gave for training batches what they collect."""
        order, outputs = torch.from_numpy(epoch.order), torch.from_numpy(epoch.outputs)
        for start, stop in self._run.loader.bounds[:n_steps]:
            batch = self._rows.take(order[start:stop])
            self._run.listeners.hear_outputs(batch, training=True, output=outputs[start:stop])

    def release(self) -> None:
        """Give network and optimizer storage of their own again, the last gradients too."""
        self._steps.release()
        self._block.detach()

    def _take_data(self, rows: Any) -> None:
        """Look at the rows: those of an array as a whole, those of a source batch by batch."""
        self._rows = rows
        self._is_streamed = not isinstance(rows, TensorRows)
        if self._is_streamed:
            self._as_arrays(rows.take(torch.zeros(1, dtype=torch.int64)))
        else:
            self._arrays = self._as_arrays(rows)

    def _as_arrays(self, rows: TensorRows) -> tuple[Any, ...]:
        return _as_arrays(rows, self._block.values.dtype, self._has_codes, self._n_outputs)

    def _pieces(self) -> list[tuple[int, int, bool]]:
        """Return first and last steps of what is done in one call, and whether that is heard."""
        n = self._block.values.shape[1]
        per_row = sum(width for _, width in self._program.dropouts) // 4 + 1
        rows = max(1, min(_WORK_AT_A_TIME // n, _WORDS_AT_A_TIME // per_row))
        if self._is_streamed:
            rows = min(rows, _BYTES_AT_A_TIME // self._rows.row_bytes)
        steps = max(1, rows // max(self._sizes))
        n_steps = len(self._sizes)
        heard = self._run.listeners.n_steps_heard
        heard = n_steps if heard is None else min(heard, n_steps)
        starts = [*range(heard), *range(heard, n_steps, steps)]
        pieces = zip(starts, [*starts[1:], n_steps], strict=True)
        return [(start, stop, start < heard) for start, stop in pieces]

    def _draw(self, start: int, stop: int) -> Any:
        """Draw for the dropout of some steps what their masks would draw one after the other."""
        dropouts = self._program.dropouts
        if not dropouts:
            return np.empty(0, np.int16)
        n_words = sum(
            -(-size * width // 4) for size in self._sizes[start:stop] for _, width in dropouts
        )
        words = torch.empty(n_words, dtype=torch.int64)
        words.random_(-(2**63), None, generator=dropouts[0][0].generator)
        return words.view(torch.int16).numpy()

    def _take_norms(self) -> None:
        place = 0
        for norm in self._program.norms:
            for buffer in (norm.running_mean, norm.running_var):
                assert buffer is not None
                self._running[place : place + len(buffer)] = buffer.numpy()
                place += len(buffer)

    def _give_norms(self, n_steps: int) -> None:
        place = 0
        for norm in self._program.norms:
            assert norm.num_batches_tracked is not None
            norm.num_batches_tracked.add_(n_steps)
            for buffer in (norm.running_mean, norm.running_var):
                assert buffer is not None
                buffer.copy_(torch.from_numpy(self._running[place : place + len(buffer)]))
                place += len(buffer)


class _Epoch(NamedTuple):
    """What an epoch is made of: the order of the rows, learning rates, and what is to be noted."""

    order: Any
    rates: Any
    losses: Any
    outputs: Any


def _as_arrays(
    rows: TensorRows, dtype: torch.dtype, has_codes: bool, n_outputs: int
) -> tuple[Any, Any, Any, Any]:
    """Return samples, codes, targets and weights; of codes and targets one is empty.

    Compiled code looks nothing up twice: what torch would refuse must not reach it.

    Raises
    ------
    NotStackableError
        If they do not fit the network.
    """
    if rows.X.dtype != dtype:
        raise NotStackableError(f"the samples are of {rows.X.dtype}, the weights of {dtype}")
    n_rows = len(rows.X)
    nothing = torch.empty((0, 0), dtype=dtype)
    codes, y, weight = torch.empty(0, dtype=torch.int64), nothing, nothing
    if has_codes:
        codes = rows.y
        fits = codes.shape == (n_rows,) and codes.dtype == torch.int64
        fits = fits and int(codes.min()) >= 0 and int(codes.max()) < n_outputs
    else:
        y = rows.y.to(dtype)
        fits = y.shape == (n_rows, n_outputs)
    if rows.weight is not None:
        weight = rows.weight.to(dtype).reshape(n_rows, -1)
        fits = fits and weight.shape[1] in (1, n_outputs)
    if not fits:
        raise NotStackableError(f"the targets do not fit a network with {n_outputs} outputs")
    return (
        rows.X.contiguous().numpy(),
        codes.contiguous().numpy(),
        y.contiguous().numpy(),
        weight.contiguous().numpy(),
    )


def _loss_arguments(criterion: Any, n_outputs: int, dtype: Any) -> tuple[int, float, Any]:
    """Return kind, smoothing and what each output has of the smoothed part.

    Raises
    ------
    NotStackableError
        If it is no loss of ours.
    """
    has_codes = type(criterion) is CrossEntropy
    if type(criterion) is RegressionLoss:
        kind = _REGRESSION.get(criterion.loss)
    elif has_codes or type(criterion) is BinaryCrossEntropy:
        kind = LossKind.CROSS_ENTROPY if has_codes else LossKind.BINARY_CROSS_ENTROPY
    else:
        kind = None
    if kind is None or has_hooks(criterion):
        raise NotStackableError(f"the loss {type(criterion).__name__} is not compiled")
    smoothing = float(getattr(criterion, "label_smoothing", 0.0))
    shares = getattr(criterion, "shares", None)
    evenly = np.full(n_outputs, 1.0 / n_outputs if has_codes else 0.5)
    spread = smoothing * (evenly if shares is None else shares.double().numpy())
    if spread.shape != (n_outputs,):
        raise NotStackableError(f"the loss has shares of {len(spread)} classes, not {n_outputs}")
    return int(kind), smoothing, spread.astype(dtype)


def _unit(shape: torch.Size) -> tuple[int, int]:
    """Return the size of a parameter's units, and how many it has: a row of weights, or a bias."""
    n_units = shape[0] if len(shape) > 1 else 1
    return shape.numel() // n_units, n_units


def _space(size: int, dtype: Any) -> Any:
    """Return an empty row that begins on a cache line: the same steps, the same bits."""
    line = 64 // dtype.itemsize
    spare = np.zeros(size + line, dtype)
    skipped = (-spare.ctypes.data % 64) // dtype.itemsize
    return spare[skipped : skipped + size]
