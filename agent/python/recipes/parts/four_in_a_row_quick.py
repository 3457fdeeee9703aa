"""Plays four in a row: looks at some hundred positions a move."""

NODES = 400
