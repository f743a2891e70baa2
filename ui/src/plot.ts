/** One chart on the screen. The only file that knows uPlot: it has the axes, draw.ts the lines. */

import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { placer } from './bend'
import { drawScene, mapping, type Mapping, type Style } from './draw'
import { labelsOf, type Labels } from './labels'
import type { Scene } from './scene'
import { arcsinhTicks, linearTicks, logTicks, timeTicks } from './ticks'

export interface PlotStyle extends Style {
  grid: string
}

const AXIS_FONT_PX = 11
const GAP_PX = { top: 8, right: 14, offset: 22 }
const APART_PX = { x: 85, y: 38, between: 16 }

export class Plot {
  private chart: uPlot | null = null
  private scene: Scene | null = null
  private size = { width: 0, height: 0 }
  private x: { ticks: number[]; labels: Labels } = { ticks: [], labels: { texts: [], offset: '' } }
  private y = this.x
  /** How far the label of the last tick would reach beyond the chart. */
  private overhang = 0

  constructor(
    private readonly host: HTMLElement,
    private style: PlotStyle,
    private readonly onLayout: (box: { left: number; top: number; width: number; height: number }) => void,
  ) {}

  show(scene: Scene, width: number, height: number, style: PlotStyle): void {
    this.style = style
    this.scene = scene
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
    chart.batch(() => {
      if (width !== this.size.width || height !== this.size.height) {
        this.size = { width, height }
        chart.setSize({ width, height })
      }
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

  /** Device pixels of a CSS pixel. */
  ratio(): number {
    return uPlot.pxRatio
  }

  canvas(): HTMLCanvasElement | null {
    return this.chart?.ctx.canvas ?? null
  }

  private make(width: number, height: number): uPlot {
    const font = () => `${AXIS_FONT_PX}px ${this.style.font}`
    const axis = (): Partial<uPlot.Axis> => ({
      stroke: () => this.style.muted,
      grid: { stroke: () => this.style.grid, width: 1 },
      ticks: { show: false },
      font: font(),
    })
    const chart = new uPlot({
      width,
      height,
      padding: [() => (this.y.labels.offset ? GAP_PX.offset : GAP_PX.top), () => GAP_PX.right + this.overhang, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      // Parts of the plot, from 0 to 1: uPlot has ticks of its own for few numbers only.
      scales: { x: { time: false, range: [0, 1] }, y: { range: [0, 1] } },
      axes: [
        {
          ...axis(), gap: 6,
          // The wall clock has its date in a second line.
          size: () => (this.scene!.axis === 'wall' ? 40 : 26),
          splits: (self) => this.xTicks(self),
          values: () => this.x.labels.texts,
        },
        {
          ...axis(), gap: 6,
          size: (self, labels) => this.labelWidth(self, labels),
          splits: (self) => this.yTicks(self),
          filter: (_, ticks) => ticks,
          values: () => this.y.labels.texts,
        },
      ],
      series: [{}, { show: true, paths: () => null, points: { show: false } }],
      hooks: { draw: [(self) => this.draw(self)] },
    }, [[0, 1], [null, null]] as uPlot.AlignedData, (self, init) => {
      this.host.append(self.root)
      self.batch(() => init())
    })
    return chart
  }

  private xTicks(chart: uPlot): number[] {
    const { axis, x } = this.scene!
    const width = chart.bbox.width / uPlot.pxRatio || this.size.width
    const make = (apart: number) => {
      const wanted = Math.max(2, Math.floor(width / apart))
      const ticks = axis === 'step' ? linearTicks(x[0], x[1], wanted).filter(Number.isInteger)
        : timeTicks(x[0], x[1], wanted, axis === 'wall')
      const labels = labelsOf(axis, ticks)
      return { ticks, labels, longest: this.textWidth(chart, labels.texts) }
    }
    let made = make(APART_PX.x)
    // Long labels have fewer ticks.
    if (made.longest + APART_PX.between > APART_PX.x) made = make(made.longest + APART_PX.between)
    this.x = made
    const parts = made.ticks.map((tick) => (tick - x[0]) / (x[1] - x[0]))
    const room = GAP_PX.right + (1 - Math.max(0, ...parts)) * width
    this.overhang = Math.max(0, Math.ceil(made.longest / 2 + 4 - room))
    return parts
  }

  private yTicks(chart: uPlot): number[] {
    const { y, scale, threshold } = this.scene!
    const wanted = Math.max(2, Math.floor((chart.bbox.height / uPlot.pxRatio || this.size.height) / APART_PX.y))
    const ticks = scale === 'arcsinh' ? arcsinhTicks(y[0], y[1], threshold, wanted)
      : scale === 'log' ? logTicks(y[0], y[1], wanted) : linearTicks(y[0], y[1], wanted)
    this.y = { ticks, labels: labelsOf('value', ticks) }
    return ticks.map(placer(this.scene!))
  }

  private textWidth(chart: uPlot, texts: string[]): number {
    chart.ctx.font = `${AXIS_FONT_PX * uPlot.pxRatio}px ${this.style.font}`
    const lines = texts.flatMap((each) => each.split('\n'))
    const longest = lines.reduce((most, each) => (each.length > most.length ? each : most), '')
    return chart.ctx.measureText(longest).width / uPlot.pxRatio
  }

  private labelWidth(chart: uPlot, labels: string[] | null): number {
    const some = (labels ?? []).filter((each) => each)
    return some.length ? Math.ceil(this.textWidth(chart, some)) + 14 : 34
  }

  private draw(chart: uPlot): void {
    if (!this.scene) return
    const ratio = uPlot.pxRatio
    const { left, top, width, height } = chart.bbox
    if (!(width > 0) || !(height > 0)) return
    drawScene(chart.ctx, this.scene, mapping(this.scene, { left, top, width, height }, ratio), this.style)
    this.drawOffset(chart)
    this.onLayout(this.box(chart))
  }

  /** What the labels of the y-axis are to be added to, above them. */
  private drawOffset({ ctx, bbox }: uPlot): void {
    const { offset } = this.y.labels
    if (!offset) return
    ctx.font = `${AXIS_FONT_PX * uPlot.pxRatio}px ${this.style.font}`
    ctx.fillStyle = this.style.muted
    ctx.textAlign = 'left'
    ctx.textBaseline = 'bottom'
    ctx.fillText(offset, 6 * uPlot.pxRatio, bbox.top - 4 * uPlot.pxRatio)
  }

  destroy(): void {
    this.chart?.destroy()
    this.chart = null
  }
}
