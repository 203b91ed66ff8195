// Small comforts of every page, which works without them.

// Tells the server this browser's time zone, to show times in it.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.split("; ").includes("demo-zone=" + zone)) {
  document.cookie = "demo-zone=" + zone + "; path=/; max-age=31536000; samesite=lax" + (location.protocol === "https:" ? "; secure" : "");
}
const clock = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
for (const time of document.querySelectorAll("time[data-here]")) {
  time.textContent = clock.format(new Date(time.dateTime));
}

// Counters show how much of a text fits, in characters as the services count them.
for (const field of document.querySelectorAll("[data-count]")) {
  const most = Number(field.getAttribute("maxlength"));
  const counter = document.createElement("p");
  counter.className = "counter";
  counter.id = field.id + "-count";
  const words = document.body.dataset.counter;
  const count = () => {
    const length = [...field.value.normalize("NFC").replaceAll("\r\n", "\n").trim()].length;
    counter.textContent = words.replace("%d", length.toLocaleString(document.documentElement.lang)).replace("%d", most.toLocaleString(document.documentElement.lang));
    counter.classList.toggle("over", length > most);
  };
  field.after(counter);
  field.setAttribute("aria-describedby", ((field.getAttribute("aria-describedby") ?? "") + " " + counter.id).trim());
  field.addEventListener("input", count);
  count();
}
