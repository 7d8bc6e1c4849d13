/** What the server at the other end of a stream of its log does when it says nothing, or the same again. */
export type Judgement =
  | 'well'
  /** It has said nothing for a while: whether it is there shows when it is asked. */
  | 'ask'
  /** It was asked and does not answer: the network may have lost it without a word. */
  | 'gone'
  /** It is shutting down, and waits for us. */
  | 'ends';

/**
 * So long a server that shuts down may wait for the store on our account. Docker kills a server after ten seconds; and what is not
 * stored by then it keeps, for when it is started again.
 */
const LET_GO_MS = 5_000;
/** Who is told how far the log is stored and asks again at once, and again, has nothing more to send. */
const URGES_OF_AN_END = 3;

/** Watches the server that streams its log. All times are in milliseconds of one clock. */
export interface Peer {
  /** It sent something of its log. */
  sent(now: number): void;
  /** It sent a sign of life, and may want one. */
  alive(now: number, wantsReply: boolean): void;
  /** Nothing is read of it from now on, for there is no room; or is again. */
  unread(is: boolean, now: number): void;
  /** An ordinary session was told that the server is shutting down. */
  endsSessions(): void;
  judge(now: number): Judgement;
}

/** @param patienceMs how long a server may say nothing before it counts as gone */
export function newPeer(patienceMs: number, now: number): Peer {
  let heardAt = now;
  let askedAt: number | undefined;
  let urges = 0;
  let urgedAt = now;
  let isUnread = false;
  let hasEnded = false;
  const heard = (at: number) => {
    heardAt = at;
    askedAt = undefined;
  };
  return {
    sent: (at) => {
      heard(at);
      urges = 0;
    },
    alive: (at, wantsReply) => {
      heard(at);
      if (!wantsReply) return;
      if (urges === 0) urgedAt = at;
      urges += 1;
    },
    unread: (is, at) => {
      isUnread = is;
      heard(at);
    },
    endsSessions: () => {
      hasEnded = true;
    },
    judge: (at) => {
      // what it still has to send is not read: it would wait until there is room
      if (isUnread) return hasEnded ? 'ends' : 'well';
      if (urges >= URGES_OF_AN_END && at - urgedAt >= LET_GO_MS) return 'ends';
      if (askedAt !== undefined) return at - askedAt >= patienceMs / 2 ? 'gone' : 'well';
      if (at - heardAt < patienceMs / 2) return 'well';
      askedAt = at;
      return 'ask';
    },
  };
}
