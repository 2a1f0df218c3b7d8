"""Mistakes in what is streamed, packed and evaluated, for `python -m tests.planted`."""

from tests.planted_mistake import Mistake

SOURCES, SHARDS, STREAM = "nn/data/sources.py", "nn/data/shards.py", "nn/data/stream.py"
STATISTICS, PACKING, PREFETCH = "nn/data/statistics.py", "nn/data/packing.py", "nn/training/prefetch.py"
PACK, EVALUATE, LABELS = "examples/pack.py", "examples/evaluate.py", "nn/labels.py"

OF_SOURCES, OF_SHARDS = ("nn/data/test_sources.py",), ("nn/data/test_shards.py",)
OF_STREAM, OF_PACK = ("nn/data/test_stream.py",), ("examples/test_pack.py",)
OF_EVALUATE, TRAINED = ("examples/test_evaluate.py",), ("examples/train/test_streamed.py",)
AHEAD = ("nn/training/test_streamed_batches.py",)

MISTAKES: list[Mistake] = [
    # Where the files lie
    Mistake(SOURCES, "start = int(self.ends[number - 1]) if number else 0", "start = 0", OF_SOURCES),
    Mistake(SOURCES, "if real not in above:", "if True:", OF_SOURCES),
    Mistake(
        SOURCES,
        "yield waiting.pop(0).result()\n        while",
        "yield waiting.pop().result()\n        while",
        OF_SOURCES,
    ),
    Mistake(SHARDS, "begin, kind = at + BLOCK,", "begin, kind = at,", OF_SHARDS),
    Mistake(SHARDS, 'if kind in b"Lx":', 'if kind in b"L":', OF_SHARDS),
    Mistake(SHARDS, "if key != last:", "if False:", OF_SHARDS),
    Mistake(SHARDS, 'np.array_equal(index["times"], times)', "True", OF_SHARDS),
    Mistake(SHARDS, "if len(content) < length:", "if not content:", OF_SHARDS),
    Mistake(SHARDS, "if at != end:", "if False:", OF_SHARDS),
    # Decoding
    Mistake(STREAM, "out[place] = self[place]", "out[place] = self[0]", OF_STREAM),
    Mistake(STREAM, "np.roll(same, -place - 1)", "same", OF_STREAM),
    Mistake(STREAM, "some._all, some._known = some.numbers, [None]", "some._known = [None]", OF_STREAM),
    Mistake(STREAM, "self._said[0] = len(unread)", "", OF_STREAM),
    Mistake(STREAM, "ThreadPoolExecutor(threads or num_threads(), ", "ThreadPoolExecutor(1, ", OF_STREAM),
    Mistake(STREAM, "default_rng(seed).permutation", "default_rng(0).permutation", OF_STREAM),
    # Mean and colours
    Mistake(STATISTICS, "- np.outer(mean, mean)", "", OF_STREAM),
    Mistake(STATISTICS, "one.products + other.products", "one.products", OF_STREAM),
    Mistake(STATISTICS, "(255 * self.count)", "255", OF_STREAM),
    # Packing
    Mistake(PACKING, "if count % per_shard == 0:", "if count == 0:", OF_PACK),
    Mistake(PACKING, "label = int(source.labels[number])", "label = int(source.labels[count])", OF_PACK),
    Mistake(PACKING, "QUALITY = 95", "QUALITY = 75", OF_PACK),
    Mistake(
        PACK,
        "        finally:\n            shutil.rmtree(partial, ignore_errors=True)\n",
        "        finally:\n            pass\n",
        OF_PACK,
    ),
    Mistake(PACK, "    if not force:\n", "    if False:\n", OF_PACK),
    # Evaluating
    Mistake(LABELS, "(logits > of_label) |", "(logits < of_label) |", OF_EVALUATE),
    Mistake(EVALUATE, "np.mean(places < 5):7.2%", "np.mean(places < 6):7.2%", OF_EVALUATE),
    Mistake(EVALUATE, "wrong = answers[of_class & (places > 0)]", "wrong = answers[of_class]", OF_EVALUATE),
    Mistake(EVALUATE, "images, right = images[good], right[good]", "pass", OF_EVALUATE),
    Mistake(EVALUATE, "return Dataset(dataset.images, numbers[dataset.labels], names)", "return dataset", OF_EVALUATE),
    # Ahead of the network
    Mistake(PREFETCH, "images, labels, self.generator_state = batch", "images, labels, _ = batch", TRAINED),
    Mistake(PREFETCH, "self._fetched) < (AHEAD", "self._fetched) <= (AHEAD", AHEAD),
    Mistake(PREFETCH, "self._seconds += time.perf_counter() - asked", "", AHEAD),
    # Held out
    Mistake(
        "examples/train/sets.py",
        "names[number] for number in np.flatnonzero(held)] if names",
        "names[number] for number in np.flatnonzero(~held)] if names",
        OF_EVALUATE,
    ),
]
