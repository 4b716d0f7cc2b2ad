"""What is added to scikit-learn's private parts."""

import contextlib
import io
import os
import subprocess
import sys
from numbers import Integral

import pytest

from sklearn_trainkit.utils._sklearn_private import Options, StrOptions

# Every estimator and function that checks choices, asked for one that is none.
_WRONG_CHOICES = """
import numpy as np
from sklearn_trainkit import comparison, model_selection, neural_network, preprocessing

for package in (model_selection, neural_network, preprocessing):
    for name in package.__all__:
        made = getattr(package, name)
        for names in getattr(made, "_parameter_constraints", {}).values():
            print(name, [str(each) for each in names] if isinstance(names, list) else names)
"""


def test_choices_are_listed_in_alphabetical_order():
    words = StrOptions({"pear", "apple", "fig"}, deprecated={"fig"})
    assert str(words) == "a str among {'apple', 'fig' (deprecated), 'pear'}"
    assert str(Options(Integral, {2, -1})) == "a int among {-1, 2}"
    assert words.is_satisfied_by("pear")
    assert not words.is_satisfied_by("plum")


@pytest.mark.slow
def test_all_choices_are_listed_in_the_same_order_in_every_process():
    other_seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    elsewhere = subprocess.run(
        [sys.executable, "-c", _WRONG_CHOICES],
        env={**os.environ, "PYTHONHASHSEED": other_seed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    with contextlib.redirect_stdout(io.StringIO()) as here:
        exec(_WRONG_CHOICES, {})
    assert elsewhere == here.getvalue()
    assert "'adam', 'adamax', 'adamw'" in elsewhere
