"""The release after this one, as far as its migration goes: columns on tables in use, a table, a trigger put anew."""
