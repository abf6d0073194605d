"""The store on PostgreSQL: the same promises as on SQLite, for several nodes at once.

Only this package imports psycopg. A node has three connections: one appends, one keeps the books,
one answers questions; each belongs to a thread. Nothing lasts longer than a transaction on a
connection, so a pooler in transaction mode may stand between.
"""
