"""What users of scikit-learn, skorch and other libraries call the parameters of a network."""

_EPOCHS = ("max_epochs",)
_WIDTHS = ("hidden_units", "channels")
_WEIGHTS = "Weights of rows are given to fit as sample_weight, those of classes as class_weight."

_LEARNT = "It is learnt from the data given to fit."
_SCORING = "Scores are recorded by callbacks=[EpochScoring('accuracy')]."

_VALIDATION = (
    "Rows for validation are set aside by early_stopping=True and validation_fraction, or given to "
    "fit as X_val and y_val."
)
_LOADER = "Rows are read in batches of batch_size, in a random order of random_state."
_MODULE = (
    "The module is made from the parameters here; NetClassifier and NetRegressor take one of yours."
)

# Where several names are given, those that a network has are told.
KNOWN_NAMES: dict[str, str | tuple[str, ...]] = {
    # scikit-learn's MLPClassifier and MLPRegressor
    "alpha": ("weight_decay",),
    "beta_1": ("optimizer_params={'betas': (beta_1, beta_2)}",),
    "beta_2": ("optimizer_params={'betas': (beta_1, beta_2)}",),
    "epsilon": ("optimizer_params={'eps': epsilon}",),
    "hidden_layer_sizes": _WIDTHS,
    "learning_rate": ("lr (the rate itself)", "lr_schedule (its course)"),
    "learning_rate_init": ("lr",),
    "max_fun": _EPOCHS,
    "max_iter": _EPOCHS,
    "momentum": ("optimizer_params={'momentum': momentum}",),
    "n_iter": _EPOCHS,
    "n_iter_no_change": ("patience",),
    "nesterovs_momentum": ("optimizer_params={'momentum': 0.9, 'nesterov': True}",),
    "power_t": ("lr_schedule",),
    "shuffle": _LOADER,
    "solver": ("optimizer",),
    "tol": ("early_stopping", "patience"),
    # skorch
    "criterion": ("loss", "label_smoothing", "class_weight"),
    "criterion__label_smoothing": ("label_smoothing",),
    "criterion__weight": ("class_weight",),
    "dataset": _LOADER,
    "iterator_train": _LOADER,
    "iterator_train__batch_size": ("batch_size",),
    "iterator_train__shuffle": _LOADER,
    "iterator_valid": _LOADER,
    "iterator_valid__batch_size": ("batch_size",),
    "module": _MODULE,
    "optimizer__lr": ("lr",),
    "optimizer__weight_decay": ("weight_decay",),
    "predict_nonlinearity": "The network gives logits, and probabilities are made from them.",
    "train_split": _VALIDATION,
    # others
    "act": ("activation",),
    "batch_norm": ("norm",),
    "batchnorm": ("norm",),
    "class_weights": ("class_weight",),
    "cell_type": ("cell",),
    "clipnorm": ("clip_norm",),
    "clipvalue": ("clip_value",),
    "cuda": ("device",),
    "depth": _WIDTHS,
    "dropout_rate": ("dropout",),
    "epochs": _EPOCHS,
    "eta": ("lr",),
    "eta0": ("lr",),
    "filters": ("channels", "hidden_units"),
    "gpu": ("device",),
    "grad_clip": ("clip_norm", "clip_value"),
    "gradient_clip_val": ("clip_norm", "clip_value"),
    "gradient_clip_value": ("clip_norm", "clip_value"),
    "hidden_dim": _WIDTHS,
    "hidden_dims": _WIDTHS,
    "hidden_layers": _WIDTHS,
    "hidden_size": _WIDTHS,
    "hidden_sizes": _WIDTHS,
    "initializer": ("init",),
    "kernel_initializer": ("init",),
    "l2": ("weight_decay",),
    "layers": _WIDTHS,
    "learning_rate_schedule": ("lr_schedule",),
    "lr_scheduler": ("lr_schedule",),
    "max_grad_norm": ("clip_norm",),
    "metrics": _SCORING,
    "minibatch_size": ("batch_size",),
    "n_classes": _LEARNT,
    "n_epochs": _EPOCHS,
    "n_features": _LEARNT,
    "n_hidden": _WIDTHS,
    "n_jobs": ("n_threads",),
    "n_layers": _WIDTHS,
    "n_units": _WIDTHS,
    "nb_epoch": _EPOCHS,
    "normalization": ("norm",),
    "num_epochs": _EPOCHS,
    "num_layers": _WIDTHS,
    "num_units": _WIDTHS,
    "rnn_type": ("cell",),
    "sample_weight": _WEIGHTS,
    "scheduler": ("lr_schedule",),
    "scoring": _SCORING,
    "seed": ("random_state",),
    "units": _WIDTHS,
    "validation_split": ("validation_fraction",),
    "val_fraction": ("validation_fraction",),
}
