"""Makes the JSON schemas of this folder, one per kind that the manifests use. See README.md for the sources.

    python3 make_schemas.py KUEUE_DIR GATEWAY_API_DIR      (needs PyYAML, kubectl, and a cluster with Knative in $KUBECONFIG)
"""

import copy
import json
import subprocess
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).parent
DROPPED = {"description", "default", "example", "externalDocs", "title", "format", "nullable"}
STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
METADATA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"},
        "namespace": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"},
        "labels": STRINGS,
        "annotations": STRINGS,
    },
}
TEMPLATE_METADATA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"name": {"type": "string"}, "labels": STRINGS, "annotations": STRINGS},
}
BUILT_IN = {
    "api/v1": ["Namespace", "ServiceAccount", "ConfigMap", "Service", "ResourceQuota", "LimitRange"],
    "apis/apps/v1": ["Deployment"],
    "apis/batch/v1": ["Job"],
    "apis/networking.k8s.io/v1": ["NetworkPolicy"],
    "apis/rbac.authorization.k8s.io/v1": ["Role", "RoleBinding"],
    "apis/node.k8s.io/v1": ["RuntimeClass"],
}
KNATIVE = [
    "services.serving.knative.dev",
    "brokers.eventing.knative.dev",
    "triggers.eventing.knative.dev",
    "apiserversources.sources.knative.dev",
    "pingsources.sources.knative.dev",
]


def clean(schema):
    """Drops words and defaults, points references at this file, and refuses properties that are not listed."""
    if isinstance(schema, list):
        return [clean(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if "$ref" in schema:
        return {"$ref": "#/$defs/" + schema["$ref"].split("/")[-1]}
    if len(schema.get("allOf", [])) == 1 and "$ref" in schema["allOf"][0] and "properties" not in schema:
        return clean(schema["allOf"][0])
    cleaned = {}
    for key, value in schema.items():
        if key in DROPPED or key.startswith("x-kubernetes-"):
            continue
        if key == "properties":
            cleaned[key] = {name: clean(part) for name, part in value.items()}
        else:
            cleaned[key] = value if key == "enum" else clean(value)
    if schema.get("nullable") and isinstance(cleaned.get("type"), str):
        cleaned["type"] = [cleaned["type"], "null"]
    if "properties" in cleaned:
        cleaned.setdefault("additionalProperties", False)
    return cleaned


def list_references(schema):
    if isinstance(schema, list):
        return set().union(*map(list_references, schema))
    if not isinstance(schema, dict):
        return set()
    own = {schema["$ref"].split("/")[-1]} if "$ref" in schema else set()
    return own.union(*map(list_references, schema.values()))


def write(schema, api_version, kind, definitions):
    schema = copy.deepcopy(schema)
    properties = schema["properties"]
    properties.pop("status", None)
    properties |= {"apiVersion": {"const": api_version}, "kind": {"const": kind}, "metadata": {"$ref": "#/$defs/metadata"}}
    schema["required"] = sorted({*schema.get("required", []), "apiVersion", "kind", "metadata"} - {"status"})
    known = {name: TEMPLATE_METADATA if name.endswith("ObjectMeta") else part for name, part in definitions.items()}
    known["metadata"] = METADATA
    needed, todo = set(), list_references(schema)
    while todo:
        name = todo.pop()
        needed.add(name)
        todo |= list_references(known[name]) - needed
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **schema,
        "$defs": {name: known[name] for name in sorted(needed)},
    }
    text = json.dumps(schema, separators=(",", ":"), sort_keys=True)
    (HERE / f"{api_version.replace('/', '_')}_{kind}.json").write_text(text + "\n")


def kubectl(*args):
    return json.loads(subprocess.run(["kubectl", *args], check=True, capture_output=True).stdout)


def write_built_in(path, kinds):
    raw = kubectl("get", "--raw", f"/openapi/v3/{path}")["components"]["schemas"]
    definitions = {name: clean(schema) for name, schema in raw.items()}
    api_version = path.removeprefix("apis/").removeprefix("api/")
    group = api_version.rpartition("/")[0]
    for kind in kinds:
        wanted = {"group": group, "kind": kind, "version": "v1"}
        name = next(name for name, schema in raw.items() if wanted in schema.get("x-kubernetes-group-version-kind", []))
        write(definitions[name], api_version, kind, definitions)


def write_custom(definition, version):
    spec = definition["spec"]
    found = next(item for item in spec["versions"] if item["name"] == version)
    schema = clean(found["schema"]["openAPIV3Schema"])
    if spec["names"]["kind"] == "Trigger":
        # Knative's own schema leaves it out and lets unknown fields pass; the API has it.
        schema["properties"]["spec"]["properties"]["delivery"]["properties"]["timeout"] = {"type": "string"}
    write(schema, f"{spec['group']}/{version}", spec["names"]["kind"], {})


def main(kueue, gateway):
    for path, kinds in BUILT_IN.items():
        write_built_in(path, kinds)
    for name in KNATIVE:
        write_custom(kubectl("get", "crd", name, "--output", "json"), "v1")
    for name in ["clusterqueues", "localqueues", "resourceflavors"]:
        path = Path(kueue) / f"config/components/crd/bases/kueue.x-k8s.io_{name}.yaml"
        write_custom(yaml.safe_load(path.read_text()), "v1beta2")
    for name, version in {"httproutes": "v1", "referencegrants": "v1beta1"}.items():
        path = Path(gateway) / f"config/crd/standard/gateway.networking.k8s.io_{name}.yaml"
        write_custom(yaml.safe_load(path.read_text()), version)


main(*sys.argv[1:])
