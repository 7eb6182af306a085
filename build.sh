#!/usr/bin/env bash
# Builds, checks and tests Karya: `./build.sh` or `./build.sh --target=Check|Test|Simulate|Bench|Publish`.
# Needs the .NET SDK named in global.json, and for tests Postgres, which it installs where it may (docs/testing.md).
# Wherever tests ran, the last line is their sum.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

summary=artifacts/test-results/summary.txt
rm -f "$summary"

dotnet tool restore && dotnet cake build.cake "$@"
status=$?

if [ -f "$summary" ]; then
    cat "$summary"
elif [ "$status" -ne 0 ]; then
    # Something broke before the first test: that is a failure too, and nobody may read it as a clean result.
    echo "0 passed, 1 failed"
fi
exit "$status"
