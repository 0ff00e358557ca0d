"""The few requests to the API server that the check of the chart needs."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

Manifest = Mapping[str, Any]


class RefusedError(Exception):
    """What the server says to a request that it does not take."""


@dataclass(frozen=True, slots=True)
class Api:
    """An API server of this machine."""

    url: str
    token: str

    def text(self, path: str) -> str:
        return self._ask("GET", path).decode()

    def get(self, path: str) -> Any:
        return json.loads(self._ask("GET", path))

    def create(self, manifest: Manifest, *, namespace: str = "prod", dry: bool = False) -> Any:
        """The object as the server has it. It refuses unknown fields, as `kubectl --validate=strict` makes it."""
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry else "")
        return json.loads(self._ask("POST", path_of(manifest, namespace) + query, manifest))

    def change(self, path: str, change: Manifest) -> Any:
        return json.loads(self._ask("PATCH", path, change))

    def kubeconfig(self) -> str:
        cluster = {"server": self.url, "insecure-skip-tls-verify": True}
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "clusters": [{"name": "test", "cluster": cluster}],
                "users": [{"name": "test", "user": {"token": self.token}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            }
        )

    def _ask(self, method: str, path: str, body: Manifest | None = None) -> bytes:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        data = None if body is None else json.dumps(body).encode()
        trusting = ssl._create_unverified_context()  # the server makes its own certificate
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, context=trusting, timeout=30) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            if path == "/readyz":
                raise
            raise RefusedError(_message(error.read())) from None


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError):  # of a path that is not served yet
        return body.decode(errors="replace")


def path_of(manifest: Manifest, namespace: str) -> str:
    """Where objects of this kind are made."""
    version, kind = manifest["apiVersion"], manifest["kind"].lower()
    plural = kind[:-1] + "ies" if kind.endswith("y") else kind + ("es" if kind.endswith("s") else "s")
    root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
    if kind in {"namespace", "customresourcedefinition", "priorityclass"}:
        return f"{root}/{plural}"
    return f"{root}/namespaces/{namespace}/{plural}"


def definition(kind: str, schema: Any) -> Manifest:
    """A CustomResourceDefinition from a schema of `tests/deploy/schemas`."""
    group, version = schema["properties"]["apiVersion"]["const"].split("/")
    plural = f"{kind.lower()}s"
    fields = {name: _structural(one) for name, one in schema["properties"].items() if name == "spec"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": fields}},
                }
            ],
        },
    }


def _structural(schema: Any) -> Any:
    """As the API server wants a schema: it removes, or refuses, unknown fields by itself."""
    if isinstance(schema, list):
        return [_structural(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == ["integer", "string"]:
        return {"x-kubernetes-int-or-string": True}
    kept = {
        key: {name: _structural(one) for name, one in value.items()} if key == "properties" else _structural(value)
        for key, value in schema.items()
        if key != "additionalProperties" or value is not False
    }
    if kept.get("type") == "object" and "properties" not in kept and "additionalProperties" not in kept:
        kept["x-kubernetes-preserve-unknown-fields"] = True
    return kept
