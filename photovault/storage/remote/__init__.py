"""Storages across a network; the only rooms that know one."""
