"""The password of a storage URL is shown by nothing that holds the search, and still connects."""

import copy
import json
import logging
import pickle
import warnings
from io import BytesIO
from string import Template

import cloudpickle
import joblib
import optuna
import pytest
from joblib.externals.loky.backend.reduction import dumps as dump_for_loky
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.model_selection.study import _patient_storage, _secrets
from sklearn_trainkit.model_selection.study._secrets import SecretURL, hide_password, reveal, scrub

SECRET = "s3cr3tPW"
URL = f"postgresql+psycopg://user:{SECRET}@db/trials"
URLS = {
    "plain": URL,
    "colon": f"postgresql://user:a:{SECRET}@db/trials",
    "at": f"postgresql://user:a@{SECRET}@db/trials",
    "slash": f"postgresql://user:a/{SECRET}?b@db/trials",
    "encoded": f"postgresql://user:a%40{SECRET}@db/trials",
    "user with an at": f"postgresql://user@server:{SECRET}@db:5432/trials",
    "no user": f"postgresql://:{SECRET}@db/trials",
    "query": f"postgresql://db/trials?user=me&password={SECRET}",
    "query of a certificate": f"postgresql://user@db/trials?sslmode=verify&sslpassword={SECRET}",
    "query in capitals": f"mssql://db/trials?PWD={SECRET}&driver=x",
    "query with a semicolon": f"postgresql://db/trials?password=a;{SECRET}",
    "semicolon": f"postgresql://db/trials;password={SECRET}",
    "keywords": f"host=db user=me password={SECRET} dbname=trials",
    "keywords in quotes": f"host=db password = '{SECRET} b' user=me",
    "no scheme": f"user:{SECRET}@db/trials",
    "odbc": f"mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3D{SECRET}",
    "encoded name": f"postgresql://user@db/trials?p%61ss%77ord={SECRET}",
    "setting": f"postgresql://user@db/trials?options=-cpassword%3D{SECRET}&x=1",
    "setting in small letters": f"postgresql://user@db/trials?opt%69ons=-cpassw%6frd%3d{SECRET}",
    "setting, encoded twice": f"postgresql://user@db/trials?options=-cpassword%253D{SECRET}",
    "setting in quotes": f"mysql://db/trials?init_command=SET+PASSWORD+%3D+%27{SECRET}%27",
    "setting in braces": f"mssql://db/trials?connect=DRIVER%3Dx%3BPWD%3D%7B{SECRET}%7D",
    "setting in JSON": f"mysql://db/trials?ssl=%7B%22password%22%3A%22{SECRET}%22%7D",
    "URL in a query": f"mysql://db/trials?proxy=http%3A%2F%2Fme%3A{SECRET}%40host",
    "fragment": f"postgresql://user@db/trials?x=1#password={SECRET}",
    "encoded ampersand": f"postgresql://user@db/trials?x=1%26password%3D{SECRET}",
    "keywords of a certificate": f"host=db sslpassword={SECRET}",
}


def make_search(storage=URL, **settings):
    return OptunaSearchCV(
        LogisticRegression(), {"C": [0.1, 1.0]}, **({"storage": storage, "n_trials": 2} | settings)
    )


CONTAINERS = {
    "search": lambda search: search,
    "clone": clone,
    "copy": copy.copy,
    "deep copy": copy.deepcopy,
    "pickled": lambda search: pickle.loads(pickle.dumps(search)),
    "set later": lambda search: make_search(None).set_params(storage=URL),
    "Pipeline": lambda search: make_pipeline(StandardScaler(), search),
    "Pipeline in a Pipeline": lambda search: make_pipeline(make_pipeline(search)),
    "GridSearchCV": lambda search: GridSearchCV(search, {"n_trials": [1]}),
    "GridSearchCV of a Pipeline": lambda search: GridSearchCV(make_pipeline(search), {}),
    "search of a search": lambda search: make_search(None, n_trials=3).set_params(estimator=search),
    "VotingClassifier": lambda search: VotingClassifier([("a", search)]),
    "ColumnTransformer": lambda search: ColumnTransformer([("a", search, [0])]),
    "list": lambda search: [search],
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_nothing_that_contains_a_search_shows_its_password(container):
    outer = CONTAINERS[container](make_search())
    shown = [repr(outer), str(outer), f"{outer}", f"{outer}"]
    if hasattr(outer, "get_params"):
        params = outer.get_params(deep=True)
        shown += [estimator_html_repr(outer), str(params), *map(str, params.values())]
        shown += [str(outer._repr_mimebundle_())]
    assert not [text for text in shown if SECRET in text]


@pytest.mark.parametrize("case", URLS)
def test_every_spelling_of_a_password_is_hidden_and_still_connects(case):
    search = make_search(URLS[case])
    parts = [repr(search), search._repr_html_(), repr(search.storage), str(vars(search))]
    assert not [text for text in parts if SECRET in text]
    assert reveal(search.storage) == URLS[case]
    assert reveal(clone(search).storage) == URLS[case]


@pytest.mark.parametrize("case", [case for case in URLS if "setting" in case or "URL" in case])
def test_what_a_driver_makes_of_a_value_is_hidden_in_its_messages(case):
    assert scrub(f"no entry for {SECRET} on db", URLS[case]) == "no entry for *** on db"


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///study.db",
        "study.journal",
        "runs/me@home:1/study.journal",
        "C:\\runs\\me@home.journal",
        "lr=0.1 token=5.journal",
        "postgresql://db:5432/trials",
        "postgresql://user@db/trials",
        "postgresql://user@db:5432/trials?application_name=x",
        "postgresql://user@db/trials?options=-csearch_path%3Dx&connect_timeout=5",
        None,
    ],
)
def test_a_storage_without_a_password_is_kept_as_it_is(url):
    assert make_search(url).storage is url


def test_no_way_of_writing_texts_gives_the_password_away():
    url = make_search().storage
    written = [
        str(url), repr(url), f"{url}", f"{url:>80}", f"{url!s}", "%s" % url, "{}".format(url),  # noqa: UP031, UP032
        "".join([url]), "at " + url, url + "", json.dumps(url), url.upper(), url.encode().decode(),
        Template("$url").substitute(url=url), url[:], url.replace("x", "y"), str([url]), str({url}),
    ]  # fmt: skip
    assert not [text for text in written if SECRET.lower() in text.lower()]


def test_logs_and_warnings_of_it_are_hidden(caplog):
    url = make_search().storage
    with caplog.at_level(logging.INFO), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        logging.getLogger("somebody").info("opening %s", url)
        warnings.warn(url, UserWarning, stacklevel=1)
    assert SECRET not in caplog.text + str(caught[0].message)


def test_scikit_learns_contract_of_parameters_holds():
    search = make_search()
    kept = search.get_params()["storage"]
    assert kept == URL
    assert (kept != URL) is False
    assert hash(kept) == hash(URL)
    assert kept != URL.replace(SECRET, "other")
    # clone checks that a constructor keeps what it is given.
    assert clone(search).storage is kept
    assert OptunaSearchCV(**search.get_params(deep=False)).storage is kept
    assert search.set_params(storage="study.journal").storage == "study.journal"
    with pytest.raises(AttributeError, match="storage"):
        _ = object.__new__(OptunaSearchCV).storage


def test_files_hold_no_password_but_workers_are_sent_it(monkeypatch):
    search = make_pipeline(make_search())
    in_file = BytesIO()
    joblib.dump(search, in_file)
    dumped = [pickle.dumps(search), cloudpickle.dumps(search), in_file.getvalue()]
    assert not [data for data in dumped if SECRET.encode() in data]
    monkeypatch.setattr(_secrets, "_known", {})  # as in another process
    sent = pickle.loads(dump_for_loky(search))
    assert reveal(sent[-1].storage) == URL
    elsewhere = joblib.Parallel(n_jobs=2)(joblib.delayed(reveal)(u) for u in [search[-1].storage])
    assert elsewhere == [URL]


def test_storages_on_servers_become_urls_in_a_pickle():
    storage = optuna.storages.RDBStorage("sqlite:///:memory:")
    storage.url = URL
    search = make_search(storage)
    assert SECRET not in repr(search) + search._repr_html_() + str(search.get_params())
    assert SECRET.encode() not in pickle.dumps(search)
    copied = pickle.loads(pickle.dumps(search))
    assert isinstance(copied.storage, SecretURL)
    assert reveal(copied.storage) == URL


def test_an_unknown_password_is_left_to_the_databases_client():
    assert reveal("postgresql://user:***@elsewhere/db") == "postgresql://user@elsewhere/db"
    assert reveal("postgresql://h/db?password=***&a=1") == "postgresql://h/db?&a=1"


def test_errors_are_scrubbed_of_every_spelling():
    url = hide_password("postgresql://user:p%40ss%20word@db/x?sslpassword=also")
    text = "no way with 'p@ss word', p%40ss%20word or also"
    assert scrub(text, url) == "no way with '***', *** or ***"


@pytest.mark.parametrize("case", ["plain", "encoded", "query", "at"])
def test_a_refused_connection_shows_no_password(case, monkeypatch):
    monkeypatch.setattr(_patient_storage, "OPENING_SECONDS", 0.0)
    pytest.importorskip("psycopg")
    url = URLS[case].replace("@db", "@127.0.0.1:1").replace("//db", "//127.0.0.1:1")
    search = make_search(url.replace("postgresql://", "postgresql+psycopg://"))
    with pytest.raises(Exception, match="storage") as info:
        search.fit([[0.0], [1.0]] * 5, [0, 1] * 5)
    assert SECRET not in str(info.value)


def test_a_wrong_type_or_url_is_refused_without_it():
    with pytest.raises(ValueError, match="cannot be opened") as info:
        make_search(f"nonsense://user:{SECRET}@db/x").fit([[0.0], [1.0]] * 5, [0, 1] * 5)
    assert SECRET not in str(info.value)


@pytest.mark.parametrize("case", ["keywords", "keywords in quotes", "no scheme"])
def test_a_database_that_is_no_url_does_not_become_a_file(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="postgresql://user:password@host") as info:
        make_search(URLS[case]).fit([[0.0], [1.0]] * 5, [0, 1] * 5)
    assert SECRET not in str(info.value)
    assert not list(tmp_path.iterdir())
