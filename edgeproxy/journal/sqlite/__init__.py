"""The journal of one machine: a file of its own beside the database."""
