"""A misspelt name is near the one that was meant, however it is capitalized."""

import pytest

from sklearn_trainkit.utils._did_you_mean import close_names


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("clf__C", ["clf__C", "clf__c"], ["clf__C", "clf__c"]),
        ("Batch_Size", ["batch_size", "lr"], ["batch_size"]),
        ("hidden_unit", ["lr", "hidden_units"], ["hidden_units"]),
        ("xyz", ["batch_size", "lr"], []),
    ],
)
def test_close_names(name, known, near):
    assert close_names(name, known) == near
