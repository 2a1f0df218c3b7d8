"""What the benchmark found, as a table and as a picture."""

from __future__ import annotations

import statistics
from pathlib import Path

from matplotlib.figure import Figure

from examples.benchmark.machine import CARD_KINDS

# Engine: name in the picture, at the head of its column, and colour; PyTorch's are blue.
LOOKS = {
    "torch": ("PyTorch", "PyTorch", "#0072b2"),
    "torch-channels-last": ("PyTorch, channels last", "ch.-last", "#9ab8cc"),
    "torch-compile": ("torch.compile", "compile", "#56b4e9"),
    "jax": ("JAX", "JAX", "#009e73"),
    "onnxruntime": ("ONNX Runtime", "ONNX R.", "#e69f00"),
    "openvino": ("OpenVINO", "OpenVINO", "#cc79a7"),
}
NOT_HELD = ("jax", "onnxruntime")  # to AVX2: their matrix products choose for themselves, and nobody can tell them


def ratio(case: dict, rival: str, mine: str = "ours") -> float:
    """The median, over the turns, of our time over theirs."""
    pairs = zip(case["seconds"][mine], case["seconds"][rival], strict=True)
    return statistics.median(ours / theirs for ours, theirs in pairs)


def rivals_of(results: dict) -> list[str]:
    """The rivals that any case was measured with, in the order of LOOKS."""
    return [rival for rival in LOOKS if any(rival in case["seconds"] for case in results["cases"].values())]


def make_table(results: dict) -> str:
    """What is printed: a line for each case, a column for each rival."""
    rivals = rivals_of(results)
    avx2 = results.get("kernels") == "avx2"
    names = [LOOKS[rival][1] + "*" * (avx2 and rival in NOT_HELD) for rival in rivals]
    rows = [("", "ms a step", "images/s", *names, "of sgemm", "MB", "PyTorch's")]
    for name, case in results["cases"].items():
        seconds = statistics.median(case["seconds"]["ours"])
        ratios = [f"{ratio(case, rival):.2f}" if rival in case["seconds"] else "-" for rival in rivals]
        share = case["of the matrix product's rate"]
        peaks = [case["peak bytes"].get(engine, 0) / 2**20 for engine in ("ours", "torch")]
        cells = (f"{1000 * seconds:.4g}", f"{case['batch'] / seconds:,.0f}", *ratios, f"{share:.0%}")
        rows.append((name, *cells, *(f"{peak:,.0f}" if peak else "-" for peak in peaks)))
    first, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = [
        " ".join([name.ljust(first), *(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))])
        for name, *cells in rows
    ]
    lines += [
        "",
        *([f"{', '.join(names)}: our time / theirs."] if rivals else []),
        "of sgemm: the multiplications and additions of the textbook's method, as a share of what the machine's own",
        f"matrix product does in that time ({results['sgemm'] / 1e9:.0f} GFLOP/s); above 100% we need fewer.",
        "MB: the most memory that the process held, and PyTorch's.",
        f"All threads together read {results['memory'] / 1e9:.1f} GB/s from memory.",
    ]
    for name, case in results["cases"].items():
        if "of the memory's rate" in case:
            shares = dict(case["of the memory's rate"])
            megabytes = case["parameter bytes"] / 1e6
            lines.append(
                f"{name}: to read {megabytes:.0f} MB of float32 parameters once, at that rate, takes "
                f"{shares.pop('ours'):.0%} of our step's time."
            )
            if shares:
                lines.append(
                    "Of the others': " + ", ".join(f"{LOOKS[rival][1]} {shares[rival]:.0%}" for rival in shares) + "."
                )
    if avx2:
        marked = "; *: except for its matrix products, which have no switch" * any(name.endswith("*") for name in names)
        lines.append(f"Held to AVX2{marked}.")
    if "card" in results:
        rates = (f"{results['card'][kind] / 1e12:.0f} ({kind})" for kind in CARD_KINDS)
        lines.append(
            f"cuda: on {results['card']['name']}; of sgemm: of its own matrix product's {' and '.join(rates)} TFLOP/s; "
            "MB: the GPU's."
        )
    for kind, seconds in results.get("cold start", {}).items():
        lines.append(f"Process start to the end of the first AlexNet step, 8 images, {kind} cache: {seconds:.1f} s.")
    if "scale" in results:
        lines.append("AlexNet, ms an image: " + "; ".join(f"{k}: {1000 * v:.2f}" for k, v in results["scale"].items()))
    return "\n".join(lines)


def draw(results: dict, path: Path) -> None:
    """The ratios as bars: shorter is better, 1 is the rival's time."""
    row, ticks = 0.0, {}
    longest = 2.0  # longer bars are cut off
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    for name, case in results["cases"].items():
        rivals = [rival for rival in LOOKS if rival in case["seconds"]]
        if rivals:
            ticks[name] = row + (len(rivals) - 1) / 2
        for rival in rivals:
            value = ratio(case, rival)
            label, _, colour = LOOKS[rival]
            axes.barh(row, min(value, longest), color=colour, height=0.85, label=label)
            ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # over the line at 1
            axes.text(min(value, longest) + 0.02, row, f"{value:.2f}", va="center", fontsize=7, bbox=ground)
            row += 1
        row += 0.9
    if not ticks:
        return
    figure.set_size_inches(8, 0.16 * row + 1.6)
    axes.set_yticks(list(ticks.values()), list(ticks))
    axes.set(ylim=(row - 0.9, -0.8), xlim=(0, longest + 0.2))
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel("our time / theirs: left of the line we are faster (bars end at 2)")
    bars, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, bars))
    shown = [LOOKS[rival][0] for rival in rivals_of(results)]
    avx2 = results.get("kernels") == "avx2"
    free = [LOOKS[rival][0] for rival in NOT_HELD] if avx2 else []
    named = [f"{label} (not held to AVX2)" if label in free else label for label in shown]
    figure.legend([once[label] for label in shown], named, loc="outside upper center", ncols=3, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    card = [results["card"]["name"]] if "card" in results else []
    held = ["held to AVX2"] if avx2 else []
    axes.set_title(", ".join([results["machine"], *card, *held]), fontsize=9)
    figure.savefig(path, dpi=120)
