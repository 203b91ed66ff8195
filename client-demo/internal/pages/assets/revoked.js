// The page of a revoked token: brings it up to date, in place, until the services have refused the token or the time is over.
const parts = ["revoked-title", ...[...document.querySelectorAll("#watch [id]")].map((e) => e.id)];

async function update() {
  const response = await fetch(location.href, { signal: AbortSignal.timeout(5000) });
  const next = new DOMParser().parseFromString(await response.text(), "text/html");
  if (!response.ok || response.redirected || !next.getElementById("watch")) return location.reload(); // it says something else now
  for (const id of parts) {
    const [place, news] = [document.getElementById(id), next.getElementById(id)];
    if (place.className !== news.className) place.className = news.className;
    if (place.textContent !== news.textContent) place.textContent = news.textContent; // else it would be read out again
  }
  document.title = next.title;
  if (next.querySelector("#watch[data-waiting]")) setTimeout(tick, 300);
  else document.getElementById("watch").removeAttribute("data-waiting");
}

const tick = () => update().catch(() => setTimeout(tick, 2000));

setTimeout(tick, 300);
