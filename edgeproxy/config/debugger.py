"""The table of what is kept to look at: [debugger]."""

from pydantic import Field

from edgeproxy.config import kinds
from edgeproxy.config.table import Table


class DebuggerTable(Table):
    """[debugger]: traces of events, apart from the events themselves."""

    enabled: bool = Field(
        default=True, description="Whether events leave a trace; the dashboard's counts go on."
    )
    events_per_second: kinds.Real = Field(
        default=200.0,
        ge=0,
        le=100_000,
        description="Beyond it events leave none. Of each process.",
        json_schema_extra={"unit": "events a second"},
    )
    keep_days: kinds.Whole = Field(
        default=7,
        ge=1,
        le=90,
        description="How long a trace is kept.",
        json_schema_extra={"unit": "days"},
    )
    max_bytes: kinds.Whole = Field(
        default=512 * 1024 * 1024,
        ge=8 * 1024 * 1024,
        description="How much all of them may take; the oldest go first.",
        json_schema_extra={"unit": "bytes"},
    )
