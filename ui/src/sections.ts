/** Charts in sections by the prefix of their names, and in the order that is asked for. */

import { toNumber } from './format'
import type { MetricName, MetricRank } from './types'
import { filter, type View } from './view'

export interface Section {
  name: string
  metrics: string[]
}

/** What stands before the first separator: "train" of "train/loss" or "train:loss". */
export function prefix(name: string): string {
  const at = name.search(/[/:]/)
  return at > 0 ? name.slice(0, at) : ''
}

/** The name without its section, which stands above it. */
export function suffix(name: string): string {
  const start = prefix(name)
  return start === '' || start.length + 1 === name.length ? name : name.slice(start.length + 1)
}

/** The names of a section's charts: short, unless two would be called the same. */
export function titles({ name, metrics }: Section): Map<string, string> {
  const whole = name === PINNED || name === ALL
  const short = metrics.map((metric) => (whole ? metric : suffix(metric)))
  const used = new Map<string, number>()
  for (const each of short) used.set(each, (used.get(each) ?? 0) + 1)
  return new Map(metrics.map((metric, at) => [metric, used.get(short[at])! > 1 ? metric : short[at]]))
}

export const PINNED = 'pinned'
export const ALL = 'all'

export function sections(
  metrics: MetricName[], view: View, ranks: Map<string, MetricRank> | null,
): Section[] {
  const { test } = filter(view.metrics)
  let names = metrics.map((metric) => metric.name).filter(test)
  if (view.nan) {
    // Until it is known which have any, none is drawn that would go again.
    names = names.filter((name) => (ranks?.get(name)?.nan ?? 0) + (ranks?.get(name)?.inf ?? 0) > 0)
  }
  const pinned = view.pin.filter((name) => names.includes(name))
  const rest = names.filter((name) => !pinned.includes(name))
  const found: Section[] = pinned.length ? [{ name: PINNED, metrics: pinned }] : []
  if (view.sort !== 'name') {
    const sorted = rest.sort((a, b) => weight(ranks, b) - weight(ranks, a) || collate(a, b))
    return sorted.length ? [...found, { name: ALL, metrics: sorted }] : found
  }
  const groups = new Map<string, string[]>()
  for (const name of rest) {
    const group = prefix(name)
    groups.set(group, [...(groups.get(group) ?? []), name])
  }
  const keys = [...groups.keys()].sort((a, b) => Number(a === '') - Number(b === '') || collate(a, b))
  return [...found, ...keys.map((name) => ({ name, metrics: groups.get(name)!.sort(collate) }))]
}

function weight(ranks: Map<string, MetricRank> | null, name: string): number {
  const score = toNumber(ranks?.get(name)?.score)
  return Number.isNaN(score) ? -1 : Number.isFinite(score) ? score : Number.MAX_VALUE
}

const COLLATOR = new Intl.Collator('en', { numeric: true })

function collate(one: string, other: string): number {
  return COLLATOR.compare(one, other)
}
