// Tells an application whether the log-in in this browser is still the one that its session_state was made of
// (OpenID Connect Session Management 1.0 §3.2). It answers nobody but the origin that asks, which is a part of what is compared.
"use strict";

// What the cookie is called depends on the issuer.
const name = document.currentScript.dataset.cookie + "=";

function browserState() {
  const found = document.cookie.split("; ").find((cookie) => cookie.startsWith(name));
  return found ? found.slice(name.length) : "";
}

async function check(message, origin) {
  const parts = typeof message === "string" && /^(.+) ([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/.exec(message);
  if (!parts) {
    return "error";
  }
  const [, client, hash, salt] = parts;
  const text = new TextEncoder().encode([client, origin, browserState(), salt].join(" "));
  const sum = String.fromCharCode(...new Uint8Array(await crypto.subtle.digest("SHA-256", text)));
  const expected = btoa(sum).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return hash === expected ? "unchanged" : "changed";
}

addEventListener("message", async (event) => {
  if (!event.source || !/^https?:\/\//.test(event.origin)) {
    return; // nobody who could be answered
  }
  const answer = await check(event.data, event.origin).catch(() => "error");
  event.source.postMessage(answer, event.origin);
});
