"""One scheduling rule per module, each exporting PLUGIN."""
