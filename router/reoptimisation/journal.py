"""What a scheduled run says while it works: words on stderr, or one JSON object a line."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

from router.plan.values import plain


class Journal:
    """`journal("plan published", id=7)`. In JSON every event is said; in words only what `told` is asked."""

    def __init__(self, *, as_json: bool, verbose: bool = False, stream: TextIO | None = None) -> None:
        self.as_json, self.verbose = as_json, verbose
        self.stream = sys.stderr if stream is None else stream

    def __call__(self, event: str, *, level: str = "info", **fields: Any) -> None:
        if self.as_json:
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            line = {"time": at, "level": level, "event": event, **plain(fields)}
            self._write(json.dumps(line, ensure_ascii=False))
        elif self.verbose or level != "info":
            words = ", ".join(f"{name} {value}" for name, value in fields.items())
            self._write(f"{event}: {words}" if words else event)

    def _write(self, line: str) -> None:
        self.stream.write(line + "\n")
        self.stream.flush()
