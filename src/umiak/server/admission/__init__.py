"""One admission plugin per module, each exporting ADMISSION."""
