"""A `StandardScaler` that is scikit-learn's in every respect."""

from sklearn.preprocessing import StandardScaler as SklearnStandardScaler

__all__ = ["StandardScaler"]


class StandardScaler(SklearnStandardScaler):
    """Bring every feature to mean 0 and standard deviation 1, learnt from the training rows.

    A subclass of :class:`sklearn.preprocessing.StandardScaler`: parameters, attributes and
    behaviour are the same, and ``isinstance`` checks hold.

    Examples
    --------
    >>> from sklearn_trainkit.preprocessing import StandardScaler
    >>> StandardScaler().fit([[1.0], [3.0]]).transform([[2.0], [3.0]])
    array([[0.],
           [1.]])
    """
