"""The evaluation part of the HTTP API."""
