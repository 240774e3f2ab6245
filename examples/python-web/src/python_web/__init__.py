"""A small web service that greets, draws, and keeps its visits."""
