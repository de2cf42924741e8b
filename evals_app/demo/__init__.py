"""What the demo workspace is made of: people, a library of prompts with real histories, and one worked story. Pure."""
