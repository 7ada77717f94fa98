"""Whether the service is what the files in deploy/ take it for. Asked of the program itself:

    service.py TOLLGATE RENDERED_CHART.yaml ..
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
import urllib.request
from pathlib import Path

import yaml

DEPLOY = Path("deploy")
DOCUMENTATION = Path("src/docs/service.md")
TOKEN = "0123456789abcdef0123456789abcdef"
# Nobody listens there. A store that is away is no reason not to start.
AWAY = "redis://127.0.0.1:1"
# A histogram's series, by the name of which alerts and queries ask for them.
SERIES = re.compile(r"_(bucket|sum|count)$")

PROGRAM, CHARTS = "", []


def run(*arguments, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOLLGATE_")}
    return subprocess.run(
        [PROGRAM, *map(str, arguments)], env=clean | environment, capture_output=True, text=True, timeout=60, check=False
    )


def files(*suffixes):
    return [path for path in sorted(DEPLOY.rglob("*")) if path.is_file() and path.name.endswith(suffixes)]


class Service(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        (self.directory / "token").write_text(TOKEN)

    def is_understood(self, *flags, **environment):
        checked = run("serve", "--check", *flags, **environment)
        self.assertEqual((checked.returncode, checked.stderr), (0, ""))

    def copy(self, name, change=lambda text: text):
        text = change((DEPLOY / name).read_text())
        (self.directory / Path(name).name).write_text(text)

    def test_the_examples_are_understood_as_they_stand(self):
        self.copy("tollgate.toml")
        self.copy("policies.toml")
        self.is_understood("--config", self.directory / "tollgate.toml")

    def test_all_that_is_commented_out_in_the_examples_is_understood_too(self):
        for name in ("tollgate.toml", "policies.toml"):
            self.copy(name, lambda text: re.sub(r"(?m)^#(?=[a-z\[])", "", text))
        self.assertIn("\n[callers]", (self.directory / "tollgate.toml").read_text())
        # They are read, too.
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout key.pem -out certificate.pem"
        subprocess.run(command.split(), cwd=self.directory, check=True, capture_output=True)
        self.is_understood("--config", self.directory / "tollgate.toml")

    def test_the_documentation_has_all_settings_with_what_holds_without_them(self):
        table = re.findall(r"^\|[^|]*\|[^|]*\| `([a-z_.]+)` \| ([^|]*) \|", DOCUMENTATION.read_text(), re.M)
        documented = {name: default.strip("`").replace(" ", "") for name, default in table}
        section = ""
        for line in (DEPLOY / "tollgate.toml").read_text().splitlines():
            if found := re.fullmatch(r"#?\[(.*)\]", line):
                section = found[1] + "."
            elif (found := re.fullmatch(r"#?([a-z_]+) = (.*)", line)) and section != "backends.redis.":
                default = documented.pop(section + found[1])
                if default not in ("none", "memory"):
                    self.assertEqual(found[2].strip('"').replace("_", ""), default, line)
        # Those that the example has no line for.
        self.assertEqual(set(documented), {"token", "backends.redis.url"})

    def test_the_settings_for_kubernetes_are_understood(self):
        kubernetes = DEPLOY / "kubernetes"
        self.is_understood(
            "--config", kubernetes / "tollgate.toml",
            "--policies", kubernetes / "policies.toml",
            "--token-file", self.directory / "token",
        )

    def test_the_environment_of_compose_is_understood(self):
        compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
        self.is_understood(**compose["services"]["tollgate"]["environment"] | {
            "TOLLGATE_POLICIES": str(DEPLOY / "compose" / "policies.toml"),
            "TOLLGATE_TOKEN_FILE": str(self.directory / "token"),
        })

    def test_what_the_chart_makes_is_understood(self):
        self.assertTrue(CHARTS)
        for chart in CHARTS:
            objects = [found for found in yaml.safe_load_all(Path(chart).read_text()) if found]
            for found in objects:
                for name, text in found.get("data", {}).items():
                    if found["kind"] == "ConfigMap":
                        (self.directory / name).write_text(text)
            self.is_understood(
                "--config", self.directory / "tollgate.yaml",
                "--policies", self.directory / "policies.yaml",
                "--token-file", self.directory / "token",
                TOLLGATE_REDIS=AWAY,
            )

    def test_the_variables_that_are_set_are_those_of_the_service(self):
        known = set(re.findall(r"TOLLGATE_[A-Z_]+", run("serve", "--help").stdout))
        for path in [*files("file", ".yaml", ".toml", ".service"), DOCUMENTATION]:
            self.assertLessEqual(set(re.findall(r"TOLLGATE_[A-Z_]+", path.read_text())), known, path)

    def test_the_documentation_has_all_flags_and_no_others(self):
        flags = set(re.findall(r"^ {6}(--[a-z-]+)", run("serve", "--help").stdout, re.M))
        table = set(re.findall(r"^\| `(--[a-z-]+)", DOCUMENTATION.read_text(), re.M))
        self.assertEqual(table, flags)

    def test_the_metrics_that_are_asked_for_are_exported_and_all_paths_are_documented(self):
        policies = self.directory / "policies.toml"
        limit = 'limit = "1/min"\n'
        policies.write_text(
            f'[[policy]]\nid = "here"\n{limit}\n[[policy]]\nid = "there"\nmatch = {{ user = "far" }}\n{limit}backend = "redis"\n'
        )
        exported, states, described = self.started(policies)
        wanted = set()
        for path in [DEPLOY / "prometheus/alerts.yaml", DEPLOY / "grafana/dashboard.json"]:
            wanted |= {SERIES.sub("", name) for name in re.findall(r"\btollgate_[a-z_]+", path.read_text())}
        wanted -= {"tollgate_"}
        self.assertLessEqual(wanted, exported, f"not exported: {wanted - exported}")
        if promtool := os.environ.get("PROMTOOL"):
            subprocess.run([promtool, "check", "metrics"], input=states, text=True, check=True, timeout=60)
        # And by their labels' values.
        text = (DEPLOY / "prometheus/alerts.yaml").read_text() + (DEPLOY / "grafana/dashboard.json").read_text()
        for state in re.findall(r'state=\\?"([a-z]+)', text):
            self.assertIn(f'state="{state}"', states)
        # And the documentation has each path; it writes what they have in common once.
        documented = DOCUMENTATION.read_text()
        for path in json.loads(described)["paths"]:
            self.assertIn(f"{path}`", documented)

    def started(self, policies):
        """The names of the metrics once requests were decided, all of their text, and the description of the interface."""
        service = subprocess.Popen(
            [PROGRAM, "serve", "--listen", "127.0.0.1:0", "--policies", policies, "--redis", AWAY, "--log-format", "json"],
            stderr=subprocess.PIPE, text=True,
        )
        try:
            lines = map(json.loads, service.stderr)
            address = next(line["address"] for line in lines if line.get("message") == "listening for HTTP and gRPC")

            def ask(path, body=None):
                try:
                    with urllib.request.urlopen(f"http://{address}{path}", body, timeout=30) as answer:
                        return answer.read().decode()
                except urllib.error.HTTPError as refused:
                    return refused.read().decode()

            ask("/api/rate-limit/check?userID=near")
            ask("/api/rate-limit/check?userID=far")
            # The store is away: a failure.
            ask("/check", json.dumps({"key": "alice", "rate": 1, "interval": 60}).encode())
            text, described = ask("/metrics"), ask("/openapi.json")
        finally:
            service.kill()
            service.communicate()
        return set(re.findall(r"^# TYPE (\S+)", text, re.M)), text, described


if __name__ == "__main__":
    PROGRAM, *CHARTS = sys.argv[1:]
    unittest.main(argv=sys.argv[:1])
