"""photovault: a local-first private photo backup."""

__version__ = "0.1.0"
