/** Downloads: the numbers and the picture of what is drawn. */

import { framesCsv } from './api'
import { completeness, smoothText, type Line, type Scene } from './scene'
import { visible } from './format'
import { bandText, noiseText } from './groups'
import { color, dash } from './palette'
import { colors } from './paint'
import { picture } from './picture'
import type { Plot } from './plot'
import { said, studio } from './studio.svelte'
import { smoothOf } from './view'
import { looking } from './view.svelte'

export function save(blob: Blob, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(blob)
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}

/** A file name from a metric's, which may be anything. */
export function fileName(metric: string, kind: string): string {
  const safe = metric.normalize('NFC').replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[-.]+|[-.]+$/g, '')
  return `${safe.slice(0, 80) || 'chart'}.${kind}`
}

export async function saveCsv(metric: string, buckets: number): Promise<void> {
  const { x, from, to } = looking.now
  try {
    const blob = await framesCsv({
      x, buckets, start: from, stop: to,
      charts: [{ metric, runs: studio.drawn.slice(0, 300) }],
      smooth: smoothOf(looking.now),
      robust: false,
    })
    save(blob, fileName(metric, 'csv'))
  } catch (error) {
    studio.notice = said(error)
  }
}

export async function savePng(plot: Plot, scene: Scene): Promise<void> {
  const labels = scene.lines.map((line) => ({
    text: visible(line.label), color: color(line.slot, studio.theme), dash: dash(line.slot),
  }))
  const note = [`x: ${scene.axis}`, completeness(scene)]
  if (scene.smooth) note.push(`smoothed: ${smoothText(scene)}`)
  if (scene.difference) note.push(`difference from ${visible(studio.label(looking.now.base))}`)
  if (scene.band) note.push(bandText(scene.band))
  if (scene.noise) note.push(noiseText(scene.noise))
  const canvas = plot.canvas()
  if (!canvas) return
  const blob = await picture(canvas, plot.ratio(), visible(scene.metric), labels, note, colors(studio.theme))
  if (blob) save(blob, fileName(scene.metric, 'png'))
}

export interface Bucket {
  run: string
  metric: string
  start: number
  stop: number
}

/** How the address spells the bucket whose points are listed. */
export function bucketOf(scene: Scene, line: Line, row: number): string {
  const index = line.bucket[row]
  const owner = line.members.find((member) => member.bucket.includes(index)) ?? line
  const start = scene.start + index * scene.width
  return JSON.stringify([owner.id, scene.metric, start, start + scene.width])
}

export function readBucket(text: string): Bucket | null {
  try {
    const [run, metric, start, stop] = JSON.parse(text) as unknown[]
    const fine = typeof run === 'string' && typeof metric === 'string'
      && typeof start === 'number' && typeof stop === 'number' && start < stop
    return fine ? { run, metric, start, stop } : null
  } catch {
    return null
  }
}
