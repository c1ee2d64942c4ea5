"""Readers that have nothing in common with the parser: they say what is in a document, for the parser to be held to.

They run in a virtual environment of their own, with the packages of benches/parse_documents/readers.txt.
"""
