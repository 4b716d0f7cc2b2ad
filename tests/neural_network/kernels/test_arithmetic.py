"""Exponentials of compiled code against NumPy's and SciPy's in float64."""

import numpy as np
import pytest
from scipy import special

numba = pytest.importorskip("numba", reason="numba is not installed")

from sklearn_trainkit.neural_network.kernels import _arithmetic  # noqa: E402

SMALL = np.logspace(-12, 0, 200)
ARGUMENTS = np.concatenate([np.linspace(-30, 30, 5_000), SMALL, -SMALL, [0.0]])


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("exp", np.exp),
        ("expm1", np.expm1),
        ("sigmoid", special.expit),
        ("tanh", np.tanh),
        ("erf", special.erf),
    ],
)
def test_functions_are_exact(name, reference):
    function = getattr(_arithmetic, name)

    @numba.njit(fastmath=_arithmetic.FAST_MATH, error_model="numpy")
    def of_all(x, y):
        for i in range(x.size):
            y[i] = function(x[i])

    for dtype, rtol in ((np.float32, 3e-7), (np.float64, 2e-15)):
        x = np.append(ARGUMENTS.astype(dtype), dtype(np.nan))
        y = np.empty_like(x)
        of_all(x, y)
        expected = reference(x[:-1].astype(np.float64))
        # The error function of float32 is exact to 2e-7 of one, not of itself.
        atol = 5e-7 if name == "erf" and dtype is np.float32 else 0.0
        np.testing.assert_allclose(y[:-1], expected, rtol=rtol, atol=atol)
        assert np.isnan(y[-1])
