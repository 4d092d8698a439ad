"""The models of a provider as rows: from its preset's own table, or from the catalogue, with the quirks of their families."""

from collections.abc import Mapping

import msgspec

from dragoman import providers as shipped
from dragoman.catalog import Catalogue
from dragoman.catalog.files import Row
from dragoman.dialects import Dialect

_DEPRECATED = "deprecated"


class Shelf:
    """What is shipped of one provider's models: its preset, and the part of the catalogue that tells of it."""

    def __init__(self, preset: shipped.Provider | None, catalog: str | None, catalogue: Catalogue) -> None:
        """`catalog` is the name that models.dev has for the provider, if not the preset's."""
        self._preset = preset
        self._catalog = catalog or (preset.catalog if preset else None)
        self._catalogue = catalogue

    def rows(self, protocol: str | None) -> Mapping[str, shipped.Model]:
        """Return the models that can be talked to, by their ids; `protocol` is spoken by those of no other."""
        if self._preset is not None and self._preset.table is not None:
            return shipped.table_of(self._preset)
        if self._catalog is None:
            return {}
        known = self._catalogue.rows(self._catalog).values()
        return {row.id: self._model(row.id, row, protocol) for row in known if row.converses and self._shows(row.id)}

    def row(self, model: str, protocol: str | None) -> shipped.Model | None:
        """Return what is known of one model, listed or not; None when only its id is."""
        if self._preset is not None and self._preset.table is not None:
            return None
        row = self._catalogue.rows(self._catalog).get(model) if self._catalog else None
        if row is None and self._preset is None:
            return None
        return self._model(model, row, protocol)

    def _shows(self, model: str) -> bool:
        return self._preset is None or self._preset.shows(model)

    def _model(self, id: str, row: Row | None, protocol: str | None) -> shipped.Model:
        spoken = protocol or ""
        family = self._preset.family_of(id) if self._preset else shipped.Family("*", shipped.reference(spoken))
        model = shipped.Model(
            id, family.protocol or (self._preset.protocol if self._preset else spoken), family.dialect
        )
        if row is None:
            return model
        return msgspec.structs.replace(
            model,
            dialect=_fitting(family.dialect, row),
            context=row.context,
            max_output=row.max_output,
            inputs=row.inputs,
            tools=row.tools,
            reasoning=row.reasoning,
            status=_DEPRECATED if row.status == _DEPRECATED else "active",
            cost=row.cost,
        )


def _fitting(dialect: Dialect, row: Row) -> Dialect:
    """Return a family's dialect, less what the catalogue says that this model does not take: a temperature, an effort."""
    if dialect.sampling and not row.sampling:
        dialect = msgspec.structs.replace(dialect, sampling=False)
    if dialect.efforts and not row.reasoning:
        dialect = msgspec.structs.replace(dialect, efforts=(), thinking_switch=None)
    return dialect
