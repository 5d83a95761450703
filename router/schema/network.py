"""Ways from where requests come from to where they are answered."""

from __future__ import annotations

from pydantic import Field

from router.schema.base import Name, NonNegative, Strict


class NetworkLink(Strict):
    """A way from an origin to a region; it holds the other way too, unless that has a row of its own."""

    from_: Name = Field(alias="from", description="Origin of requests, or a region")
    to: Name = Field(description="Region of offers (limits.regions), or an origin")
    rtt_ms: NonNegative = Field(
        default=0.0,
        description="Round trip: it adds once to the time to first token and to that of a request",
    )
    egress_usd_per_gb: NonNegative = Field(
        default=0.0,
        description="Price of what is sent: prompt and completion",
        json_schema_extra={"unit": "USD/GB"},
    )
    bytes_per_token: NonNegative = Field(
        default=4.0, description="Size of a token as it is sent", json_schema_extra={"unit": "bytes/token"}
    )
