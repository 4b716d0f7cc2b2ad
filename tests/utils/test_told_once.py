"""Warnings that are given once a search."""

import warnings

import pytest

from sklearn_trainkit.utils import _told_once
from sklearn_trainkit.utils._told_once import tell_once_per_process, told_once, warn_once


def told(action):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action()
    return [str(each.message) for each in caught]


def test_outside_a_block_every_warning_is_given():
    assert told(lambda: [warn_once("a", "key"), warn_once("b", "key")]) == ["a", "b"]


def test_inside_a_block_each_key_is_told_once_also_by_inner_blocks():
    def search():
        with told_once():
            warn_once("a", "key")
            with told_once():
                warn_once("b", "key")
                warn_once("c", "other")
            warn_once("d", "other")

    assert told(search) == ["a", "c"]
    assert told(search) == ["a", "c"]  # a second search tells again


def test_an_error_inside_a_block_ends_it():
    def fail():
        with told_once():
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert told(lambda: [warn_once("a", "key"), warn_once("b", "key")]) == ["a", "b"]


def test_a_worker_process_tells_once(monkeypatch):
    monkeypatch.setattr(_told_once, "_told", _told_once._Told())
    tell_once_per_process()
    assert told(lambda: [warn_once("a", "key"), warn_once("b", "key")]) == ["a"]
