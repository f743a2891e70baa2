/** A target as it is typed and as the address has it: a metric, < or >, and a number. */

export interface Target {
  metric: string
  below: number | null
  above: number | null
}

export const TARGET_RULE = 'Write a metric, < or >, and a number: train/loss < 0.5'

/** Read a target; null: it is none. A metric's name may have such signs too: the last one counts. */
export function readTarget(text: string): Target | null {
  const [, metric, sign, bound] = /^\s*(.*\S)\s*([<>])\s*(\S+)\s*$/su.exec(text) ?? []
  const value = Number(bound)
  if (metric === undefined || metric.length > 255 || !Number.isFinite(value)) return null
  return { metric, below: sign === '<' ? value : null, above: sign === '>' ? value : null }
}
