"""What callers send, one module per shape, up to the hashed canonical event. No I/O, no clock."""
