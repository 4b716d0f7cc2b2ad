"""Shared parameter texts are filled in, and a word that no text has is refused."""

import pytest

from sklearn_trainkit.neural_network import MLPNetClassifier, RecurrentNetRegressor
from sklearn_trainkit.neural_network.base._parameter_docs import with_shared_parameters


def test_usual_and_differing_defaults_are_in_the_text():
    assert "lr : float, default=0.003" in MLPNetClassifier.__doc__
    assert "lr : float, default=0.01" in RecurrentNetRegressor.__doc__
    assert "Sequences of a batch" in RecurrentNetRegressor.__doc__
    assert "<<" not in MLPNetClassifier.__doc__ + RecurrentNetRegressor.__doc__


def test_a_word_that_no_text_has_is_refused():
    with pytest.raises(TypeError, match="smaples='rows' is in none"):
        with_shared_parameters(smaples="rows")
