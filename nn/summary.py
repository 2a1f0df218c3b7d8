"""What a network is, as a table: `Network.summary`, and the counts that it holds."""

from __future__ import annotations

from typing import Any

from nn.checks import Shape


def summary(network: Any, image_shape: Shape | None = None) -> str:
    """A table: layer, output shape, parameters, multiply-adds; and which layers are frozen, where some are."""
    rows = [("layer", "output", "parameters", "multiply-adds", "")]
    table = rows_of_layers(network, image_shape)
    frozen = 0
    for (name, shape, parameters, count), layer in zip(table, network.layers.values()):
        volume = "x".join(str(length) for length in shape)
        is_frozen = layer.frozen and parameters > 0
        frozen += parameters if is_frozen else 0
        numbers = f"{parameters:,}" if parameters else "", f"{count:,}" if count else ""
        rows.append((name, volume, *numbers, "frozen" if is_frozen else ""))
    total = f"{network.num_parameters:,}", f"{sum(row[3] for row in table):,}"
    rows.append(("total", "", *total, f"{frozen:,} frozen" if frozen else ""))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}  {row[4]}".rstrip()
        for row in rows
    ]
    rule = "-" * max(len(line) for line in lines)
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def rows_of_layers(network: Any, image_shape: Shape | None) -> list[tuple[str, tuple[int, ...], int, int]]:
    """For each layer its name, the shape of an image's output, the number of parameters and of multiply-adds."""
    shape = network.image_shape if image_shape is None else tuple(image_shape)
    if shape is None:
        raise ValueError(f"{network.name} was made for no particular image shape; give one, such as (28, 28, 1)")
    table = []
    for name, layer in network.layers.items():
        count = layer.multiply_adds(shape)
        shape = layer.output_shape(shape)
        table.append((f"{name} ({type(layer).__name__})", shape, layer.num_parameters, count))
    return table
