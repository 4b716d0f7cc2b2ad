"""Steps of optimizers that treat every number by itself, as torch takes them.

References
----------
Kingma, Ba: Adam. ICLR 2015 (also Adamax). Loshchilov, Hutter: Decoupled weight decay. ICLR 2019.
Dozat: Incorporating Nesterov momentum into Adam. 2016. Liu et al.: On the variance of the adaptive
learning rate. ICLR 2020. Duchi et al.: Adagrad. JMLR 2011. Zeiler: Adadelta. 2012.
"""

from typing import Any

import numpy as np

from sklearn_trainkit.neural_network.kernels._arithmetic import compiled_part
from sklearn_trainkit.neural_network.kernels._codes import Optimizer

__all__ = ["take_step"]

_SGD, _ADAM, _NADAM = int(Optimizer.SGD), int(Optimizer.ADAM), int(Optimizer.NADAM)
_RADAM, _ADAMAX, _RMSPROP = int(Optimizer.RADAM), int(Optimizer.ADAMAX), int(Optimizer.RMSPROP)
_ADAGRAD, _ADADELTA = int(Optimizer.ADAGRAD), int(Optimizer.ADADELTA)


@compiled_part
def _adam(p: Any, g: Any, m: Any, v: Any, most: Any, lr: float, t: float, hyper: Any) -> None:
    """Hyper: beta1, beta2, eps. ``most`` is empty but for AMSGrad."""
    real = p.dtype.type
    beta1, beta2, eps = hyper[3], hyper[4], real(hyper[5])
    a1, a2, b2 = real(1.0 - beta1), real(1.0 - beta2), real(beta2)
    size = real(lr / (1.0 - beta1**t))
    root = real(1.0 / np.sqrt(1.0 - beta2**t))
    if most.size == 0:
        for i in range(p.size):
            m[i] += a1 * (g[i] - m[i])
            v[i] = b2 * v[i] + a2 * g[i] * g[i]
            p[i] -= size * m[i] / (np.sqrt(v[i]) * root + eps)
        return
    for i in range(p.size):
        m[i] += a1 * (g[i] - m[i])
        v[i] = b2 * v[i] + a2 * g[i] * g[i]
        most[i] = v[i] if v[i] > most[i] else most[i]
        p[i] -= size * m[i] / (np.sqrt(most[i]) * root + eps)


@compiled_part
def _nadam(
    p: Any, g: Any, m: Any, v: Any, lr: float, t: float, hyper: Any, product: float
) -> float:
    """Hyper: beta1, beta2, eps, momentum decay, whether the product is kept in float32."""
    real = p.dtype.type
    beta1, beta2, eps = hyper[3], hyper[4], real(hyper[5])
    a1, a2, b2 = real(1.0 - beta1), real(1.0 - beta2), real(beta2)
    mu = beta1 * (1.0 - 0.5 * 0.96 ** (t * hyper[6]))
    following = beta1 * (1.0 - 0.5 * 0.96 ** ((t + 1.0) * hyper[6]))
    if hyper[7]:
        product = float(np.float32(product) * np.float32(mu))
    else:
        product *= mu
    now = real(lr * (1.0 - mu) / (1.0 - product))
    ahead = real(lr * following / (1.0 - product * following))
    root = real(1.0 / np.sqrt(1.0 - beta2**t))
    for i in range(p.size):
        m[i] += a1 * (g[i] - m[i])
        v[i] = b2 * v[i] + a2 * g[i] * g[i]
        p[i] -= (now * g[i] + ahead * m[i]) / (np.sqrt(v[i]) * root + eps)
    return product


@compiled_part
def _radam(p: Any, g: Any, m: Any, v: Any, lr: float, t: float, hyper: Any) -> None:
    """Hyper: beta1, beta2, eps."""
    real = p.dtype.type
    beta1, beta2, eps = hyper[3], hyper[4], real(hyper[5])
    a1, a2, b2 = real(1.0 - beta1), real(1.0 - beta2), real(beta2)
    correction = 1.0 - beta2**t
    longest = 2.0 / (1.0 - beta2) - 1.0
    length = longest - 2.0 * t * beta2**t / correction
    size = lr / (1.0 - beta1**t)
    if length > 5.0:
        share = (length - 4.0) * (length - 2.0) * longest
        share /= (longest - 4.0) * (longest - 2.0) * length
        size *= np.sqrt(share) * np.sqrt(correction)
    step = real(size)
    for i in range(p.size):
        m[i] += a1 * (g[i] - m[i])
        v[i] = b2 * v[i] + a2 * g[i] * g[i]
    if length > 5.0:
        for i in range(p.size):
            p[i] -= step * m[i] / (np.sqrt(v[i]) + eps)
    else:
        for i in range(p.size):
            p[i] -= step * m[i]


@compiled_part
def _adamax(p: Any, g: Any, m: Any, most: Any, lr: float, t: float, hyper: Any) -> None:
    """Hyper: beta1, beta2, eps."""
    real = p.dtype.type
    a1, b2, eps = real(1.0 - hyper[3]), real(hyper[4]), real(hyper[5])
    size = real(lr / (1.0 - hyper[3] ** t))
    for i in range(p.size):
        m[i] += a1 * (g[i] - m[i])
        now, before = abs(g[i]) + eps, most[i] * b2
        most[i] = before if before > now else now
        p[i] -= size * m[i] / most[i]


@compiled_part
def _rmsprop(p: Any, g: Any, square: Any, momentum: Any, mean: Any, lr: float, hyper: Any) -> None:
    """Hyper: alpha, eps, momentum. Without momentum, or centering, these states are empty."""
    real = p.dtype.type
    alpha, rest, eps = real(hyper[3]), real(1.0 - hyper[3]), real(hyper[4])
    size, kept = real(lr), real(hyper[5])
    for i in range(p.size):
        square[i] = alpha * square[i] + rest * g[i] * g[i]
        average = square[i]
        if mean.size:
            mean[i] += rest * (g[i] - mean[i])
            average -= mean[i] * mean[i]
        step = g[i] / (np.sqrt(average) + eps)
        if momentum.size:
            momentum[i] = kept * momentum[i] + step
            step = momentum[i]
        p[i] -= size * step


@compiled_part
def _sgd(p: Any, g: Any, momentum: Any, lr: float, hyper: Any, is_first: bool) -> None:
    """Hyper: momentum, dampening, nesterov. Without momentum its state is empty."""
    real = p.dtype.type
    size, kept, rest = real(lr), real(hyper[3]), real(1.0 - hyper[4])
    if momentum.size == 0:
        for i in range(p.size):
            p[i] -= size * g[i]
        return
    for i in range(p.size):
        momentum[i] = g[i] if is_first else kept * momentum[i] + rest * g[i]
        step = g[i] + kept * momentum[i] if hyper[5] else momentum[i]
        p[i] -= size * step


@compiled_part
def _adagrad(p: Any, g: Any, total: Any, lr: float, t: float, hyper: Any) -> None:
    """Hyper: decay of the learning rate, eps."""
    real = p.dtype.type
    size, eps = real(lr / (1.0 + (t - 1.0) * hyper[3])), real(hyper[4])
    for i in range(p.size):
        total[i] += g[i] * g[i]
        p[i] -= size * g[i] / (np.sqrt(total[i]) + eps)


@compiled_part
def _adadelta(p: Any, g: Any, square: Any, moved: Any, lr: float, hyper: Any) -> None:
    """Hyper: rho, eps."""
    real = p.dtype.type
    rho, rest, eps, size = real(hyper[3]), real(1.0 - hyper[3]), real(hyper[4]), real(lr)
    for i in range(p.size):
        square[i] = rho * square[i] + rest * g[i] * g[i]
        step = np.sqrt(moved[i] + eps) / np.sqrt(square[i] + eps) * g[i]
        moved[i] = rho * moved[i] + rest * step * step
        p[i] -= size * step


@compiled_part
def take_step(
    kind: int,
    p: Any,
    gradients: Any,
    s1: Any,
    s2: Any,
    s3: Any,
    lr: float,
    numbers: Any,
    hyper: Any,
) -> None:
    """Take a step of one network.

    Parameters
    ----------
    kind : int
        An :class:`Optimizer`.
    p, gradients, s1, s2, s3 : ndarray of shape (n,)
        Weights, gradients, and states in the order of the kind's function; unused ones are empty.
        Where there is weight decay, ``gradients[n:]`` of the same length is for use here.
    lr : float
    numbers : ndarray of float64, shape (2,)
        The count of steps taken, and NAdam's product of momenta; brought up to date.
    hyper : ndarray of float64, shape (N_HYPER,)
    """
    real = p.dtype.type
    numbers[0] += 1.0
    t = numbers[0]
    decay = hyper[0]
    g = gradients[: p.size]
    if decay != 0.0 and hyper[1]:
        rest = real(1.0 - lr * decay)
        for i in range(p.size):
            p[i] *= rest
    if hyper[2] or (decay != 0.0 and not hyper[1]):
        # The gradients themselves stay as they are: callbacks look at them.
        used = gradients[p.size :]
        sign = real(-1.0 if hyper[2] else 1.0)
        rate = real(0.0 if hyper[1] else decay)
        for i in range(p.size):
            used[i] = sign * g[i] + rate * p[i]
        g = used
    if kind == _ADAM:
        _adam(p, g, s1, s2, s3, lr, t, hyper)
    elif kind == _SGD:
        _sgd(p, g, s1, lr, hyper, numbers[1] == 0.0)
        numbers[1] = 1.0
    elif kind == _NADAM:
        numbers[1] = _nadam(p, g, s1, s2, lr, t, hyper, numbers[1])
    elif kind == _RADAM:
        _radam(p, g, s1, s2, lr, t, hyper)
    elif kind == _ADAMAX:
        _adamax(p, g, s1, s2, lr, t, hyper)
    elif kind == _RMSPROP:
        _rmsprop(p, g, s1, s2, s3, lr, hyper)
    elif kind == _ADAGRAD:
        _adagrad(p, g, s1, lr, t, hyper)
    elif kind == _ADADELTA:
        _adadelta(p, g, s1, s2, lr, hyper)
