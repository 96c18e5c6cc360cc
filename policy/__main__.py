"""The policy pack: passes resources from the engine to the rules, and their findings back."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.secret import Secret as SdkSecret
from rules import RESOURCE_RULES, SECRECY, STACK_RULES, ResourceCheck, Rule, StackCheck
from rules.resource import Resource, Secret
from rules.secrecy import keeps_secrets


def _plain(value: Any) -> Any:
    """Inputs without the SDK's wrappers.

    The wrappers raise when a rule reads a value that is not known yet, which ends the rule, and
    they hide which values are secret. The SDK itself removes them like this (its deserialize.py).
    """
    if isinstance(value, Mapping | Sequence) and not isinstance(value, dict | list | str):
        wrapper: Any = value
        return _plain(wrapper["__target"])
    if isinstance(value, SdkSecret):
        return Secret(_plain(value.value))
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


_inputs: dict[str, Mapping[str, Any]] = {}
"""Inputs by URN, from the checks of single resources. For a whole stack the engine only sends
outputs, and in the preview of a cluster that does not exist yet there are none."""


def _resource(args: ResourceValidationArgs) -> Resource:
    provider = args.provider.urn if args.provider else ""
    _inputs[args.urn] = _plain(args.props)
    return Resource(args.resource_type, args.name, args.urn, _inputs[args.urn], provider)


def _resource_of_stack(found: PolicyResource) -> Resource:
    components = list[str]()
    parent = found.parent
    while parent is not None:
        components.append(parent.resource_type)
        parent = parent.parent
    provider = found.provider.urn if found.provider else ""
    props = _inputs.get(found.urn) or _plain(found.props)
    return Resource(found.resource_type, found.name, found.urn, props, provider, tuple(components))


def _for_resources(rule: Rule, check: ResourceCheck) -> ResourceValidationPolicy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for finding in check(_resource(args)):
            report(rule.message(finding), None)

    return ResourceValidationPolicy(rule.name, rule.demand, validate)


def _for_stacks(rule: Rule, check: StackCheck) -> StackValidationPolicy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        for finding in check([_resource_of_stack(r) for r in args.resources]):
            report(rule.message(finding), finding.urn)

    return StackValidationPolicy(rule.name, rule.demand, validate)


def _secrecy() -> ResourceValidationPolicy:
    """The rule about secret marks, which the SDK only shows to remediations.

    The engine runs remediations first. This one changes nothing, because the value has already
    been plain text in the program. It keeps its findings for the validation.
    """
    found = dict[str, list[str]]()

    def look(args: ResourceValidationArgs) -> None:
        found[args.urn] = [SECRECY.message(finding) for finding in keeps_secrets(_resource(args))]

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        unchecked = ["secrets are only seen at level `remediate`: leave this rule at that level"]
        for message in found.pop(args.urn, unchecked):
            report(message, None)

    remediate: Callable[[ResourceValidationArgs], Mapping[str, Any] | None] = look
    return ResourceValidationPolicy(
        SECRECY.name,
        SECRECY.demand,
        validate,
        enforcement_level=EnforcementLevel.REMEDIATE,
        remediate=remediate,  # pyright: ignore[reportArgumentType]  # returns no awaitable
    )


PolicyPack(
    "isthmus",
    [
        _secrecy(),
        *(_for_resources(rule, check) for rule, check in RESOURCE_RULES),
        *(_for_stacks(rule, check) for rule, check in STACK_RULES),
    ],
    enforcement_level=EnforcementLevel.MANDATORY,
)
