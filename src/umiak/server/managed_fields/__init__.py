"""Who set which fields of an object (server-side apply, KEP-555): `metadata.managedFields` on every write.

The algorithms on sets and values are in `umiak.objects`; here they meet kinds, versions and requests. The rules are
those of structured-merge-diff's `merge` and of apimachinery's `util/managedfields`.
"""
