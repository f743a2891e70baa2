/** A chart with its title, legend and notes as a picture of its own. */

export interface Legend {
  text: string
  color: string
  /** In CSS pixels, as the line is drawn. */
  dash: number[]
}

const ROWS_MAX = 24

/** Texts in as few lines as have room for them, each broken only where it is longer than a line. */
export function wrapped(parts: string[], between: string, fits: (line: string) => boolean): string[] {
  const lines: string[] = []
  let line = ''
  for (const part of parts) {
    const longer = line ? line + between + part : part
    if (line && !fits(longer)) {
      lines.push(line)
      line = part
    } else line = longer
    while (line.length > 1 && !fits(line)) {
      let end = line.length - 1
      while (end > 1 && !fits(line.slice(0, end))) end -= 1
      lines.push(line.slice(0, end))
      line = line.slice(end)
    }
  }
  return line ? [...lines, line] : lines
}

export function picture(
  source: HTMLCanvasElement, ratio: number, title: string, labels: Legend[], notes: string[],
  colors: { paper: string; text: string; muted: string; font: string },
): Promise<Blob | null> {
  const pad = 16 * ratio
  const rows = labels.slice(0, ROWS_MAX)
  const canvas = document.createElement('canvas')
  const context = canvas.getContext('2d')!
  const fits = (room: number) => (line: string) => context.measureText(line).width <= room
  const fonts = { title: `600 ${15 * ratio}px ${colors.font}`, text: `${12 * ratio}px ${colors.font}` }
  context.font = fonts.title
  const heads = wrapped([title], '', fits(source.width))
  context.font = fonts.text
  const more = labels.length - rows.length
  const texts = rows.map(({ text }) => wrapped([text], '', fits(source.width - 30 * ratio)))
  const feet = wrapped(more > 0 ? [...notes, `${more} more lines`] : notes, ' · ', fits(source.width))
  const lines = texts.reduce((sum, each) => sum + each.length, 0) + feet.length
  canvas.width = source.width + 2 * pad
  canvas.height = source.height + (24 * heads.length + 16 + 18 * lines) * ratio + 2 * pad
  context.fillStyle = colors.paper
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.textBaseline = 'top'
  let y = pad
  const write = (written: string[], left: number, height: number) => {
    for (const each of written) {
      context.fillText(each, left, y)
      y += height * ratio
    }
  }
  context.fillStyle = colors.text
  context.font = fonts.title
  write(heads, pad, 24)
  context.drawImage(source, pad, y)
  y += source.height + 8 * ratio
  context.font = fonts.text
  context.lineWidth = 3 * ratio
  rows.forEach(({ color, dash }, index) => {
    context.strokeStyle = color
    context.setLineDash(dash.map((part) => part * ratio))
    context.beginPath()
    context.moveTo(pad, y + 7 * ratio)
    context.lineTo(pad + 22 * ratio, y + 7 * ratio)
    context.stroke()
    context.setLineDash([])
    context.fillStyle = colors.text
    write(texts[index], pad + 30 * ratio, 18)
  })
  context.fillStyle = colors.muted
  write(feet, pad, 18)
  return new Promise((done) => canvas.toBlob(done, 'image/png'))
}
