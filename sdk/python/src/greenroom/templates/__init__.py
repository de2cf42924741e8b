"""Rendering, as the server does it: copies of its own modules, made by `bin/sdk_templates.py`. Edit the originals."""
