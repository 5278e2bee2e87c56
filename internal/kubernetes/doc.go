// Package kubernetes holds the test of the manifests in deploy/kubernetes.
package kubernetes
