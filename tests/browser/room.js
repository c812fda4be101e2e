// A plain participant of a room: joins with what `diemcau meeting join-info` says, subscribes to every
// feed, and lets the test read what arrives. Built on the janus-gateway library, nothing of ours.
"use strict";

const feeds = new Map(); // feed id → {video, frames, analyser, sink}
const audio = new AudioContext({ sampleRate: 48000 });
let janus, subscribed;

function enter({ url, room, pin }) {
  return new Promise((resolve, reject) => {
    const dependencies = Janus.useDefaultDependencies({
      adapter: { browserDetails: { browser: "chrome", version: 120 } },
    });
    Janus.init({
      debug: ["warn", "error"],
      dependencies,
      callback: () => {
        janus = new Janus({
          server: url,
          iceServers: [], // nobody is asked for our address
          success: () => watch(room, pin, resolve, reject),
          error: (cause) => reject(new Error(String(cause))),
        });
      },
    });
  });
}

function watch(room, pin, resolve, reject) {
  let handle;
  janus.attach({
    plugin: "janus.plugin.videoroom",
    success: (plugin) => {
      handle = plugin;
      handle.send({ message: { request: "join", ptype: "publisher", room, pin, display: "chromium" } });
    },
    error: reject,
    onmessage: (message) => {
      if (message.error) return reject(new Error(message.error));
      for (const publisher of message.publishers ?? []) subscribe(room, pin, publisher.id);
      if (message.videoroom === "joined") resolve(message.publishers.map((publisher) => publisher.id));
    },
  });
}

function subscribe(room, pin, feed) {
  let handle;
  const seen = { frames: 0, video: null, analyser: null };
  feeds.set(feed, seen);
  janus.attach({
    plugin: "janus.plugin.videoroom",
    success: (plugin) => {
      handle = plugin;
      handle.send({ message: { request: "join", ptype: "subscriber", room, pin, streams: [{ feed }] } });
    },
    onmessage: (message, jsep) => {
      if (!jsep) return;
      handle.createAnswer({
        jsep,
        tracks: [{ type: "audio", capture: false, recv: true }, { type: "video", capture: false, recv: true }],
        success: (answer) => handle.send({ message: { request: "start", room }, jsep: answer }),
      });
    },
    onremotetrack: (track, mid, on) => {
      if (on) (track.kind === "video" ? show : listen)(seen, new MediaStream([track]));
    },
  });
}

function show(seen, stream) {
  const video = document.createElement("video");
  Object.assign(video, { muted: true, autoplay: true, playsInline: true, srcObject: stream });
  document.body.append(video);
  seen.video = video;
  const count = (_, { presentedFrames }) => {
    seen.frames = presentedFrames; // not one a call: calls are left out when the page is busy
    video.requestVideoFrameCallback(count);
  };
  video.requestVideoFrameCallback(count);
}

function listen(seen, stream) {
  const sink = document.createElement("audio"); // Chromium feeds WebAudio only from a stream that is played
  Object.assign(sink, { muted: true, autoplay: true, srcObject: stream });
  seen.sink = sink;
  seen.analyser = audio.createAnalyser();
  seen.analyser.fftSize = 32768;
  audio.createMediaStreamSource(stream).connect(seen.analyser);
}

// What the test reads.
const framesOf = (wanted) => {
  const at = performance.now() / 1000;
  return Object.fromEntries(wanted.map((feed) => [feed, { frames: feeds.get(feed)?.frames ?? 0, at }]));
};
const known = () => [...feeds.keys()];

function pictureOf(feed) {
  const video = feeds.get(feed)?.video;
  if (!video?.videoWidth) return null;
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  return canvas.toDataURL("image/png");
}

function soundOf(feed) {
  const analyser = feeds.get(feed)?.analyser;
  if (!analyser) return "";
  const samples = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(samples);
  return base64(new Uint8Array(samples.buffer));
}

function base64(bytes) {
  let letters = "";
  for (const byte of bytes) letters += String.fromCharCode(byte);
  return btoa(letters);
}
