/** The keyboard. Charts take their own keys first (Chart.svelte). */

import { drawn, toggle } from './choose'
import { clear, cursor, pin } from './cursor.svelte'
import { saveView } from './save'
import { saved } from './saved'
import { pause, studio } from './studio.svelte'
import { change, looking } from './view.svelte'
import { AXES, BANDS, onAxis, SCALES, type View } from './view'

export interface Doors {
  help: () => void
  close: () => void
}

export const KEYS: { title: string; keys: [keys: string[], does: string][] }[] = [
  {
    title: 'Find',
    keys: [
      [['/'], 'filter charts'], [['r'], 'filter runs'], [['j', 'k'], 'next, previous run'],
      [['Space'], 'draw the run or not'], [['a'], 'draw all runs, or the newest'],
      [['o'], 'open the run’s details'],
    ],
  },
  {
    title: 'See',
    keys: [
      [['x'], 'step, relative time, wall time'], [['y'], 'linear, log, arcsinh, robust'],
      [['l'], 'log and back'], [['s', 'S'], 'smooth more, less'], [['v'], 'average or median'], [['t'], 'table of runs, and back'],
      [['+', '−'], 'larger, smaller charts'], [['d'], 'charts that differ most first'],
      [['g'], 'fold seeds, and back'], [['b'], 'band of groups: range, 95 %'],
    ],
  },
  {
    title: 'In a chart',
    keys: [
      [['←', '→'], 'step through points (with Shift: ten)'], [['↑', '↓'], 'line above, below'],
      [['Enter'], 'list the points of the bucket'], [['n'], 'jump to the first NaN'], [['m'], 'write a note at the cursor'],
      [['z', 'Z'], 'nearer, farther'], [['<', '>'], 'earlier, later'],
      [['p'], 'pin the cursor'], [['c'], 'copy what the cursor shows'], [['f'], 'fill the page'],
    ],
  },
  {
    title: 'Go',
    keys: [
      [['['], 'back: undo'], [[']'], 'forward: redo'], [['0'], 'whole x axis'],
      [['Pause', '.'], 'pause and resume'], [['w'], 'save the view as a file'], [['?'], 'this page'], [['Esc'], 'close'],
    ],
  },
]

function next<T>(values: readonly T[], value: T): T {
  return values[(values.indexOf(value) + 1) % values.length]
}

const SMOOTHS = [0, 0.6, 0.9, 0.97, 0.99, 0.999]
const SIZES: View['size'][] = ['s', 'm', 'l']

function focus(id: string): void {
  const field = document.getElementById(id) as HTMLInputElement | null
  field?.focus()
  field?.select()
}

/** Move the keyboard's place in the list of runs. */
function moveRun(by: number): void {
  const names = studio.list.map((run) => run.name)
  if (!names.length) return
  const at = studio.lit === null ? (by > 0 ? -1 : 0) : names.indexOf(studio.lit)
  studio.lit = names[(at + by + names.length) % names.length]
  document.querySelector(`[data-run="${CSS.escape(studio.lit)}"]`)?.scrollIntoView({ block: 'nearest' })
}

function closeOne(doors: Doors): void {
  const view = looking.now
  if (view.points) change({ points: '' })
  else if (view.run) change({ run: '' })
  else if (view.at !== null) pin()
  else if (view.chart) change({ chart: '' })
  else studio.lit = null
  if (looking.now.at === null) clear()
  doors.close()
}

const ACTIONS: Record<string, (doors: Doors) => void> = {
  '/': () => focus('filter-metrics'),
  r: () => focus('filter-runs'),
  j: () => moveRun(1),
  k: () => moveRun(-1),
  ' ': () => {
    if (studio.lit !== null) change(toggle(studio.list, looking.now, studio.lit))
  },
  a: () => {
    const all = drawn(studio.list, looking.now).length === studio.list.length
    change({ show: all ? 'newest' : 'all', on: [], off: [] })
  },
  o: () => {
    if (studio.lit !== null) change({ run: studio.lit })
  },
  x: () => change(onAxis(next(AXES, looking.now.x))),
  y: () => change({ y: next(SCALES, looking.now.y) }),
  l: () => change({ y: looking.now.y === 'log' ? 'linear' : 'log' }),
  s: () => change({ smooth: SMOOTHS.find((each) => each > looking.now.smooth) ?? 0 }, 'smooth'),
  S: () => change({ smooth: SMOOTHS.findLast((each) => each < looking.now.smooth) ?? 0 }, 'smooth'),
  v: () => change({ median: !looking.now.median }),
  d: () => change({ sort: looking.now.sort === 'difference' ? 'name' : 'difference' }),
  g: () => change({ group: '', seeds: studio.grouping?.seeds.length ? 'apart' : 'fold' }),
  b: () => change({ band: next(BANDS, looking.now.band) }),
  t: () => change({ page: looking.now.page === 'table' ? 'charts' : 'table' }),
  '+': () => change({ size: SIZES[Math.min(2, SIZES.indexOf(looking.now.size) + 1)] }),
  '-': () => change({ size: SIZES[Math.max(0, SIZES.indexOf(looking.now.size) - 1)] }),
  f: () => change({ chart: looking.now.chart ? '' : cursor.metric }),
  p: () => pin(),
  '0': () => change({ from: null, to: null }),
  '[': () => history.back(),
  ']': () => history.forward(),
  '.': () => pause(!studio.paused),
  Pause: () => pause(!studio.paused),
  w: () => void saveView(),
  '?': (doors) => doors.help(),
}

/** What a saved view cannot do. */
const SERVER_ONLY = new Set(['x', 's', 'S', 'v', 'w', '.', 'Pause'])

export function keys(event: KeyboardEvent, doors: Doors): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || studio.needsKey) return
  // It has the keyboard to itself, and closes by its own Escape.
  if (document.querySelector('dialog[open]')) return
  const target = event.target as HTMLElement
  const typing = target.closest('input:not([type=radio], [type=checkbox], [type=range]), textarea, select')
  if (event.key === 'Escape') {
    if (typing) target.blur()
    else closeOne(doors)
    return
  }
  if (typing) return
  // A button takes its own space and Enter.
  if (event.key === ' ' && target.closest('button, input, a, summary, [role=application]')) return
  const action = ACTIONS[event.key]
  if (!action || (saved.data && SERVER_ONLY.has(event.key))) return
  event.preventDefault()
  action(doors)
}
