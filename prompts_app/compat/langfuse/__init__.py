"""The prompts API of Langfuse, version 2, as its own clients speak it: host and keys are all that a team changes."""
