"""Which networks take their optimizer steps together; exactness is in test_fold_stack_training."""

import pytest
import torch

from sklearn_trainkit.neural_network import MLPNetClassifier
from sklearn_trainkit.neural_network.stacking._module_block import ModuleBlock
from sklearn_trainkit.neural_network.stacking._stacked_optimizers import (
    OwnSteps,
    SharedSteps,
    make_step_groups,
)

X = torch.randn(40, 4, generator=torch.Generator().manual_seed(0)).numpy()
y = (X[:, 0] > 0).astype(int)


def groups_of(*changes, n_steps=None):
    nets = [MLPNetClassifier((4,), batch_size=8, random_state=0, **each) for each in changes]
    runs = [net.start_fit(X, y) for net in nets]
    block = ModuleBlock([net.module_ for net in nets])
    return make_step_groups(block, runs, n_steps or [len(run.loader) for run in runs])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (({}, {}, {}), 1),
        (({"lr": 0.1}, {}, {}), 2),
        (({}, {"weight_decay": 0.1}, {}), 3),
        (({"optimizer": "sgd"}, {"optimizer": "sgd"}, {}), 2),
        (({"lr_schedule": "cosine"}, {}), 2),
        (({"max_epochs": 5}, {}), 2),
        (({"lr_schedule": "constant", "max_epochs": 5}, {"lr_schedule": "constant"}), 2),
        (({"lr_schedule": "plateau"}, {"lr_schedule": "plateau"}), 2),
        (({"clip_norm": 1.0}, {"dropout": 0.0}), 1),
    ],
)
def test_equal_settings_and_schedules_share_a_step(changes, expected):
    groups = groups_of(*changes)
    assert len(groups) == expected
    assert all(isinstance(group, SharedSteps) for group in groups)


def test_epochs_of_different_lengths_do_not_share_steps():
    assert len(groups_of({}, {}, {}, n_steps=[5, 5, 6])) == 2


def test_other_optimizers_step_alone():
    class Mine(torch.optim.SGD):
        pass

    groups = groups_of({"optimizer": Mine}, {"optimizer": Mine})
    assert [type(group) for group in groups] == [OwnSteps, OwnSteps]
