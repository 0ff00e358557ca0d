"""Extracts what the tests need of vendors' own CustomResourceDefinitions: python extract.py CRD.yaml… writes KIND.json.

Descriptions are left out, and fields that a schema does not know are refused, as the API server does with
`--validate=strict`. README.md says where the definitions come from.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml


def closed(schema: Any) -> Any:
    """The schema with unknown fields refused, where it names the fields and does not say otherwise."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: {name: closed(one) for name, one in value.items()} if key == "properties" else closed(value)
        for key, value in schema.items()
        if (key != "description" and not key.startswith("x-")) or not isinstance(value, (str, bool, list))
    }
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        kept.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        kept.pop("anyOf", None)
        kept |= {"type": ["integer", "string"]}
    return kept


def extract(crd: Any) -> tuple[str, Any]:
    [version] = [one for one in crd["spec"]["versions"] if one["storage"]]
    schema = closed(version["schema"]["openAPIV3Schema"])
    schema["properties"] |= {
        "apiVersion": {"const": f"{crd['spec']['group']}/{version['name']}"},
        "kind": {"const": crd["spec"]["names"]["kind"]},
        "metadata": {"type": "object"},
    }
    schema["properties"].pop("status", None)
    return crd["spec"]["names"]["kind"], schema


if __name__ == "__main__":
    for path in sys.argv[1:]:
        for crd in yaml.safe_load_all(Path(path).read_text(encoding="utf-8")):
            kind, schema = extract(crd)
            target = Path(__file__).parent / f"{kind}.json"
            target.write_text(json.dumps(schema, separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")
