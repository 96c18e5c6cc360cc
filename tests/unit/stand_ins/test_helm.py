"""Where helm finds a chart."""

from contextlib import ExitStack

import pytest

from lab.stand_ins.kubernetes.helm import source_of
from lab.stand_ins.values import Object


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"chart": "./base"}, ["./base"]),
        ({"chart": "./base", "version": "1.31.0"}, ["./base", "--version", "1.31.0"]),
        (
            {"chart": "base", "repositoryOpts": {"repo": "https://charts.example"}},
            ["base", "--repo", "https://charts.example"],
        ),
        ({"chart": "base", "repositoryOpts": {"repo": "istio"}}, ["istio/base"]),
        ({"chart": "istio/base", "repositoryOpts": {"repo": "istio"}}, ["istio/base"]),
        (
            {
                "chart": "oci://registry.example/base",
                "repositoryOpts": {"username": "u", "caFile": "ca.pem"},
                "devel": True,
            },
            ["oci://registry.example/base", "--username", "u", "--ca-file", "ca.pem", "--devel"],
        ),
    ],
)
def test_a_chart_is_a_directory_a_repository_or_a_registry(
    inputs: Object, words: list[str]
) -> None:
    with ExitStack() as files:
        assert source_of(inputs).arguments(files, []) == words
