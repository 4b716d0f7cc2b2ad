"""What the training loop needs to know of an estimator's parameters."""

from typing import NamedTuple

__all__ = ["LoopSettings"]


class LoopSettings(NamedTuple):
    """Parameters as the loop takes them: counts of rows, None for what is not wanted."""

    n_epochs: int
    batch_size: int
    clip_norm: float | None
    clip_value: float | None
    clip_adaptive: float | None
    early_stopping: bool
    patience: int
    on_divergence: str
    n_threads: int | None
    precision: str
    compile: bool
    engine: str = "auto"

    @property
    def clippings(self) -> tuple[float | None, float | None, float | None]:
        """The limits by norm, by value and by the ratio to the weights."""
        return self.clip_norm, self.clip_value, self.clip_adaptive
