"""What people change on the page: names, tags and notes of runs, and whether a run is there."""

from __future__ import annotations

from stepwell.catalog import components, entities, notes, tags, trials
from stepwell.catalog.tables import component
from stepwell.model.errors import NotFoundError, ValidationError
from stepwell.model.experiments import Kind, Tag
from stepwell.server.studio.answers import NoteDocument, RunDetailDocument
from stepwell.server.studio.requests import NoteRequest, RunPatch, decode
from stepwell.server.studio.runs import detail_of, note_document
from stepwell.server.studio.service import Answer, Asked, Endpoint, Studio, answer

_NOTHING = Answer([], status=204)


def _update(studio: Studio, asked: Asked) -> Answer:
    patch = decode(asked.body, RunPatch)
    name = asked.path["name"]
    with studio.control.writing(asked.author) as work:
        found = components.find(work, name)
        values = {} if patch.display_name is None else {"display_name": patch.display_name}
        entities.update(work, component, found.id, values)
        gone = [key for key, value in patch.tags.items() if value is None]
        kept = [Tag(key, value) for key, value in patch.tags.items() if value is not None]
        tags.remove(work.connection, Kind.COMPONENT, found.id, gone)
        tags.add(work.connection, Kind.COMPONENT, found.id, kept)
    return answer(detail_of(studio, asked, name))


def _delete(studio: Studio, asked: Asked) -> Answer:
    with studio.control.writing(asked.author) as work:
        found = components.find(work, asked.path["name"])
        trials.disassociate_all(work.connection, found.id)
        studio.control.components.delete(work, found.name)
    return _NOTHING


def _add_note(studio: Studio, asked: Asked) -> Answer:
    request = decode(asked.body, NoteRequest)
    if not request.text.strip():
        raise ValidationError(["Value at 'text' must not be blank"])
    with studio.control.writing(asked.author) as work:
        found = components.find(work, asked.path["name"])
        made = notes.add(work, found.id, request.metric, request.step, request.text)
        entities.update(work, component, found.id, {})
    return answer(note_document(made))


def _remove_note(studio: Studio, asked: Asked) -> Answer:
    text = asked.path["id"]
    if not (text.isascii() and text.isdecimal() and len(text) < 19):  # noqa: PLR2004 - int64
        msg = "The run has no such note."
        raise NotFoundError(msg)
    with studio.control.writing(asked.author) as work:
        found = components.find(work, asked.path["name"])
        notes.remove(work.connection, found.id, int(text))
        entities.update(work, component, found.id, {})
    return _NOTHING


ENDPOINTS = [
    Endpoint(
        "PATCH",
        "runs/{name}",
        "UpdateRun",
        "Give a run another display name, or other tags.",
        _update,
        RunPatch,
        RunDetailDocument,
    ),
    Endpoint(
        "DELETE",
        "runs/{name}",
        "DeleteRun",
        "Take a run out of its trials and delete it, with its points.",
        _delete,
    ),
    Endpoint(
        "POST",
        "runs/{name}/notes",
        "CreateNote",
        "Note something at a step of a run.",
        _add_note,
        NoteRequest,
        NoteDocument,
    ),
    Endpoint(
        "DELETE",
        "runs/{name}/notes/{id}",
        "DeleteNote",
        "Remove a note.",
        _remove_note,
    ),
]
