"""What the compose schema does not say: images are pinned, files that are mounted exist, nothing is
open to other hosts, and ours run as nobody special."""
import os
import re
import subprocess
import sys

from_yaml = (
    "import json, sys, ruamel.yaml; "
    "json.dump(ruamel.yaml.YAML(typ='safe').load(open(sys.argv[1])), sys.stdout)"
)


def load(path):
    import json

    # The validator brings a YAML reader along; this Python need not have one.
    python = os.path.join(".build", "venv", "bin", "python")
    return json.loads(subprocess.check_output([python, "-c", from_yaml, path]))


def check(document):
    for name, service in document["services"].items():
        image = service.get("image", "")
        if "build" not in service:
            yield re.search(r":[v]?\d+\.\d+", image), f"{name}: image {image} is not pinned"
        for base in re.findall(r"^FROM (\S+)", service.get("build", {}).get("dockerfile_inline", ""), re.M):
            yield re.search(r":[\w.-]*\d", base), f"{name}: base {base} is not pinned"
        if "build" in service:
            text = service["build"]["dockerfile_inline"]
            yield "\nUSER pgkeep\n" in text, f"{name}: runs as root"
            for source in re.findall(r"(Sources/\S+\.sh)", text):
                yield os.path.exists(source), f"{name}: {source} is not there"
        for volume in service.get("volumes", []):
            if isinstance(volume, str) and volume.startswith("./"):
                source = volume.split(":")[0]
                yield os.path.exists(source), f"{name}: {source} is not there"
                yield volume.endswith(":ro"), f"{name}: {source} can be written"
            elif isinstance(volume, str) and ":" in volume:
                yield volume.split(":")[0] in document["volumes"], f"{name}: no volume {volume}"
        for port in service.get("ports", []):
            yield str(port).startswith("127.0.0.1:"), f"{name}: port {port} is open to all hosts"
        for other in service.get("depends_on", {}):
            yield other in document["services"], f"{name}: no service {other}"


failures = [message for is_right, message in check(load(sys.argv[1])) if not is_right]
for failure in failures:
    print(failure, file=sys.stderr)
sys.exit(bool(failures))
