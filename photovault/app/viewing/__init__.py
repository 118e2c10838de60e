"""The gallery's wiring: who answers what its pages ask.  See ``gallery.asks``."""
