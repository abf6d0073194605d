"""Texts as PostgreSQL takes them: its `text` holds every character but NUL, in UTF-8."""


def storable(text: str) -> str:
    """The text with what cannot be stored replaced; for notes to people, never for content."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
