"""From images to a network's input: levels and means, and the random changes that make many images of few.

Functions take a batch (N, H, W, C), uint8 or float32, and return float32 (`random_portions` and `soften`, the first,
take and return uint8); `rng` is a numpy Generator, so that a seed gives the same images again. They work on CuPy
arrays, too, with the same random numbers; except those two, which leave the work to Pillow. The training loop calls
one function prepare(images, rng), with rng=None for testing: it is put together from these.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from nn.backend import accelerated
from nn.data.pixels import to_array, to_image
from nn.data.whole import WholeImages

LENET5_BACKGROUND, LENET5_INK = -0.1, 1.175


def unit_interval(images: np.ndarray) -> np.ndarray:
    """uint8 levels 0..255 as float32 0..1; float images as they are, in float32."""
    return images.astype(np.float32) / 255 if images.dtype == np.uint8 else images.astype(np.float32, copy=False)


def lenet5_input(images: np.ndarray) -> np.ndarray:
    """Digits (N, 28, 28, 1), ink bright, as LeNet-5 sees them: (N, 32, 32, 1), -0.1 background and 1.175 ink.

    Levels of both signs keep the units of the first layer away from their limits; the paper chose these so that the
    mean of its images was about 0 and the variance about 1. Source: LeCun et al. 1998, section II.B.
    """
    if max(images.shape[1:3]) > 32:
        raise ValueError(f"LeNet-5 reads images of at most 32x32, got {images.shape[1]}x{images.shape[2]}")
    levels = unit_interval(images) * np.float32(LENET5_INK - LENET5_BACKGROUND) + np.float32(LENET5_BACKGROUND)
    border = [(0, 0), *(((32 - side) // 2, 32 - side - (32 - side) // 2) for side in images.shape[1:3]), (0, 0)]
    return np.pad(levels, border, constant_values=LENET5_BACKGROUND)


def distort(
    images: np.ndarray,
    rng: np.random.Generator,
    shift: float = 2.0,
    scale: float = 0.15,
    squeeze: float = 0.15,
    shear: float = 0.3,
    fill: float = 0.0,
) -> np.ndarray:
    """LeNet's distortions: each image is randomly shifted, scaled, squeezed and sheared, all at once.

        shift    by up to this many pixels up or down and left or right
        scale    larger or smaller by up to this share
        squeeze  narrower and at once higher by up to this share, or the reverse
        shear    sideways by up to this many pixels for each pixel up

    Shift, scale and shear are uniform between their extremes; squeeze goes either way equally often, uniform in its
    amount. Between pixels the values are interpolated; `fill` lies outside. The paper names the four kinds and gives no
    sizes. Source: LeCun et al. 1998, section III.B.
    """
    images = np.ascontiguousarray(unit_interval(images), like=images)
    count = len(images)
    shifts = rng.uniform(-shift, shift, (2, count))
    size = 1 + rng.uniform(-scale, scale, count)
    aspect = 1 + rng.uniform(0, squeeze, count)
    aspect = np.where(rng.random(count) < 0.5, aspect, 1 / aspect)
    slant = rng.uniform(-shear, shear, count)
    maps = np.zeros((count, 2, 3))
    maps[:, 0, 0] = size * aspect
    maps[:, 0, 2] = shifts[0]
    maps[:, 1, 0] = size / aspect * slant
    maps[:, 1, 1] = size / aspect
    maps[:, 1, 2] = shifts[1]
    maps, out = np.asarray(maps, like=images), np.empty_like(images)
    affine(images, maps, float(fill), out)
    return out


@accelerated
def affine(images, maps, fill, out):
    """Write each image, seen through its map, to `out`. images and out: (N, H, W, C), of one dtype; maps: (N, 2, 3).

    Output pixel (h, w), measured from the image's centre, takes its value from the input at
    (m[0,0] h + m[0,1] w + m[0,2],  m[1,0] h + m[1,1] w + m[1,2]), measured from the centre too: between four pixels, in
    proportion to how near each is (bilinear). Outside the image is `fill`.
    """
    _, height, width, _ = images.shape
    middle_h, middle_w = (height - 1) / 2, (width - 1) / 2
    rows, columns = np.arange(height, like=images) - middle_h, np.arange(width, like=images) - middle_w
    h, w = np.meshgrid(rows, columns, indexing="ij")
    for n, m in enumerate(maps):
        framed = np.pad(images[n].astype(maps.dtype), ((1, 1), (1, 1), (0, 0)), constant_values=fill)
        # The frame of `fill` is one pixel wide; whatever lies further out is taken from it.
        source_h = np.clip(m[0, 0] * h + m[0, 1] * w + m[0, 2] + middle_h, -1, height) + 1
        source_w = np.clip(m[1, 0] * h + m[1, 1] * w + m[1, 2] + middle_w, -1, width) + 1
        top, left = np.minimum(source_h.astype(int), height), np.minimum(source_w.astype(int), width)
        down, right = (source_h - top)[..., None], (source_w - left)[..., None]
        upper = framed[top, left] * (1 - right) + framed[top, left + 1] * right
        lower = framed[top + 1, left] * (1 - right) + framed[top + 1, left + 1] * right
        out[n] = upper * (1 - down) + lower * down


def random_crop(images: np.ndarray, size: int | tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A window of this size of each image, anywhere in it. Source: Krizhevsky et al. 2012, section 4.1."""
    height, width = _window(images, size)
    top = rng.integers(0, images.shape[1] - height + 1, len(images))
    left = rng.integers(0, images.shape[2] - width + 1, len(images))
    out = np.empty_like(images, np.float32, shape=(len(images), height, width, images.shape[3]))
    for n in range(len(images)):
        out[n] = images[n, top[n] : top[n] + height, left[n] : left[n] + width]
    return out


def random_portions(
    images: np.ndarray | WholeImages, size: tuple[int, int], rng: np.random.Generator, least: float = 1 / 16
) -> np.ndarray:
    """A window of each uint8 image, of the shape `size` but only a portion of its area, anywhere in it, brought to
    `size`: (N, H, W, C) to uint8 (N, *size, C), still bytes, because Pillow does it.

    The window's side is uniform between sqrt(least) and 1 of the side that the largest window of this shape has: by
    default from a sixteenth of the area to all of it. A network that is to recognise an object by a small piece must be
    trained on pieces; in a photograph that is longer than wide, the pieces come from all of it.
    """
    shares = rng.uniform(np.sqrt(least), 1, len(images))
    places = rng.random((len(images), 2))
    out = np.empty((len(images), *size, images.shape[3]), np.uint8)
    for image, share, (down, right), small in zip(images, shares, places, out):
        height, width = image.shape[:2]
        # The largest window is as high as the image, or as wide.
        tall = share * min(1, width * size[0] / (height * size[1]))
        wide = share * min(1, height * size[1] / (width * size[0]))
        top, left = down * (1 - tall) * height, right * (1 - wide) * width
        box = (left, top, left + wide * width, top + tall * height)
        # Bilinear: for shrinking it averages as the finer filters do, at half the cost.
        small[...] = to_array(to_image(image).resize(size[::-1], Image.Resampling.BILINEAR, box=box))
    return out


def soften(images: np.ndarray, rng: np.random.Generator, least: float = 1 / 4) -> np.ndarray:
    """Half of the uint8 images (N, H, W, C) as if they had fewer pixels: brought to a share of their side, uniform
    between `least` and 1, and back; uint8 again.

    One collection has sharp photographs and another small ones, enlarged. A class that only one of them has would be
    known by its sharpness, and never be seen in sharp photographs.
    """
    height, width = images.shape[1:3]
    shares = rng.uniform(least, 1, len(images))
    out = images.copy()
    for number in np.flatnonzero(rng.random(len(images)) < 0.5):
        few = max(1, round(width * shares[number])), max(1, round(height * shares[number]))
        small = to_image(images[number]).resize(few, Image.Resampling.BILINEAR)
        out[number] = to_array(small.resize((width, height), Image.Resampling.BILINEAR))
    return out


def centre_crop(images: np.ndarray, size: int | tuple[int, int]) -> np.ndarray:
    """The window of this size in the middle of each image."""
    height, width = _window(images, size)
    top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
    return images[:, top : top + height, left : left + width].astype(np.float32)


def ten_crops(images: np.ndarray, size: int | tuple[int, int]) -> np.ndarray:
    """The four corners and the centre of each image, and each mirrored: (10, N, height, width, C).

    A network is asked about all ten, and its probabilities are averaged. Source: Krizhevsky et al. 2012, section 4.1.
    """
    height, width = _window(images, size)
    corners = [(top, left) for top in (0, images.shape[1] - height) for left in (0, images.shape[2] - width)]
    crops = [images[:, top : top + height, left : left + width] for top, left in corners]
    crops.append(centre_crop(images, size))
    return np.stack([*crops, *(crop[:, :, ::-1] for crop in crops)]).astype(np.float32)


def mirror(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each image left-right reversed with probability 1/2. Source: Krizhevsky et al. 2012, section 4.1."""
    images = images.astype(np.float32)
    chosen = np.asarray(np.flatnonzero(rng.random(len(images)) < 0.5), like=images)
    images[chosen] = images[chosen][:, :, ::-1]
    return images


def principal_colours(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (3,) and eigenvectors (columns of (3, 3)) of the covariance of all pixels' colours, 0..1."""
    pixels = images.reshape(-1, images.shape[-1])
    count, total, products = 0, 0.0, 0.0
    for start in range(0, len(pixels), 1 << 20):  # a copy of all pixels in float64 would be large
        part = unit_interval(pixels[start : start + (1 << 20)]).astype(np.float64)
        count, total, products = count + len(part), total + part.sum(axis=0), products + part.T @ part
    mean = total / count
    return np.linalg.eigh(products / count - np.outer(mean, mean))


def colour_noise(
    images: np.ndarray,
    principal: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
    std: float = 0.1,
    white: float = 1.0,
) -> np.ndarray:
    """Add [p1 p2 p3] [a1 l1, a2 l2, a3 l3]^T to every pixel of an image, with a ~ N(0, std^2) drawn once per
    image.

    p and l are the eigenvectors and eigenvalues of `principal_colours`: as the paper has it, the eigenvalues themselves
    and not their roots. white: the level of white in `images`, 1 or 255, by which the noise is multiplied.
    Source: Krizhevsky et al. 2012, section 4.1.
    """
    values, vectors = principal
    draws = rng.normal(0.0, std, (len(images), len(values)))
    noise = (white * (draws * values) @ vectors.T).astype(np.float32)
    return images.astype(np.float32) + np.asarray(noise, like=images)[:, None, None, :]


def _window(images: np.ndarray, size: int | tuple[int, int]) -> tuple[int, int]:
    """The height and width of the window to cut."""
    height, width = (size, size) if isinstance(size, int) else size
    if not (1 <= height <= images.shape[1] and 1 <= width <= images.shape[2]):
        raise ValueError(f"cannot cut a {height}x{width} window from images of {images.shape[1]}x{images.shape[2]}")
    return height, width
