/** One chart on the screen. The only file that knows uPlot: it has the axes, draw.ts the lines. */

import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { drawScene, mapping, type Mapping, type Style } from './draw'
import type { Scene } from './scene'
import { arcsinhTicks, linearTicks, logTicks, tickLabels, timeTicks } from './ticks'

export interface PlotStyle extends Style {
  grid: string
}

const AXIS_FONT_PX = 11
const GAP_PX = { top: 8, right: 14 }

export class Plot {
  private chart: uPlot | null = null
  private scene: Scene | null = null
  private size = { width: 0, height: 0 }
  private scale = ''

  constructor(
    private readonly host: HTMLElement,
    private style: PlotStyle,
    private readonly onLayout: (box: { left: number; top: number; width: number; height: number }) => void,
  ) {}

  show(scene: Scene, width: number, height: number, style: PlotStyle): void {
    // What uPlot cannot change in a chart that it has made.
    const scale = scene.scale === 'arcsinh' ? `arcsinh ${scene.threshold}` : scene.scale === 'log' ? 'log' : ''
    this.style = style
    this.scene = scene
    if (this.chart && scale !== this.scale) this.destroy()
    this.scale = scale
    if (!this.chart) {
      this.size = { width, height }
      this.chart = this.make(width, height)
      return
    }
    this.rescale(this.chart, width, height)
  }

  /** Draw again: another line is lit. */
  redraw(style: PlotStyle): void {
    this.style = style
    this.chart?.batch((chart: uPlot) => chart.redraw(false, true))
  }

  /** In one batch, that is drawn once and at once: whoever counts the time sees all of it. */
  private rescale(chart: uPlot, width: number, height: number): void {
    const { x, y } = this.scene!
    chart.batch(() => {
      if (width !== this.size.width || height !== this.size.height) {
        this.size = { width, height }
        chart.setSize({ width, height })
      }
      chart.setData([[x[0], x[1]], [null, null]] as uPlot.AlignedData, false)
      chart.setScale('x', { min: x[0], max: x[1] })
      chart.setScale('y', { min: y[0], max: y[1] })
      chart.redraw(false, true)
    })
  }

  /** Place of the plot inside the host, in CSS pixels. */
  private box(chart: uPlot): { left: number; top: number; width: number; height: number } {
    const ratio = uPlot.pxRatio
    const { left, top, width, height } = chart.bbox
    return { left: left / ratio, top: top / ratio, width: width / ratio, height: height / ratio }
  }

  /** The mapping in CSS pixels of the host. */
  map(): Mapping | null {
    return this.chart && this.scene ? mapping(this.scene, this.box(this.chart), 1) : null
  }

  canvas(): HTMLCanvasElement | null {
    return this.chart?.ctx.canvas ?? null
  }

  private make(width: number, height: number): uPlot {
    const font = () => `${AXIS_FONT_PX}px ${this.style.font}`
    const range = (key: 'x' | 'y'): uPlot.Range.Function => () => [...this.scene![key]]
    const axis = (): Partial<uPlot.Axis> => ({
      stroke: () => this.style.muted,
      grid: { stroke: () => this.style.grid, width: 1 },
      ticks: { show: false },
      font: font(),
    })
    const chart = new uPlot({
      width,
      height,
      padding: [GAP_PX.top, GAP_PX.right, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, range: range('x') },
        y: { range: range('y'), ...this.bend() },
      },
      axes: [
        {
          ...axis(), size: 26, gap: 6,
          splits: (self) => this.xTicks(self),
          values: (_, ticks) => tickLabels(this.scene!.axis, ticks),
        },
        {
          ...axis(), gap: 6,
          size: (self, labels) => this.labelWidth(self, labels),
          splits: (self) => this.yTicks(self),
          filter: (_, ticks) => ticks,
          values: (_, ticks) => tickLabels('value', ticks),
        },
      ],
      series: [{}, { show: true, paths: () => null, points: { show: false } }],
      hooks: { draw: [(self) => this.draw(self)] },
    }, [[this.scene!.x[0], this.scene!.x[1]], [null, null]] as uPlot.AlignedData, (self, init) => {
      this.host.append(self.root)
      self.batch(() => init())
    })
    return chart
  }

  private bend(): uPlot.Scale {
    const { scale, threshold } = this.scene!
    return scale === 'arcsinh' ? { distr: 4, asinh: threshold } : { distr: scale === 'log' ? 3 : 1 }
  }

  private xTicks(chart: uPlot): number[] {
    const { axis, x } = this.scene!
    const wanted = Math.max(2, Math.floor((chart.bbox.width / uPlot.pxRatio || this.size.width) / 85))
    if (axis === 'step') return linearTicks(x[0], x[1], wanted).filter(Number.isInteger)
    return timeTicks(x[0], x[1], wanted, axis === 'wall')
  }

  private yTicks(chart: uPlot): number[] {
    const { y } = this.scene!
    const wanted = Math.max(2, Math.floor((chart.bbox.height / uPlot.pxRatio || this.size.height) / 38))
    const { scale, threshold } = this.scene!
    if (scale === 'arcsinh') return arcsinhTicks(y[0], y[1], threshold, wanted)
    return scale === 'log' ? logTicks(y[0], y[1], wanted) : linearTicks(y[0], y[1], wanted)
  }

  private labelWidth(chart: uPlot, labels: string[] | null): number {
    const longest = (labels ?? []).reduce((most, each) => (each && each.length > most.length ? each : most), '')
    if (longest === '') return 34
    chart.ctx.font = `${AXIS_FONT_PX * uPlot.pxRatio}px ${this.style.font}`
    return Math.ceil(chart.ctx.measureText(longest).width / uPlot.pxRatio) + 14
  }

  private draw(chart: uPlot): void {
    if (!this.scene) return
    const ratio = uPlot.pxRatio
    const { left, top, width, height } = chart.bbox
    if (!(width > 0) || !(height > 0)) return
    drawScene(chart.ctx, this.scene, mapping(this.scene, { left, top, width, height }, ratio), this.style)
    this.onLayout(this.box(chart))
  }

  destroy(): void {
    this.chart?.destroy()
    this.chart = null
  }
}

/** The chart with its title as a picture of its own. */
export function picture(
  plot: Plot, title: string, labels: { text: string; color: string }[], note: string,
  colors: { paper: string; text: string; muted: string; font: string },
): Promise<Blob | null> {
  const source = plot.canvas()
  if (!source) return Promise.resolve(null)
  const ratio = uPlot.pxRatio
  const pad = 16 * ratio
  const rows = labels.slice(0, 24)
  const canvas = document.createElement('canvas')
  canvas.width = source.width + 2 * pad
  canvas.height = source.height + (58 + 18 * rows.length) * ratio + 2 * pad
  const context = canvas.getContext('2d')!
  context.fillStyle = colors.paper
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.fillStyle = colors.text
  context.textBaseline = 'top'
  context.font = `600 ${15 * ratio}px ${colors.font}`
  context.fillText(title, pad, pad)
  context.drawImage(source, pad, pad + 28 * ratio)
  let y = pad + 36 * ratio + source.height
  context.font = `${12 * ratio}px ${colors.font}`
  for (const { text, color } of rows) {
    context.fillStyle = color
    context.fillRect(pad, y + 5 * ratio, 14 * ratio, 3 * ratio)
    context.fillStyle = colors.text
    context.fillText(text, pad + 22 * ratio, y)
    y += 18 * ratio
  }
  context.fillStyle = colors.muted
  context.fillText(note, pad, y)
  return new Promise((done) => canvas.toBlob(done, 'image/png'))
}
