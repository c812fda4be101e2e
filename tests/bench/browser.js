// A hall made of a browser: publishes camera and microphone, shows one feed over the whole page; or one of both.
"use strict";

function enter({ url, room, pin, feed, sends, name, width, height, fps }) {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const janus = new Janus({
      server: url,
      iceServers: [],
      success: () => {
        const done = () => resolve(performance.now() - began);
        if (sends) publish(janus, { room, pin, name, width, height, fps }, reject, feed ? () => {} : done);
        if (feed) subscribe(janus, { room, pin, feed }, reject, done);
      },
      error: (cause) => reject(new Error(String(cause))),
    });
  });
}

function prepare() {
  return new Promise((resolve) => {
    const dependencies = Janus.useDefaultDependencies({
      adapter: { browserDetails: { browser: "chrome", version: 120 } },
    });
    Janus.init({ debug: ["error"], dependencies, callback: resolve });
  });
}

function publish(janus, { room, pin, name, width, height, fps }, reject, sent) {
  let handle;
  janus.attach({
    plugin: "janus.plugin.videoroom",
    success: (plugin) => {
      handle = plugin;
      handle.send({ message: { request: "join", ptype: "publisher", room, pin, id: name, display: name } });
    },
    error: reject,
    webrtcState: (up) => up && sent(),
    onmessage: (message, jsep) => {
      if (message.error) return reject(new Error(message.error));
      if (jsep) handle.handleRemoteJsep({ jsep });
      if (message.videoroom !== "joined") return;
      handle.createOffer({
        tracks: [
          { type: "audio", capture: true, recv: false },
          { type: "video", capture: { width, height, frameRate: fps }, recv: false },
        ],
        success: (offer) => handle.send({ message: { request: "publish" }, jsep: offer }),
        error: reject,
      });
    },
  });
}

function subscribe(janus, { room, pin, feed }, reject, shown) {
  let handle;
  janus.attach({
    plugin: "janus.plugin.videoroom",
    success: (plugin) => {
      handle = plugin;
      handle.send({ message: { request: "join", ptype: "subscriber", room, pin, streams: [{ feed }] } });
    },
    error: reject,
    onmessage: (message, jsep) => {
      if (message.error) return reject(new Error(message.error));
      if (!jsep) return;
      handle.createAnswer({
        jsep,
        tracks: [{ type: "audio", capture: false, recv: true }, { type: "video", capture: false, recv: true }],
        success: (answer) => handle.send({ message: { request: "start", room }, jsep: answer }),
        error: reject,
      });
    },
    onremotetrack: (track, mid, on) => {
      if (!on) return;
      const element = document.createElement(track.kind);
      Object.assign(element, { autoplay: true, playsInline: true, srcObject: new MediaStream([track]) });
      document.body.append(element);
      if (track.kind !== "video") return;
      window.presented = 0;
      const count = (_, { presentedFrames }) => {
        if (!window.presented) shown();
        window.presented = presentedFrames;
        element.requestVideoFrameCallback(count);
      };
      element.requestVideoFrameCallback(count);
    },
  });
}
