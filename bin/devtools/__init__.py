"""What `bin/dev.py` is made of. Standard library only.

`words`, `sources`, `uv`, `environment` and `folders` run on whatever Python the machine has (>= 3.9) until there is a virtual
environment; the rest runs inside it.
"""
