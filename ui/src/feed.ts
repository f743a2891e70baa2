/**
 * One live feed for all pages of a browser, in whichever thread. It is open while any page follows.
 * Knows neither document nor window.
 */

export interface Changed {
  runs: string[]
  new: string[]
  deleted: string[]
  modified: string[]
}

export type FeedState = 'connecting' | 'open' | 'lost'

/** What a page is told: where the feed stands, or what changed; null: anything may have. */
export type Told = { state: FeedState } | { changed: Changed | null }

export type Page = (told: Told) => void

const RETRY_MS = [500, 1000, 2000, 4000, 8000]

export class Feed {
  private readonly pages = new Set<Page>()
  private source: EventSource | null = null
  private timer: ReturnType<typeof setTimeout> | null = null
  private tries = 0
  private state: FeedState = 'connecting'

  constructor(private readonly address: string) {}

  /** A page follows from now on. `anew`: someone else may have signed in, so connect once more. */
  join(page: Page, anew = false): void {
    this.pages.add(page)
    // Also where the next try is some seconds away.
    if (anew || !this.source) this.connect()
    else page({ state: this.state })
  }

  leave(page: Page): void {
    this.pages.delete(page)
    if (!this.pages.size) this.close()
  }

  private close(): void {
    this.source?.close()
    this.source = null
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }

  private tell(told: Told): void {
    for (const page of this.pages) page(told)
  }

  private turn(state: FeedState): void {
    this.state = state
    this.tell({ state })
  }

  private connect(): void {
    this.close()
    this.turn('connecting')
    const source = new EventSource(this.address)
    this.source = source
    source.onopen = () => {
      this.tries = 0
      this.turn('open')
    }
    source.addEventListener('changed', (event) => {
      let changed: Changed | null = null
      try {
        changed = JSON.parse((event as MessageEvent<string>).data) as Changed
      } catch {
        // Something has changed all the same.
      }
      this.tell({ changed })
    })
    source.onerror = () => {
      if (this.source !== source) return
      this.close()
      this.turn('lost')
      const wait = RETRY_MS[Math.min(this.tries, RETRY_MS.length - 1)]
      this.tries += 1
      this.timer = setTimeout(() => this.connect(), wait)
    }
  }
}
