module cel-oracle

go 1.25

require (
	k8s.io/apiextensions-apiserver v0.37.1
	k8s.io/apiserver v0.37.1
)
