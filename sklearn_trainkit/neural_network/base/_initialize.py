"""The making of a network: its module, loss, optimizer and random streams."""

from typing import Any

import torch
from skorch.history import History

from sklearn_trainkit.neural_network.base._input_form import possible_dtypes
from sklearn_trainkit.neural_network.batches._input_checks import FLOAT_TYPES, checked_device
from sklearn_trainkit.neural_network.batches._tensor_loader import Rows
from sklearn_trainkit.neural_network.engines._optimizers import (
    make_optimizer,
    parameter_groups,
    resolved_weight_decay,
)
from sklearn_trainkit.neural_network.saving._made_with import MadeWith, describe_layers, own_copy
from sklearn_trainkit.utils._random_streams import (
    StreamSeeds,
    seeded_global_torch,
    stream_seeds,
)
from sklearn_trainkit.utils._threads import torch_threads


def initialize_all(net: Any, seeds: StreamSeeds, rows: Rows | None = None) -> None:
    """Make new weights, loss and optimizer, and begin a new history."""
    _begin_anew(net)
    make_weights(net, seeds, rows)
    net._waits_for_data = False
    net.initialize_criterion()
    net.initialize_optimizer()
    net.initialized_ = True


def initialize_without_data(net: Any) -> None:
    """Make new weights of a module that says its own widths, before anything is known of data."""
    _begin_anew(net)
    make_weights(net, stream_seeds(net.random_state))
    net._waits_for_data = True
    net.criterion_ = torch.nn.Identity()  # the loss comes with the targets
    net.initialize_optimizer()
    net.initialized_ = True


def take_data(net: Any, rows: Rows) -> None:
    """Let a network that was made before its data keep its weights and get to know these.

    ``take_changes`` follows, as for any network that goes on.
    """
    net.module_.to(checked_device(net.device), FLOAT_TYPES[net.dtype_])
    net._architecture.prepare(net, net.module_, rows)
    net._waits_for_data = False
    net.initialize_criterion()
    net.initialize_optimizer()


def make_weights(net: Any, seeds: StreamSeeds, rows: Rows | None = None) -> None:
    """Make a new module, which may look at training rows, and new random streams."""
    dtype = FLOAT_TYPES[net.dtype_ if hasattr(net, "dtype_") else possible_dtypes(net)[0]]
    with seeded_global_torch(seeds.weights):
        module = net._architecture.make(net)
        layers = describe_layers(module)
        module.to(checked_device(net.device), dtype)
        if rows is not None:
            with torch_threads(net.n_threads):
                net._architecture.prepare(net, module, rows)
        elif hasattr(net, "module_"):
            net._architecture.keep_statistics(net, module)
    net.module_ = module
    net._made_with = MadeWith(own_copy(net.get_params(deep=False)), layers)
    net.streams_ = net._architecture.new_streams(net, seeds)


def new_optimizer(net: Any) -> torch.optim.Optimizer:
    """Return a new optimizer over the parameters of module and loss."""
    options = dict(net.optimizer_params or {})
    groups = options.pop("param_groups", None)
    return make_optimizer(
        net.optimizer,
        parameter_groups(net.get_all_learnable_params(), groups),
        lr=net.lr,
        weight_decay=resolved_weight_decay(net.weight_decay, net.optimizer),
        params=options,
    )


def _begin_anew(net: Any) -> None:
    net.initialize_callbacks()
    net.history_ = History()
    net.n_steps_ = 0
