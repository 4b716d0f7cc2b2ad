"""The engine for dense networks: gradients by hand, all parameters in one block.

Without autograd's graph, and with one kernel that updates all weights, a small network's step takes
two thirds of the time; several networks share the calls besides. A lone network is a stack of
height one. The numbers are autograd's but for the order of summation.
"""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import torch

from sklearn_trainkit.neural_network.batches._tensor_loader import TensorRows
from sklearn_trainkit.neural_network.engines._batch_loop import Again, SteppedEngine
from sklearn_trainkit.neural_network.engines._engine import EpochSteps, Trainee
from sklearn_trainkit.neural_network.engines._obstacles import (
    no_gain_by_stacking,
    obstacle_to_stacking,
)
from sklearn_trainkit.neural_network.stacking._module_block import (
    ModuleBlock,
    StackedNetwork,
    check_unshared,
)
from sklearn_trainkit.neural_network.stacking._stacked_batches import (
    StackedBatch,
    StackedLoader,
    networks_side_by_side,
)
from sklearn_trainkit.neural_network.stacking._stacked_clipping import make_clipping
from sklearn_trainkit.neural_network.stacking._stacked_optimizers import make_step_groups

__all__ = ["StackedEngine"]


class StackedEngine(SteppedEngine):
    """Trains dense networks of one shape as one network with a leading axis.

    Exact: each network sees its own batches in its own order, draws its own dropout masks and is
    clipped by its own norm.

    Until ``release`` the parameters and their ``grad`` are views of a block, which may be read and
    written into, but not replaced; and the networks' own optimizers know of learning rates only.

    Parameters
    ----------
    runs : sequence of Trainee

    Raises
    ------
    NotStackableError
        If some layer, or the loss, needs a graph, or the networks differ too much.
    """

    name: ClassVar[str] = "stacked"
    takes_several: ClassVar[bool] = True

    def __init__(self, runs: Sequence[Trainee]) -> None:
        super().__init__(_alike_side_by_side(runs))
        self._order = [self._runs.index(run) for run in runs]
        runs = self._runs
        modules = [run.net.module_ for run in runs]
        for module in modules:
            check_unshared(module)
        self._criteria = [run.net.criterion_ for run in runs]
        most = networks_side_by_side(modules[0], max(run.loader.batch_size for run in runs))
        self._loader = StackedLoader([run.loader for run in runs], most)
        self._block = ModuleBlock(modules)
        self._networks: dict[tuple[int, int], StackedNetwork] = {}
        try:
            self._network(0, len(runs))
            self._block.check_all_used()
            self._block.show_gradients()
            self._groups = make_step_groups(self._block, runs, self._loader.n_steps)
            limits = zip(*(run.settings.clippings for run in runs), strict=True)
            self._clippings = make_clipping(self._block, *limits)
        except BaseException:
            self._block.detach()
            raise

    @staticmethod
    def obstacle(runs: Sequence[Trainee]) -> str | None:
        """Return why these networks cannot be a stack, as far as is seen at once."""
        return obstacle_to_stacking(runs)

    @staticmethod
    def no_gain(runs: Sequence[Trainee]) -> str | None:
        """Return why a stack would be no faster than autograd, network by network."""
        return no_gain_by_stacking(runs)

    def train_epoch(self) -> list[EpochSteps]:
        """Train an epoch; return what came of it for each network."""
        with torch.no_grad():
            self._begin_epoch()
            steps = self._take_steps()
            self._end_epoch()
        return [steps] if self._is_alone else self._steps_of_several()

    def release(self) -> None:
        """Give networks and optimizers storage of their own again, the last gradients too."""
        for group in self._groups:
            group.release()
        self._block.detach()

    def _begin_epoch(self) -> None:
        self._last_steps = [
            run.net.n_steps_ + n_steps - 1
            for run, n_steps in zip(self._runs, self._loader.n_steps, strict=True)
        ]
        for group in self._groups:
            group.begin_epoch()
        if not self._is_alone:
            n_steps = max(self._loader.n_steps)
            self._losses = self._block.values.new_zeros((n_steps, len(self._runs)))

    def _batches(self) -> Iterable[list[StackedBatch]]:
        return self._loader

    def _rows_of(self, batch: list[StackedBatch]) -> TensorRows:
        X, y, weight = (None if rows is None else rows[0] for rows in batch[0][2:])
        assert X is not None
        assert y is not None
        return TensorRows(X, y, weight)

    def _size_of(self, batch: list[StackedBatch]) -> int:
        return batch[0].y.shape[1]

    def _leave_gradients(
        self, step: int, batch: list[StackedBatch]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        for first, last, X, y, weight in batch:
            losses, outputs = self._network(first, last).leave_gradients(X, y, weight)
            if not self._is_alone:
                self._losses[step, first:last] = losses
        return losses[0], outputs[0]

    def _clip(self) -> None:
        for clip in self._clippings:
            clip()

    def _update(self, step: int, again: Again) -> None:
        for group in self._groups:
            group.step(step)

    def _end_epoch(self) -> None:
        for network in self._networks.values():
            network.forget()
        for run, last in zip(self._runs, self._last_steps, strict=True):
            run.rates.set(run.net.optimizer_, last)

    def _steps_of_several(self) -> list[EpochSteps]:
        columns = self._losses.T.tolist()
        steps = [
            EpochSteps(column[:n_steps], [stop - start for start, stop in run.loader.bounds])
            for run, column, n_steps in zip(self._runs, columns, self._loader.n_steps, strict=True)
        ]
        return [steps[place] for place in self._order]

    def _network(self, first: int, last: int) -> StackedNetwork:
        if (first, last) not in self._networks:
            self._networks[first, last] = StackedNetwork(self._block, self._criteria, first, last)
        return self._networks[first, last]


def _alike_side_by_side(runs: Sequence[Trainee]) -> list[Trainee]:
    """Return the networks with equal sizes of batches and equal optimizers next to each other."""
    places: dict[str, int] = {}

    def kinship(run: Trainee) -> tuple[int, int, int]:
        groups: Any = run.net.optimizer_.param_groups
        shown = [{k: v for k, v in group.items() if k != "params"} for group in groups]
        course = run.rates.course(run.net.n_steps_)
        settings = f"{type(run.net.optimizer_)} {shown} {course}"
        return (
            run.loader.batch_size,
            run.loader.rows.n_rows,
            places.setdefault(settings, len(places)),
        )

    return sorted(runs, key=kinship) if len(runs) > 1 else list(runs)
