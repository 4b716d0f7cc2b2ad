"""Any torch module as a classifier."""

from typing import Any, ClassVar

import torch

from sklearn_trainkit.neural_network._target_kinds import ClassifierNet
from sklearn_trainkit.neural_network._user_net import UserModuleNet


class NetClassifier(UserModuleNet, ClassifierNet):
    """Any torch module as a classifier, trained with cross-entropy.

    The module gives one output (logit) for each class. It gets the engine, the checks and the
    speed of the networks of this package.

    Parameters
    ----------
    module : Module class, callable or Module instance
        The network. A class is built anew by each fit, and its parameters ``n_features`` (or the
        shape of one sample, ``input_shape``) and ``n_outputs`` are filled in from the data. An
        instance is copied by each fit and goes on from its weights. It must map (n, ...) to
        (n, n_outputs).
    module_params : dict or None, default=None
        Arguments of the class. ``module__x=...`` sets one of them by name, for searches.
    label_smoothing : float, default=0.05
        Share of each target's probability spread over all classes (Szegedy et al., CVPR 2016).
        It curbs overconfident probabilities; 0 trains on the labels as they are.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class in the loss, by label; "balanced" is inverse to class frequency.
    clip_norm : float or None, default=None
        Largest total 2-norm of the gradient of a step.
    clip_value : float or None, default=None
        Largest absolute entry of the gradient.
    clip_adaptive : float or None, default=None
        Largest ratio of gradient norm to weight norm, unit by unit.
    optimizer : str, Optimizer class or callable, default="adamw"
        "adagrad", "adam", "adamax", "adamw", "lbfgs", "nadam", "radam", "rmsprop", "sgd", or
        something called as ``optimizer(parameters, lr=..., **optimizer_params)``.
    optimizer_params : dict or None, default=None
        Further arguments of the optimizer, such as ``{"momentum": 0.9}``.
    lr : float, default=0.003
        Learning rate, the highest that the schedule reaches.
    weight_decay : float, default=0.0
        Decoupled from the gradient by "adamw" (Loshchilov and Hutter, ICLR 2019), where a step
        shrinks the weights by ``lr * weight_decay``; an addition to the gradient elsewhere, where
        much smaller values are usual.
    lr_schedule : str or callable, default="one_cycle"
        "constant", "cosine", "exponential", "linear", "one_cycle", "plateau", "step", or
        ``f(progress) -> factor`` with progress in [0, 1]. Its length is that of the fit;
        ``partial_fit``, whose end nobody knows, keeps ``lr`` constant.
    lr_schedule_params : dict or None, default=None
        Settings of the schedule; ``{"warmup": 0.05}`` warms up over a twentieth of the steps.
    batch_size : int or "auto", default="auto"
        Rows of a batch; -1 takes all. "auto" is near a twentieth of the rows, from 64 to 256. A
        single row left over at the end of an epoch joins the batch before it.
    max_epochs : int, default=40
        Passes over the training rows.
    early_stopping : bool, default=False
        Stop when the validation loss has not fallen for ``patience`` epochs, and restore the
        weights of the best epoch.
    validation_fraction : float, default=0.1
        Share of the rows set aside for early stopping, stratified by class, unless ``fit``
        is given ``X_val``.
    patience : int, default=10
        Epochs without a lower validation loss before stopping.
    on_divergence : {"raise", "warn"}, default="raise"
        What to do when the loss or a weight becomes NaN or infinite: raise
        :class:`~sklearn_trainkit.exceptions.DivergenceError`, or warn and keep the weights of
        the last sound epoch.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of the fit before.
    checkpoint_dir : str, path or None, default=None
        Folder for checkpoints. A fit that was cut short and is started again, with the same
        parameters and data, goes on where it was, bit for bit; one that had ended returns at
        once. Fits of other parameters or folds have files of their own.
    callbacks : list or None, default=None
        skorch callbacks. scikit-learn's are set with ``set_callbacks``.
    device : str or torch.device, default="cpu"
    dtype : {"auto", "float32", "float64"}, default="auto"
        Type of weights, inputs and outputs. "auto" keeps float64 data float64, as scikit-learn
        does, and takes float32 for all else; "float32" trains 1.1 to 1.7 times as fast.
    precision : {"full", "bf16", "fp16"}, default="full"
        Numbers of the forward pass while training. The 16-bit kinds pay off on a GPU; weights and
        predictions stay in ``dtype``. Gradients are unscaled before they are clipped.
    compile : bool, default=False
        Whether training runs through :func:`torch.compile`, which takes a while to start.
    n_threads : int or None, default=1
        Torch threads while training and predicting; None leaves torch's setting alone.
    verbose : int, default=0
        1 prints a line an epoch.
    random_state : int, RandomState instance or None, default=None
        Seeds weights, the order of rows, dropout and the validation split. An int gives the same
        network on the same machine, bit for bit, whatever numpy's and torch's global seeds;
        those stay untouched.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    module_ : torch.nn.Module
    history_ : skorch.history.History
        One record an epoch: ``train_loss``, ``lr``, ``dur`` (seconds) and, with validation
        rows, ``valid_loss`` and ``valid_acc``.
    dtype_ : {"float32", "float64"}
        Type the network computes in.
    n_steps_ : int
        Optimizer steps taken.
    best_epoch_ : int
        Epoch whose weights were kept, with ``early_stopping``.
    input_shape_ : tuple of int
        Shape of one sample.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X had string column names.

    See Also
    --------
    MLPNetClassifier : A dense network with its architecture as parameters.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torch import nn
    >>> from sklearn_trainkit.neural_network import NetClassifier
    >>> class Tiny(nn.Sequential):
    ...     def __init__(self, n_features, n_outputs, width=8):
    ...         super().__init__(
    ...             nn.Linear(n_features, width), nn.Tanh(), nn.Linear(width, n_outputs)
    ...         )
    >>> X, y = load_iris(return_X_y=True)
    >>> net = NetClassifier(Tiny, module__width=16, max_epochs=100, random_state=0)
    >>> net.fit(X, y).score(X, y) > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **ClassifierNet._parameter_constraints,
        **UserModuleNet.user_constraints,
    }

    def __init__(
        self,
        module: Any,
        *,
        module_params: dict | None = None,
        label_smoothing: float = 0.05,
        class_weight: Any = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        clip_adaptive: float | None = None,
        optimizer: Any = "adamw",
        optimizer_params: dict | None = None,
        lr: float = 0.003,
        weight_decay: float = 0.0,
        lr_schedule: Any = "one_cycle",
        lr_schedule_params: dict | None = None,
        batch_size: int | str = "auto",
        max_epochs: int = 40,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        on_divergence: str = "raise",
        warm_start: bool = False,
        checkpoint_dir: Any = None,
        callbacks: list | None = None,
        device: str | torch.device = "cpu",
        dtype: str = "auto",
        precision: str = "full",
        compile: bool = False,  # noqa: A002
        n_threads: int | None = 1,
        verbose: int = 0,
        random_state: Any = None,
        **module__kwargs: Any,
    ) -> None:
        self.module = module
        self.module_params = module_params
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.clip_adaptive = clip_adaptive
        self.optimizer = optimizer
        self.optimizer_params = optimizer_params
        self.lr = lr
        self.weight_decay = weight_decay
        self.lr_schedule = lr_schedule
        self.lr_schedule_params = lr_schedule_params
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.on_divergence = on_divergence
        self.warm_start = warm_start
        self.checkpoint_dir = checkpoint_dir
        self.callbacks = callbacks
        self.device = device
        self.dtype = dtype
        self.precision = precision
        self.compile = compile
        self.n_threads = n_threads
        self.verbose = verbose
        self.random_state = random_state
        self._set_module_kwargs(module__kwargs)
