"""The notes of many runs, and where they stand in charts."""

from __future__ import annotations

from collections.abc import Sequence

from stepwell.catalog import notes
from stepwell.catalog.notes import Note
from stepwell.model.errors import StepwellError, StoreError
from stepwell.query.grids import Place, XAxis
from stepwell.query.places import x_of_steps
from stepwell.server.studio.answers import NotedDocument, PlacedNoteDocument
from stepwell.server.studio.framing import x_shown
from stepwell.server.studio.requests import NotesRequest, decode
from stepwell.server.studio.runs import note_document
from stepwell.server.studio.service import Answer, Asked, Endpoint, Studio, answer
from stepwell.store.protocol import SeriesKey


def _notes(studio: Studio, asked: Asked) -> Answer:
    request = decode(asked.body, NotesRequest)
    names = {asked.component(run).name: run for run in request.runs}
    with studio.control.reading(asked.author) as work:
        found = notes.of_components(work, list(names))
    return answer(
        NotedDocument(
            {
                names[name]: [
                    PlacedNoteDocument(
                        **{field: getattr(document, field) for field in document.__struct_fields__},
                        x=x,
                    )
                    for document, x in zip(
                        map(note_document, some),
                        _places(studio, asked, name, some, request.x),
                        strict=True,
                    )
                ]
                for name, some in found.items()
            }
        )
    )


def _places(
    studio: Studio, asked: Asked, name: str, some: Sequence[Note], axis: XAxis
) -> list[float | None]:
    """Say where notes stand along x: on an axis of time, where their series got to their step.

    A note of all metrics goes by the one that has most points.
    """
    if axis is XAxis.STEP:
        return [note.step for note in some]
    component = asked.component(name)
    (overview,) = studio.store.overviews([component])
    (summaries,) = studio.store.summaries([component])
    if overview is None or isinstance(summaries, StoreError) or not summaries:
        return [None for _ in some]
    offset = -overview.first_us if axis is XAxis.RELATIVE else 0
    longest = max(summaries, key=lambda each: each.count).metric
    places: list[float | None] = [None] * len(some)
    for metric in {note.metric or longest for note in some}:
        chosen = [i for i, note in enumerate(some) if (note.metric or longest) == metric]
        with studio.store.view([SeriesKey(component, metric)]) as view:
            (outline,) = view.outlines
            if isinstance(outline, StepwellError):
                continue
            found = x_of_steps(view, outline, Place(axis, offset), [some[i].step for i in chosen])
        for i, x in zip(chosen, found, strict=True):
            places[i] = None if x is None else x_shown(x, axis)
    return places


ENDPOINTS = [
    Endpoint(
        "POST",
        "runs:notes",
        "QueryNotes",
        "List the notes of some runs, and where they stand on an x-axis.",
        _notes,
        NotesRequest,
        NotedDocument,
    ),
]
