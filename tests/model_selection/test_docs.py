"""The code of docs/search.md and docs/scaling.md runs as it stands."""

import re
from pathlib import Path

import pytest

import sklearn_trainkit

DOCS = Path(sklearn_trainkit.__file__).parents[1] / "docs"


@pytest.mark.parametrize(("page", "n_blocks"), [("search.md", 3), ("scaling.md", 1)])
def test_the_page_runs(page, n_blocks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    assert len(blocks) == n_blocks
    names = {}
    for block in blocks:
        exec(block, names)
    assert repr(names["search"]).startswith("OptunaSearchCV(")
