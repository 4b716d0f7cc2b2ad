"""optuna's log during a search."""

import logging

import optuna
import pytest

from sklearn_trainkit.model_selection.study._search_study import quiet_optuna


@pytest.mark.parametrize(("verbose", "told"), [(0, False), (1, True), (10, True)])
def test_outages_that_are_waited_for_are_told_with_verbose_only(verbose, told):
    logger = logging.getLogger("optuna.storages._rdb.storage")
    with quiet_optuna(verbose):
        assert logger.isEnabledFor(logging.WARNING) is told
        assert logger.isEnabledFor(logging.ERROR)


def test_levels_are_as_before_afterwards():
    optuna.logging.set_verbosity(optuna.logging.INFO)
    before = {name: logging.getLogger(name).level for name in ("optuna", "optuna.storages")}
    with quiet_optuna(0):
        assert logging.getLogger("optuna").level == logging.WARNING
    assert {name: logging.getLogger(name).level for name in before} == before
