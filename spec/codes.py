"""The refusals by name: a stable number, what each one means, and how to fix it.

A `Problem` carries a name from here. Its code, `ISM0201`, is what a user searches for, so a number
stays with its name and is not used again when a refusal goes. Checks of a running mesh have codes
from ISM1001 on, beside each check.

`python -m spec.codes` writes docs/refusals.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/refusals.md"


@dataclass(frozen=True)
class Refusal:
    """What a page can say about a refusal before it is known where it happens."""

    number: int
    meaning: str
    fix: str

    @property
    def code(self) -> str:
        return f"ISM{self.number:04}"

    @property
    def link(self) -> str:
        return f"docs/{PAGE.name}#{self.code.lower()}"


_CONFIGURATION: Mapping[str, Refusal] = {
    "key-missing": Refusal(
        101,
        "A required key is not in the configuration.",
        "Add the key to `Pulumi.<stack>.yaml`. docs/configuration.md says what it means.",
    ),
    "key-unknown": Refusal(
        102,
        "The configuration has a key that Isthmus does not know. A misspelled key would otherwise "
        "be ignored silently. Its value is not shown, because it can be a secret.",
        "Correct the spelling, or remove the key. docs/configuration.md lists all keys.",
    ),
    "value-invalid": Refusal(
        103,
        "A value has the wrong type, or is not one of the allowed values.",
        "Write a value that the rule in the message allows.",
    ),
    "credential-not-encrypted": Refusal(
        110,
        "A private key or the content of a kubeconfig is in plain text in the stack's file.",
        "Set it with `pulumi config set --secret`. Replace the credential if the file was "
        "committed.",
    ),
}
_TOPOLOGY: Mapping[str, Refusal] = {
    "primary-missing": Refusal(
        201,
        "Every cluster is a remote, so no cluster has a control plane.",
        "Remove `primary` from the cluster that is to run istiod.",
    ),
    "cluster-name-repeated": Refusal(
        202,
        "Two clusters have the same name. Istio identifies a cluster by its name.",
        "Rename one of the two.",
    ),
    "cluster-name-default": Refusal(
        203,
        "A cluster is called `kubernetes`, which is Istio's ID for a cluster without a name.",
        "Choose another name.",
    ),
    "primary-is-itself": Refusal(
        204,
        "A cluster names itself as its primary.",
        "Remove `primary`: a cluster without it is a primary.",
    ),
    "primary-unknown": Refusal(
        205,
        "`primary` names a cluster that is not in `isthmus:clusters`.",
        "Name a primary of this mesh. Remove the remotes of a primary before it, or together with "
        "it.",
    ),
    "primary-is-remote": Refusal(
        206,
        "`primary` names a cluster that is itself a remote and has no istiod.",
        "Name the primary of that cluster.",
    ),
    "control-plane-on-remote": Refusal(
        207,
        "`controlPlane` is set for a remote, which has no control plane.",
        "Set it on the primary.",
    ),
    "control-plane-not-reachable": Refusal(
        208,
        "The chosen exposure reaches only the network of the primary, and a remote is on another "
        "network.",
        "Choose an exposure that crosses networks, or move the remote to the primary's network.",
    ),
    "control-plane-cloud-missing": Refusal(
        209,
        "An internal load balancer needs an annotation, which differs between clouds.",
        "Set `controlPlane.cloud`, or write the annotations yourself.",
    ),
    "control-plane-setting-unused": Refusal(
        210,
        "A setting for a load balancer is given for an exposure that has none.",
        "Remove the setting, or choose an exposure with a load balancer.",
    ),
    "entries-with-remote": Refusal(
        211,
        "Discovery by entries lets no istiod watch another cluster, but a remote must be watched.",
        "Make the cluster a primary, or set `mesh.discovery` to `endpoints`.",
    ),
    "entries-on-shared-network": Refusal(
        212,
        "With discovery by entries, clusters reach each other through gateways only. Two clusters "
        "on one network have none between them.",
        "Give each cluster its own network, or set `mesh.discovery` to `endpoints`.",
    ),
    "injection-manual-with-gateway": Refusal(
        213,
        "The injection webhook fills in the gateway's pod, and this cluster has no webhook.",
        "Set `injection` to `automatic`, or change the topology so that it needs no gateway here.",
    ),
    "gateway-port-taken": Refusal(
        214,
        "The gateway already uses this port for another purpose.",
        "Use 15443, or 443 on the ingress gateway.",
    ),
    "ranges-overlap-on-network": Refusal(
        215,
        "Two clusters on one network use the same addresses, so a request can reach the wrong pod.",
        "Use other ranges, or put the clusters on different networks.",
    ),
    "load-balancer-open": Refusal(
        216,
        "A load balancer of the mesh is neither internal nor restricted to ranges, so it may be "
        "open to the internet.",
        "Set `sourceRanges` or `cloud`.",
    ),
    "gateway-address-not-announced": Refusal(
        217,
        "istiod would not use the advertised address of a gateway behind NAT, or not alone.",
        "Set `mesh.gateways.announcedBy: mesh-networks`, and the address of every cluster of the "
        "network.",
    ),
    "kiali-cluster-unknown": Refusal(
        218,
        "Kiali is said to run in a cluster that is not in this mesh.",
        "Name a cluster from `isthmus:clusters`.",
    ),
    "kiali-cluster-has-stack": Refusal(
        219,
        "Kiali is said to run in a cluster that has a stack of its own, so the mesh's stack cannot "
        "create Secrets there.",
        "Name a cluster that the mesh's stack builds.",
    ),
    "istio-namespace-of-kubernetes": Refusal(
        230,
        "Istio's namespace is one of Kubernetes's own. The mesh would delete it in the end.",
        "Remove `mesh.istio.namespace`, to use `istio-system`, or write another name.",
    ),
}
_SHARED: Mapping[str, Refusal] = {
    "service-namespace-unknown": Refusal(
        301,
        "A shared Service is in a namespace that is not listed in `isthmus:namespaces`.",
        "Add the namespace there, or correct its name.",
    ),
    "service-cluster-unknown": Refusal(
        302,
        "A shared Service lists a cluster that is not in this mesh.",
        "Name clusters from `isthmus:clusters`.",
    ),
    "service-repeated": Refusal(
        303,
        "A Service is listed twice.",
        "Remove one of the two.",
    ),
    "namespace-reserved": Refusal(
        304,
        "A shared namespace is one that the mesh itself creates.",
        "Choose another namespace.",
    ),
    "service-ports-differ": Refusal(
        305,
        "A Service has different ports in two clusters. A caller uses the port of its own "
        "cluster's Service.",
        "Make the ports and their names equal, or rename one of the two Services.",
    ),
    "configuration-differs": Refusal(
        310,
        "One of Istio's objects has the label for sharing or is in a file of `isthmus:manifests`, "
        "and another cluster has a different object of the same kind, namespace and name that "
        "Isthmus did not create.",
        "Make the two equal, delete one of them, or remove the label or the object in the file.",
    ),
    "manifest-kind": Refusal(
        321,
        "A file of `isthmus:manifests` has an object that control planes do not share.",
        "Apply it with another tool to the clusters that need it.",
    ),
    "manifest-repeated": Refusal(
        322,
        "The files of `isthmus:manifests` have an object twice.",
        "Remove one of the two.",
    ),
    "manifest-of-isthmus": Refusal(
        323,
        "A file of `isthmus:manifests` has an object that Isthmus itself creates.",
        "Give it another name.",
    ),
    "service-not-shareable": Refusal(
        306,
        "A Service with the label for sharing has no selector or no cluster IP, so a copy in "
        "another cluster cannot lead to its pods.",
        "Remove the label, or give the Service a selector and a cluster IP.",
    ),
    "service-in-reserved-namespace": Refusal(
        307,
        "A Service with the label for sharing is in a namespace that the mesh itself creates.",
        "Remove the label, or move the Service.",
    ),
    "service-port-nameless": Refusal(
        308,
        "With discovery by entries, ports are matched by name, and this port has none.",
        "Name the port after its protocol: `http`, `grpc`, `tcp`.",
    ),
    "service-missing-in-cluster": Refusal(
        309,
        "A Service in a shared namespace exists in some clusters only. In the others its name does "
        "not resolve.",
        "Add it to `isthmus:services`, give it the label of `mesh.federate`, or list it in "
        "`mesh.clusterLocal`.",
    ),
    "locality-of-local-service": Refusal(
        311,
        "A Service has `trafficPolicy`, and only pods of the caller's own cluster answer it.",
        "Remove `trafficPolicy`, or take the Service's host out of `mesh.clusterLocal`.",
    ),
    "locality-disabled": Refusal(
        312,
        "`localityLbSetting.enabled` is false for the whole mesh, or beside keys that it turns "
        "off.",
        "Remove `enabled`, or what it turns off.",
    ),
    "locality-elsewhere": Refusal(
        313,
        "`mesh.trafficPolicy` is a rule in Istio's namespace, and `meshConfig.rootNamespace` is "
        "another one, where alone a rule is for all Services.",
        "Remove one of the two.",
    ),
    "locality-cluster-unknown": Refusal(
        314,
        "`failoverPriority` names a cluster that is not in this mesh, so no pod would come first.",
        "Name a cluster from `isthmus:clusters`.",
    ),
    "locality-label-repeated": Refusal(
        315,
        "`failoverPriority` has one label twice. istiod keeps one value for each label, the last, "
        "so a list of clusters is no order of them.",
        "Write each label once. By regions, `failover` gives an order.",
    ),
    "locality-label-without-effect": Refusal(
        316,
        "`failoverPriority` compares a label that the endpoints of other clusters lack. A gateway "
        "has only its cluster and network; an endpoint of a ServiceEntry has the caller's cluster.",
        "Use `topology.istio.io/network` or, with `discovery: endpoints`, "
        "`topology.istio.io/cluster`; or remove `failoverPriority`, to compare regions and zones.",
    ),
    "locality-failover-contradicts": Refusal(
        317,
        "`failover` and `failoverPriority` both order regions or zones; istiod refuses such a "
        "rule.",
        "Remove `failover`, or the labels of regions and zones.",
    ),
    "locality-region-repeated": Refusal(
        318,
        "`failover` has two entries for a region, or one that leads to the same region.",
        "Keep one entry for each region.",
    ),
    "outlier-detection-off": Refusal(
        319,
        "`outlierDetection` counts no errors, so no pod would ever count as failed.",
        "Set `consecutive5xxErrors` or `consecutiveGatewayErrors`.",
    ),
    "outlier-detection-without-effect": Refusal(
        320,
        "`consecutiveGatewayErrors` is not less than `consecutive5xxErrors`, which counts the same "
        "errors.",
        "Lower it, or set `consecutive5xxErrors` to 0.",
    ),
}
_TRUST: Mapping[str, Refusal] = {
    "ca-lifetime-exceeds-root": Refusal(
        401,
        "Intermediates would live longer than the root that signs them.",
        "Lower `intermediateDays`, or raise `rootDays`.",
    ),
    "ca-renewal-always": Refusal(
        402,
        "`renewBeforeDays` is not less than the lifetime, so every update would renew.",
        "Set it to about a twentieth of `intermediateDays`.",
    ),
    "root-not-one-certificate": Refusal(
        403,
        "The user-provided root is not exactly one certificate in PEM.",
        "Give the text of the root's certificate alone, with its BEGIN and END lines.",
    ),
    "root-not-self-signed": Refusal(
        404,
        "The user-provided root is signed by another CA, so proxies cannot end a chain at it.",
        "Provide the root itself, with intermediates that lead to it.",
    ),
    "root-ends-too-soon": Refusal(
        405,
        "The root ends within a year. Everything that it has signed ends with it.",
        "Change the root in three updates: docs/trust.md, A new root.",
    ),
    "intermediate-without-root": Refusal(
        406,
        "A cluster has a user-provided intermediate, but the mesh has no user-provided root.",
        "Set `mesh.ca.root.certificate`, or remove the cluster's `ca`.",
    ),
    "intermediate-missing": Refusal(
        407,
        "The root has no key, so Isthmus cannot sign an intermediate for this cluster.",
        "Provide the cluster's intermediate, or the root's key.",
    ),
    "intermediate-not-certificates": Refusal(
        408,
        "The intermediate is not one or more certificates in PEM.",
        "Give the text of the certificates, with their BEGIN and END lines.",
    ),
    "chain-broken": Refusal(
        409,
        "The chain from an intermediate to the root has a gap, or is in the wrong order.",
        "Write the certificates in order, each signed by the next, up to the root.",
    ),
    "ca-not-a-ca": Refusal(
        410,
        "The certificate is not that of a CA (basicConstraints CA:true), and istiod refuses it.",
        "Provide a CA certificate.",
    ),
    "ca-path-too-short": Refusal(
        411,
        "The certificate's pathlen allows fewer CAs below it than there are.",
        "Issue the CA with a larger pathlen, or with none.",
    ),
    "ca-cannot-sign": Refusal(
        412,
        "The certificate's keyUsage does not include keyCertSign. Envoy refuses connections then.",
        "Issue the CA with keyCertSign.",
    ),
    "ca-wrong-purpose": Refusal(
        413,
        "The CA's extendedKeyUsage does not allow both servers and clients.",
        "Issue the CA without extendedKeyUsage, or with both purposes.",
    ),
    "ca-key-too-short": Refusal(
        414,
        "The CA's RSA key is shorter than 2048 bits, which Envoy refuses.",
        "Issue the CA with a longer key.",
    ),
    "ca-not-yet-valid": Refusal(
        415,
        "The certificate is not valid yet.",
        "Correct the clock of this machine, or provide a certificate that is valid now.",
    ),
    "ca-expired": Refusal(
        416,
        "The certificate has expired.",
        "Provide a new one.",
    ),
    "ca-public-sample": Refusal(
        417,
        "The CA is one of Istio's published samples. Everyone has its private key.",
        "Create your own CA.",
    ),
    "ca-key-encrypted": Refusal(
        418,
        "The private key is encrypted with a password.",
        "Decrypt it. As a Pulumi secret it is encrypted again.",
    ),
    "ca-key-unreadable": Refusal(
        419,
        "The private key is not in PEM.",
        "Give the text of the key file, with its BEGIN and END lines.",
    ),
    "ca-key-of-another": Refusal(
        420,
        "The private key does not belong to the certificate.",
        "Provide the certificate and the key of one CA.",
    ),
    "api-server-ca-invalid": Refusal(
        421,
        "`apiServer.certificateAuthority` is not a certificate in PEM.",
        "Give the text of the CA file, with its BEGIN and END lines.",
    ),
    "trust-domain-invalid": Refusal(
        422,
        "The trust domain is not a domain name in lower case.",
        "Write only the domain, without `spiffe://` and without a path.",
    ),
    "external-ca-without-root": Refusal(
        424,
        "`ca.external` is set, and the certificate of the root is missing.",
        "Set `mesh.ca.root.certificate`.",
    ),
    "external-ca-with-keys": Refusal(
        425,
        "`ca.external` is set together with a setting by which Isthmus would write `cacerts`.",
        "Remove one of the two.",
    ),
    "external-ca-changed": Refusal(
        426,
        "`ca.external` was set or removed in an existing mesh. Isthmus would delete the Secret "
        "`cacerts`, or overwrite that of another tool.",
        "Restore the setting. To change it: `pulumi destroy`, edit, `pulumi up`.",
    ),
    "root-replaced": Refusal(
        423,
        "The update would give the clusters another root than the one that their proxies trust. "
        "The configuration's `ca.root` has changed, or this state did not create the mesh.",
        "Write the former `ca.root` again, or use the state that created the mesh. docs/trust.md "
        "has the three updates that change the root.",
    ),
    "root-and-roots": Refusal(
        441,
        "Both `ca.root` and `ca.roots` are set.",
        "Move `ca.root` into `ca.roots`, with the name `root`.",
    ),
    "roots-not-distinct": Refusal(
        442,
        "Two of `ca.roots` have the same name or certificate.",
        "Give each root its own name and certificate.",
    ),
    "signing-root-unknown": Refusal(
        443,
        "`ca.signs` is not the name of one of `ca.roots`, or is missing where there are several.",
        "Write the name of the root that signs the intermediates.",
    ),
    "root-not-trusted-yet": Refusal(
        444,
        "The root that would sign is not trusted everywhere yet. A workload with a certificate "
        "under it would be refused by those that do not know it.",
        "First trust both roots, and let the former one sign. When the preview names no proxy any "
        "more, change `ca.signs`. Restart proxies that were injected without the setting that the "
        "message names.",
    ),
    "root-still-in-use": Refusal(
        445,
        "A root would be removed while there are certificates under it.",
        "Keep the root in `ca.roots`, and let the other one sign first. Proxies get new "
        "certificates within a minute or two; restart those that do not follow.",
    ),
    "root-use-unknown": Refusal(
        446,
        "A proxy, another part of a cluster, or a whole absent cluster did not answer which roots "
        "it trusts and which one its certificate is under, and the update would change the root.",
        "Wait until the pod is ready, or remove it; the account of the kubeconfig must be allowed "
        "to run commands in pods (`pods/exec`). Wait until an absent cluster is back, or remove it "
        "from `isthmus:clusters`.",
    ),
    "proxies-follow-no-root": Refusal(
        447,
        "Proxies were injected without `PROXY_CONFIG_XDS_AGENT`. They learn of another root only "
        "when they restart. This is a warning.",
        "Restart their workloads before the next update of the rotation.",
    ),
}
_VERSIONS: Mapping[str, Refusal] = {
    "istio-too-old": Refusal(
        501,
        "The Istio release has no chart for remotes.",
        "Use a release that Istio still supports.",
    ),
    "istiod-would-crash": Refusal(
        518,
        "A Helm value of istiod is one with which istiod of this release ends by itself.",
        "Remove the value.",
    ),
    "istio-minor-skipped": Refusal(
        515,
        "The mesh would skip a minor version of Istio. Istio upgrades in place from the minor "
        "version before, and istiod serves proxies of its own minor version and of the one before.",
        "Upgrade by one minor version at a time, and restart all pods with proxies after each. "
        "`ISTHMUS_ISTIO_STEP=<version> pulumi up` accepts any step to that version, once.",
    ),
    "istio-downgraded": Refusal(
        516,
        "The mesh would get a lower minor version of Istio, and Istio supports no proxies that are "
        "newer than istiod.",
        "Restore the version. `ISTHMUS_ISTIO_STEP=<version> pulumi up` accepts any step to that "
        "version, once; restart all pods with proxies after it.",
    ),
    "istio-unsupported": Refusal(
        517,
        "A warning: Istio's project does not support this version any more.",
        "Upgrade by one minor version at a time.",
    ),
    "istio-forgets-endpoints": Refusal(
        502,
        "A warning. Istio 1.30.0 to 1.30.3 lose a cluster's endpoints when its remote secret "
        "changes (istio/istio#61043).",
        "Use 1.30.4 or later.",
    ),
    "image-of-another-version": Refusal(
        503,
        "A warning. The images have another version than the charts.",
        "Remove `global.tag`, and set `mesh.istio.version`.",
    ),
    "kubernetes-too-old": Refusal(
        504,
        "The cluster's Kubernetes is older than this Istio supports.",
        "Upgrade the cluster, or use an older Istio.",
    ),
    "kubernetes-untested": Refusal(
        505,
        "A warning. The cluster's Kubernetes is newer than this Istio is tested with.",
        "Use a newer Istio.",
    ),
    "values-removed-from-istio": Refusal(
        506,
        "A Helm value no longer exists in this Istio, so the chart would ignore it.",
        "Remove it. The message names what replaced it.",
    ),
    "values-derived": Refusal(
        507,
        "A Helm value is derived from `isthmus:clusters` and cannot be set a second time.",
        "Remove it, and change the cluster's own settings.",
    ),
    "values-without-effect": Refusal(
        513,
        "A Helm value has no effect in a mesh of Isthmus, or stops it from working.",
        "Remove it, and use the key that the message names.",
    ),
    "charts-retired": Refusal(
        514,
        "Istio no longer publishes its charts or images at this address.",
        "Use `oci://ghcr.io/istio/release/charts`, and images from `docker.io/istio`.",
    ),
    "cluster-domain-changed": Refusal(
        508,
        "The cluster domain is not `cluster.local`. Names must be equal in all clusters.",
        "Remove the setting.",
    ),
    "charts-not-found": Refusal(
        509,
        "The Helm repository of `mesh.istio.charts` does not answer.",
        "Correct the address, or name a directory with the charts.",
    ),
    "charts-lack-version": Refusal(
        510,
        "The Helm repository does not have the chart in the version of `mesh.istio.version`.",
        "Use a version that the repository has.",
    ),
    "chart-file-missing": Refusal(
        511,
        "The directory of `mesh.istio.charts` lacks one of Istio's charts.",
        "Put the charts `base`, `istiod` and `gateway` there, or correct the path.",
    ),
    "chart-of-another-version": Refusal(
        512,
        "A chart in the directory has another version than `mesh.istio.version`.",
        "Set the version of the charts, or use the charts of the version.",
    ),
    "charts-password-in-url": Refusal(
        520,
        "The address of the charts holds a user and a password, which would be in plain text in "
        "the state and in previews.",
        "Name a repository without a login, a directory, or an `oci://` registry after `helm "
        "registry login`.",
    ),
    "charts-not-encrypted": Refusal(
        521,
        "The charts come over plain HTTP, so others on the path can exchange them.",
        "Use https://, or a directory.",
    ),
    "values-encrypted": Refusal(
        522,
        "A Helm value is encrypted in the configuration, or the stack's file does not say which "
        "texts of `isthmus:mesh` are. Helm and Pulumi keep values in plain text, in the cluster "
        "and in the state.",
        "Put the text into a Secret of the cluster, and give the chart the Secret's name. Encrypt "
        "single texts, not the key as a whole.",
    ),
    "strict-mtls-elsewhere": Refusal(
        523,
        "Istio's root namespace is another than its own, and the policy of `mtls: strict` would "
        "hold in one namespace only.",
        "Remove `meshConfig.rootNamespace`.",
    ),
    "ambient-with-sidecars": Refusal(
        524,
        "Istio's setting for ambient meshes of several networks is on. Every pod here has a "
        "sidecar, and sidecars then get gateways that they cannot use.",
        "Remove `AMBIENT_ENABLE_MULTI_NETWORK`.",
    ),
    "crds-mode-unknown": Refusal(
        525,
        "`leaveNothing.crds`, which says what happens to Istio's CRDs at the end, is unknown.",
        "Write `ifUnused`, `delete` or `keep`, or remove it.",
    ),
    "images-retired": Refusal(
        526,
        "A warning: the values name a registry from which Istio removes its images.",
        "Remove `global.hub`, or use `docker.io/istio` or a mirror of it.",
    ),
}
_GKE: Mapping[str, Refusal] = {
    "cluster-has-no-source": Refusal(
        601,
        "A cluster has neither a kubeconfig nor `gke`.",
        "Add one of the two.",
    ),
    "gke-with-connection": Refusal(
        602,
        "A cluster has both `gke`, which creates it, and settings of an existing cluster.",
        "Remove one of the two.",
    ),
    "gcp-missing": Refusal(
        603,
        "`gke` is used, but `isthmus:gcp` is not set.",
        "Set the project in `isthmus:gcp`.",
    ),
    "gcp-unused": Refusal(
        604,
        "`isthmus:gcp` is set, but no cluster has `gke`.",
        "Remove it, or add `gke` to a cluster.",
    ),
    "gke-needs-releases": Refusal(
        605,
        "Charts must be installed as releases where the cluster does not exist before the update.",
        "Set `mesh.istio.install` to `release`.",
    ),
    "gke-name-too-long": Refusal(
        606,
        "The name of a cluster does not fit the names that Google Cloud allows.",
        "Choose a shorter name that begins with a letter.",
    ),
    "gke-pool-repeated": Refusal(
        607,
        "Two node pools have the same name: in a cluster, or with the names of two clusters.",
        "Rename one of the two.",
    ),
    "gke-pool-name-too-long": Refusal(
        608,
        "The name of a node pool is too long together with the name of its cluster.",
        "Choose a shorter name.",
    ),
    "gke-autopilot-setting": Refusal(
        609,
        "A setting is only for Standard clusters, and this one is an Autopilot cluster.",
        "Remove the setting, or set `mode` to `standard`.",
    ),
    "gke-zone-of-another-region": Refusal(
        610,
        "A zone is not in the region of the cluster.",
        "Name a zone of the region.",
    ),
    "gke-pool-limits": Refusal(
        611,
        "`maxNodes` is less than `minNodes`.",
        "Raise `maxNodes`, or lower `minNodes`.",
    ),
    "gke-network-has-two-vpcs": Refusal(
        612,
        "Two clusters are on one network but in different VPCs, so their pods have no route.",
        "Name the same VPC, or give the clusters different networks.",
    ),
    "gke-control-plane-cloud": Refusal(
        613,
        "`controlPlane.cloud` names another cloud for a cluster on GKE.",
        "Remove it.",
    ),
    "gke-vpc-unused": Refusal(
        614,
        "A listed VPC belongs to no cluster.",
        "Remove it, or name the VPC of a cluster.",
    ),
    "gke-other-ranges-missing": Refusal(
        615,
        "The mesh has clusters outside of Google Cloud, and firewalls must know their addresses.",
        "List the ranges of their pods and nodes in `gcp.otherRanges`.",
    ),
    "gke-range-invalid": Refusal(
        616,
        "A range cannot be read.",
        "Write it like `10.64.0.0/16`, with no bits behind the prefix.",
    ),
    "gke-range-not-private": Refusal(
        617,
        "A range is not private, or is used by Docker on the nodes.",
        "Use another private range.",
    ),
    "gke-range-size": Refusal(
        618,
        "A range is smaller or larger than Google Cloud allows for its purpose.",
        "Use a size that the message names.",
    ),
    "gke-range-too-few-nodes": Refusal(
        619,
        "A range has no room for the nodes of the cluster's pools.",
        "Use a larger range, or fewer nodes.",
    ),
    "gke-ranges-exhausted": Refusal(
        620,
        "`gcp.ranges` has no room left for a range.",
        "Use a larger range there, or a smaller size for the cluster.",
    ),
    "gke-ranges-overlap": Refusal(
        621,
        "Ranges of two clusters overlap.",
        "Use another range, or write a size and let Isthmus choose.",
    ),
    "gke-range-overlaps-other": Refusal(
        622,
        "A range overlaps one that is written elsewhere in the configuration.",
        "Use another range.",
    ),
    "gke-subnet-unused": Refusal(
        623,
        "`gke.subnet` is set, but the cluster's VPC lists no subnets.",
        "Remove it, or list the subnets in `gcp.vpcs`.",
    ),
    "gke-subnet-ambiguous": Refusal(
        624,
        "The cluster's region has no subnet in the VPC, or more than one.",
        "Name the subnet as `gke.subnet`, or list one in the region.",
    ),
    "gke-subnet-shared": Refusal(
        625,
        "Two clusters use one subnet, and so the same ranges.",
        "List a subnet for each cluster.",
    ),
}
_ACCESS: Mapping[str, Refusal] = {
    "kubeconfig-unreadable": Refusal(
        701,
        "The kubeconfig's file cannot be read.",
        "Write a path relative to the folder of `Pulumi.yaml`.",
    ),
    "kubeconfig-invalid": Refusal(
        702,
        "The kubeconfig is not YAML, or has no server.",
        "Write the kubeconfig again. `kubectl` must be able to use it.",
    ),
    "context-missing": Refusal(
        703,
        "The kubeconfig has no current context, and the cluster names none.",
        "Set `context`.",
    ),
    "context-unknown": Refusal(
        704,
        "The kubeconfig does not have the context that the cluster names.",
        "Name one that the message lists.",
    ),
    "kubeconfig-file-missing": Refusal(
        705,
        "The kubeconfig names a file that cannot be read.",
        "Write the kubeconfig again with `kubectl config view --flatten`.",
    ),
    "kubeconfig-entry-missing": Refusal(
        714,
        "The context names a cluster or a user that the kubeconfig does not have.",
        "Write the kubeconfig again. `kubectl` must be able to use it.",
    ),
    "cluster-listed-twice": Refusal(
        706,
        "Two entries of `isthmus:clusters` lead to one cluster.",
        "Set `context` or `kubeconfig` so that each leads to its own cluster.",
    ),
    "api-server-loopback": Refusal(
        707,
        "The API server has an address that only this machine reaches, but istiod of another "
        "cluster must watch it.",
        "Set `apiServer.server` to an address that the other clusters reach.",
    ),
    "api-server-behind-proxy": Refusal(
        708,
        "A warning. This machine reaches the API server through a proxy, which istiod does not "
        "use.",
        "Set `apiServer.server` to an address that istiod reaches.",
    ),
    "credentials-refused": Refusal(
        709,
        "The API server does not accept the kubeconfig's credentials.",
        "Renew them, or log in again. `kubectl auth whoami` must work.",
    ),
    "api-server-unreachable": Refusal(
        710,
        "The API server does not answer.",
        "Start the cluster, correct the address, or connect to its network.",
    ),
    "absent-cluster-unknown": Refusal(
        726,
        "The environment variable `ISTHMUS_ABSENT` names a cluster that the mesh does not have.",
        "Correct or unset it.",
    ),
    "absent-cluster-new": Refusal(
        727,
        "A cluster is `absent` that was not in the last update, so there is nothing to leave as it "
        "is.",
        "Remove the cluster from `isthmus:clusters` until it answers.",
    ),
    "state-not-exported": Refusal(
        728,
        "A cluster is `absent`, and the stack's state could not be exported.",
        "The program runs `pulumi stack export`: put `pulumi` on its PATH, with access to the "
        "backend.",
    ),
    "permissions-missing": Refusal(
        711,
        "The kubeconfig's user lacks permissions that the update needs.",
        "Use the credentials of a cluster administrator, or grant the listed permissions.",
    ),
    "permissions-cannot-grant": Refusal(
        712,
        "A warning. Kubernetes may refuse to let the kubeconfig's user create Istio's roles.",
        "Use the credentials of a cluster administrator.",
    ),
    "inventory-not-read": Refusal(
        713,
        "A cluster did not list its namespaces, Services and pods. Without them Isthmus cannot "
        "distinguish existing objects from its own.",
        "Use credentials that are allowed to list them in all namespaces.",
    ),
    "kubeconfig-redacted": Refusal(
        720,
        "The kubeconfig was written by `kubectl config view` without `--raw`, which leaves out the "
        "credentials.",
        "Write it again with `kubectl config view --raw --flatten`.",
    ),
    "kubeconfig-token-invalid": Refusal(
        721,
        "A token has spaces or line breaks, so it cannot be sent.",
        "Copy the token again, without the newline at its end.",
    ),
    "kubeconfig-auth-provider-removed": Refusal(
        722,
        "The kubeconfig signs in with an `auth-provider` that kubectl removed in 1.26.",
        "Write the kubeconfig again with the cloud's own tool.",
    ),
    "kubeconfig-password-in-url": Refusal(
        723,
        "The URL of the API server holds a user and a password.",
        "Put them under `users`, as `username` and `password`.",
    ),
    "api-server-unverified": Refusal(
        724,
        "The kubeconfig says `insecure-skip-tls-verify`, so others on the path can read the "
        "credentials.",
        "Put the API server's CA into the kubeconfig.",
    ),
    "credentials-end-soon": Refusal(
        725,
        "The kubeconfig holds a token or a certificate that ends within a week. The state keeps a "
        "copy, which `pulumi refresh` and `pulumi destroy` use.",
        "Use credentials that come from a program, or add `--run-program` to these commands.",
    ),
}
_CLUSTERS: Mapping[str, Refusal] = {
    "cluster-in-another-mesh": Refusal(
        801,
        "The cluster belongs to the mesh of another stack.",
        "Remove the cluster from that stack first. If only the stack's name changed, change the "
        "annotation as the message says.",
    ),
    "istio-exists": Refusal(
        802,
        "The cluster has an Istio that this stack did not install.",
        "Uninstall it, or leave the cluster out.",
    ),
    "istio-webhooks-exist": Refusal(
        803,
        "The cluster has webhooks of another Istio.",
        "Delete them if they are left over, or uninstall that Istio.",
    ),
    "cacerts-exists": Refusal(
        804,
        "The cluster has a Secret `cacerts` that this stack did not create.",
        "Keep its content if you need it, then delete it.",
    ),
    "load-balancers-pending": Refusal(
        805,
        "A warning. No load balancer of the cluster has received an address.",
        "Install a load balancer controller, or look at the events of the Service.",
    ),
    "network-gateway-exists": Refusal(
        811,
        "A warning. A Service or a Kubernetes Gateway of yours has the label of a network, so that "
        "istiod sends it traffic between networks.",
        "Remove the label with the command in the message, unless it passes such traffic through.",
    ),
    "istio-namespace-not-injected": Refusal(
        840,
        "A label of Istio's namespace keeps the injector from the gateway's pod, which then has no "
        "image.",
        "Remove the label with the command in the message.",
    ),
    "pod-security-refuses-sidecars": Refusal(
        841,
        "A namespace that injects sidecars enforces a Pod Security level that refuses them.",
        "Set the level `privileged` for the namespace, or use Istio's CNI plugin.",
    ),
    "cni-plugin-missing": Refusal(
        842,
        "The values say that Istio's CNI plugin is used, and the cluster does not have it.",
        "Install Istio's chart `cni` in every cluster first, or remove the value.",
    ),
    "namespace-exists": Refusal(
        806,
        "Istio's namespace or `sample` exists, and this stack did not create it. It would be "
        "deleted with the mesh.",
        "Set the cluster's `adopt: true` to use the namespace and never delete it, or delete it.",
    ),
    "adopted-objects-exist": Refusal(
        810,
        "A namespace that the mesh would adopt has objects with names of the stack's own, for "
        "example a Service `sample/helloworld`. They would be overwritten, and deleted in the end.",
        "Rename or move them, and delete them with the command in the message.",
    ),
    "crds-of-others": Refusal(
        807,
        "Istio's CRDs exist, and another release or tool installed them.",
        "Remove that tool, or have this mesh adopt the CRDs with the commands in the message.",
    ),
    "release-of-others": Refusal(
        808,
        "Istio's namespace has a Helm release of a name that Isthmus needs.",
        "Uninstall it with Helm, which keeps the CRDs.",
    ),
    "ownership-unknown": Refusal(
        809,
        "A cluster did not say what exists there, which cluster it is, or which root its proxies "
        "trust, so the update could overwrite objects of another owner.",
        "Use credentials that can read it, or set the cluster's `unchecked: accept`.",
    ),
}
_IDENTITY: Mapping[str, Refusal] = {
    "cluster-of-another-state": Refusal(
        821,
        "A cluster is in a mesh of the same project and stack name, but of another state.",
        "Select the backend that has the mesh's state, or rename this stack. "
        "docs/troubleshooting.md says what to do if the state is lost.",
    ),
    "cluster-renamed": Refusal(
        822,
        "A kubeconfig leads to a cluster that has another name in the mesh: the name changed, or "
        "two contexts are swapped. Objects are named after the cluster, so the update would delete "
        "at its end what it had just created.",
        "Restore the name or the contexts. To rename a cluster, remove it, run `pulumi up`, and "
        "add it under the new name.",
    ),
    "cluster-replaced": Refusal(
        823,
        "A kubeconfig leads to another cluster than in the last update, as the UID of "
        "`kube-system` shows. A cluster that was created again has a new UID.",
        "Correct the kubeconfig or context. If the cluster was created again, remove it, run "
        "`PULUMI_K8S_DELETE_UNREACHABLE=true pulumi up --refresh`, and add it again.",
    ),
    "cluster-without-mark": Refusal(
        824,
        "A cluster of the last update has no mark of the mesh, so it is probably another one.",
        "Correct the kubeconfig or context, or write the mark as the message says.",
    ),
    "istio-namespace-changed": Refusal(
        825,
        "Istio's namespace cannot change while the mesh exists.",
        "Restore it, or run `pulumi destroy` before the change.",
    ),
    "install-method-changed": Refusal(
        826,
        "The installation method cannot change while the mesh exists. Both methods have the same "
        "objects, and the old one would delete them at the end of the update.",
        "Restore it, or run `pulumi destroy` before the change.",
    ),
    "cluster-stack-changed": Refusal(
        827,
        "A cluster cannot move to another stack while the one that has built it is there.",
        "Restore `stack`, or follow the commands in docs/state.md, Move a remote.",
    ),
    "cluster-gke-changed": Refusal(
        828,
        "A change of the cluster's region, mode, VPC or subnet would replace the cluster. A VPC is "
        "named like `network` if `gke.vpc` is left out.",
        "Restore the value, or remove the cluster, run `pulumi up`, and add it again.",
    ),
    "gke-ranges-changed": Refusal(
        834,
        "The ranges of a cluster would change, which replaces it: `gke.ranges`, "
        "`isthmus:gcp.ranges` or the order of the clusters changed, or an earlier one was removed.",
        "Restore them, or write the ranges of the message into `gke.ranges`.",
    ),
    "gke-project-changed": Refusal(
        835,
        "Clusters and VPCs cannot move to another project.",
        "Restore `isthmus:gcp.project`, or run `pulumi destroy` before the change.",
    ),
    "gke-vpcs-changed": Refusal(
        845,
        "`isthmus:gcp.vpcs` describes the VPC of a cluster in another way: as an existing "
        "one instead of one that the stack created, or the reverse, or with another subnet.",
        "Restore it, or remove the clusters in that VPC, run `pulumi up`, and add them again.",
    ),
    "configuration-left-behind": Refusal(
        838,
        "A cluster gets its configuration from another cluster, which lacks Istio's objects that "
        "hold for it now: of a primary, its own cluster; of a remote, its primary's.",
        "Create the objects in that cluster first. Nothing reads them there before the update.",
    ),
    "network-changed": Refusal(
        837,
        "A warning: a cluster changes to another network, and its proxies keep the former one "
        "until they restart.",
        "Restart the pods with proxies after the update.",
    ),
    "removed-cluster-unreachable": Refusal(
        833,
        "A cluster was removed from the configuration, and it does not answer with the credentials "
        "of the last update, so its part of the mesh cannot be deleted.",
        "Add it again with credentials that work, run `pulumi up`, and remove it then. If it does "
        "not exist any more, run `PULUMI_K8S_DELETE_UNREACHABLE=true pulumi up --refresh`.",
    ),
    "removed-cluster-replaced": Refusal(
        830,
        "The kubeconfig of a removed cluster leads to another cluster now, with an Istio of its "
        "own. The update would delete objects there by name.",
        "Delete the removed cluster's objects from the state.",
    ),
    "removed-cluster-denied": Refusal(
        831,
        "The credentials of a removed cluster cannot delete its part of the mesh.",
        "Add it again with credentials of an administrator, run `pulumi up`, and remove it then.",
    ),
    "namespace-in-use": Refusal(
        836,
        "The update would delete a namespace that holds objects of users: the cluster is removed, "
        "or the sample is disabled.",
        "Save the objects and delete them there with the commands in the message, or keep the "
        "namespace as the message says.",
    ),
    "removed-cluster-in-use": Refusal(
        832,
        "A warning: a removed cluster has objects of Istio's kinds, or pods with sidecars.",
        "Objects and their CRDs stay. Restart the pods, so that they lose their sidecars.",
    ),
}
_STACKS: Mapping[str, Refusal] = {
    "stack-on-primary": Refusal(
        901,
        "`stack` is set for a primary. Only a remote can have its own stack.",
        "Remove it.",
    ),
    "stack-repeated": Refusal(
        902,
        "Two clusters name one stack.",
        "Give each cluster its own stack.",
    ),
    "stack-with-gke": Refusal(
        903,
        "A cluster with its own stack cannot be created by the mesh's stack.",
        "Remove `gke` or `stack`.",
    ),
    "stack-with-federate": Refusal(
        904,
        "Services are not found by label where clusters have their own stacks.",
        "List the Services in `isthmus:services`.",
    ),
    "mesh-stack-not-alone": Refusal(
        905,
        "`meshStack` is set together with the keys of a whole mesh.",
        "Remove the other keys, or `meshStack`.",
    ),
    "mesh-stack-empty": Refusal(
        906,
        "`meshStack` names a stack without an output `mesh`.",
        "Update that stack first, or name another.",
    ),
    "mesh-stack-not-understood": Refusal(
        907,
        "The mesh's stack was updated by another version of Isthmus.",
        "Update it with the version that is used here.",
    ),
    "mesh-stack-lacks-cluster": Refusal(
        908,
        "No cluster of the mesh has this stack.",
        "Set `stack` on a cluster of the mesh's stack and update it. If the cluster has left the "
        "mesh, destroy this stack.",
    ),
}

_SECTIONS: Mapping[str, Mapping[str, Refusal]] = {
    "Configuration": _CONFIGURATION,
    "Topology": _TOPOLOGY,
    "Shared namespaces and Services": _SHARED,
    "Trust": _TRUST,
    "Versions, charts and values": _VERSIONS,
    "Clusters on Google Cloud": _GKE,
    "Access to clusters": _ACCESS,
    "Existing objects": _CLUSTERS,
    "Identity of clusters": _IDENTITY,
    "Stacks": _STACKS,
}
REFUSALS: Mapping[str, Refusal] = {
    name: refusal for section in _SECTIONS.values() for name, refusal in section.items()
}

_ABOUT = """# Refusals

Generated by `python -m spec.codes` from `spec/codes.py`; do not edit it by hand.

Isthmus refuses a mesh before anything changes, and reports all problems at once. Each problem has a
code and a name, which are the same in all versions. A warning does not stop the update. The message
has the details of your case; this page explains what the problem means.
"""


def page() -> str:
    """The page that explains every refusal, by section, in order of the numbers."""
    parts = [_ABOUT]
    for title, refusals in _SECTIONS.items():
        parts.append(f"\n## {title}\n")
        for name, refusal in sorted(refusals.items(), key=lambda x: x[1].code):
            parts.append(
                f"\n### {refusal.code}\n\n`{name}`: {refusal.meaning}\n\n**Fix:** {refusal.fix}\n"
            )
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
