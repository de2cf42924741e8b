"""Talking to models: any endpoint that speaks the OpenAI chat-completions protocol, whatever it answers."""
