"""Reads the public signatures of published releases and compares them.

Everything is read as text: a release is never imported, installed or built, so a table can also
take in releases that need another Python than the one at hand.
"""
