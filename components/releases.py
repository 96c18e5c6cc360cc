"""Names of the Helm releases, in every cluster those of Istio's own documents."""

BASE = "istio-base"
ISTIOD = "istiod"
EAST_WEST_GATEWAY = "istio-eastwestgateway"
INGRESS_GATEWAY = "istio-ingressgateway"
LEAVE_NOTHING = "leave-nothing"
