"""The code of docs/search.md runs as it stands."""

import re
from pathlib import Path

import sklearn_trainkit

PAGE = Path(sklearn_trainkit.__file__).parents[1] / "docs" / "search.md"


def test_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 3
    names = {}
    for block in blocks:
        exec(block, names)
    assert repr(names["search"]).startswith("OptunaSearchCV(")
