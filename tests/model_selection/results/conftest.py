from tests.finished_searches import (  # noqa: F401
    comparison,
    first_run,
    grid_search,
    pruned_search,
    study,
)
