"""The Model Context Protocol over what is live: its messages, and prompts in its terms."""
