"""What is built from which modules. Their versions are in go/GROUP/go.mod, checksums in go.sum."""

from dataclasses import dataclass, field, replace
from typing import Self

PULUMI = "v3.259.0"
PULUMI_PYTHON = "v3.78.1"
HELM = "v3.21.3"
KUBERNETES = "v1.34.4"
ISTIO = "1.31.0"
FORMER_ISTIO = "1.30.8"
COREDNS = "1.14.6"
HUB = "docker.io/istio"


@dataclass(frozen=True)
class Copy:
    """A file or directory of a Go module, copied to `target` below the group's directory."""

    module: str
    source: str
    target: str


@dataclass(frozen=True)
class Group:
    """Programs that are built together from the module in go/NAME into bin/."""

    name: str
    packages: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()  # set by the linker: reported versions
    tags: tuple[str, ...] = ()
    copies: tuple[Copy, ...] = ()
    # Seconds on 2 cores with nothing cached but the modules' sources and the groups before it.
    # It does not change the build.
    usual: int = field(default=0, repr=False)

    def without(self, programs: frozenset[str]) -> Self:
        """The group without the programs that are on the machine already."""
        return replace(
            self,
            packages=tuple(p for p in self.packages if p.rsplit("/", 1)[-1] not in programs),
            copies=tuple(c for c in self.copies if c.target.rsplit("/", 1)[-1] not in programs),
        )


_PULUMI_VERSION = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
_HELM = "helm.sh/helm/v3"
_KUBERNETES_VERSION = "k8s.io/component-base/version"
_ISTIO = "istio.io/istio"
_ISTIO_VERSION = f"{_ISTIO}/pkg/version"


def _istio(name: str, version: str, programs: tuple[str, ...], usual: int) -> Group:
    """Programs of a version of Istio, with its charts."""
    return Group(
        name,
        tuple(f"{_ISTIO}/{program}" for program in programs),
        variables=(
            (f"{_ISTIO_VERSION}.buildVersion", version),
            (f"{_ISTIO_VERSION}.buildTag", version),
            (f"{_ISTIO_VERSION}.buildHub", HUB),
            (f"{_ISTIO_VERSION}.buildStatus", "Clean"),
        ),
        tags=("disable_pgv", "grpcnotrace"),
        copies=(
            Copy(_ISTIO, "manifests/charts/base", "charts/base"),
            Copy(_ISTIO, "manifests/charts/istio-control/istio-discovery", "charts/istiod"),
            Copy(_ISTIO, "manifests/charts/gateway", "charts/gateway"),
            Copy(_ISTIO, "tools/packaging/common/envoy_bootstrap.json", "envoy_bootstrap.json"),
        ),
        usual=usual,
    )


GROUPS = (
    # First the small one: it compiles most of the standard library for the others.
    Group("images", ("./helloworld", "./pause"), usual=10),
    _istio(
        "istio",
        ISTIO,
        ("pilot/cmd/pilot-discovery", "pilot/cmd/pilot-agent", "istioctl/cmd/istioctl"),
        usual=300,
    ),
    Group(
        "kubernetes",
        (".", "k8s.io/kubernetes/cmd/kubectl"),
        variables=(
            (f"{_KUBERNETES_VERSION}.gitVersion", KUBERNETES),
            (f"{_KUBERNETES_VERSION}.gitMajor", "1"),
            (f"{_KUBERNETES_VERSION}.gitMinor", "34"),
            ("k8s.io/client-go/pkg/version.gitVersion", KUBERNETES),
        ),
        usual=325,
    ),
    Group(
        "pulumi",
        ("github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",),
        variables=((_PULUMI_VERSION, PULUMI),),
        copies=(
            Copy(
                "github.com/pulumi/pulumi/sdk/v3",
                "python/cmd/pulumi-language-python-exec",
                "bin/pulumi-language-python-exec",
            ),
        ),
        usual=240,
    ),
    Group(
        "language",
        ("github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python",),
        variables=((_PULUMI_VERSION, PULUMI_PYTHON),),
        usual=30,
    ),
    # Modules of helm and coredns have Istio's versions of client-go and of what it needs, so that
    # Go finds these packages in its cache, where Istio's build has put them.
    Group(
        "helm",
        (f"{_HELM}/cmd/helm",),
        # Without a cluster, charts are rendered for the Kubernetes of helm's own modules.
        variables=(
            (f"{_HELM}/internal/version.version", HELM),
            (f"{_HELM}/pkg/chartutil.k8sVersionMajor", "1"),
            (f"{_HELM}/pkg/chartutil.k8sVersionMinor", "36"),
            (f"{_HELM}/pkg/lint/rules.k8sVersionMajor", "1"),
            (f"{_HELM}/pkg/lint/rules.k8sVersionMinor", "36"),
        ),
        usual=30,
    ),
    Group("coredns", (".",), usual=20),
    # Reads .github/workflows in `make test`; not part of a lab.
    Group("actionlint", ("github.com/rhysd/actionlint/cmd/actionlint",), usual=10),
)

# Only for tests of an upgrade. It does not compile with the client-go of `istio`.
FORMER = _istio(
    "former-istio",
    FORMER_ISTIO,
    ("pilot/cmd/pilot-discovery", "pilot/cmd/pilot-agent"),
    usual=300,
)
