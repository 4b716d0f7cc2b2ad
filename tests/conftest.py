"""One torch thread in every test: two threads on busy cores can be 100 times slower."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_torch_thread():
    torch.set_num_threads(1)
