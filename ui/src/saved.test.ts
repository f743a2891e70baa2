import { expect, test } from 'vitest'
import { base64, embedded, inlined, packed, saved, SAVED_ID, unpacked, type Saved } from './saved'
import { frameOf } from './testing'
import type { Run } from './types'

const DATA: Saved = {
  form: 1, saved_ms: 5, view: '?y=log', session: { auth: 'off', signed_in: false, role: 'read' },
  runs: [{ name: 'a' }, { name: 'b' }] as Run[], experiments: [], metrics: [{ name: 'loss', runs: 1 }],
  rank_by: 'spike', ranks: [], notes: {}, summaries: { loss: { last: [1, 'NaN'], min: [0, null], max: [2, 3], count: [4, 5] } },
  request: { x: 'step', buckets: 10, start: null, stop: null, smooth: null, robust: true }, frames: [],
}

test('bytes come back from text', async () => {
  const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => (index * 7) % 256)
  expect(atob(base64(bytes.buffer))).toHaveLength(bytes.length)
  expect(new Uint8Array(await unpacked(await packed(bytes.buffer)))).toEqual(bytes)
})

test('no name ends the element that data or code stand in', () => {
  const text = embedded({ '</script><img src=x>': '<!--' })
  expect(text).not.toContain('<')
  expect(JSON.parse(text)).toEqual({ '</script><img src=x>': '<!--' })
  expect(inlined('a("</SCRIPT>", `<!---->`)')).toBe('a("<\\/SCRIPT>", `<\\!---->`)')
})

test('a page with data answers out of it, and has no more', async () => {
  const frame = frameOf({
    metric: 'loss', start: 0, stop: 2, width: 1, buckets: 2,
    series: [{ run: 'a', rows: [[0, 0, 3, 3, 3, 3, 1, 0, 0, 0]] }],
  })
  document.body.innerHTML = `<script type="application/json" id="${SAVED_ID}"></script>`
  await saved.load()
  expect(saved.data).toBeNull()
  document.getElementById(SAVED_ID)!.textContent = embedded({ ...DATA, frames: [await packed(frame)] })
  await saved.load()
  const asked = { ...DATA.request, robust: false, charts: [{ metric: 'loss', runs: ['a'] }, { metric: 'none', runs: [] }] }
  const [loss, none] = saved.frames(asked)
  expect([...loss.series[0].columns.mean]).toEqual([3])
  expect(none.series).toEqual([])
  expect(() => saved.frames({ ...asked, x: 'wall' })).toThrow('saved with')
  expect(() => saved.frames({ ...asked, smooth: { kind: 'median', window: 3 } })).toThrow('saved with')
  expect(saved.answer('runs:summaries', { runs: ['b', 'x'], metrics: ['loss', 'y'] })).toEqual({
    columns: {
      loss: { last: ['NaN', null], min: [null, null], max: [3, null], count: [5, null] },
      y: { last: [null, null], min: [null, null], max: [null, null], count: [null, null] },
    },
  })
  expect(saved.answer('points.json?run=a', undefined)).toBeNull()
  expect(saved.answer('runs/a', undefined)).toBeNull()
  expect(saved.answer('metrics:rank', { by: 'spike' })).toEqual({ metrics: [] })
  expect(saved.answer('metrics:rank', { by: 'nan' })).toBeNull()
})
