"""Parameters of callbacks and of the optimizer by name."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from skorch.callbacks import BatchScoring, EarlyStopping, EpochTimer, LRScheduler, PrintLog

from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.neural_network import MLPNetClassifier, NetClassifier
from sklearn_trainkit.preprocessing import StandardScaler

X, y = load_iris(return_X_y=True)


def stopper(**params):
    return EarlyStopping(monitor="train_loss", **params)


def net(callbacks=None, cls=MLPNetClassifier, **params):
    return cls((4,), max_epochs=3, random_state=0, callbacks=callbacks, **params)


def nested(estimator):
    return {name for name in estimator.get_params() if "__" in name}


def test_callbacks_are_listed_by_name_with_their_parameters():
    named = net([("stop", stopper()), EpochTimer, ("off", None)])
    params = named.get_params()
    assert params["callbacks__stop"] is named.callbacks[0][1]
    assert params["callbacks__stop__patience"] == 5
    assert params["callbacks__EpochTimer"] is EpochTimer
    assert params["callbacks__off"] is None
    assert not any("__" in name for name in named.get_params(deep=False))
    assert nested(net()) == set()


@pytest.mark.parametrize("name", ["callbacks", "optimizer_params"])
@pytest.mark.parametrize("value", [-1, 3.0, "stop", stopper()])
def test_a_wrong_type_is_refused_by_fit_and_not_before(name, value):
    wrong = net().set_params(**{name: value})
    assert wrong.get_params()[name] is value
    assert name in repr(clone(wrong).set_params(lr=0.1))
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        wrong.fit(X, y)


def test_an_array_as_verbose_is_refused_by_fit_and_not_before():
    wrong = net().set_params(verbose=np.ones(2))
    assert len(wrong.get_params()["verbose"]) == 2
    with pytest.raises(ValueError, match="The 'verbose' parameter"):
        wrong.fit(X, y)


def test_several_of_a_kind_are_numbered_as_in_skorch():
    several = net([stopper(), BatchScoring("accuracy"), stopper(patience=2)])
    assert several.get_params()["callbacks__EarlyStopping_2__patience"] == 2
    several.set_params(callbacks__EarlyStopping_1=None, callbacks__EarlyStopping_2__patience=7)
    names = [name for name, _ in several.fit(X, y).callbacks_]
    assert names == ["BatchScoring", "EarlyStopping_2"]
    assert dict(several.callbacks_)["EarlyStopping_2"].patience == 7


def test_parameters_are_set_before_and_after_fit_and_survive_clones():
    named = net([("stop", stopper())])
    own = named.callbacks
    named.set_params(callbacks__stop__patience=3).fit(X, y)
    assert dict(named.callbacks_)["stop"].patience == 3
    copy = clone(named.set_params(callbacks__stop__patience=1))
    assert copy.get_params()["callbacks__stop__patience"] == 1
    copy.set_params(callbacks__stop__patience=9)
    assert named.get_params()["callbacks__stop__patience"] == 1
    assert named.callbacks is own
    again = pickle.loads(pickle.dumps(named))
    assert again.get_params()["callbacks__stop__patience"] == 1


def test_none_switches_a_callback_off_and_another_one_takes_its_place():
    given = [("stop", stopper())]
    off = net(given).set_params(callbacks__stop=None).fit(X, y)
    assert off.callbacks_ == []
    assert given[0][1] is not None
    other = off.set_params(callbacks__stop=EpochTimer()).fit(X, y)
    assert [type(callback) for _, callback in other.callbacks_] == [EpochTimer]
    both = net(given).set_params(callbacks=[("time", EpochTimer())], callbacks__time=None)
    assert both.fit(X, y).callbacks_ == []


def test_a_class_becomes_an_instance_with_the_parameter():
    made = net([("stop", EarlyStopping)]).set_params(callbacks__stop__monitor="train_loss")
    assert made.fit(X, y).callbacks_[0][1].monitor == "train_loss"


def test_the_lines_of_verbose_have_a_name_too(capsys):
    lines = []
    net(verbose=1).set_params(callbacks__print_log__sink=lines.append).fit(X, y)
    assert len(lines) >= 3
    net(verbose=1).set_params(callbacks__print_log=None).fit(X, y)
    net([("print_log", PrintLog(sink=lines.append))], verbose=1).fit(X, y)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"callbacks__end__patience": 3}, r"no callback 'end'.*\['stop'\]"),
        ({"callbacks__end": None}, r"no callback 'end'"),
        ({"callbacks__stop__patients": 3}, "Invalid parameter 'patients'"),
        ({"callbacks__stop": None, "callbacks__stop__patience": 3}, "'stop' is None"),
        ({"optimizer__lr": 0.1}, "Did you mean lr"),
        ({"optimizer__weight_decay": 0.1}, "Did you mean weight_decay"),
    ],
)
def test_names_that_are_none_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        net([("stop", stopper())]).set_params(**params)


def test_options_of_the_optimizer_are_set_by_name():
    named = net(optimizer="sgd", optimizer_params={"momentum": 0.5})
    assert named.get_params()["optimizer__momentum"] == 0.5
    copy = clone(named).set_params(optimizer__momentum=0.9, optimizer__nesterov=True)
    assert named.optimizer_params == {"momentum": 0.5}
    assert copy.optimizer_params == {"momentum": 0.9, "nesterov": True}
    assert copy.fit(X, y).optimizer_.param_groups[0]["nesterov"]


@pytest.mark.parametrize("make", [MLPNetClassifier, lambda **kw: NetClassifier(_module, **kw)])
def test_constructors_take_these_names(make):
    stop = stopper()
    made = make(optimizer__eps=1e-6, callbacks=[("stop", stop)], callbacks__stop__patience=2)
    assert made.optimizer_params == {"eps": 1e-6}
    assert made.get_params()["callbacks__stop__patience"] == 2
    assert clone(made).get_params()["optimizer__eps"] == 1e-6


def _module(n_features, n_outputs):
    raise NotImplementedError


def test_searches_go_over_callbacks():
    space = {"callbacks__stop__patience": [1, 2], "callbacks__timer": [None, EpochTimer()]}
    named = net([("stop", stopper()), ("timer", EpochTimer())])
    grid = GridSearchCV(named, space, cv=2).fit(X, y)
    assert grid.best_params_.keys() == space.keys()
    piped = make_pipeline(StandardScaler(), named)
    space = {
        "mlpnetclassifier__callbacks__stop__patience": [1, 2],
        "mlpnetclassifier__optimizer__eps": [1e-8, 1e-6],
    }
    search = OptunaSearchCV(piped, space, n_trials=2, cv=2, random_state=0).fit(X, y)
    best = search.best_estimator_[-1]
    assert (
        best.get_params()["callbacks__stop__patience"]
        == search.best_params_["mlpnetclassifier__callbacks__stop__patience"]
    )
    assert best.optimizer_.defaults["eps"] == best.optimizer_params["eps"]
    assert np.isfinite(search.best_score_)


def test_options_of_a_policy_of_learning_rates():
    policy = LRScheduler("StepLR", step_size=1, gamma=0.1)
    named = net([("policy", policy)], lr_schedule="constant")
    named.set_params(callbacks__policy__gamma=0.5).fit(X, y)
    np.testing.assert_allclose(named.history[:, "event_lr"], named.lr * 0.5 ** np.arange(3))
