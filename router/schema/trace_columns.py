"""Names by which the columns of a trace are found where the problem names none: those of logs and public datasets."""

from __future__ import annotations

from collections.abc import Mapping

USUAL: Mapping[str, tuple[str, ...]] = {
    "timestamp": (
        "timestamp",
        "start_s",
        "start_time",
        "startTime",
        "start",
        "arrival_time",
        "arrival_timestamp",
        "arrived_at",
        "request_time",
        "created_at",
        "created",
        "datetime",
        "time",
        "date",
    ),
    "prompt_tokens": (
        "prompt_tokens",
        "ContextTokens",
        "input_tokens",
        "request_tokens",
        "prompt_tokens_mean",
        "input_tokens_mean",
        "input_length",
        "prompt_length",
        "input_len",
        "prompt_len",
    ),
    "completion_tokens": (
        "completion_tokens",
        "GeneratedTokens",
        "output_tokens",
        "response_tokens",
        "completion_tokens_mean",
        "output_tokens_mean",
        "output_length",
        "completion_length",
        "output_len",
        "completion_len",
    ),
    "cached_tokens": ("cached_tokens", "cached_prompt_tokens", "prompt_cached_tokens", "input_cached_tokens"),
    "hash_ids": ("hash_ids",),
    "status": ("status", "status_code", "http_status"),
    "requests": ("requests", "num_requests", "request_count", "api_requests", "num_model_requests"),
    "requests_with_lengths": ("requests_with_lengths",),
    "arrival_cv": ("arrival_cv",),
}
"""Names in order of preference. Case, spaces and underscores do not count."""
