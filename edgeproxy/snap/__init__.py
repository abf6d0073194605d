"""Snap's Conversions API: the wire versions as rows of one table."""

from edgeproxy.snap import v2, v3
from edgeproxy.snap.dialect import Dialect

DIALECTS: dict[str, Dialect] = {
    "v2": Dialect(name="v2", max_batch=2000, encode=v2.encode, request=v2.request),
    "v3": Dialect(name="v3", max_batch=2000, encode=v3.encode, request=v3.request),
}
"""Wire version → its pure functions; configuration takes its allowed values from the keys."""
