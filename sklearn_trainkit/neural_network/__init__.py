"""Neural networks as scikit-learn estimators."""

from sklearn_trainkit.neural_network.dense._mlp_classifier import MLPNetClassifier
from sklearn_trainkit.neural_network.dense._mlp_regressor import MLPNetRegressor
from sklearn_trainkit.neural_network.images._conv_classifier import ConvNetClassifier
from sklearn_trainkit.neural_network.images._conv_regressor import ConvNetRegressor
from sklearn_trainkit.neural_network.masks._mask_metrics import (
    dice_score,
    dice_scorer,
    iou_score,
    iou_scorer,
)
from sklearn_trainkit.neural_network.masks._unet_segmenter import UNetSegmenter
from sklearn_trainkit.neural_network.own_modules._net_classifier import NetClassifier
from sklearn_trainkit.neural_network.own_modules._net_regressor import NetRegressor
from sklearn_trainkit.neural_network.sequences._recurrent_classifier import RecurrentNetClassifier
from sklearn_trainkit.neural_network.sequences._recurrent_regressor import RecurrentNetRegressor
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
    "dice_score",
    "dice_scorer",
    "fit_stacked",
    "iou_score",
    "iou_scorer",
]
