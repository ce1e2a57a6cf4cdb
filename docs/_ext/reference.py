"""The reference: an entry for every public name, and links to it wherever a text mentions one."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Mapping
from typing import Any

import docstrings
import public_names
from docutils import nodes
from generated import rst_directive
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util.nodes import make_refnode


def package_entries(package: str) -> str:
    """Writes the entries of a package's own names, and where the others that it exports have theirs."""
    elsewhere: list[str] = []
    lines = [f".. automodule:: {package}", "   :no-members:", ""]
    for name, value in public_names.exported(package):
        full = public_names.home(package, name, value)
        if full != f"{package}.{name}":
            elsewhere.append(f":py:obj:`{full}`")
            continue
        lines += [f".. {_kind(value)}:: {full}"]
        if isinstance(value, Mapping):
            lines.append("   :no-value:")
        if inspect.isclass(value):
            lines.append("   :members:")
            if issubclass(value, enum.Enum):
                lines.append("   :undoc-members:")
            hidden = public_names.hidden_bases(package, value)
            if any(not name.startswith("_") for base in hidden for name in vars(base)):
                others = [base.__name__ for base in value.__mro__[1:] if base not in hidden]
                lines.append(f"   :inherited-members: {', '.join(others)}")
            private = public_names.private_members([value, *hidden])
            if excluded := docstrings.attributes_of(value) + private:
                lines.append(f"   :exclude-members: {', '.join(excluded)}")
            if issubclass(value, BaseException):
                lines.append("   :show-inheritance:")
        lines.append("")
    if elsewhere:
        lines += ["Exported from here as well: " + ", ".join(elsewhere) + ".", ""]
    return "\n".join(lines)


def _kind(value: object) -> str:
    if inspect.isclass(value):
        return "autoexception" if issubclass(value, BaseException) else "autoclass"
    return "autofunction" if inspect.isfunction(value) else "autodata"


_OTHERS = ("Host", "Schedule")
"""Words that mean something else in most texts: a header of HTTP, what another framework has."""


class LinkLiterals(SphinxTransform):
    """Makes a link of each literal that is a public name, such as ``Conn.write``."""

    default_priority = 450

    def apply(self, **kwargs: Any) -> None:
        """Called by Sphinx for each page."""
        entries = public_names.entries()
        for literal in list(self.document.findall(nodes.literal)):
            target = entries.get(literal.astext().partition("(")[0])
            if target is None or not isinstance(literal.parent, nodes.TextElement) or _linked(literal):
                continue
            if literal.astext() in _OTHERS:
                continue
            link = addnodes.pending_xref(
                "", refdomain="py", reftype="obj", reftarget=target, refexplicit=True, refwarn=True
            )
            link["refdoc"] = self.env.docname
            link += literal.deepcopy()
            literal.replace_self(link)


def _linked(node: nodes.Node) -> bool:
    while node is not None:
        if isinstance(node, nodes.reference | addnodes.pending_xref | nodes.title):
            return True
        node = node.parent
    return False


def find_home(app: Sphinx, env: BuildEnvironment, node: Any, content: nodes.Element) -> nodes.Element | None:
    """Leads a name as the code spells it, such as the module that defines it, to its entry."""
    if node.get("refdomain") != "py":
        return None
    target = public_names.entry_of(node.get("reftarget", ""))
    if target == "":
        return content
    found = env.domains["py"].objects.get(target or "")  # type: ignore[attr-defined]
    if found is None:
        return None
    return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, content, target)


def setup(app: Sphinx) -> None:
    """Registers the directive, the links, and the way to them."""
    app.add_directive("api", rst_directive(package_entries, arguments=1))
    app.add_transform(LinkLiterals)
    app.connect("missing-reference", find_home)
