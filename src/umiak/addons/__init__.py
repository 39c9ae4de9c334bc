"""One folder per platform system, each exporting ADDON."""
