"""Services made real: from Service and EndpointSlice objects to nftables maps.

`services` reads objects, `rules` decides what the table should hold, `nft` turns a change into one transaction.
"""
