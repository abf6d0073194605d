"""Alerts: what is worth waking a person for, told once when it begins and once when it is over."""
