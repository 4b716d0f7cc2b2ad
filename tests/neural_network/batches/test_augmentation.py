import pytest
import torch

from sklearn_trainkit.neural_network.batches._augmentation import ImageAugmentation
from sklearn_trainkit.neural_network.batches._tensor_loader import TensorRows

IMAGES = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5)
MASKS = torch.arange(2 * 4 * 5).reshape(2, 4, 5)


def augmented(n=200, masks=False, **options):
    batch = TensorRows(IMAGES[:1].expand(n, -1, -1, -1), MASKS[:1].expand(n, -1, -1))
    generator = torch.Generator().manual_seed(0)
    return ImageAugmentation(masks=masks, **options)(batch, generator)


def distinct(images):
    return {tuple(image.flatten().tolist()) for image in images}


def as_key(image):
    return tuple(image.flatten().tolist())


@pytest.mark.parametrize(
    ("flip", "axes"),
    [("horizontal", [[2]]), ("vertical", [[1]]), ("both", [[1], [2], [1, 2]])],
)
def test_flips_give_the_image_and_its_mirror_images(flip, axes):
    image = IMAGES[0]
    wanted = {as_key(image), *(as_key(image.flip(a)) for a in axes)}
    assert distinct(augmented(flip=flip).X) == wanted


def test_a_shift_repeats_the_edge():
    seen = distinct(augmented(max_shift=1).X)
    image = IMAGES[0]
    right = torch.cat([image[:, :, :1], image[:, :, :-1]], dim=2)
    down = torch.cat([image[:, :1], image[:, :-1]], dim=1)
    assert as_key(image) in seen
    assert as_key(right) in seen
    assert as_key(down) in seen
    assert len(seen) == 9


def test_crops_are_all_the_parts_of_that_size():
    image = IMAGES[0]
    wanted = {as_key(image[:, r : r + 3, c : c + 4]) for r in range(2) for c in range(2)}
    assert distinct(augmented(crop_size=(3, 4)).X) == wanted


def test_masks_move_with_their_images():
    batch = augmented(masks=True, flip="both", max_shift=2, crop_size=(3, 3))
    assert torch.equal(batch.X[:, 0], batch.y.float())
    assert batch.y.shape == (200, 3, 3)


def test_other_targets_and_weights_stay():
    batch = TensorRows(IMAGES, torch.tensor([3, 4]), torch.tensor([0.5, 1.5]))
    moved = ImageAugmentation(max_shift=1)(batch, torch.Generator())
    assert moved.y is batch.y
    assert moved.weight is batch.weight


def test_the_generator_alone_decides():
    torch.manual_seed(0)
    first = augmented(flip="both", max_shift=2)
    torch.manual_seed(1)
    second = augmented(flip="both", max_shift=2)
    assert torch.equal(first.X, second.X)
