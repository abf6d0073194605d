"""The admin listener: JSON API, pages, login; nothing here is reachable by visitors."""
