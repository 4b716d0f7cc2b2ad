"""scikit-learn's estimator checks, documented defaults, converters, and out-of-core reading."""

import re
from inspect import signature

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_trainkit.preprocessing import MinMaxScaler, SplitBeforeScaling, StandardScaler

INSTANCES = [
    MinMaxScaler(),
    MinMaxScaler((-1, 1), clip="smooth", dtype="float32"),
    MinMaxScaler(clip=True, drift_threshold=1.0, channel_axis=1),
    MinMaxScaler(data_range=(-10, 10), n_jobs=2),
    StandardScaler(),
    StandardScaler(clip=True, dtype="float64"),
    StandardScaler(clip="smooth", clip_limit=2.0, n_jobs=2),
    StandardScaler(drift_threshold=1.0, channel_axis=1),
]


def expected_failures(estimator):
    if estimator.drift_threshold is None:
        return {}
    return {"check_dict_unchanged": "with drift_threshold, transform stores the share"}


@parametrize_with_checks(INSTANCES, expected_failed_checks=expected_failures)
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", [MinMaxScaler, SplitBeforeScaling, StandardScaler])
def test_documented_defaults_are_those_of_the_signature(estimator):
    parameters = estimator.__doc__.split("Parameters\n")[1].split("Attributes\n")[0]
    documented = dict(re.findall(r"^    (\w+) : .*default=(.+)$", parameters, flags=re.MULTILINE))
    actual = {
        name: repr(parameter.default)
        for name, parameter in signature(estimator).parameters.items()
        if parameter.default is not parameter.empty
    }
    assert {name: value.replace('"', "'") for name, value in documented.items()} == actual


@pytest.mark.parametrize("scaler", [MinMaxScaler(), StandardScaler()])
def test_converters_take_the_exact_class(scaler):
    skl2onnx = pytest.importorskip("skl2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    X = np.random.default_rng(0).normal(5, 3, size=(50, 4)).astype(np.float32)
    model = skl2onnx.to_onnx(scaler.fit(X).to_sklearn(), X[:1])
    session = onnxruntime.InferenceSession(model.SerializeToString())
    result = session.run(None, {session.get_inputs()[0].name: X})[0]
    np.testing.assert_allclose(result, scaler.transform(X), atol=1e-5)


@pytest.mark.parametrize("make", [MinMaxScaler, StandardScaler])
def test_files_in_chunks_equal_one_array(make, tmp_path):
    X = np.random.default_rng(0).normal(5, 3, size=(1_000, 4))
    names = list("abcd")
    np.save(tmp_path / "X.npy", X)
    pd.DataFrame(X, columns=names).to_csv(tmp_path / "X.csv", index=False)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    from_map, from_csv, whole = make(), make(), make().fit(X)
    for start in range(0, 1_000, 130):
        from_map.partial_fit(mapped[start : start + 130])
    for chunk in pd.read_csv(tmp_path / "X.csv", chunksize=130):
        from_csv.partial_fit(chunk)
    for scaler in (from_map, from_csv):
        np.testing.assert_allclose(scaler.scale_, whole.scale_, rtol=1e-13)
    np.testing.assert_allclose(
        from_map.transform(mapped), whole.transform(X), rtol=1e-11, atol=1e-13
    )
    assert type(from_map.transform(mapped)) is np.ndarray
    assert from_csv.feature_names_in_.tolist() == names
