"""Competitions without labels (solution contract, section 1): `answer`, a file judged by an objective function, and `agent`, a program judged by games."""
