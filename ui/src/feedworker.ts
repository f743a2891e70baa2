/** The feed in a worker that all pages of a browser share. */

import { Feed, type Page } from './feed'

/** What a page sends. All pages of one address of this file have one feed. */
export type Asks = { address: string; follow: boolean; anew: boolean }

let feed: Feed | null = null

addEventListener('connect', (event) => {
  const [port] = (event as MessageEvent).ports
  const page: Page = (told) => port.postMessage(told)
  port.onmessage = ({ data }: MessageEvent<Asks>) => {
    feed ??= new Feed(data.address)
    if (data.follow) feed.join(page, data.anew)
    else feed.leave(page)
  }
})
