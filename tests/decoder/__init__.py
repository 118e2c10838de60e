"""Tests of the processes that decode."""
