// Forms that a security key answers: data-security-key="get" asks one that is there, "create" makes a new one.
// What the key is asked comes from data-options, its answer goes with the form. Before forms.js: it sends the form
// again, by itself. data-at-once: a form that is sent as soon as it is there.
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const text = (buffer) =>
  buffer &&
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function asked(options) {
  const known = (list) => list?.map((one) => ({ ...one, id: bytes(one.id) }));
  return {
    ...options,
    challenge: bytes(options.challenge),
    ...(options.user && { user: { ...options.user, id: bytes(options.user.id) } }),
    ...(options.excludeCredentials && { excludeCredentials: known(options.excludeCredentials) }),
    ...(options.allowCredentials && { allowCredentials: known(options.allowCredentials) }),
  };
}

function answered({ id, rawId, type, response, authenticatorAttachment }) {
  const fields = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const given = fields.filter((name) => response[name]).map((name) => [name, text(response[name])]);
  return { id, rawId: text(rawId), type, authenticatorAttachment, response: Object.fromEntries(given) };
}

async function answer(form) {
  const asking = await fetch(form.dataset.options, { method: "POST", body: new FormData(form) });
  if (!asking.headers.get("content-type")?.includes("json")) {
    throw new Error(""); // the log-in has ended, or the server is in trouble
  }
  const options = await asking.json();
  if (!asking.ok) {
    throw new Error(options.text);
  }
  const credential = await navigator.credentials[form.dataset.securityKey]({ publicKey: asked(options) });
  return JSON.stringify(answered(credential));
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.securityKey) {
    return;
  }
  event.preventDefault();
  const button = form.querySelector("[data-failed]");
  const said = form.querySelector("[data-said]");
  said.hidden = true;
  button.disabled = true;
  try {
    form.elements.answer.value = await answer(form);
    form.elements.password?.remove(); // it was asked for with the options, and is not needed again
    form.submit();
  } catch (error) {
    const ours = error.constructor === Error && error.message;
    said.querySelector("div").textContent = ours || button.dataset.failed;
    said.hidden = false;
    button.disabled = false;
  }
});

document.querySelector("form[data-at-once]")?.requestSubmit();
