"""Whether LiteLLM's prompt tokens include cached ones: they do, but for some versions' Anthropic calls.

Cached and written tokens are parts of the prompt. Where they are more than the prompt, or the row's total is prompt,
completion and they, the row leaves them out, as Anthropic's own counting does, and they are added.
https://github.com/BerriAI/litellm/pull/23342, issues 15056, 13207.
"""

from __future__ import annotations

from router.importers.account import PROMPT, Account


class PromptCaching:
    """Puts rows of both ways of counting on one, and says what it did."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._apart: set[str] = set()
        self._unclear: list[tuple[str, str, float]] = []

    def prompt(
        self, kind: str, place: str, prompt: float, read: float, written: float, beyond: float = 0.0
    ) -> float:
        """Prompt tokens with cached and written ones; `kind` of calls are counted alike, as far as one can tell.

        beyond    tokens of the row's total that are in neither prompt nor completion
        """
        if read + written > prompt or 0 < beyond == read + written:
            self._apart.add(kind)
            why = (
                "cached tokens added to the prompt, which leaves them out: it is less, or the total has both"
            )
            self.account.remark("note", why, place, {"rows": 1, PROMPT: read + written})
            return prompt + read + written
        if read + written:
            self._unclear.append((kind, place, read + written))
        return prompt

    def finish(self) -> None:
        """Names rows that cannot tell, beside rows of their kind that leave cached tokens out."""
        why = "cached tokens taken as part of the prompt, though other rows of these calls leave them out"
        for kind, place, tokens in self._unclear:
            if kind in self._apart:
                self.account.remark("note", why, place, {"rows": 1, PROMPT: tokens}, names=[kind])
