"""`affine` of `nn.data.augmentation`, compiled, and on all threads: images seen through an affine map."""

from __future__ import annotations

import numpy as np

from nn.backend.runtime.jit import compiled_loop
from nn.backend.runtime.pool import run_parallel, split


def affine(images, maps, fill, out):
    """Pixel by pixel, some images on each thread."""
    parts = split(len(images), len(images) // 64)
    run_parallel(lambda part: _affine(images[part], maps[part], fill, out[part]), parts)


@compiled_loop
def _affine(images, maps, fill, out):
    count, height, width, channels = images.shape
    middle_h, middle_w = (height - 1) / 2, (width - 1) / 2
    for n in range(count):
        m = maps[n]
        for h in range(height):
            for w in range(width):
                y, x = h - middle_h, w - middle_w
                source_h = min(max(m[0, 0] * y + m[0, 1] * x + m[0, 2] + middle_h, -1.0), float(height))
                source_w = min(max(m[1, 0] * y + m[1, 1] * x + m[1, 2] + middle_w, -1.0), float(width))
                top, left = int(np.floor(source_h)), int(np.floor(source_w))
                down, right = source_h - top, source_w - left
                for c in range(channels):
                    total = 0.0
                    for i in range(2):
                        for j in range(2):
                            share = (down if i else 1 - down) * (right if j else 1 - right)
                            ih, iw = top + i, left + j
                            inside = 0 <= ih < height and 0 <= iw < width
                            total += share * (images[n, ih, iw, c] if inside else fill)
                    out[n, h, w, c] = total
