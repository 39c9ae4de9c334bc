"""One admission plugin per module, each exporting ADMISSION.

All are loaded with the first write, so they look up the kinds they ask for only when they ask (`registry.find`): most
kinds are not needed until somebody writes an object of theirs.
"""
