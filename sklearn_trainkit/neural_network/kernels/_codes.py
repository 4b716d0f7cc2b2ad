"""The numbers by which the compiled code knows layers, losses and optimizers."""

from enum import IntEnum

__all__ = [
    "N_HYPER",
    "Activation",
    "Field",
    "LossKind",
    "Operation",
    "Optimizer",
    "Part",
    "Real",
    "Use",
]


class Part(IntEnum):
    """What of a step is to be done."""

    ALL = 0
    GRADIENTS = 1  # up to the gradients, which somebody wants to see
    UPDATE = 2  # the rest: clipping, and the optimizer's step


class Operation(IntEnum):
    """What one line of a program does."""

    LINEAR = 0
    RECTIFY = 1
    ACTIVATE = 2
    DROPOUT = 3
    BATCH_NORM = 4
    GROUP_NORM = 5
    RMS_NORM = 6
    ADD = 7
    CONCAT = 8


class Activation(IntEnum):
    """Elementwise functions."""

    ELU = 0
    GELU = 1
    GELU_TANH = 2
    MISH = 3
    SIGMOID = 4
    SILU = 5
    TANH = 6


class Use(IntEnum):
    """What becomes of the gradient of an operation's input."""

    NONE = 0  # nobody needs it
    SET = 1  # it is the first
    ADD = 2  # it joins what another operation has left


class Field(IntEnum):
    """Columns of a program's whole numbers.

    Places of values are in the work space, of gradients in the slots, both for the largest batch.
    """

    OPERATION = 0
    X = 1  # what is read
    Y = 2  # what is written
    KEPT = 3  # what is kept for the backward pass: slopes, or normalized values
    N_IN = 4
    N_OUT = 5
    WEIGHT = 6  # among the parameters, -1 for none
    BIAS = 7
    GRADIENT_X = 8
    GRADIENT_Y = 9
    USE = 10  # a Use
    KIND = 11  # an Activation, a number of groups, or what keeps an entry in dropout
    SCALES = 12  # reciprocal standard deviations
    RUNNING = 13  # running means and variances of batch norm
    OTHER = 14  # the second value that ADD and CONCAT read, its width, and its gradient
    N_OTHER = 15
    GRADIENT_OTHER = 16
    USE_OTHER = 17


class Real(IntEnum):
    """Columns of a program's real numbers."""

    FIRST = 0  # eps of a norm, slope of a rectifier, alpha of ELU, scale of dropout
    SECOND = 1  # momentum of batch norm, scale of ELU


class LossKind(IntEnum):
    """Losses, each with a mean over a batch's rows and outputs."""

    CROSS_ENTROPY = 0
    BINARY_CROSS_ENTROPY = 1
    SQUARED_ERROR = 2
    HUBER = 3
    ABSOLUTE_ERROR = 4


class Optimizer(IntEnum):
    """Optimizers that treat every number by itself."""

    SGD = 0
    ADAM = 1
    NADAM = 2
    RADAM = 3
    ADAMAX = 4
    RMSPROP = 5
    ADAGRAD = 6
    ADADELTA = 7


# Weight decay, whether it is apart from the gradient, whether to climb, and five of the kind's own.
N_HYPER = 8
