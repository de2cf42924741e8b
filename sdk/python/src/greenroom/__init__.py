"""The client of a Greenroom prompt registry."""

__version__ = "0.1.0"
