"""edgeproxy: the self-hosted first-party edge for Snapchat conversions."""

__version__ = "0.1.0"
