"""Neural networks as scikit-learn estimators."""

from sklearn_trainkit.neural_network.dense._mlp import MLPNetClassifier, MLPNetRegressor
from sklearn_trainkit.neural_network.engines._compile_engines import compile_engines
from sklearn_trainkit.neural_network.images._conv import ConvNetClassifier, ConvNetRegressor
from sklearn_trainkit.neural_network.masks._mask_metrics import (
    dice_score,
    dice_scorer,
    iou_score,
    iou_scorer,
)
from sklearn_trainkit.neural_network.masks._unet import UNetSegmenter
from sklearn_trainkit.neural_network.own_modules._net import NetClassifier, NetRegressor
from sklearn_trainkit.neural_network.sequences._recurrent import (
    RecurrentNetClassifier,
    RecurrentNetRegressor,
)
from sklearn_trainkit.neural_network.training._fit_stacked import fit_stacked

__all__ = [
    "ConvNetClassifier",
    "ConvNetRegressor",
    "MLPNetClassifier",
    "MLPNetRegressor",
    "NetClassifier",
    "NetRegressor",
    "RecurrentNetClassifier",
    "RecurrentNetRegressor",
    "UNetSegmenter",
    "compile_engines",
    "dice_score",
    "dice_scorer",
    "fit_stacked",
    "iou_score",
    "iou_scorer",
]
