"""Parts of objects that have a path of their own, one per module, each exporting `SUBRESOURCE`."""
