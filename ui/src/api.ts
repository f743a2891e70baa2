/** The native API. Addresses are relative to the page, so that a path prefix works. */

import { decodeFrame } from './frame'
import { saved } from './saved'
import type { Target } from './target'
import type {
  ChartFrame, Experiment, FrameRequest, MetricName, MetricRank, Note, PlacedNote, RawPoint, Run, RunDetails,
  Session, SummaryColumns, Axis, TargetPoint,
} from './types'

export class ApiError extends Error {
  constructor(readonly status: number, message: string) {
    super(message)
  }
}

let csrf = '1'

/** Asked before a refusal is told: the session may be over. */
let onRefused: () => Promise<void> = async () => {}
export function whenRefused(look: () => Promise<void>): void {
  onRefused = look
}

export function address(path: string): string {
  return new URL('api/v1/' + path, document.baseURI).href
}

function query(values: Record<string, string | number | null | undefined>): string {
  const given = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && value !== undefined && value !== '') given.set(name, String(value))
  }
  const text = given.toString()
  return text && '?' + text
}

async function send(path: string, init: RequestInit = {}): Promise<Response> {
  if (saved.data) {
    const body = typeof init.body === 'string' ? (JSON.parse(init.body) as unknown) : undefined
    const known = saved.answer(path, body)
    if (known === null) throw new ApiError(410, 'A saved view does not have this: only the server does.')
    return Response.json(known)
  }
  let response: Response
  try {
    response = await fetch(address(path), { credentials: 'same-origin', ...init })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new ApiError(0, 'The server does not answer.')
  }
  if (response.ok) return response
  const text = await response.text()
  let message = text.slice(0, 500) || response.statusText
  try {
    const body = JSON.parse(text) as { message?: string; Message?: string }
    message = body.message ?? body.Message ?? message
  } catch {
    // A proxy's own page: its first words must do.
  }
  if ((response.status === 401 || response.status === 403) && path !== 'session') await onRefused()
  throw new ApiError(response.status, message)
}

async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await send(path, { signal })).json()) as T
}

async function post<T>(path: string, body: unknown, method = 'POST', signal?: AbortSignal) {
  const response = await send(path, {
    method,
    signal,
    headers: { 'content-type': 'application/json', 'x-stepwell-csrf': csrf },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await response.text()
  return (text === '' ? undefined : JSON.parse(text)) as T
}

function signedIn(session: Session): Session {
  csrf = session.csrf ?? '1'
  return session
}

export async function session(): Promise<Session> {
  return signedIn(await get<Session>('session'))
}

export async function signIn(key: string, secret: string): Promise<Session> {
  const body = { access_key_id: key, secret_access_key: secret }
  return signedIn(await post<Session>('session', body))
}

export const signOut = () => post<undefined>('session', undefined, 'DELETE')

/** All experiments, page by page. */
export async function experiments(): Promise<Experiment[]> {
  type Page = { experiments: Experiment[]; next: string | null }
  return pages<Experiment>((cursor) =>
    get<Page>('experiments' + query({ limit: 100, cursor })).then((page) => ({
      items: page.experiments, next: page.next,
    })),
  )
}

export interface RunsPage {
  runs: Run[]
  next: string | null
}

/** One page of the runs of an experiment (or of all), newest first. */
export function runsPage(experiment: string, limit: number, cursor: string | null) {
  return get<RunsPage>('runs' + query({ experiment, limit, cursor, sort: 'created', order: 'desc' }))
}

/** All runs, after the page that is there already. */
export async function runs(experiment: string, first: RunsPage | null): Promise<Run[]> {
  if (first && !first.next) return first.runs
  const rest = await pages<Run>(
    (cursor) => runsPage(experiment, 1000, cursor).then((page) => ({ items: page.runs, next: page.next })),
    first?.next ?? null,
  )
  return [...(first?.runs ?? []), ...rest]
}

const PAGES_MAX = 50

async function pages<T>(
  page: (cursor: string | null) => Promise<{ items: T[]; next: string | null }>,
  start: string | null = null,
): Promise<T[]> {
  const all: T[] = []
  let cursor: string | null = start
  for (let index = 0; index < PAGES_MAX; index += 1) {
    const { items, next }: { items: T[]; next: string | null } = await page(cursor)
    all.push(...items)
    if (!next) break
    cursor = next
  }
  return all
}

const runPath = (name: string) => 'runs/' + encodeURIComponent(name)

export const run = (name: string) => get<RunDetails>(runPath(name))
export const changeRun = (
  name: string, patch: { display_name?: string; tags?: Record<string, string | null> },
) => post<Run>(runPath(name), patch, 'PATCH')
export const deleteRun = (name: string) => post<undefined>(runPath(name), undefined, 'DELETE')
export const addNote = (name: string, note: { metric: string | null; step: number; text: string }) =>
  post<Note>(runPath(name) + '/notes', note)
export const notes = (names: string[], x: Axis) =>
  post<{ notes: Record<string, PlacedNote[]> }>('runs:notes', { runs: names, x })
    .then((answer) => answer.notes)
export const deleteNote = (name: string, id: string) =>
  post<undefined>(`${runPath(name)}/notes/${encodeURIComponent(id)}`, undefined, 'DELETE')

export const metrics = (names: string[]) =>
  post<{ metrics: MetricName[] }>('metrics', { runs: names }).then((answer) => answer.metrics)
export const rank = (names: string[], by: string) =>
  post<{ metrics: MetricRank[] }>('metrics:rank', { runs: names, metrics: null, by })
    .then((answer) => answer.metrics)
export const summaries = (names: string[], of: string[]) =>
  post<{ columns: Record<string, SummaryColumns> }>('runs:summaries', { runs: names, metrics: of })
    .then((answer) => answer.columns)

export const targets = (names: string[], target: Target) =>
  post<{ targets: (TargetPoint | null)[] }>('runs:targets', { runs: names, ...target })
    .then((answer) => answer.targets)

export interface FrameAnswer {
  charts: ChartFrame[]
  bytes: number
}

export async function frameBytes(request: FrameRequest, signal?: AbortSignal): Promise<ArrayBuffer> {
  const response = await send('frames', {
    method: 'POST',
    signal,
    headers: { 'content-type': 'application/json', 'x-stepwell-csrf': csrf },
    body: JSON.stringify(request),
  })
  return response.arrayBuffer()
}

export async function frames(request: FrameRequest, signal?: AbortSignal): Promise<FrameAnswer> {
  if (saved.data) return { charts: saved.frames(request), bytes: 0 }
  const buffer = await frameBytes(request, signal)
  return { charts: decodeFrame(buffer), bytes: buffer.byteLength }
}

export async function framesCsv(request: FrameRequest): Promise<Blob> {
  const response = await send('frames.csv', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-stepwell-csrf': csrf },
    body: JSON.stringify(request),
  })
  return response.blob()
}

export interface PointsQuery {
  run: string
  metric: string
  x: Axis
  start: number | null
  stop: number | null
  limit: number
}

export const points = (asked: PointsQuery) =>
  get<{ points: RawPoint[]; total: number; next: string | null }>(
    'points.json' + query({ ...asked }),
  )
export const pointsCsv = (asked: Omit<PointsQuery, 'limit'>) =>
  address('points.csv' + query({ ...asked, limit: 100_000 }))

export const liveAddress = () => address('live')
