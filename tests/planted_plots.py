"""Mistakes in the pictures and the page, for `python -m tests.planted`."""

from tests.planted_mistake import Mistake

COMPARED = ("nn/plots/test_compared.py",)
ANSWERED = ("nn/plots/test_answered.py",)
PAPER = ("nn/plots/test_perspective.py",)
CAPTIONS = ("nn/plots/test_architecture.py",)
TILES = ("nn/plots/test_tiles.py",)
GRID_PAGES = ("nn/plots/test_grid.py",)
REPORT = ("nn/plots/test_report.py",)

CURVES, CONFUSION = "nn/plots/curves.py", "nn/plots/confusion.py"
KERNELS, MISREAD = "nn/plots/kernels.py", "nn/plots/misread.py"
ANSWERS, CROPPED = "nn/plots/answered.py", "nn/plots/cropped.py"
ARCHITECTURES, BLOCKS, OBLIQUE = "nn/plots/architectures.py", "nn/plots/blocks.py", "nn/plots/oblique.py"
GRIDS, MOSAICS, INSIDE = "nn/plots/grids.py", "nn/plots/tiles.py", "nn/plots/inside.py"
PAGE, STYLE = "nn/plots/report.py", "nn/plots/style.py"

MISTAKES: list[Mistake] = [
    # Curves
    Mistake(CURVES, '("test_accuracy", "tested",', '("train_accuracy", "tested",', COMPARED),
    Mistake(CURVES, "else 100 * epoch[key]", "else epoch[key]", COMPARED),
    Mistake(CURVES, "smooth(losses, window), color", "losses, color", COMPARED),
    Mistake(CURVES, "round(steps_per_epoch / 4)", "round(steps_per_epoch)", COMPARED),
    Mistake(CURVES, "len(losses) / max(1,", "max(1,", COMPARED),
    Mistake(CURVES, "math.log(num_classes)", "math.log2(num_classes)", COMPARED),
    Mistake(CURVES, 'set_yscale("log")', 'set_yscale("linear")', COMPARED),
    Mistake(CURVES, "values[-1]:.2f} %", "values[0]:.2f} %", COMPARED),
    # Confusion matrices
    Mistake(CONFUSION, "np.where(off_diagonal, matrix, np.nan)", "np.where(off_diagonal, matrix.T, np.nan)", COMPARED),
    Mistake(
        CONFUSION,
        "np.add.at(counts, (labels, predictions), 1)",
        "np.add.at(counts, (predictions, labels), 1)",
        COMPARED,
    ),
    Mistake(CONFUSION, "ndenumerate(matrix)", "ndenumerate(matrix.T)", COMPARED),
    Mistake(
        CONFUSION,
        'xlabel="the network\'s answer", ylabel="true class"',
        'ylabel="the network\'s answer", xlabel="true class"',
        COMPARED,
    ),
    Mistake(
        CONFUSION, "wrong, total = int(matrix[off_diagonal].sum())", "wrong, total = int(matrix.trace())", COMPARED
    ),
    Mistake(CONFUSION, "plain(class_names[tick])", "plain(class_names[tick - 1])", COMPARED),
    Mistake(CONFUSION, 'colour = "white" if scale(count) > 0.62', 'colour = "white" if scale(count) < 0.62', COMPARED),
    # Kernels
    Mistake(KERNELS, "weights[..., index]", "weights[..., 0]", COMPARED),
    Mistake(
        KERNELS,
        "index // columns * tile_height, index % columns",
        "index % rows * tile_height, index // rows",
        COMPARED,
    ),
    Mistake(KERNELS, 'cmap="RdBu_r"', 'cmap="RdBu"', COMPARED),
    Mistake(KERNELS, "0.5 + 0.5 * mosaic / largest", "0.5 + 0.25 * mosaic / largest", COMPARED),
    # Misread pictures
    Mistake(MISREAD, "show_image(axes, images[index])", "show_image(axes, images[column])", COMPARED),
    Mistake(
        MISREAD,
        '("✓", RIGHT) if answer == labels[index] else ("✗", WRONG)',
        '("✗", WRONG) if answer == labels[index] else ("✓", RIGHT)',
        COMPARED,
    ),
    Mistake(MISREAD, "class_names[labels[index]]", "class_names[labels[column]]", COMPARED),
    Mistake(MISREAD, "np.argsort(-worst", "np.argsort(worst", COMPARED),
    Mistake(MISREAD, "wrong[index] & (wrong.sum(axis=0) == 1)", "wrong[index]", COMPARED),
    # Answers and looks
    Mistake(ANSWERS, "share = float(chances[label])", "share = 1 - float(chances[label])", ANSWERED),
    Mistake(ANSWERS, "np.argsort(-chances", "np.argsort(chances", ANSWERED),
    Mistake(ANSWERS, "plain(class_names[label], 18)", "plain(class_names[row], 18)", ANSWERED),
    Mistake(ANSWERS, "shown = panels[2].imshow(fall", "shown = panels[1].imshow(fall", ANSWERED),
    Mistake(ANSWERS, "panels[1].imshow(gradient /", "panels[2].imshow(gradient /", ANSWERED),
    Mistake(ANSWERS, "label = int(chances.argmax())", "label = 0", ANSWERED),
    Mistake(
        ANSWERS,
        '[f"−{100 * most:.0f} %", "0", f"+{100 * most:.0f} %"]',
        '[f"+{100 * most:.0f} %", "0", f"−{100 * most:.0f} %"]',
        ANSWERED,
    ),
    # Crops
    Mistake(CROPPED, "windows[index].cut(image,", "windows[0].cut(image,", ANSWERED),
    Mistake(
        CROPPED,
        '_line(panels[0, 0], by_portion["centre"], "accuracy"',
        '_line(panels[0, 0], by_portion["corners"], "accuracy"',
        ANSWERED,
    ),
    Mistake(CROPPED, 'by_portion["centre"], "confidence"', 'by_portion["centre"], "accuracy"', ANSWERED),
    Mistake(
        CROPPED,
        '("✓", RIGHT) if answer == label else ("✗", WRONG)',
        '("✗", WRONG) if answer == label else ("✓", RIGHT)',
        ANSWERED,
    ),
    Mistake(CROPPED, "errors = [200 *", "errors = [100 *", ANSWERED),
    Mistake(CROPPED, "float(probabilities[index, answer])", "float(probabilities[index, label])", ANSWERED),
    Mistake(CROPPED, "axhline(100 / num_classes", "axhline(1 / num_classes", ANSWERED),
    Mistake(
        CROPPED, "side * window.left - 0.5, side * window.top", "side * window.top - 0.5, side * window.left", ANSWERED
    ),
    Mistake(CROPPED, "windows[index].place, ha", "windows[column].place, ha", ANSWERED),
    # Architectures
    Mistake(ARCHITECTURES, "min(1.0, length / side) for", "min(1.0, 2 * length / side) for", PAPER),
    Mistake(ARCHITECTURES, "if source == tower or not own_half", "if True", PAPER),
    Mistake(ARCHITECTURES, "pixels * side(block.shape[1]),", "pixels * side(block.shape[0]),", PAPER),
    Mistake(ARCHITECTURES, 'depth = 0 if block.kind == "pooling" else', "depth =", PAPER),
    Mistake(ARCHITECTURES, "PLACES[index % 2]", "PLACES[0]", PAPER),
    Mistake(OBLIQUE, "end = target.point(0, *place)", "end = target.point(1, *place)", PAPER),
    Mistake(OBLIQUE, "(1 - row) * self.height", "row * self.height", PAPER),
    Mistake(BLOCKS, '"stride {_short(stride)}"', '"stride {_short(window)}"', PAPER),
    Mistake(BLOCKS, "blocks[-1].caption.append(_words(layer))", "blocks[0].caption.append(_words(layer))", PAPER),
    Mistake(BLOCKS, "param.ndim < 2 for", "param.ndim < 3 for", CAPTIONS),
    Mistake(BLOCKS, "param.ndim < 2 for", "param.ndim < 1 for", CAPTIONS),
    Mistake(BLOCKS, "depthwise = groups ==", "depthwise = groups !=", CAPTIONS),
    Mistake(BLOCKS, "earlier.towers = max(earlier.towers, block.groups)", "pass", PAPER),
    # Grids
    Mistake(MOSAICS, "_put(mosaic, weight[:, :, channel, output]", "_put(mosaic, weight[:, :, 0, output]", TILES),
    Mistake(MOSAICS, ":MOST_INPUTS, :MOST_OUTPUTS].T", ":MOST_INPUTS, :MOST_OUTPUTS]", TILES),
    Mistake(MOSAICS, "row, column = divmod(index, columns)", "column, row = divmod(index, rows)", TILES),
    Mistake(MOSAICS, "str(row * columns)", "str(row)", TILES),
    Mistake(MOSAICS, "(values == 0) & near[0]", "(values != 0) & near[0]", TILES),
    Mistake(GRIDS, "tiles.maps(array[:, :, 0], limit", "tiles.maps(np.swapaxes(array[:, :, 0], 0, 1), limit", TILES),
    Mistake(GRIDS, "WRONG if value == 0 else", "WRONG if value < 0 else", TILES),
    Mistake(GRIDS, 'signed = kind != "activations" or', "signed =", TILES),
    Mistake(GRIDS, "np.abs(array[array != 0])", "array[array != 0]", TILES),
    Mistake(GRIDS, '[scale.words(-1), "0", scale.words(1)]', '[scale.words(1), "0", scale.words(-1)]', TILES),
    Mistake(INSIDE, "network, image[None])[layer_name][0]", 'network, image[None])["conv1"][0]', TILES),
    Mistake(
        INSIDE, "np.eye(classes, dtype=network.dtype)[[label]]", "np.eye(classes, dtype=network.dtype)[[0]]", TILES
    ),
    Mistake(INSIDE, "image[None], dlogits)[layer_name]", 'image[None], dlogits)["input"]', TILES),
    # The page
    Mistake(PAGE, "_facts(facts)]", '""]', REPORT),
    Mistake(PAGE, "<p>{escape(picture.explanation)}</p>", "<p>{escape(picture.heading)}</p>", REPORT),
    Mistake(PAGE, 'alt="{escape(picture.alt)}"', 'alt=""', REPORT),
    Mistake(PAGE, "--quiet: #56606b", "--quiet: #9aa0a6", REPORT),
    Mistake(PAGE, "<pre>{escape(summary)}</pre>", "<pre>{escape(name)}</pre>", REPORT),
    Mistake(PAGE, "{escape(value)}</td></tr>", "{value}</td></tr>", REPORT),
    # What several of them share, and what the tests were not written for
    Mistake(
        CURVES,
        "_draw_loss(loss_axes, name, history, COLOURS[index % len(COLOURS)])",
        "_draw_loss(loss_axes, name, history, COLOURS[0])",
        COMPARED,
    ),
    Mistake(MISREAD, "enumerate(chosen[:columns])", "enumerate(chosen[-columns:])", COMPARED),
    Mistake(
        MISREAD,
        "write(centre, bottom - 0.06 - line * number, text",
        "write(centre, bottom - 0.06 - line * (1 - number), text",
        COMPARED,
    ),
    Mistake(
        CONFUSION,
        "max([1, *(int(matrix[off_diagonal].max(initial=0)) for matrix in matrices.values())])",
        "1",
        COMPARED,
    ),
    Mistake(KERNELS, "float(np.nanmax(np.abs(mosaic), initial=0))", "float(np.nanmax(mosaic, initial=0))", COMPARED),
    Mistake(STYLE, 'cmap="gray", vmin=0, vmax=1,', 'cmap="gray_r", vmin=0, vmax=1,', COMPARED),
    Mistake(ANSWERS, 'cmap="gray", vmin=0, vmax=255', 'cmap="gray"', ANSWERED),
    Mistake(
        ANSWERS,
        '"extent": (-0.5, wide - 0.5, high - 0.5, -0.5)',
        '"extent": (-0.5, wide - 0.5, -0.5, high - 0.5)',
        ANSWERED,
    ),
    Mistake(CROPPED, "{100 * portions[row]:g} %", "{100 * portions[-1 - row]:g} %", ANSWERED),
    Mistake(CROPPED, "axes.invert_xaxis()", "pass", ANSWERED),
    Mistake(
        CROPPED,
        "[f\"{100 * row['from']:g}–{100 * row['to']:g}\"",
        "[f\"{100 * row['to']:g}–{100 * row['from']:g}\"",
        ANSWERED,
    ),
    Mistake(ARCHITECTURES, "bottoms = [total / 2 - tall - tower", "bottoms = [-total / 2 + tower", PAPER),
    Mistake(ARCHITECTURES, "network.multiply_adds(image_shape)", "network.num_parameters", PAPER),
    Mistake(GRIDS, "show_image(axes, _to_unit_range(page.image))", "show_image(axes, page.image)", TILES),
    Mistake(GRIDS, "array.ndim == 4 and array.shape[2] == 3):  # in colour", "False):  # in colour", TILES),
    Mistake(
        GRIDS,
        "mosaic.row_labels:\n            axes.text(x, y, text",
        "mosaic.row_labels:\n            axes.text(y, x, text",
        TILES,
    ),
    Mistake(
        GRIDS,
        "~array.any(axis=(0, 1))\n    elif array.ndim == 4",
        "~array.any(axis=(0, 2))\n    elif array.ndim == 4",
        GRID_PAGES,
    ),
    Mistake(
        PAGE,
        "lines += [f'<th scope=\"col\">{escape(cell)}</th>' for cell in header]",
        "lines += [f'<th scope=\"col\">{escape(cell)}</th>' for cell in header[:-1]]",
        REPORT,
    ),
]
