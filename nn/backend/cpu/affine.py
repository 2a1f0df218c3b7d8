"""Pictures seen through an affine map: what LeNet's distortions (shift, scale, squeeze, shear) are made of.

Arrays here: images (N, H, W, C) and out, the same shape and dtype; maps (N, 2, 3). Output pixel (h, w), measured from
the picture's centre, takes its value from the input at (m[0,0] h + m[0,1] w + m[0,2],  m[1,0] h + m[1,1] w + m[1,2]),
measured from the centre too, between four pixels in proportion to how near each is (bilinear). Outside the picture is
`fill`.
"""

from __future__ import annotations

import numpy as np

from nn.backend.runtime.jit import compiled_loop


def affine_plain(images, maps, fill, out):
    """Write each image, seen through its map, to `out`."""
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


@compiled_loop
def affine_fast(images, maps, fill, out):
    """The same, pixel by pixel."""
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
