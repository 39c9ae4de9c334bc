"""Service proxy in nftables, cluster DNS and the CNI configuration."""
