"""Encryption at rest: what lies in the store's file is sealed as an EncryptionConfiguration says.

`config` reads the file, `ciphers` seal and open one value, `chain` chooses by prefix and resource, `kms` has keys made
and opened by a plug-in, `following` takes up a new file. The bytes are those that kube-apiserver writes to etcd.

Refuses: protecting memory. The newest state is there in plain form, as in any API server's cache.
"""
