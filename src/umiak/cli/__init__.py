"""The commands: one file each, exporting COMMAND. Here the parts are put together."""
