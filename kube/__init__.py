"""How to talk to a Kubernetes cluster: kubeconfigs and API servers."""
