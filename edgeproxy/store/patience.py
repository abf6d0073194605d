"""How long opening a store waits for an engine that is a server, in seconds."""

START_WAIT_S = 30.0
"""Of a proxy: the database may be starting too."""

LOOK_WAIT_S = 5.0
"""Of a command: its user waits with it."""
