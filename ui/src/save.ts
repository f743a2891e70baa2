/** Saves the view as one HTML file with its code and data, which opens anywhere, without a server. */

import * as api from './api'
import { fileName, save } from './export'
import { count } from './format'
import { base64, embedded, inlined, packed, SAVED_ID, type Saved } from './saved'
import { said, studio } from './studio.svelte'
import type { FrameRequest } from './types'
import { format, smoothOf, type View } from './view'
import { looking } from './view.svelte'

const CHARTS_AT_ONCE = 24
const LINES_MAX = 6000
const LINES_AT_ONCE = 9000
/** Rows of 11 columns of float64: 35 MB before they are compressed. */
const ROWS_MAX = 400_000
const BUCKETS = { least: 60, most: 500 }
const SUMMARIES_MAX = 50
const RUNS_MAX = 300
/** A saved page asks nobody for anything. */
const POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; font-src data:; img-src data: blob:"

export async function saveView(): Promise<void> {
  const view = looking.now
  const metrics = view.chart ? [view.chart] : studio.sections.flatMap((section) => section.metrics)
  const runs = [...new Set([...studio.drawn, ...(view.base ? [view.base] : [])])]
  const lines = metrics.length * runs.length
  if (!lines || lines > LINES_MAX || runs.length > RUNS_MAX) {
    studio.notice = lines
      ? `This view has ${count(metrics.length)} charts of ${count(runs.length)} runs. One file holds ${count(LINES_MAX)} lines and ${RUNS_MAX} runs: filter charts or runs.`
      : 'There is nothing to save: no chart is drawn.'
    return
  }
  try {
    const data = await gathered(view, metrics, runs)
    save(new Blob([await page(data)], { type: 'text/html' }), fileName(`stepwell ${view.experiment || 'view'}`, 'html'))
  } catch (error) {
    studio.notice = said(error)
  }
}

async function gathered(view: View, metrics: string[], runs: string[]): Promise<Saved> {
  const room = Math.floor(ROWS_MAX / (metrics.length * runs.length))
  const request: Omit<FrameRequest, 'charts'> = {
    x: view.x, start: view.from, stop: view.to, smooth: smoothOf(view), robust: true,
    buckets: Math.max(BUCKETS.least, Math.min(BUCKETS.most, room)),
  }
  const frames: string[] = []
  const step = Math.max(1, Math.min(CHARTS_AT_ONCE, Math.floor(LINES_AT_ONCE / runs.length)))
  for (let first = 0; first < metrics.length; first += step) {
    const charts = metrics.slice(first, first + step).map((metric) => ({ metric, runs }))
    frames.push(await packed(await api.frameBytes({ ...request, charts })))
  }
  const kept = new Set(runs)
  return {
    form: 1, saved_ms: Date.now(),
    // All runs of the file are drawn, those that were chosen one by one too.
    view: format({ ...view, show: 'all', on: [], off: runs.filter((run) => !studio.drawn.includes(run)), run: '', points: '' }),
    session: { ...studio.session!, auth: 'off', signed_in: false, role: 'read', csrf: null, key_id: null, account: null },
    runs: studio.runs.filter((run) => kept.has(run.name)),
    experiments: studio.experiments,
    metrics: studio.metrics.filter(({ name }) => metrics.includes(name)),
    rank_by: view.sort === 'name' && view.nan ? 'nan' : view.sort,
    ranks: [...(studio.ranks?.values() ?? [])].filter(({ name }) => metrics.includes(name)),
    notes: studio.notes,
    summaries: await api.summaries(
      studio.runs.filter((run) => kept.has(run.name)).map((run) => run.name), metrics.slice(0, SUMMARIES_MAX)),
    request, frames,
  }
}

async function page(data: Saved): Promise<string> {
  const script = document.querySelector<HTMLScriptElement>('script[type=module][src]')!.src
  const sheets = [...document.querySelectorAll<HTMLLinkElement>('link[rel=stylesheet]')]
  const styles = await Promise.all(sheets.map((sheet) => style(sheet.href)))
  const icon = document.querySelector<HTMLLinkElement>('link[rel=icon]')
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="content-security-policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Stepwell</title>
${icon ? `<link rel="icon" href="${await dataUrl(icon.href)}">` : ''}
<style>${styles.join('\n').replace(/<\//g, '<\\/')}</style></head>
<body><div id="studio"></div>
<script type="application/json" id="${SAVED_ID}">${embedded(data)}</script>
<script type="module">${inlined(await (await own(script)).text())}</script></body></html>
`
}

/** A style sheet with what it refers to in place. */
async function style(href: string): Promise<string> {
  const text = await (await own(href)).text()
  const found = new Set([...text.matchAll(/url\(["']?([^)"']+)["']?\)/g)].map(([, url]) => url))
  let whole = text
  for (const url of found) {
    if (!url.startsWith('data:')) whole = whole.replaceAll(url, await dataUrl(new URL(url, href).href))
  }
  return whole
}

async function dataUrl(href: string): Promise<string> {
  const response = await own(href)
  const type = response.headers.get('content-type') ?? 'application/octet-stream'
  return `data:${type};base64,${base64(await response.arrayBuffer())}`
}

/** A part of this very page; the server may have another one by now. */
async function own(href: string): Promise<Response> {
  const response = await fetch(href)
  if (!response.ok) throw new Error('The server has another version by now: load the page again.')
  return response
}
