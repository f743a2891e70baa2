/**
 * What changes, as it happens. All pages of a browser share one connection, in a worker: browsers
 * keep six connections a server over HTTP/1.1, and with one a page the seventh page would wait for
 * ever. A page that cannot be seen does not follow.
 */

import { Feed, type Changed, type FeedState, type Page } from './feed'
import type { Asks } from './feedworker'

export type { Changed } from './feed'
export type LiveState = FeedState | 'paused'

interface Link {
  follow(follow: boolean, anew: boolean): void
}

export class Live {
  private link: Link | null = null
  private state: FeedState | null = null
  private following = false
  private paused = false
  private away = false
  private readonly seen = () => this.follow()
  private readonly left = () => this.go(true)
  private readonly back = () => this.go(false)

  constructor(
    private readonly address: string,
    private readonly onChanged: (changed: Changed | null) => void,
    private readonly onState: (state: LiveState) => void,
  ) {}

  /** Follow. `anew`: with the session that there is now. */
  start(anew = false): void {
    document.addEventListener('visibilitychange', this.seen)
    // A worker is not told when a page is closed, or kept for Back.
    addEventListener('pagehide', this.left)
    addEventListener('pageshow', this.back)
    this.link ??= linkTo(this.address, this.take)
    this.follow(anew)
  }

  stop(): void {
    document.removeEventListener('visibilitychange', this.seen)
    removeEventListener('pagehide', this.left)
    removeEventListener('pageshow', this.back)
    this.ask(false)
  }

  pause(paused: boolean): void {
    this.paused = paused
    this.follow()
  }

  private go(away: boolean): void {
    this.away = away
    this.follow()
  }

  private follow(anew = false): void {
    this.ask(!this.paused && !this.away && !document.hidden, anew)
    if (this.paused) this.onState('paused')
  }

  private ask(follow: boolean, anew = false): void {
    if (follow === this.following && !anew) return
    this.following = follow
    this.state = null
    this.link?.follow(follow, anew)
  }

  private readonly take: Page = (told) => {
    // What was on its way when the page stopped following.
    if (!this.following) return
    if ('changed' in told) {
      this.onChanged(told.changed)
      return
    }
    if (told.state === this.state) return
    this.state = told.state
    this.onState(told.state)
    // What came while there was no connection.
    if (told.state === 'open') this.onChanged(null)
  }
}

/** The feed of the worker; one of this page alone where there are no such workers. */
function linkTo(address: string, page: Page): Link {
  if (typeof SharedWorker === 'undefined') return alone(address, page)
  let asked: Asks | null = null
  let instead: Link | null = null
  const shared = new SharedWorker(new URL('./feedworker.ts', import.meta.url), { type: 'module' })
  shared.port.onmessage = ({ data }: MessageEvent<Parameters<Page>[0]>) => page(data)
  // Its file could not be had: the server may have another version by now.
  shared.onerror = () => {
    instead = alone(address, page)
    if (asked) instead.follow(asked.follow, false)
  }
  return {
    follow(follow, anew) {
      asked = { address, follow, anew }
      if (instead) instead.follow(follow, anew)
      else shared.port.postMessage(asked)
    },
  }
}

function alone(address: string, page: Page): Link {
  const feed = new Feed(address)
  return { follow: (follow, anew) => (follow ? feed.join(page, anew) : feed.leave(page)) }
}
