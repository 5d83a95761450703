"""Prompt tokens that a prefix cache would have had, from the hashes of a log's blocks.

    hash_ids     one for each block of the prompt; equal where the prompt is the same up to the end of the block
    cached       the blocks from the first on that an earlier request had too, · tokens a block, at most the prompt

Mooncake's blocks have 512 tokens, Qwen's 16: the size is that of which ceil(prompt / size) is the number of blocks. The
cache is one that forgets nothing and is shared by all, so that the share is the most a cache can have.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from router.errors import InputError, Issue
from router.traces.table import Floats

SIZES = (16, 32, 64, 128, 256, 512, 1024, 2048)
FITS = 0.99  # of the requests; the last block of some is left out


def cached_tokens(
    cells: Sequence[str], at_us: Floats, prompt: Floats, lines: Sequence[int], file: str
) -> tuple[Floats, int]:
    """(N,) cached tokens, and the tokens of a block. Raises InputError with the row of what is no list, or too long."""
    hashes = [_blocks(cell, line, file) for cell, line in zip(cells, lines, strict=True)]
    counts = np.array([len(blocks) for blocks in hashes], dtype=float)
    size = next(
        (candidate for candidate in SIZES if np.mean(np.ceil(prompt / candidate) == counts) >= FITS), None
    )
    if size is None:
        size = int(np.ceil(np.nanmax(prompt / np.maximum(counts, 1.0))))
    seen: set[object] = set()
    cached = np.zeros(len(hashes))
    for i in np.argsort(at_us, kind="stable"):
        blocks = hashes[i]
        ahead = next((n for n, block in enumerate(blocks) if block not in seen), len(blocks))
        cached[i] = min(ahead * size, prompt[i])
        seen.update(blocks)
    return cached, size


def _blocks(cell: str, line: int, file: str) -> list[object]:
    try:
        blocks = json.loads(cell) if cell.strip() else []
    except json.JSONDecodeError:
        blocks = None
    if not isinstance(blocks, list) or not all(isinstance(block, int | str) for block in blocks):
        raise InputError(
            Issue(("hash_ids",), "must be a list of hashes, as [46, 47]", cell, file=file, line=line)
        )
    return blocks
