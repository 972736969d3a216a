"""Mutations that Cosmic Ray lacks, as one more of its operator providers, and the choice of all.

Its operators change tokens; what engineers and merges lose are whole statements and arguments.
"""

import re
from typing import Any

from cosmic_ray import plugins

# One replacement of each operator; others are killed by the same tests. `|` joins types.
CHOSEN = re.compile(
    r"service/|core/(AddNot|ExceptionReplacer|NumberReplacer|RemoveDecorator|ZeroIterationForLoop"
    r"|Replace(True|False|And|Or|Break|Continue)With\w+|ReplaceUnaryOperator_Delete_Not"
    r"|ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Add|Div_Mul|FloorDiv_Mul|BitAnd_BitOr|Mod_Add)"
    r"|ReplaceComparisonOperator_(Eq_NotEq|NotEq_Eq|Lt_LtE|LtE_Lt|Gt_GtE|GtE_Gt|Is_IsNot|IsNot_Is))"
)
Node = Any  # of Parso, which has no type hints
Position = tuple[tuple[int, int], tuple[int, int]]


class RemoveStatement:
    """Replace a call, an assignment to an attribute, `raise` or `del` by `pass`."""

    @classmethod
    def arguments(cls) -> tuple[()]:
        return ()

    def mutation_positions(self, node: Node) -> list[Position]:
        if node.type != "simple_stmt" or not is_removable(node.children[0]):
            return []
        return [(node.start_pos, node.children[0].end_pos)]

    def mutate(self, node: Node, _: int) -> Node:
        replace_code(node.children[0], "pass")
        return node


class RemoveArgument:
    """Remove a keyword argument of a call."""

    @classmethod
    def arguments(cls) -> tuple[()]:
        return ()

    def mutation_positions(self, node: Node) -> list[Position]:
        """Not lazily, because Cosmic Ray mutates the node between two positions."""
        arguments = [node.children[index] for index in keyword_arguments(node)]
        return [(argument.start_pos, argument.end_pos) for argument in arguments]

    def mutate(self, node: Node, occurrence: int) -> Node:
        index = keyword_arguments(node)[occurrence]
        end = index + 2 if node.children[index + 1 :][:1] == [","] else index + 1
        del node.children[index:end]
        return node


def is_removable(statement: Node) -> bool:
    if statement.type == "expr_stmt":
        return statement.children[0].type in {"power", "atom_expr"}  # not a local name
    return statement.type in {"power", "atom_expr", "raise_stmt", "del_stmt"}


def keyword_arguments(node: Node) -> list[int]:
    """Return the indices of the children that are keyword arguments of a call."""
    children = getattr(node, "children", [])
    if node.type not in {"arglist", "trailer", "decorator"}:
        return []
    return [
        index
        for index, child in enumerate(children)
        if child.type == "argument" and child.children[1] == "="
    ]


def replace_code(node: Node, code: str) -> None:
    """Replace the code of a node, which keeps its position and the whitespace before it."""
    first = node.get_first_leaf()
    leaf = node.get_last_leaf()
    while leaf is not first:
        leaf.value = leaf.prefix = ""
        leaf = leaf.get_previous_leaf()
    first.value = code


def register() -> None:
    operators = {operator.__name__: operator for operator in (RemoveStatement, RemoveArgument)}
    plugins.OPERATOR_PROVIDERS["service"] = operators
