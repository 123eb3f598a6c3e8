"""What the pages call the fields of a source: our words for them, else the source's."""

from __future__ import annotations

from endpoint.language import Language


def field_name(code: str, language: Language, label: str | None = None) -> str:
    """What to call a field: our words for it; else the source's, the label it has there; else its own name.

    >>> field_name("lots.award_date", Language("en"))
    'Lots: Date of award'
    """
    group = code.rpartition(".")[0]
    word = column_name(code, language, label)
    return f"{group_name(group, language)}: {word}" if group else word


def column_name(code: str, language: Language, label: str | None = None) -> str:
    """What to call a field or a column of a group, without the group."""
    column = code.rpartition(".")[2]
    word = language.get(f"field.{code}") or language.get(f"field.{column}")
    return word or (label or "").rstrip(" :") or column.replace("_", " ")


def group_name(group: str, language: Language) -> str:
    """What to call a group of rows."""
    return language.get(f"group.{group}") or group.replace("_", " ")
