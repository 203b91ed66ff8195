// The page of tokens: the time left, the check of each token in this browser, and a call that is made only if it passes.
import { checkToken, encode, issuerKeys, parse } from "./check.js";

const page = document.getElementById("token-page");
const words = JSON.parse(document.getElementById("words").textContent);
const issuer = page.dataset.issuer;
const now = () => Date.now() / 1000;

for (const part of page.querySelectorAll(".script")) part.hidden = false;

function tick() {
  for (const place of page.querySelectorAll("[data-expires]")) {
    const left = Math.floor(Number(place.dataset.expires) - now());
    place.textContent = left <= 0 ? words.expired_short : duration(left);
  }
}

function duration(seconds) {
  const parts = [
    [Math.floor(seconds / 86400), words.days],
    [Math.floor(seconds / 3600) % 24, words.hours],
    [Math.floor(seconds / 60) % 60, words.minutes],
    [seconds % 60, words.seconds],
  ];
  const first = parts.findIndex(([n]) => n > 0);
  return parts.slice(first, first + 2).map(([n, unit]) => n + unit).join(" ");
}

tick();
setInterval(tick, 1000);

// The keys are fetched for each check, not once for the page, so that a check sees a rotation.
async function check(card) {
  const result = document.getElementById(card.id + "-result");
  const list = document.getElementById(card.id + "-checks");
  say(result, words.running, "");
  if (!globalThis.crypto?.subtle) {
    say(result, words.no_crypto, "bad");
    return false;
  }
  let keys;
  try {
    keys = await issuerKeys(issuer);
  } catch {
    list.hidden = true;
    say(result, words.no_keys, "bad");
    return false;
  }
  const demand = { issuer, audiences: card.dataset.audience.split(" "), types: card.dataset.types.split(" ") };
  if (card.id === "id") demand.client = card.dataset.audience;
  const { ok, results } = await checkToken(raw(card).value.trim(), demand, keys, now());
  let why = "";
  for (const row of list.children) {
    const outcome = results[row.dataset.check];
    const place = row.querySelector("dd");
    row.className = outcome === true ? "good" : outcome === undefined ? "" : "bad";
    place.textContent = outcome === true ? words.passed : outcome === undefined ? words.not_run : words.refused + " — " + words[outcome];
    // The signature first: what an unsigned token says matters little.
    if (outcome !== undefined && outcome !== true && (!why || row.dataset.check === "signature")) why = words[outcome];
  }
  list.hidden = false;
  say(result, ok ? words.good : words.refused + " — " + why, ok ? "good" : "bad");
  return ok;
}

function say(place, text, kind) {
  place.textContent = text;
  place.className = "result " + kind;
}

const raw = (card) => document.getElementById(card.id + "-raw");

// forge puts another subject under the old signature, as an impostor would.
function forge(text) {
  try {
    const { claims } = parse(text);
    claims.sub = "somebody-else";
    const parts = text.split(".");
    parts[1] = encode(new TextEncoder().encode(JSON.stringify(claims)));
    return parts.join(".");
  } catch {
    return text + "x"; // it is no JWT; spoil it anyhow
  }
}

for (const card of page.querySelectorAll(".token")) {
  const field = raw(card);
  if (!field) continue; // the refresh token stays on the server
  const original = field.defaultValue;
  const result = document.getElementById(card.id + "-result");
  const forget = (text) => {
    say(result, text, "");
    document.getElementById(card.id + "-checks").hidden = true;
  };
  field.value = original; // browsers like to restore what was typed before a reload
  field.addEventListener("input", () => forget(""));
  card.addEventListener("click", (event) => {
    switch (event.target.dataset?.do) {
      case "check":
        check(card);
        break;
      case "tamper":
        field.value = forge(field.value.trim());
        forget(words.tampered);
        break;
      case "restore":
        field.value = original;
        forget(words.restored);
        break;
    }
  });
}

const button = document.getElementById("call");
button?.addEventListener("click", async () => {
  const result = document.getElementById("call-result");
  const answer = document.getElementById("call-answer");
  answer.hidden = true;
  button.disabled = true;
  try {
    say(result, words.running, "");
    if (!(await check(document.getElementById("access")))) {
      say(result, words.call_refused, "bad");
      return;
    }
    const response = await fetch("/api/me", { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(15000) });
    say(result, response.ok ? words.call_ok : words.call_failed, response.ok ? "good" : "bad");
    answer.textContent = JSON.stringify(await response.json(), null, 2);
    answer.hidden = false;
  } catch {
    say(result, words.call_failed, "bad");
  } finally {
    button.disabled = false;
  }
});
