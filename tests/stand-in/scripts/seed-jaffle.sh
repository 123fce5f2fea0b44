#!/bin/bash
# Fills the schema of the demo project. From the root of the repository; PG* says where.
set -euo pipefail

project=(--project-dir examples/full-jaffle-shop-demo/dbt --profiles-dir examples/full-jaffle-shop-demo/profiles)

dbt1.7 deps "${project[@]}"
dbt1.7 seed "${project[@]}" --full-refresh
dbt1.7 run "${project[@]}" --full-refresh --exclude fanouts_sales_targets
