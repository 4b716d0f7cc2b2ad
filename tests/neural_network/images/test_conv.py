import pickle

import numpy as np
import optuna
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.pipeline import Pipeline, make_pipeline
from torch import nn

from sklearn_trainkit.callbacks import GradientFlow
from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.neural_network import ConvNetClassifier, ConvNetRegressor
from sklearn_trainkit.neural_network.modules._input_standardization import InputStandardization
from sklearn_trainkit.preprocessing import MinMaxScaler, StandardScaler

X_FLAT, Y = (part[:240] for part in load_digits(return_X_y=True))
IMAGES = X_FLAT.reshape(-1, 8, 8).astype(np.float32)


def small(cls=ConvNetClassifier, **params):
    return cls((4, 8), **{"max_epochs": 2, "random_state": 0, **params})


def weights(net):
    return [p.detach().numpy() for p in net.module_.parameters()]


def assert_same(net, other):
    for ours, theirs in zip(weights(net), weights(other), strict=True):
        assert_array_equal(ours, theirs)


def test_layouts_of_the_same_images_give_the_same_network():
    wanted = small().fit(IMAGES, Y)
    assert wanted.input_shape_ == (1, 8, 8)
    assert_same(small().fit(IMAGES[:, None], Y), wanted)
    flat = X_FLAT.astype(np.float32)
    for image_shape in ((8, 8), (1, 8, 8), (1, 8, -1), [-1, 8]):
        net = small(image_shape=image_shape).fit(flat, Y)
        assert_same(net, wanted)
        assert_array_equal(net.predict_proba(flat), wanted.predict_proba(IMAGES))


def test_uint8_images_train_as_floats_do():
    assert_same(small().fit(IMAGES.astype(np.uint8), Y), small().fit(IMAGES, Y))


def test_standardize_X_is_a_scaler_per_channel_in_front():
    X = np.random.default_rng(0).normal(5, 3, size=(60, 2, 6, 6))
    inside = small(norm=None).fit(X, Y[:60])
    scaled = StandardScaler(channel_axis=1).fit_transform(X)
    outside = small(norm=None, standardize_X=False).fit(scaled, Y[:60])
    assert_allclose(inside.predict_proba(X), outside.predict_proba(scaled), rtol=1e-8)


def test_input_statistics_do_not_come_from_the_stopping_images():
    net = small(early_stopping=True).fit(IMAGES, Y)
    run = small(early_stopping=True).start_fit(IMAGES, Y)
    train = run.loader.rows.X
    assert len(train) == 216
    assert_allclose(net.module_.standardize.mean, train.mean().item(), rtol=1e-5)


def test_fit_is_repeatable_and_stepping_equals_fit():
    params = {"dropout": 0.2, "flip": "both", "max_shift": 1, "crop_size": 7}
    wanted = small(**params).fit(IMAGES, Y)
    assert_same(small(**params).fit(IMAGES, Y), wanted)
    run = small(**params).start_fit(IMAGES, Y)
    while run.advance():
        torch.rand(3)
    run.finish()
    assert_same(run.net, wanted)
    assert not np.array_equal(
        weights(small(**{**params, "flip": None}).fit(IMAGES, Y))[0], weights(wanted)[0]
    )


def test_a_hand_written_loop_trains_the_same_weights():
    net = small(lr_schedule="constant", optimizer="sgd", lr=0.1, batch_size=-1, label_smoothing=0)
    run = net.start_fit(IMAGES, Y)
    module = pickle.loads(pickle.dumps(net.module_))
    run.train()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    order = np.random.default_rng(0).permutation(len(Y))
    for _ in range(2):  # one batch an epoch: the order of rows only rounds differently
        optimizer.zero_grad()
        output = module(torch.from_numpy(IMAGES[order, None]))
        nn.functional.cross_entropy(output, torch.from_numpy(Y[order])).backward()
        optimizer.step()
    for ours, theirs in zip(net.module_.parameters(), module.parameters(), strict=True):
        assert_allclose(ours.detach(), theirs.detach(), rtol=1e-3, atol=1e-5)


def test_regression_with_several_targets():
    y = np.stack([IMAGES.mean(axis=(1, 2)), IMAGES[:, :4].mean(axis=(1, 2))], axis=1)
    net = small(ConvNetRegressor, max_epochs=20, lr=0.01).fit(IMAGES, y)
    assert net.predict(IMAGES).shape == (240, 2)
    assert net.score(IMAGES, y) > 0.5


def test_everything_of_the_engine_is_there():
    flow = GradientFlow()
    net = small(
        early_stopping=True,
        clip_norm=1.0,
        lr_schedule="cosine",
        class_weight="balanced",
        callbacks=[flow],
    )
    net.fit(IMAGES, Y, sample_weight=np.ones(len(Y)))
    assert net.history_[-1, "valid_loss"] > 0
    assert net.best_epoch_ >= 1
    assert_array_equal(pickle.loads(pickle.dumps(net)).predict(IMAGES), net.predict(IMAGES))
    assert clone(net).get_params()["channels"] == (4, 8)
    n_steps = net.n_steps_
    net.set_params(early_stopping=False)
    assert net.partial_fit(IMAGES, Y).n_steps_ > n_steps


def test_searches_prune_behind_a_scaler_of_channels():
    pipeline = Pipeline([("scaler", StandardScaler(channel_axis=1)), ("net", small(max_epochs=3))])
    space = {
        "scaler": [StandardScaler(channel_axis=1), MinMaxScaler(channel_axis=1)],
        "net__skip": [None, "add", "concat"],
        "net__lr": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
    }
    search = OptunaSearchCV(
        pipeline, space, n_trials=6, cv=2, random_state=0, pruner="median", sampler="random"
    )
    search.fit(IMAGES[:, None], Y)
    assert 0 < search.best_score_ <= 1
    assert search.predict(IMAGES[:5, None]).shape == (5,)


def test_it_sits_behind_steps_for_flat_rows():
    net = make_pipeline(MinMaxScaler(), small(image_shape=(8, 8))).fit(X_FLAT, Y)
    assert net.predict(X_FLAT).shape == (240,)


def raises(match, X=IMAGES, cls=ConvNetClassifier, **params):
    with pytest.raises(ValueError, match=match):
        cls(**{"channels": (4, 8), "max_epochs": 1, **params}).fit(X, Y)


def test_bad_input_is_named():
    raises(r"X has flat rows of 64 features, so image_shape must say", X=X_FLAT)
    raises(
        r"image_shape=\(5, 5\) wants 25 features a row\. Got X with 64",
        X=X_FLAT,
        image_shape=(5, 5),
    )
    raises(r"image_shape must be \(height, width\)", X=X_FLAT, image_shape=(-1, -1))
    raises(r"image_shape=\(4, 16\) wants images of shape \(1, 4, 16\)", image_shape=(4, 16))
    raises(r"Got \(7, 8\) for image 1 and \(8, 8\)", X=[IMAGES[0], IMAGES[0][:7]])
    raises(r"X must have shape \(n_samples, channels", X=IMAGES[:, None, None])
    raises(r"channels=\(2, 2, 2, 2, 2\) halves images 4 times.*at least 16", channels=(2,) * 5)
    raises(r"norm_groups=3 does not divide the 4 channels", norm="group", norm_groups=3)
    raises(r"n_blocks must be a positive int, or one for each of the 2", n_blocks=(1, 2, 3))
    raises(r"channels must be a sequence of positive ints", channels=(4, 0))
    raises(r"kernel_size must be odd", kernel_size=4)
    raises(r"crop_size=9 does not lie inside images of \(8, 8\) pixels", crop_size=9)
    raises(r"pooling=None needs images of one size", pooling=None, crop_size=4)
    raises(r"image_shape must be \(height, width\)", X=X_FLAT, image_shape=(8.5, 8))
    raises(r"crop_size must be a positive int or \(height, width\)", crop_size=(2, 3, 4))
    raises(r"crop_size must be a positive int or \(height, width\)", crop_size=(2.5, 4))
    raises(r"X must have images of at least one pixel.*\(240, 1, 0, 8\)", X=IMAGES[:, :0])
    raises(r"X must have images that are arrays of numbers", X=[[[1.0, 2.0], [3.0]]] * 2)
    net = small().fit(IMAGES, Y)
    with pytest.raises(ValueError, match=r"samples of shape \(1, 7, 8\).*\(1, 8, 8\)"):
        net.predict(IMAGES[:, :7])


def test_image_shape_leaves_one_size_open_for_images_too():
    net = small(image_shape=(-1, 8)).fit(IMAGES, Y)
    assert_array_equal(net.predict(IMAGES), small().fit(IMAGES, Y).predict(IMAGES))


def test_maps_of_one_pixel_are_refused_where_a_norm_would_make_them_zero():
    for norm in ({"norm": "instance"}, {"norm": "group", "norm_groups": 4}):
        raises(r"brings images of \(8, 8\) pixels down to 1; use fewer", channels=(4,) * 4, **norm)
        raises(r"images of \(2, 2\) pixels down to 1", channels=(4, 4), crop_size=2, **norm)
        ConvNetClassifier((4, 4, 4), max_epochs=1, **norm).fit(IMAGES, Y)


def test_batch_norm_takes_single_images_whose_maps_have_several_pixels():
    small(batch_size=1, max_epochs=1).fit(IMAGES[:4], Y[:4])
    raises("needs at least 2 rows in a batch", channels=(4,) * 4, batch_size=1)


def test_input_statistics_are_learnt_on_the_threads_asked_for(monkeypatch):
    seen = []
    learn = InputStandardization.learn
    before = torch.get_num_threads()

    def watched(self, rows):
        seen.append(torch.get_num_threads())
        learn(self, rows)

    monkeypatch.setattr(InputStandardization, "learn", watched)
    torch.set_num_threads(2)
    try:
        small().fit(IMAGES, Y)
    finally:
        torch.set_num_threads(before)
    assert seen == [1]
