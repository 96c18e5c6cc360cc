"""The report as a page: one file of HTML without scripts and without external resources.

Texts from clusters are untrusted. They only become text nodes and attributes of a tree, which is
escaped when it is written, and the page's own policy forbids everything but its two style sheets.
"""

import base64
import hashlib
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import groupby

from checks import report
from checks.model import Result, Section, Status
from checks.picture import state
from picture import svg, words
from picture.state import Part
from preflight.ending import end_of_credentials
from spec import support
from spec.description import Description

_SECTION_OF: Mapping[str, Section] = {
    "cluster": "clusters",
    "istiod": "control plane",
    "control-plane": "control plane",
    "gateway": "gateways",
    "secret": "remote secrets",
    "traffic": "traffic",
}
"""Where checks of a part of the picture begin."""
_WORST = (Status.FAILED, Status.WARNING)
_UNSEEN = {"Cc", "Cf", "Co", "Cs"}
"""Categories of characters that reorder or hide text, or that no file can hold."""

Content = ET.Element | str


def page(description: Description, results: Sequence[Result], seconds: float, at: datetime) -> str:
    """Return the page.

    Args:
        description: the mesh as its stack describes it.
        results: in the order of the checks.
        seconds: how long they took together.
        at: when they ended, in UTC.
    """
    return "<!doctype html>\n" + ET.tostring(
        _element(
            "html",
            {"lang": "en"},
            _head(f"{words.title(description.spec)}: {report.summary(results, seconds)}"),
            _element(
                "body",
                {},
                _link("#checks", "Skip to the checks"),
                _element("header", {}, *_header(description, results, seconds, at)),
                _element("main", {}, *_main(description, results)),
            ),
        ),
        encoding="unicode",
        method="html",
    )


def _element(tag: str, attributes: Mapping[str, str], *children: Content) -> ET.Element:
    made = ET.Element(tag, dict(attributes))
    last: ET.Element | None = None
    for child in children:
        if isinstance(child, ET.Element):
            made.append(child)
            last = child
        elif last is None:
            made.text = (made.text or "") + _visible(child)
        else:
            last.tail = (last.tail or "") + _visible(child)
    return made


def _visible(text: str) -> str:
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if c != "\n" and unicodedata.category(c) in _UNSEEN else c
        for c in text
    )


def _link(target: str, text: str) -> ET.Element:
    return _element("a", {"href": target}, text)


def _head(title: str) -> ET.Element:
    styles = " ".join(f"'sha256-{_digest(style)}'" for style in (_STYLE, svg.STYLE))
    policy = f"default-src 'none'; style-src {styles}; base-uri 'none'; form-action 'none'"
    return _element(
        "head",
        {},
        _element("meta", {"charset": "utf-8"}),
        _element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        _element("meta", {"name": "viewport", "content": "width=device-width"}),
        _element("meta", {"name": "color-scheme", "content": "light dark"}),
        _element("title", {}, title),
        _element("style", {}, _STYLE),
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _header(
    description: Description, results: Sequence[Result], seconds: float, at: datetime
) -> Iterator[ET.Element]:
    yield _element("h1", {}, words.title(description.spec))
    time = _element("time", {"datetime": at.isoformat()}, f"{at:%Y-%m-%d %H:%M} UTC")
    yield _element("p", {}, words.summary(description.spec), ". Checked on ", time, ".")
    worst = Status.OK if report.is_green(results) else Status.FAILED
    yield _element("p", {"class": f"verdict {worst}"}, report.summary(results, seconds))


def _main(description: Description, results: Sequence[Result]) -> Iterator[ET.Element]:
    bad = [r for worst in _WORST for r in results if r.status is worst]
    if bad:
        yield _section("fix", "What to fix", *_to_fix(bad))
    yield _section(
        "picture",
        "Picture",
        svg.element(description.spec, state(description, results, _links(description, results))),
    )
    yield _section("clusters", "Clusters", _clusters(description))
    if ends := _ends(description, results):
        rows = [_row(end.isoformat(), clusters, what) for end, clusters, what in ends]
        yield _section("ends", "What ends when", _table(("when", "clusters", "what"), rows))
    yield _section("checks", "Checks", *_checks(results))


def _section(identity: str, heading: str, *content: Content) -> ET.Element:
    title = _element("h2", {"id": f"{identity}-heading"}, heading)
    attributes = {"id": identity, "tabindex": "-1", "aria-labelledby": f"{identity}-heading"}
    return _element("section", attributes, title, *content)


def _to_fix(bad: Sequence[Result]) -> Iterator[ET.Element]:
    if sum(r.status is Status.FAILED for r in bad) > 1:
        first = bad[0]
        yield _element(
            "p", {}, f"Fix {first.check.id} in {first.cluster} first; {report.CONSEQUENCES}."
        )
    for number, result in enumerate(bad):
        yield _element(
            "article",
            {"id": _anchor(number), "class": str(result.status), "tabindex": "-1"},
            _element("h3", {}, f"{_marked(result.status)}: {result.check.claim}"),
            _element("p", {"class": "what"}, f"{result.cluster}: {result.finding.evidence}"),
            _element("p", {"class": "to-do"}, f"Fix: {result.finding.hint}"),
            _element(
                "p",
                {"class": "small"},
                f"{result.check.code}, ",
                _link(f"#{result.check.id}", result.check.id),
                f", {report.docs(result)}",
            ),
        )


def _marked(status: Status) -> str:
    return f"{report.MARKS[status]} {status}"


def _anchor(number: int) -> str:
    return f"fix-{number + 1}"


def _links(description: Description, results: Sequence[Result]) -> Mapping[Part, str]:
    """Where parts of the picture lead: to their first failure, or to the checks of their kind."""
    spec = description.spec
    parts = [
        *(Part("cluster", c.name) for c in spec.clusters),
        *(Part("istiod", c.name) for c in spec.primaries),
        *(Part("control-plane", c.name) for c in spec.remotes),
        *(Part("gateway", c.name) for c in spec.clusters),
        *(Part("secret", p.name, c.name) for c in spec.clusters for p in spec.readers_of(c)),
    ]
    sections = {r.check.section for r in results}
    links = {
        part: f"#{_slug(section)}"
        for part in parts
        if (section := _SECTION_OF[part.kind]) in sections
    }
    failed = [r for r in results if r.status is Status.FAILED]
    for number, result in reversed(list(enumerate(failed))):
        if result.finding.part:
            links[result.finding.part] = f"#{_anchor(number)}"
    return links


def _slug(section: str) -> str:
    return f"checks-{section.replace(' ', '-')}"


def _clusters(description: Description) -> ET.Element:
    spec = description.spec
    rows = [
        _row(
            cluster.name,
            f"remote of {cluster.primary}" if cluster.primary else "primary",
            cluster.network,
            description.kubernetes.get(cluster.name, "unknown"),
            spec.mesh.istio.version,
            description.gateways.get(cluster.name, "none"),
        )
        for cluster in spec.clusters
    ]
    return _table(("cluster", "role", "network", "Kubernetes", "Istio", "gateway"), rows)


def _ends(description: Description, results: Sequence[Result]) -> Sequence[tuple[date, str, str]]:
    """Return the day on which something ends, in which clusters, and what; the soonest first."""
    clusters = dict[tuple[date, str], list[str]]()

    def add(end: date | None, what: str, cluster: str) -> None:
        if end:
            clusters.setdefault((end, what), []).append(cluster)

    istio = description.spec.mesh.istio.version
    for cluster in description.spec.clusters:
        add(support.end_of_istio(istio), f"support of Istio {istio}", cluster.name)
    for cluster, version in description.kubernetes.items():
        add(support.end_of_kubernetes(version), f"support of Kubernetes {version}", cluster)
    for cluster, kubeconfig in description.kubeconfigs.items():
        if ends := end_of_credentials(kubeconfig):
            add(ends.date(), "the credentials of these checks", cluster)
    for result in results:
        if ends := result.finding.ends:
            add(ends.date(), result.finding.evidence, result.cluster)
    return sorted((end, ", ".join(where), what) for (end, what), where in clusters.items())


def _checks(results: Sequence[Result]) -> Iterator[ET.Element]:
    seen = set[str]()
    for section, of_section in groupby(results, lambda r: r.check.section):
        yield _element("h3", {"id": _slug(section), "tabindex": "-1"}, section)
        rows = list[ET.Element]()
        for alike in report.together(list(of_section)):
            first = alike[0]
            attributes = {"class": str(first.status)}
            if first.check.id not in seen:
                attributes |= {"id": first.check.id, "tabindex": "-1"}
            seen.add(first.check.id)
            rows.append(
                _row(
                    _marked(first.status),
                    first.check.claim,
                    report.named(alike),
                    f"{max(r.seconds for r in alike):.2f} s",
                    report.evidence(alike),
                    attributes=attributes,
                )
            )
        yield _table(("status", "check", "clusters", "time", "what was seen"), rows)


def _row(*cells: Content, attributes: Mapping[str, str] | None = None) -> ET.Element:
    return _element("tr", attributes or {}, *(_element("td", {}, c) for c in cells))


def _table(headings: Sequence[str], rows: Sequence[ET.Element]) -> ET.Element:
    head = _element("tr", {}, *(_element("th", {"scope": "col"}, h) for h in headings))
    table = _element("table", {}, _element("thead", {}, head), _element("tbody", {}, *rows))
    return _element("div", {"class": "scrolls"}, table)


def _variables(colours: Mapping[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


_STYLE = f"""
:root {{ color-scheme: light dark; {_variables(svg.LIGHT)} }}
@media screen and (prefers-color-scheme: dark) {{ :root {{ {_variables(svg.DARK)} }} }}
* {{ box-sizing: border-box; }}
body {{
  margin: 0 auto; max-width: 75rem; padding: 1rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, 'Segoe UI', Helvetica, Arial, sans-serif;
}}
h1 {{ font-size: 1.6rem; margin: 0; }}
h2 {{ font-size: 1.25rem; margin: 2rem 0 .5rem; }}
h3 {{ font-size: 1rem; margin: 1rem 0 .25rem; }}
p {{ margin: .25rem 0; overflow-wrap: anywhere; white-space: pre-line; }}
a {{ color: var(--data); }}
body > a:not(:focus) {{ position: absolute; left: -100rem; }}
a:focus-visible, [tabindex]:focus-visible {{ outline: 3px solid var(--data); outline-offset: 2px; }}
:target {{ outline: 3px solid var(--data); outline-offset: 2px; }}
.verdict {{ font-weight: 600; color: var(--direct); }}
.verdict.failed, .failed h3, tr.failed td:first-child {{ color: var(--failed); }}
article {{
  background: var(--area); border: 1px solid var(--border); border-left: .4rem solid var(--border);
  border-radius: .4rem; margin: .75rem 0; padding: .25rem 1rem .5rem; break-inside: avoid;
}}
article.failed {{ border-left-color: var(--failed); }}
article h3 {{ margin-top: .25rem; }}
.to-do {{ font-weight: 600; }}
.small {{ color: var(--muted); font-size: .875rem; }}
.scrolls {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: .875rem; width: 100%; }}
th, td {{
  border-bottom: 1px solid var(--border); padding: .25rem .5rem; text-align: left;
  vertical-align: top;
}}
td {{ overflow-wrap: anywhere; white-space: pre-line; }}
th, td:first-child {{ white-space: nowrap; }}
tr {{ break-inside: avoid; }}
svg {{ height: auto; max-width: 100%; }}
svg a .strong, svg a .alarm, svg a .plain {{ text-decoration: underline; }}
@media print {{
  body {{ max-width: none; padding: 0; }}
  body > a {{ display: none; }}
  .scrolls {{ overflow: visible; }}
}}
"""
