"""Plays four in a row: looks at some thousand positions a move."""

NODES = 6_000
