#!/bin/sh
# Checks what is handed out beside the program: installs and uninstalls it, and has units, rules,
# configuration and the compose file judged by the tools they are for.
set -eu
cd "$(dirname "$0")/../.."
PATH=$PWD/.build/tools/usr/bin:$PATH
packaging=Sources/Agent/Packaging
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# What was built for the tests is what is installed.
export PREBUILT=1
[ -x .build/release/pgkeep ] || swift build -c release --build-tests

fail() { echo "packaging: $*" >&2; exit 1; }
# quietly WHAT COMMAND...: says what a command said only when it fails.
quietly() {
    what=$1
    shift
    "$@" >"$scratch/said" 2>&1 || { cat "$scratch/said" >&2; fail "$what"; }
}

echo "packaging: install, run, uninstall"
dest=$scratch/dest
mkdir -p "$dest/opt/other/bin"
echo mine >"$dest/opt/other/bin/mine"
for round in first again; do
    quietly "make install, $round" make install DESTDIR="$dest" PREFIX=/opt/pgkeep
done
program=$dest/opt/pgkeep/bin/pgkeep
quietly "the installed program does not run" "$program" --version
for name in share/man/man1/pgkeep.1 share/bash-completion/completions/pgkeep \
    share/zsh/site-functions/_pgkeep share/fish/vendor_completions.d/pgkeep.fish \
    lib/systemd/system/pgkeep-agent.service lib/sysusers.d/pgkeep.conf share/pgkeep/config.yaml \
    share/pgkeep/pgkeep.rules.yml share/pgkeep/dashboard.json; do
    [ -s "$dest/opt/pgkeep/$name" ] || fail "$name is not installed"
done
key=$scratch/vault.key
quietly "the installed program makes no vault" \
    env HOME="$scratch" "$program" vault init "$scratch/vault" --key-file "$key"
quietly "the example of a config file is not understood" \
    env HOME="$scratch" "$program" vault key list --config "$dest/opt/pgkeep/share/pgkeep/config.yaml" \
    --vault "$scratch/vault" --key-file "$key"
quietly "make uninstall" make uninstall DESTDIR="$dest" PREFIX=/opt/pgkeep
left=$(cd "$dest" && find . -mindepth 1 ! -path ./opt ! -path './opt/other*')
[ -z "$left" ] || fail "uninstall leaves: $left"
[ -e "$dest/opt/other/bin/mine" ] || fail "uninstall took what was not ours"

echo "packaging: units"
if command -v systemd-analyze >/dev/null; then
    prefix=$scratch/prefix
    quietly "make install" make install DESTDIR= PREFIX="$prefix"
    # It looks for the program each unit starts, so that is where it was installed.
    systemd-analyze verify --man=no "$prefix"/lib/systemd/system/pgkeep-* >"$scratch/said" 2>&1 \
        || { cat "$scratch/said" >&2; fail "systemd-analyze verify"; }
    # Units of the host itself may be spoken of; of ours nothing may be.
    ! grep -F pgkeep "$scratch/said" >&2 || fail "systemd-analyze verify warns"
    for unit in "$prefix"/lib/systemd/system/pgkeep-*.service; do
        quietly "systemd-analyze security $unit" \
            systemd-analyze security --offline=true --threshold=20 --no-pager "$unit"
    done
    quietly "make uninstall" make uninstall DESTDIR= PREFIX="$prefix"
    [ ! -e "$prefix" ] || fail "uninstall leaves $(find "$prefix")"
else
    echo "packaging: systemd-analyze is missing; make setup installs it"
fi

echo "packaging: rules and scrape configuration"
command -v promtool >/dev/null || fail "promtool is missing; make setup fetches it"
quietly "promtool check rules" promtool check rules "$packaging/monitoring/pgkeep.rules.yml"
quietly "promtool test rules" promtool test rules "$packaging/monitoring/pgkeep.rules-test.yml"
quietly "promtool check config" promtool check config "$packaging/monitoring/prometheus.yml"
quietly "promtool check config" \
    promtool check config --syntax-only "$packaging/compose/prometheus.yml"
quietly "the dashboard is not JSON" python3 -m json.tool "$packaging/monitoring/dashboard.json"

echo "packaging: docker-compose.yml"
quietly "docker-compose.yml is not valid" \
    .build/venv/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
quietly "an image is not pinned" python3 Tests/Scripts/compose-check.py docker-compose.yml
for script in "$packaging"/install.sh "$packaging"/compose/*.sh; do
    quietly "$script" sh -n "$script"
    [ -x "$script" ] || fail "$script cannot be run"
done
echo "packaging: all is well"
