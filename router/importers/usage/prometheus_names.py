"""Which counter says what: names of vLLM, SGLang, LiteLLM and OpenTelemetry's GenAI conventions.

Names are compared with `:` and `.` as `_` and without `_total`. Where a server counts one thing under two names (a new
one beside a deprecated one), the first of the list that a model has is used.
"""

from __future__ import annotations

SOURCES: dict[str, dict[str, tuple[str, ...]]] = {
    "vLLM": {
        "prompt": ("vllm_prompt_tokens",),
        "completion": ("vllm_generation_tokens",),
        "requests": ("vllm_request_success",),
        "cached": ("vllm_prefix_cache_hits", "vllm_gpu_prefix_cache_hits"),
        "queries": ("vllm_prefix_cache_queries", "vllm_gpu_prefix_cache_queries"),
        "ttft_s": ("vllm_time_to_first_token_seconds_sum",),
        "ttft_n": ("vllm_time_to_first_token_seconds_count",),
    },
    "SGLang": {
        "prompt": ("sglang_prompt_tokens",),
        "completion": ("sglang_generation_tokens",),
        "requests": ("sglang_num_requests",),
        "cached": ("sglang_cached_tokens",),
        "ttft_s": ("sglang_time_to_first_token_seconds_sum",),
        "ttft_n": ("sglang_time_to_first_token_seconds_count",),
    },
    "LiteLLM": {
        "prompt": ("litellm_input_tokens_metric", "litellm_input_tokens"),
        "completion": ("litellm_output_tokens_metric", "litellm_output_tokens"),
        "requests": ("litellm_proxy_total_requests_metric", "litellm_requests_metric"),
        "money": ("litellm_spend_metric",),
        "ttft_s": ("litellm_llm_api_time_to_first_token_metric_sum",),
        "ttft_n": ("litellm_llm_api_time_to_first_token_metric_count",),
    },
    "OpenTelemetry": {
        "prompt": ("gen_ai_client_inference_usage_input_tokens", "gen_ai_client_token_usage_sum input"),
        "completion": ("gen_ai_client_inference_usage_output_tokens", "gen_ai_client_token_usage_sum output"),
        "requests": (
            "gen_ai_client_inference_operation_input_tokens_count",
            "gen_ai_client_token_usage_count input",
            "gen_ai_client_operation_duration_seconds_count",
        ),
        "cached": ("gen_ai_client_inference_usage_cache_read_input_tokens",),
        "written": ("gen_ai_client_inference_usage_cache_write_input_tokens",),
        "ttft_s": ("gen_ai_server_time_to_first_token_seconds_sum",),
        "ttft_n": ("gen_ai_server_time_to_first_token_seconds_count",),
    },
}
"""By source and kind, names in order of preference. "… input" is the value of gen_ai_token_type."""

PLACES = {
    name: (source, kind, place)
    for source, kinds in SOURCES.items()
    for kind, names in kinds.items()
    for place, name in enumerate(names)
}

MODEL = (
    *("gen_ai_request_model", "model_name", "requested_model", "gen_ai_response_model", "model"),
    "litellm_model_name",
)
LABELS = {
    "provider": ("gen_ai_provider_name", "gen_ai_system", "api_provider"),
    "job": ("job",),
    "namespace": ("namespace",),
    "service": ("service_name",),
    "instance": ("instance",),
    "team": ("team",),
    "user": ("user",),
    "key": ("api_key_alias", "hashed_api_key"),
}
SAME_TARGET = ("prometheus_replica", "__replica__", "thanos_replica", "receive_replica", "prometheus")
"""Who scraped: two series that differ only in these are one counter, read twice."""
SAME_REQUEST = ("tp_rank", "pp_rank", "moe_ep_rank")
"""Which GPU of one engine counted: each counts all its requests."""
MAY_BE_SAME = ("replica", "job", "endpoint", "service", "monitor")
"""Who scraped, or a server of its own: the first if the target is the same and counts alike."""
TARGET = ("instance", "pod")
TOKEN_TYPES = {"prompt": "input", "completion": "output"}
"""Earlier values of gen_ai_token_type."""


def is_failure(labels: dict[str, str]) -> bool:
    """Whether the labels of a series say that its requests failed."""
    status = labels.get("status_code", "")
    return (
        labels.get("finished_reason") == "error"
        or bool(labels.get("error_type"))
        or (status.isdigit() and not status.startswith("2"))
    )
