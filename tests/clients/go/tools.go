//go:build tools

// What is built and tested here as it is: this keeps its modules, and those of its tests, in go.mod and go.sum.
package tools

import (
	_ "github.com/google/gofuzz"
	_ "github.com/onsi/ginkgo/v2"
	_ "github.com/onsi/gomega"
	_ "helm.sh/helm/v4/cmd/helm"
	_ "sigs.k8s.io/controller-runtime/pkg/envtest"
)
