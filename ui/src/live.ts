/**
 * The live feed. It is closed while the page cannot be seen: browsers keep six connections a server,
 * and a sixth tab would wait for ever.
 */

export interface Changed {
  runs: string[]
  new: string[]
  deleted: string[]
  modified: string[]
}

export type LiveState = 'connecting' | 'open' | 'lost' | 'paused'

const RETRY_MS = [500, 1000, 2000, 4000, 8000]

export class Live {
  private source: EventSource | null = null
  private timer: ReturnType<typeof setTimeout> | null = null
  private tries = 0
  private paused = false
  private readonly seen = () => this.follow()

  constructor(
    private readonly address: string,
    private readonly onChanged: (changed: Changed | null) => void,
    private readonly onState: (state: LiveState) => void,
  ) {}

  start(): void {
    document.addEventListener('visibilitychange', this.seen)
    this.follow()
  }

  stop(): void {
    document.removeEventListener('visibilitychange', this.seen)
    this.close()
  }

  pause(paused: boolean): void {
    this.paused = paused
    this.follow()
  }

  private close(): void {
    this.source?.close()
    this.source = null
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }

  private follow(): void {
    this.close()
    if (this.paused) {
      this.onState('paused')
      return
    }
    if (document.hidden) return
    this.onState('connecting')
    const source = new EventSource(this.address)
    this.source = source
    source.onopen = () => {
      this.tries = 0
      this.onState('open')
      // What came while there was no connection.
      this.onChanged(null)
    }
    source.addEventListener('changed', (event) => {
      try {
        this.onChanged(JSON.parse((event as MessageEvent<string>).data) as Changed)
      } catch {
        this.onChanged(null)
      }
    })
    source.onerror = () => {
      if (this.source !== source) return
      this.close()
      this.onState('lost')
      const wait = RETRY_MS[Math.min(this.tries, RETRY_MS.length - 1)]
      this.tries += 1
      this.timer = setTimeout(() => this.follow(), wait)
    }
  }
}
