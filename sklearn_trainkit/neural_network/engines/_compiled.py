"""The engine for dense networks on a CPU: whole epochs in compiled code.

A small network's step in torch is mostly the way into its twenty to forty operations. Here an
interpreter, compiled once for all architectures, walks through layers, loss, clipping and optimizer
by itself, with products by BLAS. The numbers are autograd's but for the order of summation.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import torch

from sklearn_trainkit.neural_network.compiled._network import CompiledNetwork
from sklearn_trainkit.neural_network.engines._engine import EpochSteps, Trainee
from sklearn_trainkit.neural_network.engines._obstacles import obstacle_to_compiling
from sklearn_trainkit.neural_network.kernels._code import reason_against
from sklearn_trainkit.utils._thread_limits import one_blas_thread

__all__ = ["CompiledEngine"]


class CompiledEngine:
    """Trains dense networks, each by itself, in as many threads as they may have.

    Exact: each network sees its own batches in its own order, draws its own dropout masks and is
    clipped by its own norm.

    Parameters
    ----------
    runs : sequence of Trainee

    Raises
    ------
    NotStackableError
        If some layer, or the loss, is not compiled.
    """

    name: ClassVar[str] = "compiled"
    takes_several: ClassVar[bool] = True

    def __init__(self, runs: Sequence[Trainee]) -> None:
        self._networks: list[CompiledNetwork] = []
        self._n_threads = min(runs[0].settings.n_threads or 1, len(runs))
        try:
            for run in runs:
                self._networks.append(CompiledNetwork(run))
        except BaseException:
            self.release()
            raise

    @staticmethod
    def obstacle(runs: Sequence[Trainee]) -> str | None:
        """Return why these networks cannot be trained by compiled code, as far as is seen."""
        for run in runs:
            reason = obstacle_to_compiling(run)
            if reason is None:
                dtype = next(run.net.module_.parameters()).dtype
                reason = reason_against(str(dtype).removeprefix("torch."))
            if reason is not None:
                return reason
        return None

    @staticmethod
    def no_gain(runs: Sequence[Trainee]) -> str | None:
        """Return why it would be no faster than a stack."""
        return None

    def train_epoch(self) -> list[EpochSteps]:
        """Train an epoch; return what came of it for each network."""
        with torch.no_grad(), one_blas_thread():
            if self._n_threads == 1:
                return [_train(network) for network in self._networks]
            with ThreadPoolExecutor(self._n_threads) as pool:
                return list(pool.map(_train, self._networks))

    def release(self) -> None:
        """Make networks and optimizers ordinary ones again, the last gradients too."""
        for network in self._networks:
            network.release()


def _train(network: CompiledNetwork) -> EpochSteps:
    with torch.no_grad():
        return EpochSteps(*network.train_epoch())
