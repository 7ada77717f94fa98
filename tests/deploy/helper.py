"""What tests/deploy/run needs besides the tools that it runs.

    helper.py values CHART [VALUES.yaml ..]       what a chart is rendered with, as JSON for chart.go
    helper.py sort FILE STANDARD_FILE             copies the objects that Kubernetes itself knows, and names the others
    helper.py expressions DASHBOARD               the queries of a Grafana dashboard, as rules that promtool can check
    helper.py context DOCKERIGNORE                the paths that are in an image's context
"""

import json
import sys

import yaml


def read(path):
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def merged(under, over):
    """As Helm merges values: maps key by key, all else as a whole."""
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return over
    return under | {key: merged(under.get(key), value) for key, value in over.items()}


def values(chart, *files):
    about, wanted = read(f"{chart}/Chart.yaml"), read(f"{chart}/values.yaml")
    for file in files:
        wanted = merged(wanted, read(file))
    scope = {
        "Values": wanted,
        "Chart": {"Name": about["name"], "Version": about["version"], "AppVersion": about["appVersion"]},
        "Release": {"Name": "limits", "Namespace": "edge", "Service": "Helm"},
    }
    json.dump(scope, sys.stdout)


def sort(path, standard):
    with open(path, encoding="utf-8") as file:
        objects = [found for found in yaml.safe_load_all(file) if found]
    own = [found for found in objects if "monitoring.coreos.com" not in found["apiVersion"]]
    with open(standard, "w", encoding="utf-8") as file:
        yaml.safe_dump_all(own, file)
    for found in objects:
        if found not in own:
            print(found["kind"])


def expressions(dashboard):
    board = json.load(open(dashboard, encoding="utf-8"))
    panels = board["panels"]
    numbers = [panel["id"] for panel in panels]
    assert len(set(numbers)) == len(numbers), "panels share an id"
    cells = [
        (column, line)
        for panel in panels
        for column in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for line in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells), "panels lie over each other"
    queries = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    queries += [annotation["expr"] for annotation in board["annotations"]["list"]]
    rules = [
        # Grafana puts a time in its place.
        {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "1m")}
        for number, query in enumerate(queries)
    ]
    yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}, sys.stdout)


def context(ignore):
    with open(ignore, encoding="utf-8") as file:
        print("\n".join(line[1:].strip() for line in file if line.startswith("!")))


if __name__ == "__main__":
    _, command, *arguments = sys.argv
    {"values": values, "sort": sort, "expressions": expressions, "context": context}[command](*arguments)
