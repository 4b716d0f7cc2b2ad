import matplotlib
import pytest

from tests.finished_searches import (  # noqa: F401
    comparison,
    first_run,
    grid_search,
    pruned_search,
    study,
)

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")
