"""What `umiak envtest-assets` puts in the place of kube-apiserver and etcd: the same flags, umiak behind them.

envtest (of controller-runtime) starts both, polls their health, and sends SIGTERM at the end. Here the program named
`etcd` keeps no data itself: it says where its data folder is, and the API server keeps its store there. So a second
API server with the same etcd finds what the first has left, as with the original.
"""
