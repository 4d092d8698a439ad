"""What OpenAI's protocols share. https://platform.openai.com/docs/api-reference."""
