"""Price lists → catalogue files with offers, for `include`: genai-prices, LiteLLM's price file, models.dev,
GPU price tables, and OpenCost's costs of own pools.

Every reader makes a `Listing`: what is sold, and by name what has no price and was left out. A price that is not there
is never 0. Each offer names its source, and `as_of` is the day that was asked for.
"""

from router.importers.prices.genai import genai
from router.importers.prices.gpu_csv import gpu_csv
from router.importers.prices.listing import LeftOut, ListedOffer, Listing, catalogue
from router.importers.prices.litellm import litellm
from router.importers.prices.models_dev import models_dev
from router.importers.prices.opencost import opencost

__all__ = [
    "LeftOut",
    "ListedOffer",
    "Listing",
    "catalogue",
    "genai",
    "gpu_csv",
    "litellm",
    "models_dev",
    "opencost",
]
