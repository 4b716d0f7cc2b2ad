"""Parameters that all networks share: their documentation, once, and their storing."""

from collections.abc import Mapping
from typing import Any, TypeVar

_T = TypeVar("_T", bound=type)

ACTIVATION = """\
activation : str or callable, default="{activation}"
    "elu", "gelu", "identity", "leaky_relu", "mish", "relu", "selu", "sigmoid", "silu",
    "tanh", or a callable that returns a module.
"""

INIT = """\
init : str or callable, default="default"
    "default" (torch's own), "kaiming_normal", "kaiming_uniform", "lecun_normal",
    "orthogonal", "xavier_normal", "xavier_uniform" (zero biases, scaled for the activation),
    or a callable that fills a weight tensor.
"""

CLASSIFIER = """\
label_smoothing : float, default={label_smoothing}
    Share of each target's probability spread over all classes (Szegedy et al., CVPR 2016), here
    in proportion to their weight in the training rows: it curbs overconfidence, and rare classes
    are not expected more often than they come. 0 trains on the labels as they are. The losses in
    the history are those of the smoothed labels.
class_weight : dict, list of dicts, "balanced" or None, default=None
    Weight of each class in the loss, by label (1 where none is given); "balanced" is inverse to
    class frequency. With several labels a row a list has a dict for each label, such as
    ``{{0: 1, 1: 9}}``, for its own loss. Probabilities are then those of the weighted rows, as in
    scikit-learn.
"""

REGRESSOR = """\
loss : {{"squared_error", "absolute_error", "huber"}}, default="squared_error"
    In units of the standardized target; "huber" turns linear at 1.
standardize_y : bool, default=True
    Train on targets of mean 0 and standard deviation 1, and undo it when predicting.
"""

TRAINING = """\
clip_norm : float or None, default={clip_norm}
    Largest total 2-norm of the gradient of a step.
clip_value : float or None, default=None
    Largest absolute entry of the gradient.
clip_adaptive : float or None, default=None
    Largest ratio of gradient norm to weight norm, unit by unit.
optimizer : str, Optimizer class or callable, default="adamw"
    "adagrad", "adam", "adamax", "adamw", "lbfgs", "nadam", "radam", "rmsprop", "sgd", or
    something called as ``optimizer(parameters, lr=..., **optimizer_params)``.
optimizer_params : dict or None, default=None
    Further arguments of the optimizer, such as ``{{"momentum": 0.9}}``; one of them is set by
    ``optimizer__momentum``, for searches. "param_groups" is a list of (pattern, options) for
    parameters by name: ``{{"param_groups": [("0.*", {{"lr": 0.001}})]}}``.
lr : float, default={lr}
    Learning rate, the highest that the schedule reaches.
weight_decay : float or "auto", default={weight_decay}
    Decoupled from the gradient by "adamw" (Loshchilov and Hutter, ICLR 2019), where a step
    shrinks the weights by ``lr * weight_decay``; an addition to the gradient elsewhere, where
    much smaller values are usual. "auto" is 0.3 for "adamw" and 0 for all others.
lr_schedule : str or callable, default="one_cycle"
    "constant", "cosine", "exponential", "linear", "one_cycle", "plateau", "step", or
    ``f(progress) -> factor`` with progress in [0, 1]. Its length is that of the fit;
    ``partial_fit``, whose end nobody knows, keeps ``lr`` constant.
lr_schedule_params : dict or None, default=None
    Settings of the schedule; ``{{"warmup": 0.05}}`` warms up over a twentieth of the steps.
batch_size : int or "auto", default={batch_size}
    {Samples} of a batch; -1 takes all, and so does a number beyond them, with a warning.
    "auto" is {auto_batch}.
    A single one left over at the end of an epoch joins the batch before it.
max_epochs : int, default={max_epochs}
    Passes over the training {samples}.
early_stopping : bool, default=False
    Stop when the validation loss has not fallen for ``patience`` epochs, and restore the
    weights of the best epoch. Not for ``partial_fit``.
validation_fraction : float, default=0.1
    Share of the {samples} set aside for early stopping{stratified}, unless ``fit``
    is given ``X_val``.
patience : int, default=10
    Epochs without a lower validation loss before stopping.
on_divergence : {{"raise", "warn"}}, default="raise"
    What to do when the loss or a weight becomes NaN or infinite: raise
    :class:`~sklearn_trainkit.exceptions.DivergenceError`, or warn and keep the weights of
    the last sound epoch.
warm_start : bool, default=False
    Whether ``fit`` goes on from the weights of the fit before. What these were made with
    (architecture, ``dtype``, ``init``, ``standardize_y``) must be as it was then, or ``fit``
    raises, and so does ``partial_fit``; any other parameter is taken up.
checkpoint_dir : str, path or None, default=None
    Folder for checkpoints. A fit that was cut short and is started again, with the same
    parameters and data, goes on where it was, bit for bit; one that had ended returns at
    once. Fits of other parameters or folds have files of their own. What skorch callbacks keep
    for themselves, an EarlyStopping's patience for example, is not in them. A checkpoint whose
    bytes were damaged raises, naming its path. A full disk does not end the training: a warning
    names the path, and ``fit`` raises at its end if the last checkpoint could not be written
    either, with the network fitted.
callbacks : list or None, default=None
    skorch callbacks. scikit-learn's are set with ``set_callbacks``.
device : str or torch.device, default="cpu"
dtype : {{"auto", "float32", "float64"}}, default="auto"
    Type of weights, inputs and outputs. "auto" takes float32 where that holds every number of
    the training data (float32, integers of up to 16 bits, wider ones up to 2**24) and float64
    for all else: doubles, lists, nullable and mixed columns, decimals. "float32" trains 1.1 to
    1.7 times as fast.
precision : {{"full", "bf16", "fp16"}}, default="full"
    Numbers of the forward pass while training. The 16-bit kinds pay off on a GPU; weights and
    predictions stay in ``dtype``. Gradients are unscaled before they are clipped.
compile : bool, default=False
    Whether training runs through :func:`torch.compile`, which takes a while to start.
n_threads : int or None, default=1
    Torch threads while training and predicting; None leaves torch's setting alone.
verbose : int, default=0
    1 prints a line an epoch.
random_state : int, RandomState instance or None, default=None
    Seeds weights, the order of {samples}, dropout and the validation split. An int gives the same
    network on the same machine, bit for bit, whatever numpy's and torch's global seeds;
    those stay untouched.
"""

IMAGES = """\
image_shape : tuple of int or None, default=None
    Shape of the image in a flat row of X: (channels, height, width), or (height, width) for one
    channel; one entry may be -1. None for X of (n, channels, height, width) or
    (n, height, width).
standardize_X : bool, default=True
    Standardize each channel inside the network by mean and standard deviation of the training
    images. Done batch by batch, so uint8 images and memory maps stay as they are.
flip : {{"horizontal", "vertical", "both"}} or None, default=None
    Mirror training images at random.
max_shift : int, default=0
    Most pixels that training images are moved by at random, along each axis; the pixels of the
    edge are repeated.
crop_size : int, tuple of (height, width) or None, default=None
    Size of the parts cut out of training images at random. Predictions are for whole images.
"""

CONV = """\
channels : sequence of int, default=(16, 32, 64, 128)
    Width of each stage. Each stage after the first halves height and width. With
    ``skip="concat"``, the width that a stage starts with.
n_blocks : int or sequence of int, default=1
    Blocks of each stage: convolutional layers, or residual blocks of two, or densely connected
    layers.
kernel_size : int, default=3
    Odd; images are padded with zeros to keep their size.
<<activation>>
norm : {{"batch", "layer", "instance", "group", "rms"}} or None, default="batch"
    Normalization beside each convolution.
norm_groups : int or "auto", default="auto"
    Groups of ``norm="group"``; it has to divide every width. "auto" takes the most groups,
    up to 32, that leave at least 8 channels each.
skip : {{"add", "concat"}} or None, default=None
    "add": residual blocks (ResNet), with a 1x1 projection where widths or sizes differ.
    "concat": each layer sees all earlier feature maps of its stage (DenseNet).
growth_rate : int, default=12
    Channels that each layer adds, for ``skip="concat"``.
downsample : {{"max_pool", "average_pool", "stride"}}, default="max_pool"
    How a stage halves height and width; odd sizes are rounded up.
pooling : {{"average", "max"}} or None, default="average"
    Over height and width, before the output layer; None hands all positions to it.
dropout : float, default=0.0
    Share of features dropped while training, in each block and before the output layer.
<<init>>
<<images>>
"""

ATTRIBUTES = """\
module_ : torch.nn.Module
history_ : skorch.history.History
    One record an epoch: ``train_loss``, ``lr``, ``dur`` (seconds) and, with validation
    {samples}, ``valid_loss`` and ``{score}``.
dtype_ : {{"float32", "float64"}}
    Type the network computes in.
n_steps_ : int
    Optimizer steps taken.
best_epoch_ : int
    Epoch whose weights were kept, with ``early_stopping``.
n_features_in_ : int
feature_names_in_ : ndarray of shape (n_features,)
    If X had string column names.
"""

_BLOCKS = {
    "activation": ACTIVATION,
    "attributes": ATTRIBUTES,
    "classifier": CLASSIFIER,
    "conv": CONV,
    "images": IMAGES,
    "init": INIT,
    "regressor": REGRESSOR,
    "training": TRAINING,
}
_USUAL = {
    "activation": "gelu",
    "auto_batch": "near a twentieth of them, from 64 to 256",
    "batch_size": '"auto"',
    "clip_norm": None,
    "label_smoothing": 0.05,
    "lr": 0.003,
    "max_epochs": 40,
    "samples": "rows",
    "score": "valid_acc",
    "stratified": ", stratified by class",
    "weight_decay": 0.0,
}


def with_shared_parameters(**differences: Any) -> Any:
    """Return a class decorator that fills the shared texts into a docstring.

    Parameters
    ----------
    **differences
        Where the class departs from the usual defaults and words, such as ``lr=0.01``.

    Returns
    -------
    decorator : callable
        Replaces a line ``<<name>>`` of the docstring, by a block of this file, at its indent.

    Raises
    ------
    TypeError
        If a word is in none of the texts.
    """
    unknown = sorted(differences.keys() - _USUAL.keys())
    if unknown:
        raise TypeError(f"{unknown[0]}={differences[unknown[0]]!r} is in none of the shared texts.")

    def fill(cls: _T) -> _T:
        words = {**_USUAL, **differences}
        words["Samples"] = words["samples"].capitalize()
        cls.__doc__ = _filled(cls.__doc__ or "", words)
        return cls

    return fill


def _filled(text: str, words: Mapping[str, Any]) -> str:
    """Return ``text`` with its lines ``<<name>>`` replaced; blocks may hold such lines too."""
    lines = []
    for line in text.split("\n"):
        name = line.strip()
        if name.startswith("<<") and name.endswith(">>"):
            indent = line[: len(line) - len(line.lstrip())]
            block = _BLOCKS[name[2:-2]].rstrip("\n").format(**words)
            lines += [f"{indent}{each}" for each in _filled(block, words).split("\n")]
        else:
            lines.append(line)
    return "\n".join(lines)


def store_arguments(estimator: Any, arguments: Mapping[str, Any]) -> None:
    """Set a constructor's arguments on the estimator, unchanged, under their own names.

    Parameters
    ----------
    estimator : estimator
    arguments : mapping
        ``locals()`` of the constructor, as its first statement.
    """
    for name, value in arguments.items():
        if name not in ("self", "__class__"):
            setattr(estimator, name, value)
