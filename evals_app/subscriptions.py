"""Which topics this app answers to."""


def subscribe_all() -> None:
    """Register the handlers; called once, when the app is ready."""
