// The stream of /live for htmx's SSE extension: one that closes while nobody looks, and comes back.
//
// A browser opens at most six connections to a server, so a hidden tab must not hold one. Whenever the stream
// opens again every topic is announced, because something may have changed meanwhile.
const LATE_MS = 2000; // a page older than this when its first stream opens is read anew, too
const SHOWN_LOST_MS = 3000;
const RETRY_MS = [1000, 2000, 5000, 10000];
const SILENT_MS = 40000; // the server says `alive` every 15 s: a cable that was pulled tells nobody

class LiveSource extends EventTarget {
  constructor(url) {
    super();
    this.url = url;
    this.readyState = EventSource.CONNECTING; // for the extension, which must not make a second one
    this.onopen = null;
    this.onerror = null;
    this.topics = new Set();
    this.opened = performance.now() > LATE_MS;
    this.failures = 0;
    this.source = null;
    this.ended = new AbortController();
    const { signal } = this.ended;
    document.addEventListener("visibilitychange", () => this.watch(), { signal });
    window.addEventListener("pagehide", () => this.pause(), { signal });
    window.addEventListener("pageshow", (event) => event.persisted && this.reconnect(), { signal });
    window.addEventListener("offline", () => this.reconnect(), { signal });
    window.addEventListener("online", () => this.reconnect(), { signal });
    this.watch();
  }

  watch() {
    if (document.hidden) {
      this.pause();
    } else {
      this.connect();
    }
  }

  addEventListener(topic, listener, options) {
    super.addEventListener(topic, listener, options);
    if (!this.topics.has(topic)) {
      this.topics.add(topic);
      this.follow(topic);
    }
  }

  follow(topic) {
    this.source?.addEventListener(topic, () => {
      this.heard();
      this.tell(topic);
    });
  }

  heard() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.reconnect(), SILENT_MS);
  }

  connect() {
    if (this.ended.signal.aborted || this.source) {
      return;
    }
    clearTimeout(this.retry);
    const source = new EventSource(this.url);
    this.source = source;
    this.heard();
    source.addEventListener("alive", () => this.heard());
    for (const topic of this.topics) {
      this.follow(topic);
    }
    source.onopen = () => {
      this.failures = 0;
      this.heard();
      clearTimeout(this.lost);
      this.lost = 0;
      shown("stale", false);
      if (this.opened) {
        this.announce();
      }
      this.opened = true;
    };
    source.onerror = () => {
      this.opened = true;
      this.miss();
      // Closed for good means the server answered something else: the log-in has ended, for instance. Whoever
      // asks for a part of the page now learns what.
      if (source.readyState === EventSource.CLOSED) {
        this.source = null;
        this.announce();
        const wait = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
        this.retry = setTimeout(() => this.watch(), wait);
      }
    };
  }

  pause() {
    clearTimeout(this.lost);
    this.lost = 0;
    this.disconnect();
  }

  disconnect() {
    clearTimeout(this.retry);
    clearTimeout(this.silence);
    this.source?.close();
    this.source = null;
  }

  // Until the stream is open (again), which it is within a moment or not at all.
  miss() {
    this.lost ||= setTimeout(() => shown("stale", true), SHOWN_LOST_MS);
  }

  reconnect() {
    this.disconnect();
    this.opened = true;
    this.watch();
    if (this.source) {
      this.miss();
    }
  }

  close() {
    this.ended.abort();
    this.pause();
  }

  announce() {
    for (const topic of this.topics) {
      this.tell(topic);
    }
  }

  tell(topic) {
    this.dispatchEvent(new MessageEvent(topic));
  }
}

function shown(id, yes) {
  const element = document.getElementById(id);
  if (element) {
    element.hidden = !yes;
  }
}

window.htmx.createEventSource = (url) => new LiveSource(url);
