"""What depends on a table or view of PostgreSQL, kept while that is replaced by another one.

PostgreSQL's views are bound to the table itself and not to its name: before the table can go, they must. Within one
transaction they are dropped and made again from their own definitions, with their grants, comments and options. Knows
no driver but its cursor.
"""

from __future__ import annotations

from typing import Any, NamedTuple

_DEPENDENTS = """
with recursive below(oid, depth) as (
  select r.ev_class, 1
  from pg_depend d join pg_rewrite r on r.oid = d.objid
  where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass
    and d.refobjid = %(oid)s and r.ev_class <> %(oid)s
  union
  select r.ev_class, b.depth + 1
  from below b
  join pg_depend d on d.refobjid = b.oid and d.refclassid = 'pg_class'::regclass and d.classid = 'pg_rewrite'::regclass
  join pg_rewrite r on r.oid = d.objid
  where r.ev_class <> b.oid and b.depth < 100
)
select c.oid, format('%%I.%%I', n.nspname, c.relname), pg_get_viewdef(c.oid),
  coalesce(array_to_string(c.reloptions, ', '), ''), pg_get_userbyid(c.relowner) = current_user
from below b join pg_class c on c.oid = b.oid join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'v'
group by c.oid, n.nspname, c.relname, c.reloptions, c.relowner
order by max(b.depth), c.oid
"""
_BESIDES = """
select format('grant %%s on %%I.%%I to %%s%%s', a.privilege_type, n.nspname, c.relname,
  case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end,
  case when a.is_grantable then ' with grant option' else '' end)
from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) a
where c.oid = %(oid)s and a.grantee <> c.relowner and a.grantor = c.relowner
union all
select format('comment on %%s %%I.%%I is %%L', case when c.relkind = 'v' then 'view' else 'table' end,
  n.nspname, c.relname, d.description)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
join pg_description d on d.objoid = c.oid and d.classoid = 'pg_class'::regclass and d.objsubid = 0
where c.oid = %(oid)s
"""


class View(NamedTuple):
    """A view as it was. `besides` are the statements of its grants and its comment."""

    name: str
    definition: str
    options: str
    besides: tuple[str, ...]


class ViewLostError(Exception):
    """A view cannot be made again on what replaces its table; the cause is the driver's error."""

    def __init__(self, view: str) -> None:
        super().__init__(view)
        self.view = view


def dependents(cursor: Any, oid: int) -> list[View]:
    """The views that read a table or view, directly or through others, each after those that it reads."""
    rows = cursor.execute(_DEPENDENTS, {"oid": oid}).fetchall()
    return [View(name, definition, options, besides(cursor, view)) for view, name, definition, options, _ in rows]


def besides(cursor: Any, oid: int) -> tuple[str, ...]:
    """The statements that give a table or view of the same name and kind the grants and the comment of this one."""
    return tuple(row[0] for row in cursor.execute(_BESIDES, {"oid": oid}).fetchall())


def drop(cursor: Any, views: list[View]) -> None:
    """Drop views, those first that read others."""
    for view in reversed(views):
        cursor.execute(f"drop view {view.name}")


def make_again(cursor: Any, views: list[View]) -> None:
    """Make views as they were.

    Raises:
        ViewLostError: one reads a column that is no longer there.
    """
    import psycopg  # loaded long since

    for view in views:
        options = f" with ({view.options})" if view.options else ""
        try:
            cursor.execute(f"create view {view.name}{options} as {view.definition}")
            for statement in view.besides:
                cursor.execute(statement)
        except psycopg.Error as error:
            raise ViewLostError(view.name) from error
