"""Cases as files: CSV, JSONL, JSON and promptfoo's YAML read, CSV, JSONL and JSON written. Pure."""
