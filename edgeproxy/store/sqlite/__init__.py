"""The store of one machine: one file, one writer thread a process, one reader."""
