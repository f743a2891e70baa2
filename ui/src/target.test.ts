import { expect, test } from 'vitest'
import { readTarget } from './target'

test('a target is a metric, a sign and a number', () => {
  expect(readTarget('train/loss<0.5')).toEqual({ metric: 'train/loss', below: 0.5, above: null })
  expect(readTarget(' val acc  >  -1e-3 ')).toEqual({ metric: 'val acc', below: null, above: -0.001 })
  expect(readTarget('a<b>c<1')).toEqual({ metric: 'a<b>c', below: 1, above: null })
})

test.each(['', 'loss', 'loss<', '<1', 'loss<x', 'loss<Infinity', 'loss<NaN', 'loss<1e999', 'loss 1', `${'m'.repeat(256)}<1`])(
  'anything else is none: %s', (text) => expect(readTarget(text)).toBeNull(),
)
