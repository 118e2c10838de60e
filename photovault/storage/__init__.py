"""Storages: places that keep named bytes and need not be trusted."""
