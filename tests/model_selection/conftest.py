"""Markers that scikit-learn's own search tests carry."""


def pytest_configure(config):
    config.addinivalue_line("markers", "thread_unsafe: scikit-learn's mark, of no effect here")
