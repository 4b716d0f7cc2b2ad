"""Sphinx settings of the project's site."""

import sklearn_trainkit

project = "sklearn_trainkit"
author = "The sklearn_trainkit developers"
release = version = sklearn_trainkit.__version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
autosummary_generate = True
numpydoc_show_class_members = False
exclude_patterns = ["_build"]
html_theme = "alabaster"
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "ignore_pattern": "benchmarks",
    # Examples run for minutes; the site shows them without running them unless asked to.
    "plot_gallery": False,
}
