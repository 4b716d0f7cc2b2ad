"""The examples run from start to end with small settings, and leave what they promise."""

import ast
import importlib
import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine

EXAMPLES = Path(__file__).parents[1] / "examples"

pytest.importorskip("matplotlib")


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.py")), ids=lambda path: path.name)
def test_every_example_compiles_and_imports_what_exists(path):
    tree = ast.parse(path.read_text())
    compile(tree, str(path), "exec")
    assert ast.get_docstring(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("sklearn_trainkit"):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names), node.module


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_every_story_has_a_title_cells_and_what_was_learned(path):
    text = path.read_text()
    title, underline = ast.get_docstring(ast.parse(text)).splitlines()[:2]
    assert underline == "=" * len(title)
    assert text.count("# %%") >= 3
    assert "# What we learned" in text


def run_example(monkeypatch, name, *arguments):
    path = EXAMPLES / name
    monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
    return runpy.run_path(str(path), run_name="__main__")


@pytest.fixture
def small(tmp_path):
    return ["--trials", 3, "--folds", 2, "--epochs", 2, "--output", tmp_path / "out"]


def test_compare_searches_writes_the_tables_and_the_figure(monkeypatch, tmp_path, capsys, small):
    run_example(monkeypatch, "compare_searches.py", "--data", "wine", "--seed", 1, *small)
    runs = pd.read_csv(tmp_path / "out" / "runs.csv")
    trials = pd.read_csv(tmp_path / "out" / "trials.csv")
    assert runs["strategy"].tolist() == ["grid", "random", "optuna (TPE)", "optuna, portfolio"]
    assert runs["error"].isna().all()
    assert runs["trials"].nunique() == 1  # an equal budget
    assert (runs["fits"] == 2 * runs["trials"] + 1).all()
    assert (runs["epochs"] == 2 * runs["fits"]).all()
    assert (runs["seed"] == 1).all()
    assert len(trials) == runs["trials"].sum()
    assert (tmp_path / "out" / "best_so_far.png").stat().st_size > 10_000
    assert "optuna (TPE)" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["npz", "csv"])
def test_compare_searches_reads_a_file(monkeypatch, tmp_path, small, kind):
    X, y = load_wine(return_X_y=True)
    path = tmp_path / f"wine.{kind}"
    if kind == "npz":
        np.savez(path, X=X.reshape(-1, 13, 1), y=y)
    else:
        pd.DataFrame(X).assign(target=y).to_csv(path, index=False)
    run_example(monkeypatch, "compare_searches.py", "--data", path, *small)
    runs = pd.read_csv(tmp_path / "out" / "runs.csv")
    assert runs["dataset"].unique().tolist() == ["wine"]
    assert (runs["n_train"] + runs["n_test"] == len(y)).all()
    assert runs["error"].isna().all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_compare_searches_says_so_when_every_search_fails(monkeypatch, tmp_path, small, capsys):
    X, y = load_wine(return_X_y=True)
    X[3, 4] = np.nan
    np.savez(tmp_path / "holes.npz", X=X, y=y)
    with pytest.raises(SystemExit, match="every search failed"):
        run_example(monkeypatch, "compare_searches.py", "--data", tmp_path / "holes.npz", *small)
    runs = pd.read_csv(tmp_path / "out" / "runs.csv")
    assert runs["error"].str.contains("NaN").all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere.csv"], "existing file; got nowhere.csv"),
        (["--trials", 1], "--trials must be at least 2; got 1"),
    ],
)
def test_compare_searches_explains_bad_options(monkeypatch, arguments, message):
    with pytest.raises(SystemExit, match=message):
        run_example(monkeypatch, "compare_searches.py", *arguments)


@pytest.mark.parametrize("n_trials", [2, 7, 12, 36, 100])
def test_the_grid_of_compare_searches_fills_the_budget_without_passing_it(n_trials):
    example = runpy.run_path(str(EXAMPLES / "compare_searches.py"))
    n_points = np.prod(
        [len(values) for values in example["make_grid"](n_trials, [64, 32]).values()]
    )
    assert n_trials / 2 < n_points <= n_trials


def test_gradient_flow_names_what_vanishes_and_draws_it(monkeypatch, tmp_path, capsys):
    run_example(monkeypatch, "gradient_flow.py", "--output", tmp_path)
    plain, residual, _ = capsys.readouterr().out.splitlines()
    assert "The gradient vanishes" in plain
    assert "Nothing wrong" in residual
    assert (tmp_path / "gradient_flow.png").stat().st_size > 10_000


def test_clipping_recurrent_shows_which_rates_diverge(monkeypatch, tmp_path, capsys):
    run_example(monkeypatch, "clipping_recurrent.py", "--output", tmp_path, "--epochs", 9)
    lines = capsys.readouterr().out.splitlines()
    # How far a run gets before its loss overflows depends on the processor.
    diverged = [line for line in lines if float(line.rsplit(maxsplit=1)[1]) > 1e6]
    assert len(diverged) == 2
    assert all("no clipping" in line for line in diverged)
    assert (tmp_path / "clipping_recurrent.png").stat().st_size > 10_000


def test_unet_masks_scores_both_networks_and_draws(monkeypatch, tmp_path, capsys):
    run_example(monkeypatch, "unet_masks.py", "--epochs", 1, "--output", tmp_path)
    assert "without: Dice" in capsys.readouterr().out
    assert (tmp_path / "masks.png").stat().st_size > 10_000


def test_images_reads_a_file(monkeypatch, tmp_path, capsys):
    generator = np.random.default_rng(0)
    X = generator.integers(0, 256, size=(80, 3, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", X=X, y=np.arange(80) % 3)
    run_example(
        monkeypatch, "images.py", "--data", tmp_path / "images.npz", "--rows", 60, "--epochs", 1
    )
    out = capsys.readouterr().out
    assert "60 images of (3, 8, 8)" in out
    assert "densely connected" in out
