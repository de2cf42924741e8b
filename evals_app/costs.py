"""What an answer costs, by the public price table of `genai-prices`."""

import functools
from decimal import Decimal

from genai_prices import Usage, calc_price

PLACES = Decimal("0.00000001")


def cost_of(*, base_url: str, model: str, input_tokens: int | None, output_tokens: int | None) -> Decimal | None:
    """US dollars; None where the price of this model at this address, or the number of tokens, is not known."""
    if input_tokens is None or output_tokens is None or not _is_priced(base_url, model):
        return None
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    return Decimal(calc_price(usage, model, provider_api_url=base_url).total_price).quantize(PLACES)


@functools.lru_cache(maxsize=256)
def _is_priced(base_url: str, model: str) -> bool:
    """Finding out that nobody knows an address takes two milliseconds: once is enough."""
    try:
        calc_price(Usage(input_tokens=1, output_tokens=1), model, provider_api_url=base_url)
    except LookupError:
        return False
    return True
