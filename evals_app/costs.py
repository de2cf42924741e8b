"""What an answer costs, by the public price table of `genai-prices`."""

from decimal import Decimal

from genai_prices import Usage, calc_price


def cost_of(*, base_url: str, model: str, input_tokens: int | None, output_tokens: int | None) -> Decimal | None:
    """US dollars; None where the price of this model at this address, or the number of tokens, is not known."""
    if input_tokens is None or output_tokens is None:
        return None
    try:
        price = calc_price(
            Usage(input_tokens=input_tokens, output_tokens=output_tokens), model, provider_api_url=base_url
        )
    except LookupError:
        return None
    return Decimal(price.total_price).quantize(Decimal("0.00000001"))
