"""The JSON Schema of the chart's values: what each may be, and that nothing else is taken. Pure.

Helm holds values against it before it renders anything: a typing mistake is refused instead of ignored.
"""

from collections.abc import Mapping
from typing import Final

from stripeline.deploy.kubernetes.chart_settings import Schema, place_of, readers, value_schema, variables
from stripeline.deploy.settings.settings import Settings, variable

_NAME: Final = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"  # of an object of Kubernetes
_TEXT: Final[Schema] = {"type": "string"}
_FLAG: Final[Schema] = {"type": "boolean"}
_OPEN: Final[Schema] = {"type": "object"}
"""Kubernetes' own form: its API server judges it."""
_LIST: Final[Schema] = {"type": "array", "items": _OPEN}
_WORDS: Final[Schema] = {"type": "object", "additionalProperties": _TEXT}
_OPTIONAL_NAME: Final[Schema] = {"type": "string", "pattern": f"^$|{_NAME}", "maxLength": 253}


def _closed(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    needed = {"required": list(required)} if required else {}
    return {"type": "object", "additionalProperties": False, **needed, "properties": properties}


def _whole(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _one_of(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


_KEY: Final[Schema] = {"type": "string", "pattern": "^[-._a-zA-Z0-9]+$", "maxLength": 253}
_OBJECT: Final[Schema] = {"type": "string", "pattern": _NAME, "maxLength": 253}
_FROM_SECRET: Final = _closed(name=_OBJECT, key=_KEY)
_FROM_FILE: Final[Schema] = {
    **_closed(("key",), secret=_OBJECT, configMap=_OBJECT, key=_KEY),
    "oneOf": [{"required": ["secret"]}, {"required": ["configMap"]}],
}
_ACCOUNT: Final = _closed(name=_OPTIONAL_NAME, annotations=_WORDS)
_SERVICE: Final = _closed(
    type=_one_of("ClusterIP", "NodePort", "LoadBalancer"), port=_whole(1, 65_535), annotations=_WORDS
)
_INGRESS: Final[Schema] = {
    **_closed(enabled=_FLAG, className=_TEXT, host=_TEXT, tlsSecret=_OPTIONAL_NAME, annotations=_WORDS),
    "if": {"properties": {"enabled": {"const": True}}},
    "then": {"properties": {"host": {"minLength": 1}}},
}
_INTERVAL: Final[Schema] = {"type": "string", "pattern": "^[0-9]+(ms|s|m)$"}
_REPLICAS: Final = _whole(1, 10_000)


def _roles() -> Mapping[str, Schema]:
    """What differs between the roles."""
    scaled = _closed(
        enabled=_FLAG,
        minReplicas=_REPLICAS,
        maxReplicas=_REPLICAS,
        recordsReady=_whole(1, 10_000_000),
        oldestReadySeconds=_whole(1, 86_400),
        scaleDownAfterSeconds=_whole(600, 3_600),  # below ten minutes, one quiet moment moves partitions twice
        matchers=_TEXT,
    )
    states = _closed(volume=_one_of("none", "pod", "claim"), size=_TEXT, storageClass=_TEXT)
    worker: Schema = {"replicas": _REPLICAS, "autoscaling": scaled, "states": states}
    by_cpu = _closed(enabled=_FLAG, minReplicas=_REPLICAS, maxReplicas=_REPLICAS, cpuPercent=_whole(1, 100))
    return {
        "ingest": {
            "replicas": _REPLICAS,
            "preStopSeconds": _whole(1, 120),
            "autoscaling": by_cpu,
            "service": _SERVICE,
            "ingress": _INGRESS,
        },
        "router": worker,
        "executor": worker,
        "console": {
            "replicas": _REPLICAS,
            "persistence": _closed(enabled=_FLAG, size=_TEXT, storageClass=_TEXT),
            "service": _SERVICE,
            "ingress": _INGRESS,
        },
        "topics": {
            "installation": {"type": "string", "pattern": "^[a-z0-9]{0,16}$"},
            "activeDeadlineSeconds": _whole(30, 3_600),
        },
    }


def _pods(role: str) -> Mapping[str, Schema]:
    """What all roles have in common, with the settings that this one reads."""
    return {
        "enabled": _FLAG,
        **_settings(role),
        "resources": _OPEN,
        "serviceAccount": _ACCOUNT,
        "podAnnotations": _WORDS,
        "podLabels": _WORDS,
        "nodeSelector": _WORDS,
        "tolerations": _LIST,
        "affinity": _OPEN,
        "topologySpreadConstraints": _LIST,
        "priorityClassName": _TEXT,
        "extraEnv": {"type": "array", "items": _extra_variable()},
        "extraVolumes": _LIST,
        "extraVolumeMounts": _LIST,
    }


def _settings(role: str | None = None) -> Mapping[str, Schema]:
    """The settings by how they enter; of a role those that it reads."""
    config = {variable(field): value_schema(field) for field in Settings.model_fields if place_of(field) == "config"}
    if role is not None:
        # They are the same for all, by nature: a role of its own would work on other topics.
        config = {name: one for name, one in config.items() if name not in _SHARED}
    reads = [role] if role else None
    return {
        "config": _closed(**config),
        "secrets": _closed(**{name: _FROM_SECRET for name in variables("secrets") if _reads(name, reads)}),
        "files": _closed(**{name: _FROM_FILE for name in variables("files") if _reads(name, reads)}),
    }


_SHARED: Final = frozenset({"STRIPELINE_TOPIC_PREFIX", "STRIPELINE_PARTITIONS"})


def _reads(name: str, roles: list[str] | None) -> bool:
    return roles is None or any(role in readers(name) for role in roles)


def _extra_variable() -> Schema:
    """One of a container's `env`. What the chart sets would be there twice, and a secret would be shown."""
    taken = [*variables("config"), *variables("secrets"), *variables("files"), *variables("chart")]
    taken += [f"{name}_FILE" for name in variables("secrets")]
    return {"type": "object", "required": ["name"], "properties": {"name": {"not": {"enum": sorted(taken)}}}}


def values_schema() -> Schema:
    """The whole schema, in the order of values.yaml."""
    policy = ("adminFrom", "ingestFrom", "consoleFrom", "extraEgress", "executorExtraEgress", "consoleExtraEgress")
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart of Stripeline",
        **_closed(
            ("image", "config", "ingest", "router", "executor", "console", "topics"),
            **{"global": _OPEN},
            image=_closed(
                ("repository",),
                repository={"type": "string", "minLength": 1},
                tag=_TEXT,
                digest={"type": "string", "pattern": "^$|^sha256:[0-9a-f]{64}$"},
                pullPolicy=_one_of("Always", "IfNotPresent", "Never"),
            ),
            imagePullSecrets=_LIST,
            nameOverride=_OPTIONAL_NAME,
            fullnameOverride=_OPTIONAL_NAME,
            commonLabels=_WORDS,
            existingSecret=_OPTIONAL_NAME,
            **_settings(),
            serviceAccount=_closed(create=_FLAG, annotations=_WORDS),
            podAnnotations=_WORDS,
            podLabels=_WORDS,
            podSecurityContext=_OPEN,
            containerSecurityContext=_OPEN,
            terminationGracePeriodSeconds=_whole(35, 3_600),
            minReadySeconds=_whole(0, 600),
            **{role: _closed(**own, **_pods(role)) for role, own in _roles().items()},
            prometheusAddress={"type": "string", "pattern": "^$|^https?://"},
            serviceMonitor=_closed(enabled=_FLAG, interval=_INTERVAL, labels=_WORDS),
            prometheusRule=_closed(enabled=_FLAG, labels=_WORDS),
            networkPolicy=_closed(
                enabled=_FLAG,
                kafka=_closed(ports={"type": "array", "items": _whole(1, 65_535)}, to=_LIST),
                **dict.fromkeys(policy, _LIST),
            ),
            extraObjects=_LIST,
        ),
    }  # fmt: skip
