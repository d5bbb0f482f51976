"""Which settings are there, and what is said of each? The models of a file, looked at from outside.

A model is a class of fields, each declared once: its kind, its default, and a docstring for people. Mistakes, the JSON
Schema, the README's tables and the test of the examples all read them here.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from lmshooks.config.kinds import Kind, Listed


class Section(BaseModel):
    """A mapping with known keys. One without a value is one with every default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @classmethod
    def __get_pydantic_json_schema__(cls, source: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(source))
        for setting in settings_of(cls):
            drawn = schema["properties"][setting.path[0]]
            drawn["description"] = setting.says
            drawn.pop("title", None)
            drawn.pop("default", None)
            if setting.written is not None:
                drawn["default"] = setting.written
        schema.pop("title", None)
        if not schema.get("required"):
            schema["type"] = ["object", "null"]
        return schema


class Form(NamedTuple):
    """What may stand somewhere: a type, and what is said of it."""

    type: Any
    said: Kind | Listed | None

    @property
    def section(self) -> type[Section] | None:
        """The model, where the type is one."""
        return self.type if isinstance(self.type, type) and issubclass(self.type, Section) else None

    @property
    def inner(self) -> Form:
        """What a list's items, or a mapping's values, may be."""
        parts = get_args(self.type)
        return form_of(parts[1] if get_origin(self.type) is dict else parts[0])

    @property
    def expected(self) -> str:
        """For people."""
        if self.said is not None:
            return self.said.expected
        names = list(self.section.model_fields) if self.section else []
        return f"a mapping of {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}"


def form_of(annotation: Any) -> Form:
    """The form of an annotation, or of a field."""
    said: list[Any] = []
    if isinstance(annotation, FieldInfo):
        said, annotation = list(annotation.metadata), annotation.annotation
    while True:
        origin, parts = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            annotation = parts[0]
            said += parts[1:]
        elif origin in (Union, UnionType):
            annotation = next(part for part in parts if part is not type(None))
        else:
            return Form(annotation, next((each for each in said if isinstance(each, Kind | Listed)), None))


def form_at(model: type[Section], path: tuple[str | int, ...]) -> Form | None:
    """What may stand at a path in a file of this model; None where nothing may."""
    form = Form(model, None)
    for key in path:
        if isinstance(form.said, Kind):
            return form
        if form.section is not None:
            field = form.section.model_fields.get(str(key))
            if field is None:
                return None
            form = form_of(field)
        else:
            form = form.inner
    return form


class Setting(NamedTuple):
    """One line of a table."""

    path: tuple[str, ...]
    says: str
    required: bool
    written: Any
    """The default as it would stand in a file; None where there is none."""
    form: Form

    @property
    def dotted(self) -> str:
        """As people write it."""
        return ".".join(self.path)


def settings_of(model: type[Section]) -> Iterator[Setting]:
    """The fields of one model."""
    says = _docstrings(model)
    for name, field in model.model_fields.items():
        form = form_of(field)
        written = None if field.default is PydanticUndefined else field.default
        if isinstance(written, BaseModel) or written in ((), {}):
            written = None
        elif written is not None and isinstance(form.said, Kind):
            written = form.said.write(written)
        yield Setting((name,), says[name], field.is_required(), written, form)


def all_settings(model: type[Section], above: tuple[str, ...] = ()) -> Iterator[Setting]:
    """The settings of a file that hold a value: sections are entered, `*` stands for a free name or a list's item."""
    for setting in settings_of(model):
        path, inner = (*above, *setting.path), setting.form
        while not isinstance(inner.said, Kind) and get_args(inner.type):
            inner = inner.inner
            if inner.section is not None:
                path = (*path, "*")
        if inner.section is not None:
            yield from all_settings(inner.section, path)
        else:
            yield setting._replace(path=path)


@cache
def _docstrings(model: type[Section]) -> dict[str, str]:
    """What stands below each field. Read from the source, and only when somebody asks: the daemon never does."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: " ".join(inspect.cleandoc(below.value.value).split())
        for field, below in pairwise(body.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
