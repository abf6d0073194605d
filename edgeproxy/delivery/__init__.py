"""Takes events out of the store and brings them to Snap, however long that takes."""
