"""The pages, a module each: ``routes`` tells where they are."""
