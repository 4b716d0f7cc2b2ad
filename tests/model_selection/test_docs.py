"""The code of the pages on searches, scaling and stacked folds runs as it stands."""

import re
from pathlib import Path

import pytest

import sklearn_trainkit

DOCS = Path(sklearn_trainkit.__file__).parents[1] / "docs"


def blocks_of(page):
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


@pytest.mark.parametrize(("page", "n_blocks"), [("search.md", 6), ("scaling.md", 1)])
def test_the_page_runs(page, n_blocks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = blocks_of(page)
    assert len(blocks) == n_blocks
    names = {}
    for block in blocks:
        exec(block, names)
    assert len(names.get("portfolio", "four")) == 4
    assert repr(names["search"]).startswith("OptunaSearchCV(")


def test_the_page_on_stacked_folds_runs():
    (block,) = blocks_of("fold_stacking.md")
    names = {}
    exec(block, names)
    assert len(names["scores"]["estimator"]) == len(names["ensemble"].estimators_) == 5
    assert min(names["scores"]["test_score"]) > 0.8
    assert len(names["nets"]) == 20
