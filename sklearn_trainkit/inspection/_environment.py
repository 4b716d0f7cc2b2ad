"""What was installed, and on what kind of machine: no names of hosts, users or paths."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import sklearn_trainkit

__all__ = ["describe_environment"]

PACKAGES = (
    "numpy", "pandas", "scipy", "scikit-learn", "torch", "skorch", "optuna",
    "optuna-integration", "cmaes", "scikit-optimize", "matplotlib",
)  # fmt: skip


def describe_environment() -> dict[str, str]:
    """Return what a reader needs to repeat a measurement.

    Returns
    -------
    environment : dict of str to str
        System, processors, Python and the version of each package that is installed.
    """
    environment = {
        "system": f"{platform.system()} {platform.machine()}",
        "processors": str(os.cpu_count()),
        "Python": platform.python_version(),
        "sklearn_trainkit": sklearn_trainkit.__version__,
    }
    for name in PACKAGES:
        try:
            environment[name] = version(name)
        except PackageNotFoundError:
            continue
    return environment
