"""Pulumi components of one Istio mesh across many Kubernetes clusters."""
