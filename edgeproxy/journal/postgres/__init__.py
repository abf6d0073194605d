"""The journal of several nodes: tables beside those of the store, on connections of its own."""
