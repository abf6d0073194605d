"""Sources and integrations that people made at run time: records of the store become plain values.

Pure: nothing here reads the store. What the configuration file defines comes first and wins.
"""
