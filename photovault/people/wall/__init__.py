"""Processes that look at faces and can do nothing else: what is said to them, and how they are kept."""
