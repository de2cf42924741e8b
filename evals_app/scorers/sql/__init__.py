"""Whether a text is SQL: the grammars of node-sql-parser 5.4.0, read by a small machine that has a limit of steps.

`grammars.json.xz` is made by `bin/sql_grammars.py` from that project (Apache-2.0, `LICENSE`); nothing of its code is run.
"""
