"""One volume type per module, each exporting VOLUME."""
