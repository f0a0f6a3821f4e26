//go:build tools

// Package tools names the programs that the tests run, so that go.mod and go.sum cover all that these import.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
