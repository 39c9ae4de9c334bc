"""One admission plugin per module, each exporting ADMISSION.

All are loaded at every start, so they look up the kinds they ask for when they ask (`registry.find`): most kinds are
not needed until somebody writes an object of theirs, and their modules would be a tenth of the start.
"""
