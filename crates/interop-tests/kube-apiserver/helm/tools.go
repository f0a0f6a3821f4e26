//go:build tools

// Package tools names the program that checks the charts, so that go.mod and go.sum cover all that it imports.
package tools

import _ "helm.sh/helm/v4/cmd/helm"
