"""Stored studies: resumed where they stood, refused to strangers, not needed by a pickle."""

import pickle
import textwrap

import numpy as np
import optuna
import pytest
from scipy.stats import expon, loguniform
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from sklearn_trainkit.model_selection import OptunaSearchCV
from tests.forked_script import ForkedScript

X, y = make_classification(n_samples=60, n_features=4, random_state=0)
PIPE = Pipeline([("scale", StandardScaler()), ("clf", LogisticRegression())])
SPACE = {"scale": [StandardScaler(), MinMaxScaler(), "passthrough"], "clf__C": loguniform(0.01, 10)}


@pytest.fixture(params=["journal", "sqlite"])
def storage(request, tmp_path):
    path = tmp_path / "study"
    return str(path) if request.param == "journal" else f"sqlite:///{path}.db"


def make_search(storage, **settings):
    return OptunaSearchCV(
        PIPE, SPACE, **({"n_trials": 3, "cv": 2, "random_state": 0, "storage": storage} | settings)
    )


def test_a_resumed_search_has_all_rows_and_repeats_none(storage):
    first = make_search(storage, return_train_score=True).fit(X, y)
    more = make_search(storage, resume=True, n_trials=6, return_train_score=True).fit(X, y)
    for key, column in first.cv_results_.items():
        kept = more.cv_results_[key][:3]
        if key == "params":
            assert [params["clf__C"] for params in kept] == [p["clf__C"] for p in column]
        elif "rank" not in key and not key.startswith("param_"):
            np.testing.assert_array_equal(kept, column)
    assert more.n_trials_ == 6
    assert len(set(more.cv_results_["param_clf__C"])) == 6
    assert isinstance(
        more.cv_results_["params"][0]["scale"], type(first.cv_results_["params"][0]["scale"])
    )


def test_nothing_is_fitted_again_when_the_budget_is_spent(storage):
    make_search(storage).fit(X, y)
    calls = []
    again = make_search(storage, resume=True, callbacks=[lambda *args: calls.append(args)])
    assert again.fit(X, y).n_trials_ == 3
    assert calls == []


def test_enqueued_objects_come_back_as_they_were(storage):
    enqueue = [{"scale": MinMaxScaler(), "clf__C": 0.5}] * 2
    make_search(storage, enqueue=enqueue, n_trials=2).fit(X, y)
    again = make_search(storage, enqueue=enqueue, n_trials=2, resume=True).fit(X, y)
    assert again.cv_results_["params"] == enqueue


def test_an_existing_study_is_not_overwritten(storage):
    make_search(storage).fit(X, y)
    with pytest.raises(ValueError, match=r"already holds a study named.*Pass resume=True"):
        make_search(storage).fit(X, y)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("data", {"X": X + 1}),
        ("splits", {"cv": 3}),
        ("space", {"param_distributions": {"clf__C": [1.0]}}),
        (
            "estimator",
            {"estimator": Pipeline([*PIPE.steps[:1], ("clf", LogisticRegression(tol=1))])},
        ),
        ("scoring", {"scoring": "roc_auc"}),
    ],
)
def test_another_searchs_study_is_refused(tmp_path, part, change):
    path = str(tmp_path / "study")
    make_search(path, study_name="mine").fit(X, y)
    rows = change.pop("X", X)
    other = make_search(path, study_name="mine", resume=True).set_params(**change)
    with pytest.raises(ValueError, match=f"belongs to another search: {part}"):
        other.fit(rows, y)


def test_spaces_that_differ_only_in_a_distribution_are_told_apart(tmp_path):
    path = str(tmp_path / "study")
    make_search(path, study_name="mine").set_params(
        param_distributions={"clf__C": expon(scale=1)}
    ).fit(X, y)
    other = make_search(path, study_name="mine", resume=True)
    with pytest.raises(ValueError, match="belongs to another search: space"):
        other.set_params(param_distributions={"clf__C": expon(scale=2)}).fit(X, y)


def test_a_study_of_somebody_else_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    optuna.create_study(storage=url, study_name="theirs", direction="maximize")
    with pytest.raises(ValueError, match="was not made by OptunaSearchCV"):
        make_search(url, study_name="theirs", resume=True).fit(X, y)


def test_outer_folds_of_a_nested_cross_validation_get_a_study_each(storage):
    scores = cross_val_score(make_search(storage), X, y, cv=KFold(3), error_score="raise")
    alone = cross_val_score(make_search(None), X, y, cv=KFold(3))
    np.testing.assert_array_equal(scores, alone)
    opened = optuna.storages.RDBStorage(storage) if "://" in storage else None
    if opened is not None:
        assert len(opened.get_all_studies()) == 3


def test_a_pickle_needs_no_database(tmp_path):
    path = tmp_path / "study.db"
    search = make_search(f"sqlite:///{path}").fit(X, y)
    dumped = pickle.dumps(search)
    path.unlink()
    copied = pickle.loads(dumped)
    np.testing.assert_array_equal(copied.predict(X), search.predict(X))
    assert len(copied.trials_dataframe()) == 3
    assert copied.best_trial_.number == copied.best_index_


def test_a_torn_last_line_is_dropped(tmp_path):
    path = tmp_path / "study"
    make_search(str(path)).fit(X, y)
    with path.open("ab") as file:
        file.write(b'{"op_code": 4, "worker_id": "abc')
    assert make_search(str(path), resume=True, n_trials=4).fit(X, y).n_trials_ == 4


def test_a_storage_that_cannot_be_opened_is_named():
    with pytest.raises(ValueError, match=r"sqlite:////nowhere/at/all.db' cannot be opened"):
        make_search("sqlite:////nowhere/at/all.db").fit(X, y)


def test_resume_without_a_storage_is_refused():
    with pytest.raises(ValueError, match="resume=True needs a storage"):
        make_search(None, resume=True).fit(X, y)


SCRIPT = """
    import time, sys
    import numpy as np
    from sklearn.naive_bayes import GaussianNB
    from scipy.stats import expon, loguniform
    from sklearn_trainkit.model_selection import OptunaSearchCV

    n_fits = 0

    class Hangs(GaussianNB):
        def fit(self, X, y):
            global n_fits
            n_fits += 1
            if n_fits == 2 * int(sys.argv[3]) + 1:
                print("hanging", flush=True)
                time.sleep(1000)
            return super().fit(X, y)

    rng = np.random.RandomState(0)
    X, y = rng.randn(40, 3), np.arange(40) % 2
    search = OptunaSearchCV(
        Hangs(), {"var_smoothing": loguniform(1e-9, 1)}, n_trials=int(sys.argv[2]), cv=2,
        random_state=0, storage=sys.argv[1], study_name="killed", resume=True,
        callbacks=[lambda study, trial: print(trial.number, flush=True)],
    ).fit(X, y)
    print("done", search.n_trials_, len(search.cv_results_["params"]), flush=True)
"""


def test_after_a_kill_the_rerun_starts_where_it_was(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    path = str(tmp_path / "study")
    process = ForkedScript(script, path, "100", "4")
    lines = [process.stdout.readline().strip() for _ in range(5)]
    assert lines == ["0", "1", "2", "3", "hanging"]  # in the fifth
    process.kill()
    process.communicate()
    n_done = 4
    written, errors = ForkedScript(script, path, str(n_done + 2), "100").communicate(timeout=120)
    lines = written.split("\n")
    # The killed trial keeps its number, and its candidate is tried again under a new one.
    assert lines[:2] == [str(n_done + 1), str(n_done + 2)], errors
    assert lines[2] == f"done {n_done + 2} {n_done + 2}"


def test_a_grid_that_goes_on_keeps_the_parameters_of_its_points(tmp_path):
    class Honest(LogisticRegression):
        def score(self, X, y):
            return self.C

    def search(n_trials):
        return OptunaSearchCV(
            Honest(), {"C": [0.1, 0.2, 0.3, 0.4, 0.5]}, sampler="grid", n_trials=n_trials, cv=2,
            storage=tmp_path / "journal", resume=True, random_state=0,
        ).fit(X, y)  # fmt: skip

    with pytest.warns(UserWarning, match="room for 2 of the 5 points"):
        search(2)
    results = search(None).cv_results_
    assert [params["C"] for params in results["params"]] == pytest.approx(
        results["mean_test_score"]
    )
    assert sorted(params["C"] for params in results["params"]) == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_a_point_of_a_grid_that_was_interrupted_is_tried_when_it_goes_on(tmp_path):
    class Interrupted(LogisticRegression):
        def fit(self, X, y):
            if self.C == 0.3 and not (tmp_path / "again").exists():
                raise KeyboardInterrupt
            return super().fit(X, y)

    def search():
        return OptunaSearchCV(
            Interrupted(), {"C": [0.1, 0.2, 0.3, 0.4]}, sampler="grid", n_trials=None, cv=2,
            storage=tmp_path / "journal", resume=True, random_state=0,
        ).fit(X, y)  # fmt: skip

    assert search().interrupted_
    (tmp_path / "again").touch()
    tried = [params["C"] for params in search().cv_results_["params"]]
    assert sorted(tried) == [0.1, 0.2, 0.3, 0.4]


REFUSED = {
    "trials_per_stack": {"trials_per_stack": 2},
    "stack and race": {"trials_per_stack": 2, "pruner": "racing"},
    "pausing without epochs": {"pruner": "pause_and_resume"},
    "racing in parallel": {"pruner": "pause_and_resume", "n_jobs": 2},
    "per-epoch": {"evaluator": "per-epoch"},
    "fold-stack": {"evaluator": "fold-stack"},
    "objectives": {"objectives": ["score", "speed"]},
    "objectives of one sampler": {"objectives": ["score", "fit_time"], "sampler": "cmaes"},
    "objectives and pruner": {"objectives": ["score", "fit_time"], "pruner": "median"},
    "callbacks": {"callbacks": [3]},
    "enqueue": {"enqueue": [{"C": -1.0}]},
    "n_jobs": {"n_jobs": 0},
    "metric": {"scoring": "neg_log_loss", "estimator": SVC()},
    "function": {"param_distributions": lambda trial: {"Z": 1}},
    "no function of a trial": {"param_distributions": lambda trial: trial.suggest_nothing()},
    # A generator can be sent to no worker.
    "unpicklable": {"n_jobs": 2, "estimator": SVC(kernel=(each for each in "abc"))},
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_setting_leaves_no_study_behind(tmp_path, name):
    path = tmp_path / "study.journal"
    settings = REFUSED[name]
    space = settings.get("param_distributions", {"C": [1.0, 10.0]})
    estimator = settings.get("estimator", SVC(random_state=0))
    rest = {k: v for k, v in settings.items() if k not in ("param_distributions", "estimator")}
    options = {"n_trials": 2, "cv": 2, "storage": path, "study_name": "s", "random_state": 0}
    with pytest.raises((TypeError, ValueError, AttributeError, NotImplementedError)):
        OptunaSearchCV(estimator, space, **(options | rest)).fit(X, y)
    assert not path.exists() or not path.read_bytes()
    again = OptunaSearchCV(SVC(), {"C": [1.0, 10.0]}, **options).fit(X, y)
    assert again.n_trials_ == 2
