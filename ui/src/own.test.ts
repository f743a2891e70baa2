import { expect, test } from 'vitest'
import { own } from './own'

test('names that every object has are those of data, or not there', () => {
  const sent = JSON.parse('{"toString": 1, "__proto__": 2}') as Record<string, number>
  expect(own(sent, 'toString')).toBe(1)
  expect(own(sent, '__proto__')).toBe(2)
  for (const name of ['constructor', 'valueOf', 'hasOwnProperty']) expect(own(sent, name)).toBeUndefined()
  for (const name of ['toString', '__proto__']) expect(own({}, name)).toBeUndefined()
  expect(own(null, 'any')).toBeUndefined()
})
