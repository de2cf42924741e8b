"""METEOR as promptfoo counts it: words, their stems by natural's Porter stemmer, and WordNet's synonyms.

`synonyms.txt.xz` is made by `bin/wordnet.py` from WordNet 3.1, which is Princeton University's (`LICENSE`).
"""
