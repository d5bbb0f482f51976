"""How does a listener know who posts? The ways that an entry's `auth` may name, each a section."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from lmshooks.config.kinds import Listed, text
from lmshooks.config.mistakes import Wrong
from lmshooks.config.outline import Section
from lmshooks.config.secrets import secret, signing_key
from lmshooks.core.keys import SigningKey
from lmshooks.core.subscriptions import BasicAuth, BearerAuth, SignatureAuth


class Basic(Section):
    """HTTP Basic."""

    username: Annotated[str, text()]
    """The user."""
    password: Annotated[str, secret()] = Field(repr=False)
    """Their password."""


class Bearer(Section):
    """`Authorization: Bearer`."""

    token: Annotated[str, secret()] = Field(repr=False)
    """The token."""


class Signature(Section):
    """Standard Webhooks."""

    secrets: Annotated[
        tuple[Annotated[SigningKey, signing_key()], ...],
        Field(min_length=1, repr=False),
        Listed("a list of {env: NAME} or {file: PATH}"),
    ]
    """What signs, newest first: whsec_ secrets (v1) and whsk_ private keys (v1a); two while one is rotated."""


class Auth(Section):
    """How a listener knows who posts: one of these."""

    basic: Basic | None = None
    """A user and a password."""
    bearer: Bearer | None = None
    """A token."""
    signature: Signature | None = None
    """A signature."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in Auth.model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise Wrong("one of basic, bearer and signature", " and ".join(given) or "none of them")
        return self

    def value(self) -> BasicAuth | BearerAuth | SignatureAuth:
        """As the core has it."""
        if self.basic:
            return BasicAuth(self.basic.username, self.basic.password)
        if self.bearer:
            return BearerAuth(self.bearer.token)
        assert self.signature
        return SignatureAuth(self.signature.secrets)


class OrNone(Listed):
    """A section, or the word `none`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: None if value == "none" else value, handler(source)
        )

    def __get_pydantic_json_schema__(self, source: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"const": "none"}, *handler(source)["anyOf"]]}
