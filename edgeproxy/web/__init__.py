"""What both listeners and the sandbox share: serving, assets, errors as problem+json, health."""
