"""What can be asked: filters, combined by and/or, as deep as the wire lets it be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

#: Filters and expressions in one search, all levels together. Source: the API's documentation.
PARTS_MAX = 50


class Operator(StrEnum):
    """How a property is compared, spelled as on the wire."""

    EQUALS = "Equals"
    NOT_EQUALS = "NotEquals"
    GREATER = "GreaterThan"
    GREATER_OR_EQUAL = "GreaterThanOrEqualTo"
    LESS = "LessThan"
    LESS_OR_EQUAL = "LessThanOrEqualTo"
    CONTAINS = "Contains"
    EXISTS = "Exists"
    NOT_EXISTS = "NotExists"
    IN = "In"


#: The operators that ask for an order, which texts do not have.
ORDERED = frozenset(
    {Operator.GREATER, Operator.GREATER_OR_EQUAL, Operator.LESS, Operator.LESS_OR_EQUAL}
)
#: The operators that take no value.
WITHOUT_VALUE = frozenset({Operator.EXISTS, Operator.NOT_EXISTS})


@dataclass(frozen=True, slots=True)
class Filter:
    """One comparison. `value` is text, as on the wire; what it means is the property's business."""

    name: str
    operator: Operator
    value: str | None


@dataclass(frozen=True, slots=True)
class NestedFilters:
    """Comparisons that must all hold for one and the same element of a list property."""

    name: str
    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Expression:
    """Filters, nested filters and expressions of which all, or any, must hold."""

    filters: tuple[Filter, ...] = ()
    nested: tuple[NestedFilters, ...] = ()
    parts: tuple[Expression, ...] = ()
    is_any: bool = False

    def names(self) -> set[str]:
        """Collect every property that is compared."""
        found = {each.name for each in self.filters}
        for nested in self.nested:
            found.update(each.name for each in nested.filters)
        return found.union(*(part.names() for part in self.parts))

    def size(self) -> int:
        """Count filters and expressions."""
        nested = sum(len(each.filters) for each in self.nested)
        return len(self.filters) + nested + sum(1 + part.size() for part in self.parts)
