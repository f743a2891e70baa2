/** What the server has said: session, runs, metrics. What is looked at is in view.svelte.ts. */

import * as api from './api'
import { DRAWN_MAX, drawn, groupingOf, groupOf, groups, listed, NO_VALUE, slotsOf, title } from './choose'
import { Live, type Changed, type LiveState } from './live'
import { Loader } from './loader'
import { color, dash, SHAPES, shapes, slotOf, swatch, type Theme } from './palette'
import type { Axis, Experiment, MetricName, MetricRank, PlacedNote, Run, Session } from './types'
import { saved } from './saved'
import { sections } from './sections'
import type { View } from './view'
import { looking } from './view.svelte'

const THEME_KEY = 'stepwell-theme'

class Studio {
  private before = new Map<string, { key: string; value: unknown }>()
  session = $state.raw<Session | null>(null)
  needsKey = $state(false)
  experiments = $state.raw<Experiment[]>([])
  runs = $state.raw<Run[]>([])
  loaded = $state(false)
  metrics = $state.raw<MetricName[]>([])
  metricsLoaded = $state(false)
  /** Notes of the runs that are drawn. */
  notes = $state.raw<Record<string, PlacedNote[]>>({})
  /** The axis that they stand on. */
  notesAxis = $state<Axis>('step')
  ranks = $state.raw<Map<string, MetricRank> | null>(null)
  /** The order that charts are in: the one that is asked for, once its ranks have come. */
  private sortedBy = $state<View['sort']>('name')
  ranking = $state(false)
  /** The ranks have come, or did not have to: before, sorted charts have no former order either. */
  private ranksRead = $state(false)
  live = $state<LiveState>('connecting')
  paused = $state(false)
  busy = $state(false)
  problem = $state('')
  notice = $state('')
  now = $state(Date.now())
  lit = $state<string | null>(null)
  theme = $state<Theme>('light')
  themeChoice = $state<'auto' | Theme>('auto')

  list = $derived(listed(this.runs, looking.now))
  drawn = $derived.by(() => this.kept('drawn', drawn(this.list, looking.now)))
  byName = $derived(new Map(this.runs.map((run) => [run.name, run])))
  /** Charts are to be sorted, and nothing is shown yet. */
  sorting = $derived(looking.now.sort !== 'name' && !this.ranksRead)
  /** In the former order until the ranks for another one have come. */
  private ordered = $derived(
    looking.now.sort === 'name' ? looking.now : { ...looking.now, sort: this.sortedBy })
  sections = $derived(this.sorting ? [] : sections(this.metrics, this.ordered, this.ranks))
  grouping = $derived.by(() => this.kept('grouping', groupingOf(this.list, looking.now)))
  groups = $derived.by(() =>
    this.kept('groups', this.grouping ? groups(this.list, this.grouping) : []))
  /** The values that runs are coloured by, with their slots; empty: each run has its own colour. */
  hues = $derived.by(() => {
    const { color } = looking.now
    const values = color && !this.grouping
      ? groups(this.list, { by: [color], seeds: [], auto: false }) : []
    const slots = slotsOf(values)
    return this.kept('hues', values.map((value, index) => ({ value, slot: slots[index] })))
  })
  private facesOf: unknown = null
  private facesMap = new Map<string, { label: string; slot: number; group: string }>()
  /** How runs are called and coloured, and the group that each is in. */
  private faces = $derived.by(() => {
    const hues = new Map(this.hues.map(({ value, slot }) => [value, slot]))
    const { color } = looking.now
    const slot = (run: Run) => {
      const value = hues.size ? groupOf(run, { by: [color], seeds: [], auto: false }) : ''
      return hues.get(value) ?? slotOf(run)
    }
    const faces = this.runs.map((run) => {
      const group = this.grouping ? groupOf(run, this.grouping) : ''
      return [run.name, { label: title(run), slot: slot(run), group }] as const
    })
    const kept = this.kept('faces', faces)
    if (kept !== this.facesOf) {
      this.facesOf = kept
      this.facesMap = new Map(kept)
    }
    return this.facesMap
  })
  mayWrite = $derived(this.session?.role !== 'read')

  label = (name: string) => this.faces.get(name)?.label ?? name
  slot = (name: string) => this.faces.get(name)?.slot ?? slotOf({ name })
  group = (name: string) => this.faces.get(name)?.group ?? NO_VALUE
  /** As it is drawn: in the colour of its group where runs are grouped. */
  private shown = (name: string) =>
    this.grouping ? Math.max(0, this.groups.indexOf(this.group(name))) : this.slot(name)
  /**
   * What was there before where the new is equal: a list that is read again every second must not
   * draw every chart again.
   */
  private kept<T>(name: string, next: T): T {
    const key = JSON.stringify(next)
    const before = this.before.get(name)
    if (before?.key === key) return before.value as T
    this.before.set(name, { key, value: next })
    return next
  }

  /** Take ranks; null where there are none, and charts stay in the order that they are in. */
  rank(ranks: MetricRank[] | null): void {
    if (ranks || looking.now.sort === 'name') {
      this.ranks = ranks && new Map(ranks.map((rank) => [rank.name, rank]))
      this.sortedBy = looking.now.sort
    }
    this.ranksRead = true
  }

  keepNotes(notes: Record<string, PlacedNote[]>, axis: Axis): void {
    this.notesAxis = axis
    this.notes = this.kept('notes', notes)
  }

  color = (name: string) => color(this.shown(name), this.theme)
  swatch = (name: string) => swatch(this.shown(name), this.theme)
  dash = (name: string) => dash(this.shown(name))
  /** Of all that are drawn: a chart that has fewer of them may need no shapes. */
  private marks = $derived(shapes(this.drawn.map(this.shown)))
  /** The shape along the run's line, or nothing. */
  mark = (name: string) => SHAPES[this.marks.get(this.shown(name)) ?? 0]
}

export const studio = new Studio()

let begun = () => {}
/** The first frame has come: until then, whatever else is asked for would hold it up. */
const firstFrame = new Promise<void>((done) => (begun = done))

export const loader = new Loader(api.frames, (busy, problem) => {
  if (!busy) begun()
  studio.busy = busy
  studio.problem = problem
})

let live: Live | null = null
let asking: Promise<void> | null = null
/** Whose runs the page has; undefined: nobody's so far. */
let account: string | null | undefined

/** Look whether the session is over: then the page asks to sign in, and keeps its view. */
function lookForSession(): Promise<void> {
  asking ??= readSession().catch(() => {}).finally(() => (asking = null))
  return asking
}

async function readSession(): Promise<void> {
  studio.session = await api.session()
  if (studio.session.auth !== 'keys' || studio.session.signed_in) return
  studio.needsKey = true
  live?.stop()
}

api.whenRefused(lookForSession)

/** Runs of the first request: more than are drawn at first, and soon there. */
const FIRST_RUNS = 24
/** So long the rest of the list waits for the first frame: there may be none. */
const FIRST_FRAME_MS = 600
/** How long after the first answers what changed meanwhile is read. */
const SETTLE_MS = 1500

/** Ask who we are and for the newest runs, both at once; then follow. */
export async function open(): Promise<void> {
  const page = api.runsPage(looking.now.experiment, FIRST_RUNS, null).catch(() => null)
  try {
    await readSession()
    studio.problem = ''
  } catch (error) {
    studio.problem = said(error)
    setTimeout(() => void open(), 2000)
    return
  }
  const { auth, signed_in, account: whose } = studio.session!
  if (auth === 'keys' && !signed_in) return
  // Nothing of another account's runs may stay.
  if (account !== undefined && account !== whose) location.reload()
  account = whose
  const anew = studio.needsKey
  studio.needsKey = false
  if (anew) loader.refresh()
  if (saved.data) {
    studio.now = saved.data.saved_ms
    await readRuns()
    return
  }
  live?.stop()
  let opened = false
  live = new Live(api.liveAddress(), (change) => {
    // The connection itself is no news while the first answers are on their way.
    if (change || opened) changed(change)
    else setTimeout(() => changed(null), SETTLE_MS)
    opened = true
  }, (state) => {
    studio.live = state
    if (state === 'lost') void lookForSession()
  })
  live.start(anew)
  await readRuns(await page)
}

export function said(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

let readingRuns = false
let readAgain = false
let experimentRead = ''

/** Read the list of runs; changes that come meanwhile are read by one more turn. */
export async function readRuns(first: api.RunsPage | null = null): Promise<void> {
  if (readingRuns) {
    readAgain = true
    return
  }
  readingRuns = true
  const started = performance.now()
  const experiment = looking.now.experiment
  try {
    if (first) {
      studio.runs = first.runs
      studio.loaded = true
      // At once, and not when the page has made its rows: the first chart waits for it.
      void readMetrics(studio.drawn)
      if (first.next && studio.drawn.length && looking.now.page === 'charts') {
        await Promise.race([firstFrame, new Promise((done) => setTimeout(done, FIRST_FRAME_MS))])
      }
    }
    const [runs, experiments] = await Promise.all([api.runs(experiment, first), api.experiments()])
    studio.runs = runs
    studio.experiments = experiments
    studio.loaded = true
    experimentRead = experiment
    studio.problem = ''
  } catch (error) {
    studio.problem = said(error)
    readAgain = !studio.needsKey
  }
  const spent = performance.now() - started
  setTimeout(() => {
    readingRuns = false
    // While the page is paused, what has changed is not read: going on reads all of it.
    const again = (readAgain && !studio.paused) || experimentRead !== looking.now.experiment
    readAgain = false
    if (again) void readRuns()
  }, Math.max(studio.problem ? 2000 : 700, spent * 4))
}

let metricsOf = ''
let metricsTurn = 0

/** Read the names of the metrics of the runs that are drawn. */
export async function readMetrics(names: string[], force = false): Promise<void> {
  const key = names.join('\n')
  if (key === metricsOf && !force) return
  metricsOf = key
  const turn = ++metricsTurn
  if (!names.length) {
    studio.metrics = []
    studio.metricsLoaded = studio.loaded
    return
  }
  try {
    const metrics = await api.metrics(names.slice(0, 1000))
    if (turn !== metricsTurn) return
    const same = metrics.length === studio.metrics.length
      && metrics.every((metric, index) => metric.name === studio.metrics[index].name)
    if (!same) studio.metrics = metrics
    studio.metricsLoaded = true
  } catch (error) {
    if (turn !== metricsTurn) return
    metricsOf = ''
    studio.problem = said(error)
    setTimeout(() => void readMetrics(studio.drawn), 2000)
  }
}

let rankOf = ''

export async function readRanks(names: string[], by: string, force = false): Promise<void> {
  const key = by + '\n' + names.join('\n')
  if (key === rankOf && !force) return
  rankOf = key
  if (by === 'name' || !names.length) {
    // Where there are no runs yet, there are soon some.
    if (by === 'name') studio.rank(null)
    else studio.ranks = null
    return
  }
  studio.ranking = true
  try {
    const ranks = await api.rank(names.slice(0, 1000), by)
    if (rankOf === key) studio.rank(ranks)
  } catch (error) {
    studio.notice = said(error)
    if (rankOf === key) studio.rank(null)
  }
  if (rankOf === key) studio.ranking = false
}

let notesOf = ''

/** Read the notes of the runs that are drawn, as they stand on an axis. */
export async function readNotes(names: string[], axis: Axis, force = false): Promise<void> {
  const key = axis + '\n' + names.join('\n')
  if (key === notesOf && !force) return
  notesOf = key
  try {
    const notes = names.length ? await api.notes(names.slice(0, DRAWN_MAX), axis) : {}
    if (notesOf === key) studio.keepNotes(notes, axis)
  } catch (error) {
    // Charts are as good without; the next change asks again.
    if (notesOf === key) notesOf = ''
    said(error)
  }
}

let metricsDue = false

function changed(change: Changed | null): void {
  // Also what was to be told a little later; going on tells that everything may have changed.
  if (studio.paused) return
  const shown = new Set(studio.drawn)
  if (!change || change.modified.some((name) => shown.has(name))) {
    void readNotes(studio.drawn, looking.now.x, true)
  }
  const concerns = !change || change.runs.some((name) => shown.has(name))
  void readRuns()
  if (!concerns) return
  loader.touch()
  if (metricsDue) return
  metricsDue = true
  setTimeout(() => {
    metricsDue = false
    void readMetrics(studio.drawn, true)
  }, 900)
}

export function pause(paused: boolean): void {
  studio.paused = paused
  if (paused) loader.hold()
  live?.pause(paused)
}

/** Take the theme that was chosen, or the one of the machine. */
export function chooseTheme(choice: 'auto' | Theme): void {
  studio.themeChoice = choice
  try {
    localStorage.setItem(THEME_KEY, choice)
  } catch {
    // Storage may be forbidden: the choice then lasts as long as the page.
  }
  const dark = choice === 'dark' || (choice === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches)
  studio.theme = dark ? 'dark' : 'light'
  document.documentElement.dataset.theme = studio.theme
}

export function startTheme(): void {
  let stored: string | null = null
  try {
    stored = localStorage.getItem(THEME_KEY)
  } catch {
    // As above.
  }
  chooseTheme(stored === 'dark' || stored === 'light' ? stored : 'auto')
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    chooseTheme(studio.themeChoice)
  })
}
