"""A `MinMaxScaler` that is scikit-learn's in every respect."""

from sklearn.preprocessing import MinMaxScaler as SklearnMinMaxScaler

__all__ = ["MinMaxScaler"]


class MinMaxScaler(SklearnMinMaxScaler):
    """Scale every feature into a range learnt from the training rows.

    A subclass of :class:`sklearn.preprocessing.MinMaxScaler`: parameters, attributes and
    behaviour are the same, and ``isinstance`` checks hold.

    Examples
    --------
    >>> from sklearn_trainkit.preprocessing import MinMaxScaler
    >>> MinMaxScaler().fit([[1.0], [3.0]]).transform([[2.0]])
    array([[0.5]])
    """
