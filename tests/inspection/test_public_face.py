"""What the package offers is documented: in the reference, and with the defaults it has."""

import inspect
import re
from pathlib import Path

import pytest

from sklearn_trainkit import inspection

API = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
CALLABLES = [getattr(inspection, name) for name in inspection.__all__]
METHODS = [
    getattr(item, name)
    for item in CALLABLES
    if inspect.isclass(item)
    for name in ("from_estimator", "from_results", "from_study", "plot")
    if hasattr(item, name)
]


@pytest.mark.parametrize("name", inspection.__all__)
def test_every_public_name_is_in_the_reference(name):
    assert f"   inspection.{name}\n" in API


@pytest.mark.parametrize("item", CALLABLES + METHODS, ids=lambda item: item.__qualname__)
def test_documented_defaults_are_those_of_the_signature(item):
    signature = inspect.signature(item).parameters
    parameters = item.__doc__.split("Returns\n")[0].split("Attributes\n")[0]
    documented = re.findall(r"^ +(\w+) : .*?default=(.+)$", parameters, re.MULTILINE)
    for name, text in documented:
        assert text.replace('"', "'").replace("np.nan", "nan") == repr(signature[name].default), (
            name
        )


@pytest.mark.parametrize("item", [item for item in CALLABLES if item.__name__.endswith("Display")])
def test_every_display_is_drawn_like_scikit_learns(item):
    assert {"from_estimator", "from_results"} & set(dir(item))
    assert "ax" in inspect.signature(item.plot).parameters
    assert "ax_" in item.__doc__
    assert "figure_" in item.__doc__
