"""The vault: its format, and reading and writing it through the gate."""
