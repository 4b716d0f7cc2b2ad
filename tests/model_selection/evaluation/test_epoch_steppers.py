"""What waits in a pickle goes on as if it had not waited, or cannot be pickled."""

import pickle

import pytest
from sklearn.datasets import make_classification
from skorch.callbacks import EarlyStopping, EpochScoring

from sklearn_trainkit.callbacks import GradientFlow
from sklearn_trainkit.model_selection.evaluation._epoch_steppers import make_stepper
from sklearn_trainkit.model_selection.evaluation._stepping_table import START_FIT
from sklearn_trainkit.neural_network import MLPNetClassifier

X, y = make_classification(60, 4, random_state=0)


def train(callback, waits_after=None):
    net = MLPNetClassifier(
        (4,), lr=3.0, max_epochs=8, early_stopping=True, callbacks=[callback], random_state=0
    )
    stepper = make_stepper(START_FIT, net)
    stepper.begin(X, y, {})
    for epoch in range(8):
        if epoch == waits_after:
            stepper = pickle.loads(pickle.dumps(stepper))
            stepper.go_on(None)
        stepper.train_epoch()
        stepper.count_epoch()
    stepper.finish()
    return stepper.estimator


def test_the_best_epochs_are_known_after_a_wait():
    scoring = EpochScoring("neg_log_loss", lower_is_better=False, name="score")
    whole, waited = train(scoring), train(scoring, waits_after=4)
    for name in ("score", "score_best", "train_loss_best", "valid_loss_best"):
        assert waited.history[:, name] == whole.history[:, name]
    assert not all(whole.history[4:, "score_best"])


def test_gradients_of_the_epochs_before_a_wait_are_known():
    flow, resumed = (
        dict(train(GradientFlow(False), at).callbacks_)["GradientFlow"] for at in (None, 4)
    )
    assert resumed.epochs_ == flow.epochs_
    assert len(flow.epochs_) == 8


def test_a_callback_with_a_memory_of_its_own_lets_nobody_wait():
    with pytest.raises(pickle.PicklingError, match="EarlyStopping keeps"):
        train(EarlyStopping(patience=20), waits_after=4)
