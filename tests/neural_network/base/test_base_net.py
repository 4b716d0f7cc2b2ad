"""A network is made of three parts that keep nothing, under few ancestors."""

import pickle

import pytest
from skorch import NeuralNetClassifier, NeuralNetRegressor

from sklearn_trainkit.neural_network import RecurrentNetClassifier, RecurrentNetRegressor
from sklearn_trainkit.neural_network.sequences._step_labels import StepLabels
from sklearn_trainkit.neural_network.sequences._step_targets import StepNumbers
from tests.neural_network.every_net import KINDS, make_net


@pytest.mark.parametrize("kind", KINDS)
def test_an_estimator_has_at_most_six_classes_of_ours_and_of_skorch(kind):
    lineage = type(make_net(kind)[0]).__mro__
    ours = [c for c in lineage if c.__module__.partition(".")[0] in ("sklearn_trainkit", "skorch")]
    assert len(ours) <= 6, ours


@pytest.mark.parametrize("kind", KINDS)
def test_an_estimator_is_one_of_skorch(kind):
    net, _, _ = make_net(kind)
    wanted = NeuralNetRegressor if kind.endswith("Regressor") else NeuralNetClassifier
    assert isinstance(net, wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_keep_nothing_so_that_networks_share_them(kind):
    net, X, y = make_net(kind)
    before = net._architecture, net._input_form, net._targets
    net.fit(X, y)
    assert (net._architecture, net._input_form, net._targets) == before
    assert [vars(part) for part in before] == [{}, {}, {}]
    copy = pickle.loads(pickle.dumps(net))
    assert copy._targets is net._targets


@pytest.mark.parametrize("kind", KINDS)
def test_each_parameter_of_a_part_is_one_of_the_estimator(kind):
    net, _, _ = make_net(kind)
    names = {*net._architecture.constraints, *net._input_form.constraints, *net._targets.fixed}
    assert names | set(net._fixed_names()) <= net.get_params().keys()
    assert net._parameter_constraints.keys() == net.get_params(deep=False).keys()


@pytest.mark.parametrize(
    ("net", "steps"), [(RecurrentNetClassifier, StepLabels), (RecurrentNetRegressor, StepNumbers)]
)
def test_return_sequences_takes_targets_of_steps(net, steps):
    assert isinstance(net(return_sequences=True)._targets, steps)
    assert not isinstance(net()._targets, steps)
