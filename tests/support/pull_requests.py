"""A shop in a git repository, and the typical changes that people ask others to review."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from support.repositories import commit, git

MANIFEST = """\
version: 1
project: shop
vars: {currency: EUR}
connections:
  warehouse: {type: duckdb, path: data/warehouse.duckdb}
default_connection: warehouse
pools: {warehouse: 2}
environments:
  prod: {connections: {warehouse: {path: /data/prod.duckdb}}}
defaults: {owner: data-team}
assets:
  - name: rates
    owner: finance
    observe: {path: rates.csv}
  - name: raw_orders
    command: {shell: "python load.py > orders.csv"}
    output: {path: orders.csv}
    freshness: {max_lag: 6h, warn_lag: 4h}
  - name: orders
    command: {sql: sql/orders.sql}
    output: {table: orders}
    upstreams: [raw_orders]
    checks:
      - {not_null: [id]}
      - {unique: [id], blocking: true}
  - name: revenue
    command: {sql: sql/revenue.sql}
    output: {table: revenue}
    upstreams: [rates]
  - name: features
    owner: [ml-team, data-team]
    command: {python: "ml.features:build"}
    output: {path: features.csv}
    upstreams: [orders]
    freshness: {max_lag: 24h}
  - name: model
    owner: ml-team
    command: {python: "ml.model:train"}
    output: {path: model.txt}
    upstreams: [features]
  - name: report
    owner: finance
    group: marts
    command: {sql: "select currency, total from revenue"}
    output: {table: report, materialization: view}
"""
ORDERS = """\
-- one row per order
select id, customer, amount, '${vars.currency}' as currency
from read_csv('orders.csv')
"""
FILES: Mapping[str, str] = {
    ".gitignore": ".assets/\n*.log\n",
    "README.md": "A shop.\n",
    "assets.yml": MANIFEST,
    "rates.csv": "EUR,1\n",
    "load.py": "print('id,customer,amount')\nprint('1,ada,2')\n",
    "sql/orders.sql": ORDERS,
    "sql/revenue.sql": "select currency, sum(amount) as total, count(*) as orders\nfrom orders\ngroup by currency\n",
    "ml/__init__.py": "",
    "ml/common.py": "FIELDS = ['id', 'amount']\n",
    "ml/features.py": "from ml.common import FIELDS\n\n\ndef build(orders: str) -> None:\n    print(FIELDS)\n",
    "ml/model.py": "from ml import common\n\n\ndef train(context) -> None:\n    print(common.FIELDS)\n",
}


def repository(root: Path, folder: str = "") -> Path:
    """The shop, committed on `main`, in a folder of a new repository; the folder."""
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "--quiet", "--initial-branch", "main")
    commit(root, {f"{folder}/{name}" if folder else name: text for name, text in FILES.items()}, "The shop")
    return root / folder


def replace(root: Path, name: str, old: str, new: str) -> None:
    """Replace a text that is there in a file."""
    text = (root / name).read_text()
    assert old in text, old
    (root / name).write_text(text.replace(old, new))


def new_asset(root: Path) -> None:
    """An asset that reads two others, in a file that was not added yet."""
    (root / "sql/refunds.sql").write_text("select id, amount from orders where amount < 0\n")
    with (root / "assets.yml").open("a") as file:
        file.write("  - name: refunds\n    command: {sql: sql/refunds.sql}\n    output: {table: refunds}\n")


def removed_with_readers(root: Path) -> None:
    """An asset goes, and the one that read it reads something else."""
    text = (root / "assets.yml").read_text()
    start, end = text.index("  - name: revenue"), text.index("  - name: features")
    (root / "assets.yml").write_text(text[:start] + text[end:])
    replace(
        root, "assets.yml", "select currency, total from revenue", "select currency, sum(amount) from orders group by 1"
    )


def renamed(root: Path) -> None:
    """A rename that says so."""
    replace(root, "assets.yml", "  - name: raw_orders\n", "  - name: landing/orders\n    moved: {from: raw_orders}\n")
    replace(root, "assets.yml", "upstreams: [raw_orders]", "upstreams: [landing/orders]")


def renamed_in_silence(root: Path) -> None:
    """A rename that does not."""
    replace(root, "assets.yml", "  - name: model\n", "  - name: clv_model\n")


def dropped_column(root: Path) -> None:
    """SQL that gives a column no more."""
    replace(root, "sql/orders.sql", "select id, customer, amount,", "select id, customer,")


def cosmetic(root: Path) -> None:
    """Comments and layout, of SQL, Python and the manifest."""
    replace(root, "sql/orders.sql", "-- one row per order\nselect id,", "/* one row for each order */\nSELECT   id,\n ")
    replace(root, "ml/common.py", "FIELDS = [", "# what counts\nFIELDS = [  # in this order\n    ")
    replace(root, "assets.yml", "version: 1\n", "# the shop\nversion: 1\n")
    replace(root, "assets.yml", "    owner: [ml-team, data-team]\n", "    owner:\n      - ml-team\n      - data-team\n")


def shared_module(root: Path) -> None:
    """A module that two assets import."""
    replace(root, "ml/common.py", "'id', 'amount'", "'id', 'customer', 'amount'")


def loosened_promise(root: Path) -> None:
    """One promise is loosened, one tightened, one withdrawn, and a check blocks no more."""
    replace(root, "assets.yml", "{max_lag: 6h, warn_lag: 4h}", "{max_lag: 12h, warn_lag: 2h}")
    replace(root, "assets.yml", "    freshness: {max_lag: 24h}\n", "")
    replace(root, "assets.yml", "{unique: [id], blocking: true}", "{unique: [id]}")


def new_owner(root: Path) -> None:
    """What is said about an asset."""
    replace(
        root,
        "assets.yml",
        "    owner: finance\n    group: marts",
        "    owner: controlling\n    group: reports\n    tags: [pii]",
    )


def connection_and_environment(root: Path) -> None:
    """A warehouse elsewhere, a pool, another overlay and a new one."""
    replace(root, "assets.yml", "path: data/warehouse.duckdb", "path: data/shop.duckdb")
    replace(root, "assets.yml", "pools: {warehouse: 2}", "pools: {warehouse: 4}")
    replace(
        root,
        "assets.yml",
        "  prod: {connections: {warehouse: {path: /data/prod.duckdb}}}",
        "  prod: {connections: {warehouse: {path: /data/live.duckdb}}}\n  staging: {vars: {currency: USD}}",
    )


def another_currency(root: Path) -> None:
    """The value of a variable that a SQL file takes."""
    replace(root, "assets.yml", "vars: {currency: EUR}", "vars: {currency: USD}")


REQUESTS: Mapping[str, Callable[[Path], None]] = {
    each.__name__: each
    for each in (
        new_asset,
        removed_with_readers,
        renamed,
        renamed_in_silence,
        dropped_column,
        cosmetic,
        shared_module,
        loosened_promise,
        new_owner,
        connection_and_environment,
        another_currency,
    )
}
