"""Which engines there are, and which one trains a network: the fastest that is exact."""

from collections.abc import Sequence

from sklearn_trainkit.neural_network.engines._autograd import AutogradEngine
from sklearn_trainkit.neural_network.engines._compiled import CompiledEngine
from sklearn_trainkit.neural_network.engines._engine import Engine, Trainee
from sklearn_trainkit.neural_network.engines._stacked import StackedEngine
from sklearn_trainkit.neural_network.modules._module_hooks import switch_mode
from sklearn_trainkit.neural_network.stacking._stacked_layers import NotStackableError

__all__ = ["ENGINES", "ENGINE_NAMES", "EngineName", "EngineSlot", "make_engine"]

# The fastest first; the last one trains everything.
ENGINES: tuple[type[Engine], ...] = (CompiledEngine, StackedEngine, AutogradEngine)
# What the parameter ``engine`` may be.
ENGINE_NAMES = ("auto", *(kind.name for kind in ENGINES))


class EngineName(str):
    """The name of an engine, which also knows why no faster one was taken.

    Parameters
    ----------
    name : str
    passed_over : dict of str to str
        For each faster engine, the reason against it.

    Examples
    --------
    >>> engine = EngineName("autograd", {"stacked": "precision='bf16'"})
    >>> engine == "autograd", engine.passed_over["stacked"]
    (True, "precision='bf16'")
    """

    passed_over: dict[str, str]

    def __new__(cls, name: str, passed_over: dict[str, str]) -> "EngineName":
        made = super().__new__(cls, name)
        made.passed_over = dict(passed_over)
        return made

    def __getnewargs__(self) -> tuple[str, dict[str, str]]:  # type: ignore[override]
        return str(self), self.passed_over

    def __repr__(self) -> str:
        return f"EngineName({str(self)!r}, {self.passed_over!r})"


class EngineSlot:
    """The engine that some networks are in at present, if they are in one.

    Attributes
    ----------
    engine : Engine or None
    """

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self._runs: list[Trainee] = []

    def make_ready(self, runs: Sequence[Trainee], *, force: bool = False) -> Engine:
        """Put these networks into an engine, unless they are in it; see :func:`make_engine`.

        From then on they are in train mode.
        """
        for run in runs:
            switch_mode(run.net.module_, True)
        if self.engine is None or self._runs != list(runs):
            self.release()
            for run in runs:
                run.release()
            self.engine = make_engine(runs, force=force)
            self._runs = list(runs)
        return self.engine

    def release(self) -> None:
        """Make the networks ordinary ones again."""
        engine, self.engine, self._runs = self.engine, None, []
        if engine is not None:
            engine.release()


def make_engine(runs: Sequence[Trainee], *, force: bool = False) -> Engine:
    """Return the fastest engine that trains these networks exactly, and note it on them.

    Parameters
    ----------
    runs : sequence of Trainee
        Several are to be trained as one.
    force : bool, default=False
        Whether to take an engine even where it is not faster.

    Raises
    ------
    NotStackableError
        If no engine trains these several networks as one.
    ValueError
        If the engine that a lone network asks for by its name cannot train it.
    """
    is_alone = len(runs) == 1
    passed_over: dict[str, str] = {}
    for kind in ENGINES:
        if not is_alone and not kind.takes_several:
            continue
        made = _attempt(kind, runs, force)
        if not isinstance(made, str):
            for run in runs:
                run.net.engine_ = EngineName(kind.name, passed_over)
            return made
        if is_alone and runs[0].settings.engine == kind.name:
            raise ValueError(
                f"engine={kind.name!r} cannot train this {type(runs[0].net).__name__}: {made}. "
                "engine='auto' takes one that can."
            )
        passed_over[kind.name] = reason = made
    raise NotStackableError(reason)


def _attempt(kind: type[Engine], runs: Sequence[Trainee], force: bool) -> Engine | str:
    """Return an engine of a kind, or why there is none."""
    asked_for = {run.settings.engine for run in runs}
    others = asked_for - {"auto", kind.name}
    if others:
        return f"engine={min(others)!r} is asked for"
    reason = kind.obstacle(runs)
    by_name = len(runs) == 1 and kind.name in asked_for
    if reason is None and not force and not by_name:
        reason = kind.no_gain(runs)
    if reason is not None:
        return reason
    try:
        return kind(runs)
    except NotStackableError as error:
        return str(error)
